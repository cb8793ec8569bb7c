// SPDX-License-Identifier: Apache-2.0
#include "codec/trellis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "codec/trellis_step.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

constexpr int kLanes = kTrellisLanes;
// Symbols of a block that one lane decides; and how many more it sees on either side, a quarter of them if that is no
// more: ways from all states meet before so many, at low qualities later than at high ones.
constexpr int kLeastOfLane = 256, kMostOfLane = 4096, kMostBeside = 256;
constexpr int kMostSteps = kMostOfLane + 2 * kMostBeside;
constexpr int kChunkSize = kTrellisRow, kChunk = kChunkSize / kLanes;  // residuals, steps

// Costs are integers, in 1/32 of a bit, beyond the least of four branches, so that sums of 8 more than a state's bits
// of them stay below 2^15 (kRenewed).
constexpr float kUnitsPerBit = 32, kMostBits = 63;
constexpr int16_t kUnreached = 16384;
constexpr int kRenewed = 8;
constexpr int kCostRow = TrellisSearch::kLargest + 3;

constexpr float kStep = 2 * kLevelSixteenths / 16.0f;

/// The least magnitude of quantiser 1 but 0, and by how much its levels are closer to 0 than those of quantiser 0.
constexpr float ShiftOf(int quantiser) { return quantiser == 0 ? 0.0f : kStep / 2; }

/// The magnitude that is the nearest to a residual, of quantiser 1 not 0 unless it is nearer than 3/4, and where its
/// costs stand. Levels are 3/4 of a step apart; quantiser 0 has 0, 1.5, 3, ..., quantiser 1 has 0, 0.75, 2.25, ...
/// marks: tables, perhaps with kAtSide
LICHEN_VECTORISED_FINITE
void Nearest(const float* __restrict exact, const int32_t* __restrict marks, int count, int quantiser,
             int32_t* __restrict middle, int32_t* __restrict costs_at) {
  constexpr int kLargest = TrellisSearch::kLargest;
  const float shift = ShiftOf(quantiser);
  const int32_t first = quantiser * TrellisSearch::kTables * kCostRow;
  for (int i = 0; i < count; ++i) {
    const float a = exact[i] < 0 ? -exact[i] : exact[i];
    const auto nearest = static_cast<int32_t>((a + shift) * (1 / kStep) + 0.5f);
    const int32_t k = a < shift * 0.5f ? 0 : nearest;
    middle[i] = k;
    costs_at[i] = first + (marks[i] & (TrellisSearch::kTables - 1)) * kCostRow + (k < kLargest + 1 ? k : kLargest + 1);
  }
}

LICHEN_NOT_VECTORISED
void LookUp(const uint32_t* __restrict costs, const int32_t* __restrict costs_at, int count, uint32_t* __restrict below,
            uint32_t* __restrict above) {
  for (int i = 0; i < count; ++i) {
    below[i] = costs[costs_at[i]];
    above[i] = costs[costs_at[i] + 1];
  }
}

/// What the symbols that are worth a thought cost, of one quantiser: of the nearest and the two beside it the best even
/// and the best odd one. costs_below, costs_above: TrellisSearch's, of the nearest and the one after it
LICHEN_VECTORISED_FINITE
void Branches(const float* __restrict exact, const int32_t* __restrict marks, const int32_t* __restrict nearest,
              const uint32_t* __restrict costs_below, const uint32_t* __restrict costs_above, int count, float weight,
              float weight_at_sides, int quantiser, float* __restrict even, float* __restrict odd,
              int32_t* __restrict even_symbol, int32_t* __restrict odd_symbol) {
  constexpr float kBit = 1 / kUnitsPerBit;
  const float shift = ShiftOf(quantiser);
  for (int i = 0; i < count; ++i) {
    const float a = exact[i] < 0 ? -exact[i] : exact[i];
    const float w = marks[i] >= TrellisSearch::kAtSide ? weight_at_sides : weight;
    const int32_t middle = nearest[i];
    const int32_t lower = middle > 0 ? middle - 1 : 1, upper = middle + 1;
    const auto below = static_cast<int32_t>(costs_below[i]), above = static_cast<int32_t>(costs_above[i]);
    const float at = static_cast<float>(middle) * kStep - shift;
    const float e_middle = a - (middle > 0 ? at : 0.0f);
    const float e_lower = a - (middle > 1 ? at - kStep : middle > 0 ? 0.0f : kStep - shift);
    const float e_upper = a - (at + kStep);
    const float c_middle = w * e_middle * e_middle + static_cast<float>(below >> 16) * kBit;
    const float c_lower = w * e_lower * e_lower + static_cast<float>(below & 0xffff) * kBit;
    const float c_upper = w * e_upper * e_upper + static_cast<float>(above >> 16) * kBit;
    const float c_other = c_lower <= c_upper ? c_lower : c_upper;
    const int32_t other = c_lower <= c_upper ? lower : upper;
    const bool is_odd = (middle & 1) != 0;
    even[i] = is_odd ? c_other : c_middle;
    odd[i] = is_odd ? c_middle : c_other;
    even_symbol[i] = is_odd ? other : middle;
    odd_symbol[i] = is_odd ? middle : other;
  }
}

