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
/// symbols, quantisers: [step][lane]
LICHEN_VECTORISED
void Backward(int bits, const uint16_t* flips, TrellisOrder order, int begin, int end, const uint16_t* __restrict odd,
              const int16_t* __restrict candidates, uint16_t* __restrict states, int16_t* __restrict symbols,
              uint8_t* __restrict quantisers) {
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
      quantisers[step * kLanes + i] = static_cast<uint8_t>(is_upper & 1);
      states[i] = static_cast<uint16_t>((states[i] * 2 & mask) ^ (is_odd & of_odd) ^ (is_upper & of_upper));
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

TrellisSearch::TrellisSearch(int bits, std::vector<float> cost, double weight, double at_sides)
    : bits_(bits),
      code_(bits),
      order_(bits),
      step_(FastestTrellisStep(bits)),
      costs_(2 * kTables * kCostRow),
      at_sides_(at_sides) {
  const auto states = static_cast<uint32_t>(code_.states());
  flips_ = {static_cast<uint16_t>(code_.Before(0, 1)), static_cast<uint16_t>(code_.Before(states / 2, 0))};
  for (int row = 0; row < 2 * kTables; ++row) {
    const auto units = [&](int magnitude) {
      const float bits_of_it = std::min(cost[row * (kLargest + 1) + std::min(magnitude, kLargest)], 2047.0f);
      return static_cast<uint32_t>(std::max(bits_of_it, 0.0f) * kUnitsPerBit + 0.5f);
    };
    for (int k = 0; k < kCostRow; ++k) costs_[row * kCostRow + k] = units(k) << 16 | units(k > 0 ? k - 1 : 1);
  }
  SetWeight(weight);
}

void TrellisSearch::Run(const float* exact, uint8_t* table, size_t count, uint32_t* state, int16_t* symbols) {
  for (size_t done = 0; done < count;) {
    done += RunBlock(exact + done, table + done, count - done, state, symbols + done);
  }
}

uint64_t TrellisSearch::Memory(int bits) {
  constexpr uint64_t kCosts = uint64_t{2} * kTables * kCostRow * sizeof(uint32_t);
  constexpr uint64_t kOfLane = 5 * sizeof(int16_t) + sizeof(uint8_t);  // candidates, the one of them, its quantiser
  return uint64_t{kMostSteps} * (kLanes * kOfLane + (sizeof(uint16_t) << bits)) + kCosts;
}

/// Costs and symbols of the branches of a chunk, whose first residual in lane 0 is number `first`, in the next lane
/// `of_lane` later.
void TrellisSearch::MakeBranches(const float* exact, const uint8_t* table, size_t count, int64_t first, int of_lane,
                                 int16_t* branches, int16_t* candidates) const {
  const auto known = static_cast<int64_t>(count);
  const auto for_lanes_with_unknown = [&](const auto& work) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const int64_t begin = first + int64_t{lane} * of_lane;
      if (begin >= 0 && begin + kChunk <= known) continue;
      for (int i = 0; i < kChunk; ++i) {
        if (begin + i < 0 || begin + i >= known) work(i * kLanes + lane, lane, i);
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
    const int to = static_cast<int>(std::clamp<int64_t>(known - begin, from, kChunk));
    for (int i = from; i < to; ++i) {
      exact_of_lanes[i * kLanes + lane] = exact[begin + i];
      mark_of_lanes[i * kLanes + lane] = table[begin + i];
    }
  }
  for_lanes_with_unknown([&](int at, int, int) { exact_of_lanes[at] = 0, mark_of_lanes[at] = 0; });
  for (int q = 0; q < 2; ++q) {
    Nearest(exact_of_lanes, mark_of_lanes, kChunkSize, q, nearest, costs_at);
    LookUp(costs_.data(), costs_at, kChunkSize, below, above);
    Branches(exact_of_lanes, mark_of_lanes, nearest, below, above, kChunkSize, weight_, weight_at_sides_, q,
             cost[2 * q], cost[2 * q + 1], symbol[2 * q], symbol[2 * q + 1]);
  }
  Limit(exact_of_lanes, cost, symbol, branches, candidates);
  // Nothing is behind the end, or before the beginning: any way is free.
  for_lanes_with_unknown([&](int, int lane, int i) {
    for (int b = 0; b < 4; ++b) branches[b * kChunkSize + i * kLanes + lane] = 0;
  });
}

/// Returns the number of symbols that are decided.
size_t TrellisSearch::RunBlock(const float* exact, uint8_t* table, size_t count, uint32_t* state, int16_t* symbols) {
  const int states = code_.states();
  const int of_lane = RoundedUp(
      static_cast<int>(std::clamp<size_t>((count + kLanes - 1) / kLanes, kLeastOfLane, kMostOfLane)), kRenewed);
  const int beside = RoundedUp(std::min(of_lane / 4, kMostBeside), kChunk);
  const int steps = RoundedUp(of_lane + 2 * beside, kChunk);
  int16_t* candidates = candidates_.Reserve(static_cast<size_t>(steps) * 4 * kLanes);
  uint16_t* odd = odd_.Reserve(static_cast<size_t>(steps) * states);
  alignas(64) TrellisCosts metrics[2][1 << kMostTrellisBits];
  for (int s = 0; s < states; ++s) metrics[0][s] = TrellisCosts{};
  int16_t branches[4 * kChunkSize];
  for (int at = 0; at < steps;) {
    // The first lane begins where its state is known.
    if (at == beside) {
      for (int s = 0; s < states; ++s) metrics[0][s][0] = kUnreached;
      metrics[0][order_.Place(*state)][0] = 0;
    }
    MakeBranches(exact, table, count, at - beside, of_lane, branches, candidates + CandidateOf(at, 0));
    for (int i = 0; i < kChunk; ++i, ++at) {
      step_(branches + i * kLanes, metrics[i % 2], metrics[1 - i % 2], odd + static_cast<size_t>(at) * states);
      if (i % kRenewed == kRenewed - 1) Renew(states, metrics[1 - i % 2]);
    }
  }

  // Back from the best states, all lanes side by side.
  const int end = beside + of_lane;
  const size_t decided = std::min<size_t>(count, static_cast<size_t>(of_lane) * kLanes);
  const int last = static_cast<int>((decided - 1) / of_lane);
  const int end_of_last = beside + static_cast<int>(decided) - last * of_lane;
  int16_t* chosen = chosen_.Reserve(static_cast<size_t>(steps) * kLanes);
  uint8_t* quantisers = quantisers_.Reserve(static_cast<size_t>(steps) * kLanes);
  uint16_t now[kLanes], at_begin[kLanes], at_end[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    now[lane] = 0;
    int16_t least = metrics[0][order_.Place(0)][lane];
    for (int s = 1; s < states; ++s) {
      const int16_t cost = metrics[0][order_.Place(static_cast<uint32_t>(s))][lane];
      if (cost < least) least = cost, now[lane] = static_cast<uint16_t>(s);
    }
  }
  const auto back = [&](int from, int to) {
    Backward(bits_, flips_.data(), order_, to, from, odd, candidates, now, chosen, quantisers);
  };
  back(steps, end);
  std::copy_n(now, kLanes, at_end);
  back(end, end_of_last);
  *state = now[last];
  back(end_of_last, beside);
  std::copy_n(now, kLanes, at_begin);
  // Where a lane did not foresee where the next one begins, it ends there after all.
  for (int lane = last; lane-- > 0;) {
    if (at_end[lane] == at_begin[lane + 1]) continue;
    uint32_t t = at_begin[lane + 1];
    for (int step = end; step-- > beside;) {
      const uint32_t parity = odd[static_cast<size_t>(step) * states + order_.Place(t)] >> lane & 1;
      const uint32_t before = code_.Before(t, parity);
      const int quantiser = TrellisCode::Quantiser(before), branch = 2 * quantiser + static_cast<int>(parity);
      chosen[step * kLanes + lane] = candidates[CandidateOf(step, branch) + lane];
      quantisers[step * kLanes + lane] = static_cast<uint8_t>(quantiser);
      t = before;
    }
    at_begin[lane] = static_cast<uint16_t>(t);
  }
  for (int lane = 0; lane <= last; ++lane) {
    const int16_t* of_symbols = chosen + beside * kLanes + lane;
    const uint8_t* of_quantisers = quantisers + beside * kLanes + lane;
    const size_t first = static_cast<size_t>(lane) * of_lane;
    const int number = lane < last ? of_lane : end_of_last - beside;
    for (int i = 0; i < number; ++i) {
      symbols[first + i] = of_symbols[i * kLanes];
      table[first + i] = static_cast<uint8_t>(of_quantisers[i * kLanes] * kTables + table[first + i] % kTables);
    }
  }
  return decided;
}

}  // namespace lichen
