// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TRELLIS_STEP_H_
#define LICHEN_CODEC_TRELLIS_STEP_H_

// One step of Viterbi's search through the trellis: additions, comparisons and choices, laid out in full for each
// number of states, with the instructions that turn a comparison of vectors into the bits of a word, which no loop
// becomes.

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lichen {

constexpr int kLeastTrellisBits = 4, kMostTrellisBits = 8;

// Parity-check polynomials, the lowest bit first, by bits of the state from kLeastTrellisBits on.
constexpr uint32_t kTrellisPolynomials[][2] = {{023, 004}, {045, 010}, {0103, 024}, {0235, 0126}, {0515, 0362}};

/// The state after a symbol: the systematic feedback encoders of Ungerboeck's codes for amplitude modulation ("Channel
/// Coding with Multilevel/Phase Signals", 1982, table I). REQUIRES: kLeastTrellisBits <= bits <= kMostTrellisBits
constexpr uint32_t TrellisNext(int bits, uint32_t state, uint32_t parity) {
  const auto& [h0, h1] = kTrellisPolynomials[bits - kLeastTrellisBits];
  const uint32_t fed_back = state ^ (parity != 0 ? h1 : 0) ^ ((state & 1) != 0 ? h0 : 0);
  return (fed_back & ((1u << bits) - 1)) >> 1 | (state & 1) << (bits - 1);
}

/// The order in which costs of states are kept, so that two that follow the same two states stand one behind the other:
/// these differ by `follow`, whose lowest bit is `bit`. A state's place is the state, with bits 0 and `bit` exchanged,
/// and then, where bit 0 is set, `flip` the other way.
struct TrellisOrder {
  uint32_t bit, flip;

  constexpr explicit TrellisOrder(int bits) : bit(0), flip(0) {
    const uint32_t follow = kTrellisPolynomials[bits - kLeastTrellisBits][1] >> 1;
    while ((follow >> bit & 1) == 0) ++bit;
    flip = Exchanged(follow) ^ 1;
  }
  constexpr uint32_t Exchanged(uint32_t state) const {
    const uint32_t differ = (state >> bit ^ state) & 1;
    return state ^ differ ^ differ << bit;
  }
  constexpr uint32_t Place(uint32_t state) const {
    const uint32_t exchanged = Exchanged(state);
    return exchanged ^ ((exchanged & 1) != 0 ? flip : 0);
  }
};

/// Parts of a sequence side by side, each in a lane of vectors.
constexpr int kTrellisLanes = 16;

/// From what symbols cost by one branch to the same by the next.
constexpr int kTrellisRow = 32 * kTrellisLanes;

/// Costs of a state, by lane.
using TrellisCosts = int16_t __attribute__((vector_size(2 * kTrellisLanes)));

/// From the costs of all states, `now`, to those after a symbol, `next`. branches:
/// [quantiser][parity] rows, of which [lane] is what a symbol costs; odd: [states], a bit a lane: whether the best way
/// to the state has an odd symbol last. States stand in their order. REQUIRES: next is aligned to 64 bytes, as the
/// costs of two states are then, which are stored at once
using TrellisStep = void (*)(const int16_t* branches, const TrellisCosts* now, TrellisCosts* next, uint16_t* odd);

namespace trellis_step {

/// Two states, `to` and the next in order, that follow the same two: the first of them follows `from[0]` by an even
/// symbol and `from[1]` by an odd one, the second the other way round. Places in the order.
struct Butterfly {
  uint16_t from[2], to;
};

/// Those of quantiser 0, then those of quantiser 1.
template <int bits>
constexpr std::array<Butterfly, (size_t{1} << bits) / 2> MakeButterflies() {
  constexpr TrellisOrder kOrder(bits);
  std::array<Butterfly, (size_t{1} << bits) / 2> butterflies{};
  size_t made = 0;
  for (uint32_t quantiser = 0; quantiser < 2; ++quantiser) {
    for (uint32_t first = quantiser; first < 1u << bits; first += 2) {
      const uint32_t to = kOrder.Place(TrellisNext(bits, first, 0));
      if (to % 2 != 0) continue;
      uint32_t second = quantiser;
      while (kOrder.Place(TrellisNext(bits, second, 1)) != to) second += 2;
      butterflies[made++] = {{static_cast<uint16_t>(kOrder.Place(first)), static_cast<uint16_t>(kOrder.Place(second))},
                             static_cast<uint16_t>(to)};
    }
  }
  return butterflies;
}

template <int bits>
inline constexpr auto kButterflies = MakeButterflies<bits>();
template <int bits>
inline constexpr int kOfQuantiser = static_cast<int>(kButterflies<bits>.size() / 2);

template <int bits>
void Plain(const int16_t* branches, const TrellisCosts* now, TrellisCosts* next, uint16_t* odd) {
  for (int quantiser = 0; quantiser < 2; ++quantiser) {
    TrellisCosts costs[2];
    for (int parity = 0; parity < 2; ++parity) {
      std::memcpy(costs + parity, branches + (2 * quantiser + parity) * kTrellisRow, sizeof(costs[0]));
    }
    for (int n = 0; n < kOfQuantiser<bits>; ++n) {
      const Butterfly& b = kButterflies<bits>[quantiser * kOfQuantiser<bits> + n];
      for (int i = 0; i < 2; ++i) {
        const TrellisCosts by_even = now[b.from[i]] + costs[0], by_odd = now[b.from[1 - i]] + costs[1];
        next[b.to + i] = by_even < by_odd ? by_even : by_odd;
        const TrellisCosts is_odd = by_odd < by_even;
        unsigned word = 0;
        for (int lane = 0; lane < kTrellisLanes; ++lane) word |= (is_odd[lane] & 1u) << lane;
        odd[b.to + i] = static_cast<uint16_t>(word);
      }
    }
  }
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) inline __m256i Load(const int16_t* of_lanes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(of_lanes));
}

template <int bits>
__attribute__((target("avx2"))) void Avx2(const int16_t* branches, const TrellisCosts* now, TrellisCosts* next,
                                          uint16_t* odd) {
  const auto* from = reinterpret_cast<const __m256i*>(now);
  auto* to = reinterpret_cast<__m256i*>(next);
#pragma GCC unroll 2
  for (int quantiser = 0; quantiser < 2; ++quantiser) {
    const int16_t* of_quantiser = branches + 2 * quantiser * kTrellisRow;
    const __m256i of_even = Load(of_quantiser), of_odd = Load(of_quantiser + kTrellisRow);
#pragma GCC unroll 64
    for (int n = 0; n < kOfQuantiser<bits>; ++n) {
      const Butterfly& b = kButterflies<bits>[quantiser * kOfQuantiser<bits> + n];
      const __m256i first = from[b.from[0]], second = from[b.from[1]];
      const __m256i even0 = _mm256_add_epi16(first, of_even), odd0 = _mm256_add_epi16(second, of_odd);
      const __m256i even1 = _mm256_add_epi16(second, of_even), odd1 = _mm256_add_epi16(first, of_odd);
      to[b.to] = _mm256_min_epi16(even0, odd0);
      to[b.to + 1] = _mm256_min_epi16(even1, odd1);
      const __m256i is_odd = _mm256_packs_epi16(_mm256_cmpgt_epi16(even0, odd0), _mm256_cmpgt_epi16(even1, odd1));
      const auto words = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(is_odd, 0xd8)));
      std::memcpy(odd + b.to, &words, sizeof(words));
    }
  }
}

