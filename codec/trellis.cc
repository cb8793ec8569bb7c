// SPDX-License-Identifier: Apache-2.0
#include "codec/trellis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "codec/vectorised.h"

namespace lichen {
namespace {

constexpr int kLanes = 16;
// Symbols of a block that one lane decides; and how many more it sees on either side, a quarter of them if that is no
// more: ways from all states meet before so many, at low qualities later than at high ones.
constexpr int kLeastOfLane = 256, kMostOfLane = 4096, kMostBeside = 256;
constexpr int kMostSteps = kMostOfLane + 2 * kMostBeside;
constexpr int kChunk = 32;  // steps

// Costs are integers, in 1/32 of a bit, beyond the least of four branches, so that sums of 8 more than a state's bits
// of them stay below 2^15 (kRenewed).
constexpr float kUnitsPerBit = 32, kMostBits = 63;
constexpr int16_t kUnreached = 16384;
constexpr int kRenewed = 8;
constexpr int kCostRow = TrellisSearch::kLargest + 3;

/// Parity-check polynomials, the lowest bit first, by bits of the state from kLeastTrellisBits on.
constexpr std::array<std::pair<uint32_t, uint32_t>, kMostTrellisBits - kLeastTrellisBits + 1> kPolynomials = {
    {{023, 004}, {045, 010}, {0103, 024}, {0235, 0126}, {0515, 0362}}};

using Shorts = int16_t __attribute__((vector_size(2 * kLanes)));

/// What the symbols that are worth a thought cost, of one quantiser: the best even and the best odd one. Levels are
/// 3/4 of a step apart; quantiser 0 has 0, 1.5, 3, ..., quantiser 1 has 0, 0.75, 2.25, ...
/// marks: tables, perhaps with kAtSide; costs: TrellisSearch's of the quantiser
LICHEN_VECTORISED_FINITE
void Branches(const float* __restrict exact, const int32_t* __restrict marks, int count,
              const uint32_t* __restrict costs, float weight, float weight_at_sides, int quantiser,
              float* __restrict even, float* __restrict odd, int32_t* __restrict even_symbol,
              int32_t* __restrict odd_symbol) {
  constexpr float kStep = 2 * kLevelSixteenths / 16.0f, kBit = 1 / kUnitsPerBit;
  constexpr int kLargest = TrellisSearch::kLargest;
  const float shift = quantiser == 0 ? 0.0f : kStep / 2;
  for (int i = 0; i < count; ++i) {
    const float a = exact[i] < 0 ? -exact[i] : exact[i];
    const float w = marks[i] >= TrellisSearch::kAtSide ? weight_at_sides : weight;
    const int32_t row = (marks[i] & (TrellisSearch::kTables - 1)) * kCostRow;
    const auto nearest = static_cast<int32_t>((a + shift) * (1 / kStep) + 0.5f);
    // The nearest, of quantiser 1 not 0 unless it is nearer than 3/4; then the two beside it.
    const int32_t middle = a < shift * 0.5f ? 0 : nearest;
    const int32_t lower = middle > 0 ? middle - 1 : 1, upper = middle + 1;
    const int32_t known = row + (middle < kLargest + 1 ? middle : kLargest + 1);
    const auto below = static_cast<int32_t>(costs[known]), above = static_cast<int32_t>(costs[known + 1]);
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

/// Costs beyond the least of the four, as integers, and symbols with their signs. costs, symbols: by quantiser and
/// parity; branches, candidates: [steps][4][kLanes]
LICHEN_VECTORISED_FINITE
void Limit(const float* __restrict exact, int steps, const float (*__restrict costs)[kChunk * kLanes],
           const int32_t (*__restrict symbols)[kChunk * kLanes], int16_t* __restrict branches,
           int16_t* __restrict candidates) {
  for (int step = 0; step < steps; ++step) {
    const int first = step * kLanes;
    float least[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      const float c0 = costs[0][first + i], c1 = costs[1][first + i], c2 = costs[2][first + i],
                  c3 = costs[3][first + i];
      const float of_0 = c0 < c1 ? c0 : c1, of_1 = c2 < c3 ? c2 : c3;
      least[i] = of_0 < of_1 ? of_0 : of_1;
    }
    for (int b = 0; b < 4; ++b) {
      for (int i = 0; i < kLanes; ++i) {
        const float more = costs[b][first + i] - least[i], limited = more < kMostBits ? more : kMostBits;
        branches[(step * 4 + b) * kLanes + i] =
            static_cast<int16_t>(static_cast<int32_t>(limited * kUnitsPerBit + 0.5f));
      }
      for (int i = 0; i < kLanes; ++i) {
        const int32_t symbol = symbols[b][first + i];
        candidates[(step * 4 + b) * kLanes + i] = static_cast<int16_t>(exact[first + i] < 0 ? -symbol : symbol);
      }
    }
  }
}

/// Adds up the costs of `steps` symbols in all lanes. now: [states], of the states before, and then of those after;
/// next: [states], scratch. steps: a multiple of kRenewed. from: [states][parity]: bytes from the first state to that
/// before
LICHEN_VECTORISED
void Forward(uint32_t states, const uint16_t* from, int steps, const int16_t* branches, Shorts* now, Shorts* next,
             uint16_t* odd) {
#define LICHEN_ALL(v) \
  { v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v }
  static constexpr Shorts kBit[kLanes] = {
      LICHEN_ALL(1),       LICHEN_ALL(1 << 1),  LICHEN_ALL(1 << 2),  LICHEN_ALL(1 << 3),
      LICHEN_ALL(1 << 4),  LICHEN_ALL(1 << 5),  LICHEN_ALL(1 << 6),  LICHEN_ALL(1 << 7),
      LICHEN_ALL(1 << 8),  LICHEN_ALL(1 << 9),  LICHEN_ALL(1 << 10), LICHEN_ALL(1 << 11),
      LICHEN_ALL(1 << 12), LICHEN_ALL(1 << 13), LICHEN_ALL(1 << 14), LICHEN_ALL(-32768)};
#undef LICHEN_ALL
  for (int step = 0; step < steps; ++step) {
    Shorts costs[4];
    std::memcpy(costs, branches + step * 4 * kLanes, sizeof(costs));
    const uint16_t* before = from;
    Shorts even_cost = costs[0], odd_cost = costs[1];
    for (uint32_t first = 0; first < states; first += kLanes) {
      Shorts word = {};
#pragma GCC unroll 2
      for (uint32_t half = 0; half < 2; ++half) {
        if (first + half * kLanes / 2 == states / 2) {
          even_cost = costs[2], odd_cost = costs[3];  // the upper half's quantiser
        }
#pragma GCC unroll 8
        for (uint32_t k = half * kLanes / 2; k < (half + 1) * kLanes / 2; ++k, before += 2) {
          const auto* sums = reinterpret_cast<const char*>(now);
          const Shorts from_even = *reinterpret_cast<const Shorts*>(sums + before[0]) + even_cost;
          const Shorts from_odd = *reinterpret_cast<const Shorts*>(sums + before[1]) + odd_cost;
          next[first + k] = from_even < from_odd ? from_even : from_odd;
          const Shorts is_odd = from_odd < from_even;
          word |= is_odd & kBit[k];
        }
      }
      std::memcpy(odd, &word, sizeof(word));
      odd += kLanes;
    }
    if (step % kRenewed == kRenewed - 1) {
      const Shorts base = next[0];
      for (uint32_t t = 0; t < states; ++t) now[t] = next[t] - base;
    } else {
      Shorts* const swapped = now;
      now = next;
      next = swapped;
    }
  }
}

constexpr int RoundedUp(int value, int unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

TrellisCode::TrellisCode(int bits) : next_(size_t{2} << bits), before_(size_t{2} << bits) {
  const auto [h0, h1] = kPolynomials[bits - kLeastTrellisBits];
  const uint32_t states = 1u << bits;
  for (uint32_t state = 0; state < states; ++state) {
    for (uint32_t parity = 0; parity < 2; ++parity) {
      const uint32_t fed_back = state ^ (parity != 0 ? h1 : 0) ^ ((state & 1) != 0 ? h0 : 0);
      const uint32_t next = (fed_back % states) >> 1 | (state & 1) << (bits - 1);
      next_[2 * state + parity] = static_cast<uint8_t>(next);
      before_[2 * next + parity] = static_cast<uint8_t>(state);
    }
  }
}

TrellisSearch::TrellisSearch(int bits, std::vector<float> cost, double weight, double at_sides)
    : code_(bits),
      costs_(2 * kTables * kCostRow),
      at_sides_(at_sides),
      branches_(kChunk * 4 * kLanes),
      from_(2 * code_.states()),
      back_(2 * code_.states()) {
  for (uint32_t i = 0; i < from_.size(); ++i) {
    const uint32_t before = code_.Before(i / 2, i % 2);
    from_[i] = static_cast<uint16_t>(before * sizeof(Shorts));
    back_[i] = static_cast<uint16_t>((2 * TrellisCode::Quantiser(before) + i % 2) << 8 | before);
  }
  for (int row = 0; row < 2 * kTables; ++row) {
    const auto units = [&](int magnitude) {
      const float bits_of_it = std::min(cost[row * (kLargest + 1) + std::min(magnitude, kLargest)], 2047.0f);
      return static_cast<uint32_t>(std::max(bits_of_it, 0.0f) * kUnitsPerBit + 0.5f);
    };
    for (int k = 0; k < kCostRow; ++k) costs_[row * kCostRow + k] = units(k) << 16 | units(k > 0 ? k - 1 : 1);
  }
  SetWeight(weight);
}

void TrellisSearch::Run(const float* exact, const uint8_t* table, size_t count, uint32_t* state, int32_t* symbols) {
  for (size_t done = 0; done < count;) {
    done += RunBlock(exact + done, table + done, count - done, state, symbols + done);
  }
}

uint64_t TrellisSearch::Memory(int bits) {
  constexpr uint64_t kCosts = uint64_t{2} * kTables * kCostRow * sizeof(uint32_t);
  return uint64_t{kMostSteps} * kLanes * sizeof(int16_t) * ((uint64_t{1} << bits) / 16 + 4) + kCosts;
}

/// Returns the number of symbols that are decided.
size_t TrellisSearch::RunBlock(const float* exact, const uint8_t* table, size_t count, uint32_t* state,
                               int32_t* symbols) {
  const auto states = static_cast<uint32_t>(code_.states());
  const int of_lane = RoundedUp(
      static_cast<int>(std::clamp<size_t>((count + kLanes - 1) / kLanes, kLeastOfLane, kMostOfLane)), kRenewed);
  const int beside = RoundedUp(std::min(of_lane / 4, kMostBeside), kChunk);
  const int steps = of_lane + 2 * beside, words = static_cast<int>(states) / 16;
  const auto known = static_cast<int64_t>(count);
  if (candidates_.size() < static_cast<size_t>(steps) * 4 * kLanes) candidates_.resize(steps * 4 * kLanes);
  if (odd_.size() < static_cast<size_t>(steps) * words * kLanes) odd_.resize(steps * words * kLanes);
  Shorts metrics[2][1 << kMostTrellisBits];
  for (uint32_t s = 0; s < states; ++s) metrics[0][s] = Shorts{};
  float exact_of_lanes[kChunk * kLanes], cost[4][kChunk * kLanes];
  int32_t mark_of_lanes[kChunk * kLanes], symbol[4][kChunk * kLanes];
  for (int at = 0; at < steps;) {
    // The first lane begins where its state is known.
    if (at == beside) {
      for (uint32_t s = 0; s < states; ++s) metrics[0][s][0] = s == *state ? 0 : kUnreached;
    }
    const int n = std::min(kChunk, steps - at);
    for (int lane = 0; lane < kLanes; ++lane) {
      const int64_t first = int64_t{lane} * of_lane - beside + at;
      const bool all = first >= 0 && first + n <= known;
      for (int i = 0; i < n; ++i) {
        const bool inside = all || (first + i >= 0 && first + i < known);
        exact_of_lanes[i * kLanes + lane] = inside ? exact[first + i] : 0.0f;
        mark_of_lanes[i * kLanes + lane] = inside ? table[first + i] : 0;
      }
    }
    for (int q = 0; q < 2; ++q) {
      Branches(exact_of_lanes, mark_of_lanes, n * kLanes, costs_.data() + q * kTables * kCostRow, weight_,
               weight_at_sides_, q, cost[2 * q], cost[2 * q + 1], symbol[2 * q], symbol[2 * q + 1]);
    }
    Limit(exact_of_lanes, n, cost, symbol, branches_.data(), candidates_.data() + at * 4 * kLanes);
    // Nothing is behind the end, or before the beginning: any way is free.
    for (int lane = 0; lane < kLanes; ++lane) {
      const int64_t first = int64_t{lane} * of_lane - beside + at;
      if (first >= 0 && first + n <= known) continue;
      for (int i = 0; i < n; ++i) {
        if (first + i >= 0 && first + i < known) continue;
        for (int b = 0; b < 4; ++b) branches_[(i * 4 + b) * kLanes + lane] = 0;
      }
    }
    Forward(states, from_.data(), n, branches_.data(), metrics[0], metrics[1], odd_.data() + at * words * kLanes);
    at += n;
  }

  // Back from the best states, all lanes side by side.
  const int end = beside + of_lane;
  const size_t decided = std::min<size_t>(count, static_cast<size_t>(of_lane) * kLanes);
  const int last = static_cast<int>((decided - 1) / of_lane);
  uint32_t now[kLanes], at_begin[kLanes], at_end[kLanes];
  int end_of_lane[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    now[lane] = 0;
    for (uint32_t s = 1; s < states; ++s) {
      if (metrics[0][s][lane] < metrics[0][now[lane]][lane]) now[lane] = s;
    }
    end_of_lane[lane] = lane < last ? end : lane > last ? beside : beside + static_cast<int>(decided) - last * of_lane;
  }
  const uint16_t *const odd = odd_.data(), *const back = back_.data();
  const int16_t* const candidates = candidates_.data();
  const auto step_back = [=](int step, int lane, uint32_t t) -> uint32_t {
    return back[2 * t + (odd[(step * words + static_cast<int>(t >> 4)) * kLanes + lane] >> (t & 15) & 1)];
  };
  for (int step = steps; step-- > end;) {
    for (int lane = 0; lane < kLanes; ++lane) now[lane] = step_back(step, lane, now[lane]) & 0xff;
  }
  std::copy_n(now, kLanes, at_end);
  const auto decide = [&, symbols](int step, int lane, uint32_t t) -> uint32_t {
    const uint32_t before = step_back(step, lane, t);
    if (step < end_of_lane[lane]) {
      symbols[static_cast<size_t>(lane) * of_lane + (step - beside)] =
          candidates[(step * 4 + static_cast<int>(before >> 8)) * kLanes + lane];
    }
    if (lane == last && step + 1 == end_of_lane[lane]) *state = t;
    return before & 0xff;
  };
  for (int step = end; step-- > beside;) {
    for (int lane = 0; lane < kLanes; ++lane) now[lane] = decide(step, lane, now[lane]);
  }
  std::copy_n(now, kLanes, at_begin);
  // Where a lane did not foresee where the next one begins, it ends there after all.
  for (int lane = last; lane-- > 0;) {
    if (at_end[lane] == at_begin[lane + 1]) continue;
    uint32_t t = at_begin[lane + 1];
    for (int step = end; step-- > beside;) t = decide(step, lane, t);
    at_begin[lane] = t;
  }
  return decided;
}

}  // namespace lichen
