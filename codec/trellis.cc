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

constexpr int kChunk = 512;
// Ways back from all states meet long before so many symbols.
constexpr size_t kAhead = 256, kSegment = 16 * kChunk;
constexpr int kLanes = 8;
constexpr float kUnreached = 1e6f;

/// Parity-check polynomials, the lowest bit first, by bits of the state from kLeastTrellisBits on.
constexpr std::array<std::pair<uint32_t, uint32_t>, kMostTrellisBits - kLeastTrellisBits + 1> kPolynomials = {
    {{023, 004}, {045, 010}, {0103, 024}, {0235, 0126}, {0515, 0362}}};

// GCC and clang agree on vectors, but not on how lanes are exchanged.
#if defined(__clang__)
#define LICHEN_SET_LANES(to, v, lanes) SetLanes(v, lanes, &(to))
#define LICHEN_EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define LICHEN_ODD_LANES(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define LICHEN_SET_LANES(to, v, lanes) (to) = __builtin_shuffle(v, lanes)
#define LICHEN_EVEN_LANES(a, b) __builtin_shuffle(a, b, Integers{0, 2, 4, 6, 8, 10, 12, 14})
#define LICHEN_ODD_LANES(a, b) __builtin_shuffle(a, b, Integers{1, 3, 5, 7, 9, 11, 13, 15})
#endif

using Floats = float __attribute__((vector_size(4 * kLanes)));
using Integers = int32_t __attribute__((vector_size(4 * kLanes)));
using Bytes = int8_t __attribute__((vector_size(kLanes)));

#if defined(__clang__)
inline void SetLanes(const Floats& v, const Integers& lanes, Floats* to) {
  for (int i = 0; i < kLanes; ++i) (*to)[i] = v[lanes[i]];
}
#endif

/// What the symbols that are worth a thought cost, of either quantiser: the best even and the best odd one. Levels are
/// 3/4 of a step apart; quantiser 0 has 0, 1.5, 3, ..., quantiser 1 has 0, 0.75, 2.25, ...
LICHEN_VECTORISED
void Branches(const float* __restrict exact, const uint8_t* __restrict table, int count, const float* __restrict cost,
              float weight, float weight_at_sides, int quantiser, float* __restrict even, float* __restrict odd,
              int16_t* __restrict even_symbol, int16_t* __restrict odd_symbol) {
  constexpr float kStep = 2 * kLevelSixteenths / 16.0f;
  constexpr int kLargest = TrellisSearch::kLargest;
  const float shift = quantiser == 0 ? 0.0f : kStep / 2;
  for (int i = 0; i < count; ++i) {
    const float a = exact[i] < 0 ? -exact[i] : exact[i];
    const int32_t marked = table[i];
    const float w = marked >= TrellisSearch::kAtSide ? weight_at_sides : weight;
    const int32_t row = (marked & (TrellisSearch::kTables - 1)) * (kLargest + 1);
    const int32_t nearest = static_cast<int32_t>((a + shift) * (1 / kStep) + 0.5f);
    // The nearest, of quantiser 1 not 0 unless it is nearer than 3/4; then the two beside it.
    const int32_t middle = nearest == 1 && a < shift * 0.5f ? 0 : nearest;
    const int32_t lower = middle > 0 ? middle - 1 : 1, upper = middle + 1;
    const float e_middle = a - (static_cast<float>(middle) * kStep - (middle > 0 ? shift : 0.0f));
    const float e_lower = a - (static_cast<float>(lower) * kStep - (lower > 0 ? shift : 0.0f));
    const float e_upper = a - (static_cast<float>(upper) * kStep - shift);
    const float c_middle = w * e_middle * e_middle + cost[row + (middle < kLargest ? middle : kLargest)];
    const float c_lower = w * e_lower * e_lower + cost[row + (lower < kLargest ? lower : kLargest)];
    const float c_upper = w * e_upper * e_upper + cost[row + (upper < kLargest ? upper : kLargest)];
    const bool is_lower = c_lower <= c_upper;
    const float c_other = is_lower ? c_lower : c_upper;
    const int32_t other = is_lower ? lower : upper;
    const bool is_odd = (middle & 1) != 0;
    even[i] = is_odd ? c_other : c_middle;
    odd[i] = is_odd ? c_middle : c_other;
    even_symbol[i] = static_cast<int16_t>(is_odd ? other : middle);
    odd_symbol[i] = static_cast<int16_t>(is_odd ? middle : other);
  }
}

/// The states' numbers as vectors see them. A state t follows the states 2t (+ 1 in the upper half), exclusive or
/// constants: so the costs of even and of odd states are kept apart, and a constant exchanges vectors and lanes.
struct Layout {
  int vectors;                  // of half of the states
  int even_vector, odd_vector;  // exclusive or: of the vector with an odd symbol; of either in the upper half
  Integers even_lane, odd_lane; // which lane goes where, likewise
};