template <int bits>
__attribute__((target("avx512bw,avx512dq"))) void Avx512(const int16_t* branches, const TrellisCosts* now,
                                                         TrellisCosts* next, uint16_t* odd) {
  constexpr __mmask8 kAll = 0xff;  // what stands for no mask, of which GCC 12 warns within its own header
  const auto* from = reinterpret_cast<const __m256i*>(now);
#pragma GCC unroll 2
  for (int quantiser = 0; quantiser < 2; ++quantiser) {
    const int16_t* of_quantiser = branches + 2 * quantiser * kTrellisRow;
    const __m512i of_even = _mm512_maskz_broadcast_i64x4(kAll, Load(of_quantiser));
    const __m512i of_odd = _mm512_maskz_broadcast_i64x4(kAll, Load(of_quantiser + kTrellisRow));
#pragma GCC unroll 64
    for (int n = 0; n < kOfQuantiser<bits>; ++n) {
      const Butterfly& b = kButterflies<bits>[quantiser * kOfQuantiser<bits> + n];
      const __m512i both = _mm512_maskz_inserti64x4(kAll, _mm512_castsi256_si512(from[b.from[0]]), from[b.from[1]], 1);
      const __m512i by_even = _mm512_add_epi16(both, of_even);
      const __m512i by_odd = _mm512_add_epi16(_mm512_maskz_shuffle_i64x2(kAll, both, both, 0x4e), of_odd);
      _mm512_store_si512(next + b.to, _mm512_min_epi16(by_even, by_odd));
      const uint32_t words = _mm512_cmpgt_epi16_mask(by_even, by_odd);
      std::memcpy(odd + b.to, &words, sizeof(words));
    }
  }
}

#endif

template <int bits>
TrellisStep Fastest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) return Avx512<bits>;
  if (__builtin_cpu_supports("avx2")) return Avx2<bits>;
#endif
  return Plain<bits>;
}

template <int... more>
TrellisStep FastestOf(int bits, std::integer_sequence<int, more...>) {
  constexpr TrellisStep (*kFastest[])() = {Fastest<kLeastTrellisBits + more>...};
  return kFastest[bits - kLeastTrellisBits]();
}

}  // namespace trellis_step

/// The fastest on this processor; all have the same results.
inline TrellisStep FastestTrellisStep(int bits) {
  return trellis_step::FastestOf(bits, std::make_integer_sequence<int, kMostTrellisBits - kLeastTrellisBits + 1>());
}

}  // namespace lichen

#endif  // LICHEN_CODEC_TRELLIS_STEP_H_