/// Costs beyond the least of the four, as integers, and symbols with their signs. All by quantiser and parity.
LICHEN_VECTORISED_FINITE
void Limit(const float* __restrict exact, const float (*__restrict costs)[kChunkSize],
           const int32_t (*__restrict symbols)[kChunkSize], int16_t* __restrict branches,
           int16_t* __restrict candidates) {
  float least[kChunkSize];
  for (int i = 0; i < kChunkSize; ++i) {
    const float c0 = costs[0][i], c1 = costs[1][i], c2 = costs[2][i], c3 = costs[3][i];
    const float of_0 = c0 < c1 ? c0 : c1, of_1 = c2 < c3 ? c2 : c3;
    least[i] = of_0 < of_1 ? of_0 : of_1;
  }
  for (int b = 0; b < 4; ++b) {
    for (int i = 0; i < kChunkSize; ++i) {
      const float more = costs[b][i] - least[i], limited = more < kMostBits ? more : kMostBits;
      branches[b * kChunkSize + i] = static_cast<int16_t>(static_cast<int32_t>(limited * kUnitsPerBit + 0.5f));
    }
    for (int i = 0; i < kChunkSize; ++i) {
      const int32_t symbol = symbols[b][i];
      candidates[b * kChunkSize + i] = static_cast<int16_t>(exact[i] < 0 ? -symbol : symbol);
    }
  }
}

/// Costs relative to those of the first state.
LICHEN_VECTORISED
void Renew(int states, TrellisCosts* costs) {
  int16_t least[kLanes];
  std::memcpy(least, costs, sizeof(least));
  int16_t* of_state = reinterpret_cast<int16_t*>(costs);
  for (int s = 0; s < states; ++s, of_state += kLanes) {
    for (int i = 0; i < kLanes; ++i) of_state[i] = static_cast<int16_t>(of_state[i] - least[i]);
  }
}

/// Where the symbols of a branch stand, [lane]. branch: 2 * quantiser + parity
constexpr size_t CandidateOf(int step, int branch) {
  return (static_cast<size_t>(step) / kChunk * 4 + branch) * kChunkSize + static_cast<size_t>(step) % kChunk * kLanes;
}