/// Adds up `count` symbols. costs: [2][vectors] of the states before, even ones first, and after
LICHEN_VECTORISED
void Forward(const Layout& layout, int count, const float* const* branches, float* costs, int8_t* odd) {
  constexpr int kMostVectors = (1 << kMostTrellisBits) / 2 / kLanes;
  const int n = layout.vectors;
  Floats now[2 * kMostVectors], after[2 * kMostVectors];
  std::memcpy(now, costs, 2 * n * sizeof(Floats));
  for (int i = 0; i < count; ++i) {
    const float lower_even = branches[0][i], lower_odd = branches[1][i];
    const float upper_even = branches[2][i], upper_odd = branches[3][i];
    for (int j = 0; j < n; ++j) {
      const Floats from_even = now[j] + lower_even;
      Floats there;
      LICHEN_SET_LANES(there, now[j ^ layout.even_vector], layout.even_lane);
      const Floats from_odd = there + lower_odd;
      const Integers is_odd = from_odd < from_even;
      after[j] = is_odd ? from_odd : from_even;
      const Bytes decision = __builtin_convertvector(is_odd, Bytes);
      std::memcpy(odd + kLanes * j, &decision, kLanes);
    }
    for (int j = 0; j < n; ++j) {
      Floats there, beside, exchanged;
      LICHEN_SET_LANES(there, now[n + (j ^ layout.odd_vector)], layout.odd_lane);
      LICHEN_SET_LANES(beside, now[n + (j ^ layout.odd_vector ^ layout.even_vector)], layout.odd_lane);
      LICHEN_SET_LANES(exchanged, beside, layout.even_lane);
      const Floats from_even = there + upper_even;
      const Floats from_odd = exchanged + upper_odd;
      const Integers is_odd = from_odd < from_even;
      after[n + j] = is_odd ? from_odd : from_even;
      const Bytes decision = __builtin_convertvector(is_odd, Bytes);
      std::memcpy(odd + kLanes * (n + j), &decision, kLanes);
    }
    odd += 2 * n * kLanes;
    const float base = i % 16 == 15 ? after[0][0] : 0.0f;  // sums stay small; by then all states are reached
    for (int j = 0; j < n; ++j) {
      now[j] = LICHEN_EVEN_LANES(after[2 * j], after[2 * j + 1]) - base;
      now[n + j] = LICHEN_ODD_LANES(after[2 * j], after[2 * j + 1]) - base;
    }
  }
  std::memcpy(costs, now, 2 * n * sizeof(Floats));
}

void SetLanesExchangedBy(uint32_t mask, Integers* lanes) {
  for (int i = 0; i < kLanes; ++i) (*lanes)[i] = static_cast<int32_t>(static_cast<uint32_t>(i) ^ (mask % kLanes));
}

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
    : code_(bits), bits_(bits), cost_(std::move(cost)), at_sides_(at_sides), branches_(4 * kChunk) {
  SetWeight(weight);
}

void TrellisSearch::Run(const float* exact, const uint8_t* table, size_t count, uint32_t* state, int32_t* symbols) {
  for (size_t done = 0; done < count;) {
    const bool last = count - done <= kSegment;
    done += RunSegment(exact + done, table + done, last ? count - done : kSegment, last, state, symbols + done);
  }
}

uint64_t TrellisSearch::Memory(int bits) {
  constexpr uint64_t kCosts = uint64_t{2} * kTables * (kLargest + 1) + 4 * kChunk;
  return kSegment * ((uint64_t{1} << bits) + 4 * sizeof(int16_t)) + kCosts * sizeof(float);
}

/// Returns the number of symbols that are decided: all of the last segment, else all but kAhead.
size_t TrellisSearch::RunSegment(const float* exact, const uint8_t* table, size_t count, bool last, uint32_t* state,
                                 int32_t* symbols) {
  const size_t states = static_cast<size_t>(code_.states());
  const auto [h0, h1] = kPolynomials[bits_ - kLeastTrellisBits];
  const uint32_t mask = (1u << bits_) - 1, even = (h1 & mask) >> 1, odd = (h0 & mask) >> 1;
  Layout layout = {
      static_cast<int32_t>(states) / 2 / kLanes, static_cast<int32_t>(even / kLanes), static_cast<int32_t>(odd / kLanes), {}, {}};
  SetLanesExchangedBy(even, &layout.even_lane);
  SetLanesExchangedBy(odd, &layout.odd_lane);
  if (candidates_.size() < 4 * count) candidates_.resize(4 * count);
  if (odd_.size() < states * count) odd_.resize(states * count);
  std::array<float, size_t{1} << kMostTrellisBits> costs;
  costs.fill(kUnreached);
  costs[(*state & 1) * states / 2 + *state / 2] = 0;

  std::array<float*, 4> branches;
  std::array<int16_t*, 4> candidates;
  for (size_t b = 0; b < 4; ++b) {
    branches[b] = branches_.data() + b * kChunk;
    candidates[b] = candidates_.data() + b * count;
  }
  for (size_t at = 0; at < count; at += kChunk) {
    const int n = static_cast<int32_t>(std::min<size_t>(kChunk, count - at));
    for (int q = 0; q < 2; ++q) {
      Branches(exact + at, table + at, n, cost_.data() + q * kTables * (kLargest + 1), weight_, weight_at_sides_, q,
               branches[2 * q], branches[2 * q + 1], candidates[2 * q] + at, candidates[2 * q + 1] + at);
    }
    Forward(layout, n, branches.data(), costs.data(), odd_.data() + at * states);
  }

  const size_t best = std::min_element(costs.begin(), costs.begin() + states) - costs.begin();
  auto t = static_cast<uint32_t>(best < states / 2 ? 2 * best : 2 * best - states + 1);
  const size_t decided = last ? count : count - kAhead;
  for (size_t i = count; i-- > 0;) {
    if (i + 1 == decided) *state = t;
    const uint32_t parity = odd_[i * states + t] != 0 ? 1 : 0;
    const uint32_t before = code_.Before(t, parity);
    if (i < decided) {
      const int32_t magnitude = candidates[2 * TrellisCode::Quantiser(before) + parity][i];
      symbols[i] = exact[i] < 0 ? -magnitude : magnitude;
    }
    t = before;
  }
  return decided;
}

}  // namespace lichen