/// From the states after step `end` back to those before `begin`, all lanes side by side. A state's best predecessor
/// has the last symbol's parity for `odd`, and the quantiser that the state's highest bit tells.
/// order        of the states
/// states       [lane]
/// flips        bits that differ from twice the state, by the parity and by the quantiser
/// odd          [step][states], a bit a lane; candidates: [chunk][quantiser][parity][step][lane]
/// symbols, before: [step][lane], and the states before them
LICHEN_VECTORISED
void Backward(int bits, const uint16_t* flips, TrellisOrder order, int begin, int end, const uint16_t* __restrict odd,
              const int16_t* __restrict candidates, uint16_t* __restrict states, int16_t* __restrict symbols,
              uint8_t* __restrict before) {
  const auto mask = static_cast<uint16_t>((1 << bits) - 1), of_odd = flips[0], of_upper = flips[1];
  const auto bit = static_cast<uint16_t>(order.bit), flip = static_cast<uint16_t>(order.flip);
  for (int step = end; step-- > begin;) {
    const uint16_t* bits_of_step = odd + (static_cast<size_t>(step) << bits);
    const int16_t* candidate = candidates + CandidateOf(step, 0);
    uint16_t places[kLanes], words[kLanes];
    for (int i = 0; i < kLanes; ++i) {  // TrellisOrder::Place
      const auto differ = static_cast<uint16_t>((states[i] >> bit ^ states[i]) & 1);
      const auto exchanged = static_cast<uint16_t>(states[i] ^ differ ^ differ << bit);
      places[i] = static_cast<uint16_t>(exchanged ^ (-(exchanged & 1) & flip));
    }
    for (int i = 0; i < kLanes; ++i) words[i] = bits_of_step[places[i]];
    for (int i = 0; i < kLanes; ++i) {
      const auto is_odd = static_cast<uint16_t>(-(words[i] >> i & 1));
      const auto is_upper = static_cast<uint16_t>(-(states[i] >> (bits - 1)));
      const auto lower = static_cast<int16_t>(is_odd ? candidate[kChunkSize + i] : candidate[i]);
      const auto upper = static_cast<int16_t>(is_odd ? candidate[3 * kChunkSize + i] : candidate[2 * kChunkSize + i]);
      symbols[step * kLanes + i] = is_upper ? upper : lower;
      states[i] = static_cast<uint16_t>((states[i] * 2 & mask) ^ (is_odd & of_odd) ^ (is_upper & of_upper));
      before[step * kLanes + i] = static_cast<uint8_t>(states[i]);
    }
  }
}

constexpr int RoundedUp(int value, int unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

TrellisCode::TrellisCode(int bits) : next_(size_t{2} << bits), before_(size_t{2} << bits) {
  const uint32_t states = 1u << bits;
  for (uint32_t state = 0; state < states; ++state) {
    for (uint32_t parity = 0; parity < 2; ++parity) {
      const uint32_t next = TrellisNext(bits, state, parity);
      next_[2 * state + parity] = static_cast<uint8_t>(next);
      before_[2 * next + parity] = static_cast<uint8_t>(state);
    }
  }
}

TrellisSearch::TrellisSearch(int bits, std::vector<float> cost, double weight, double at_sides, Sharing sharing)
    : bits_(bits),
      code_(bits),
      order_(bits),
      step_(FastestTrellisStep(bits)),
      sharing_(std::move(sharing)),
      costs_(2 * kTables * kCostRow),
      at_sides_(at_sides) {
  const auto states = static_cast<uint32_t>(code_.states());
  flips_ = {static_cast<uint16_t>(code_.Before(0, 1)), static_cast<uint16_t>(code_.Before(states / 2, 0))};
  for (int row = 0; row < 2 * kTables; ++row) {
    const auto units = [&](int magnitude) {
      const float bits_of_it = std::min(cost[row * (kLargest + 1) + std::min(magnitude, kLargest)], 1023.0f);
      return static_cast<uint32_t>(std::max(bits_of_it, 0.0f) * kUnitsPerBit + 0.5f);
    };
    for (int k = 0; k < kCostRow; ++k) costs_[row * kCostRow + k] = units(k) << 16 | units(k > 0 ? k - 1 : 1);
  }
  SetWeight(weight);
}

void TrellisSearch::Run(const float* exact, uint8_t* table, size_t count, uint32_t* state, int16_t* symbols) {
  Rest rest = {exact, table, static_cast<int64_t>(count)};
  while (rest.count > 0) {
    const Block block = BlockOf(rest.count);
    const int parts = block.lanes / kLanes;
    sharing_.ForEach(parts, [&](int, int i) { Search(rest, block, i, *state, parts_[i]); });
    Join(block);
    sharing_.ForEach(parts, [&](int, int i) { Write(rest, block, i, parts_[i], symbols); });
    *state = parts_[block.last / kLanes].last_state;
    rest = {rest.exact + block.decided, rest.table + block.decided, rest.count - block.decided};
    symbols += block.decided;
  }
}

uint64_t TrellisSearch::Memory(int bits) {
  constexpr uint64_t kCosts = uint64_t{2} * kTables * kCostRow * sizeof(uint32_t);
  constexpr uint64_t kOfLane = 5 * sizeof(int16_t) + sizeof(uint8_t);  // candidates, the one of them, the state
  return 2 * uint64_t{kMostSteps} * (kLanes * kOfLane + (sizeof(uint16_t) << bits)) + kCosts;
}

TrellisSearch::Block TrellisSearch::BlockOf(int64_t count) {
  Block block{};
  block.lanes = count > kLanes * kMostOfLane ? 2 * kLanes : kLanes;
  const int64_t share = (count + block.lanes - 1) / block.lanes;
  block.of_lane = RoundedUp(static_cast<int>(std::clamp<int64_t>(share, kLeastOfLane, kMostOfLane)), kRenewed);
  block.beside = RoundedUp(std::min(block.of_lane / 4, kMostBeside), kChunk);
  block.steps = RoundedUp(block.of_lane + 2 * block.beside, kChunk);
  block.decided = std::min<int64_t>(count, int64_t{block.of_lane} * block.lanes);
  block.last = static_cast<int>((block.decided - 1) / block.of_lane);
  block.end_of_last = block.beside + static_cast<int>(block.decided - int64_t{block.last} * block.of_lane);
  return block;
}

/// Costs and symbols of the branches of a chunk, whose first residual in lane 0 is number `first`, in the next lane
/// `of_lane` later.
void TrellisSearch::MakeBranches(const Rest& rest, int64_t first, int of_lane, int16_t* branches,
                                 int16_t* candidates) const {
  const auto for_lanes_with_unknown = [&](const auto& work) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const int64_t begin = first + int64_t{lane} * of_lane;
      if (begin >= 0 && begin + kChunk <= rest.count) continue;
      for (int i = 0; i < kChunk; ++i) {
        if (begin + i < 0 || begin + i >= rest.count) work(i * kLanes + lane);
      }
    }
  };
  float exact_of_lanes[kChunkSize], cost[4][kChunkSize];
  int32_t mark_of_lanes[kChunkSize], symbol[4][kChunkSize];
  int32_t nearest[kChunkSize], costs_at[kChunkSize];
  uint32_t below[kChunkSize], above[kChunkSize];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int64_t begin = first + int64_t{lane} * of_lane;
    const int from = static_cast<int>(std::clamp<int64_t>(-begin, 0, kChunk));
    const int to = static_cast<int>(std::clamp<int64_t>(rest.count - begin, from, kChunk));
    for (int i = from; i < to; ++i) {
      exact_of_lanes[i * kLanes + lane] = rest.exact[begin + i];
      mark_of_lanes[i * kLanes + lane] = rest.table[begin + i];
    }
  }
  for_lanes_with_unknown([&](int i) { exact_of_lanes[i] = 0, mark_of_lanes[i] = 0; });
  for (int q = 0; q < 2; ++q) {
    Nearest(exact_of_lanes, mark_of_lanes, kChunkSize, q, nearest, costs_at);
    LookUp(costs_.data(), costs_at, kChunkSize, below, above);
    Branches(exact_of_lanes, mark_of_lanes, nearest, below, above, kChunkSize, weight_, weight_at_sides_, q,
             cost[2 * q], cost[2 * q + 1], symbol[2 * q], symbol[2 * q + 1]);
  }
  Limit(exact_of_lanes, cost, symbol, branches, candidates);
  // Nothing is behind the end, or before the beginning: any way is free.
  for_lanes_with_unknown([&](int i) {
    for (int b = 0; b < 4; ++b) branches[b * kChunkSize + i] = 0;
  });
}

/// The best ways of part `number` of a block, before which the machine is in `first_state`.
void TrellisSearch::Search(const Rest& rest, const Block& block, int number, uint32_t first_state, Part& part) const {
  const int states = code_.states();
  const int64_t first = int64_t{number} * kLanes * block.of_lane - block.beside;
  int16_t* candidates = part.candidates.Reserve(static_cast<size_t>(block.steps) * 4 * kLanes);
  uint16_t* odd = part.odd.Reserve(static_cast<size_t>(block.steps) * states);
  alignas(64) TrellisCosts costs[2][1 << kMostTrellisBits];
  for (int s = 0; s < states; ++s) costs[0][s] = TrellisCosts{};
  int16_t branches[4 * kChunkSize];
  for (int at = 0; at < block.steps;) {
    // The first lane begins where its state is known.
    if (number == 0 && at == block.beside) {
      for (int s = 0; s < states; ++s) costs[0][s][0] = kUnreached;
      costs[0][order_.Place(first_state)][0] = 0;
    }
    MakeBranches(rest, first + at, block.of_lane, branches, candidates + CandidateOf(at, 0));
    for (int i = 0; i < kChunk; ++i, ++at) {
      step_(branches + i * kLanes, costs[i % 2], costs[1 - i % 2], odd + static_cast<size_t>(at) * states);
      if (i % kRenewed == kRenewed - 1) Renew(states, costs[1 - i % 2]);
    }
  }

  // Back from the best states, all lanes side by side.
  int16_t* chosen = part.chosen.Reserve(static_cast<size_t>(block.steps) * kLanes);
  uint8_t* before = part.before.Reserve(static_cast<size_t>(block.steps) * kLanes);
  std::array<uint16_t, kLanes> now{};
  for (int lane = 0; lane < kLanes; ++lane) {
    int16_t least = costs[0][order_.Place(0)][lane];
    for (int s = 1; s < states; ++s) {
      const int16_t cost = costs[0][order_.Place(static_cast<uint32_t>(s))][lane];
      if (cost < least) least = cost, now[lane] = static_cast<uint16_t>(s);
    }
  }
  const auto back = [&](int from, int to) {
    Backward(bits_, flips_.data(), order_, to, from, odd, candidates, now.data(), chosen, before);
  };
  const int end = block.beside + block.of_lane;
  back(block.steps, end);
  part.at_end = now;
  back(end, block.end_of_last);
  part.last_state = now[block.last % kLanes];
  back(block.end_of_last, block.beside);
  part.at_begin = now;
}

/// Where a lane did not foresee where the next one begins, it ends there after all.
void TrellisSearch::Join(const Block& block) {
  for (int i = block.last; i-- > 0;) {
    Part& part = parts_[i / kLanes];
    const uint16_t next = parts_[(i + 1) / kLanes].at_begin[(i + 1) % kLanes];
    if (part.at_end[i % kLanes] != next) Redo(block, part, i % kLanes, next);
  }
}

/// The best way of one lane to the state that it ends in, up to where it meets the one that was found before.
void TrellisSearch::Redo(const Block& block, Part& part, int lane, uint32_t state) const {
  for (int step = block.beside + block.of_lane; step-- > block.beside;) {
    const size_t place = static_cast<size_t>(step) * code_.states() + order_.Place(state);
    const uint32_t parity = part.odd.data()[place] >> lane & 1;
    state = code_.Before(state, parity);
    const int branch = 2 * TrellisCode::Quantiser(state) + static_cast<int>(parity);
    part.chosen.data()[step * kLanes + lane] = part.candidates.data()[CandidateOf(step, branch) + lane];
    uint8_t& before = part.before.data()[step * kLanes + lane];
    if (before == state) return;
    before = static_cast<uint8_t>(state);
  }
  part.at_begin[lane] = static_cast<uint16_t>(state);
}

/// What part `number` of a block decides, in its order.
void TrellisSearch::Write(const Rest& rest, const Block& block, int number, const Part& part, int16_t* symbols) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const int64_t first = (int64_t{number} * kLanes + lane) * block.of_lane;
    const auto count = static_cast<int>(std::min<int64_t>(block.decided - first, block.of_lane));
    const int16_t* chosen = part.chosen.data() + block.beside * kLanes + lane;
    const uint8_t* before = part.before.data() + block.beside * kLanes + lane;
    for (int i = 0; i < count; ++i) {
      const int quantiser = TrellisCode::Quantiser(before[i * kLanes]);
      symbols[first + i] = chosen[i * kLanes];
      rest.table[first + i] = static_cast<uint8_t>(quantiser * kTables + rest.table[first + i] % kTables);
    }
  }
}

}  // namespace lichen
