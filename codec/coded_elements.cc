// SPDX-License-Identifier: Apache-2.0
#include "codec/coded_elements.h"

#include <algorithm>
#include <cstring>

#include "codec/fixed_point.h"
#include "codec/trellis.h"
#include "codec/vectorised.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lichen {
namespace {

LICHEN_NOT_VECTORISED
int TakePlain(const int32_t* index, const float* exact, int mark, int count, float* taken, uint8_t* marks,
              uint16_t* words) {
  int n = 0;  // without a branch, which would be guessed wrong often
  for (int first = 0; first < count; first += 16) {
    uint32_t word = 0;
    for (int i = first; i < std::min(first + 16, count); ++i) {
      const uint32_t coded = index[i] != 0 ? 1 : 0;
      taken[n] = exact[i];
      marks[n] = static_cast<uint8_t>(index[i] | mark);
      word |= coded << (i - first);
      n += static_cast<int>(coded);
    }
    words[first / 16] = static_cast<uint16_t>(word);
  }
  return n;
}

LICHEN_NOT_VECTORISED
int PlacePlain(const uint16_t* words, const int16_t* symbols, const uint8_t* marks, int count, int32_t* levels) {
  std::fill_n(levels, count, 0);
  int n = 0;
  for (int i = 0; i < WordsOfCoded(count); ++i) {
    for (uint32_t left = words[i]; left != 0; left &= left - 1, ++n) {
      levels[16 * i + __builtin_ctz(left)] = LevelOf(marks[n] / kScaleTables, symbols[n]);
    }
  }
  return n;
}

#if defined(__x86_64__)

#define LICHEN_MASKED __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))

LICHEN_MASKED inline __mmask16 First(int n) { return static_cast<__mmask16>((1u << n) - 1); }

LICHEN_MASKED
int TakeMasked(const int32_t* index, const float* exact, int mark, int count, float* taken, uint8_t* marks,
               uint16_t* words) {
  const __m512i with_mark = _mm512_set1_epi32(mark);
  int n = 0;
  for (int first = 0; first < count; first += 16) {
    const __mmask16 there = First(std::min(count - first, 16));
    const __m512i indices = _mm512_maskz_loadu_epi32(there, index + first);
    const __mmask16 coded = _mm512_test_epi32_mask(indices, indices);
    const int more = _mm_popcnt_u32(coded);
    const __mmask16 to = First(more);
    _mm512_mask_storeu_ps(taken + n, to, _mm512_maskz_compress_ps(coded, _mm512_maskz_loadu_ps(there, exact + first)));
    const __m512i marked = _mm512_maskz_or_epi32(0xffff, _mm512_maskz_compress_epi32(coded, indices), with_mark);
    _mm_mask_storeu_epi8(marks + n, to, _mm512_maskz_cvtepi32_epi8(0xffff, marked));
    words[first / 16] = coded;
    n += more;
  }
  return n;
}

LICHEN_MASKED
int PlaceMasked(const uint16_t* words, const int16_t* symbols, const uint8_t* marks, int count, int32_t* levels) {
  const __m512i one = _mm512_set1_epi32(1), minus_one = _mm512_set1_epi32(-1);
  const __m512i first_of_second = _mm512_set1_epi32(kScaleTables);
  int n = 0;
  for (int first = 0; first < count; first += 16) {
    const __mmask16 coded = words[first / 16];
    const int more = _mm_popcnt_u32(coded);
    const __mmask16 from = First(more);
    const __m512i symbol = _mm512_maskz_cvtepi16_epi32(0xffff, _mm256_maskz_loadu_epi16(from, symbols + n));
    const __m512i mark = _mm512_maskz_cvtepu8_epi32(0xffff, _mm_maskz_loadu_epi8(from, marks + n));
    const __mmask16 second = _mm512_cmpge_epi32_mask(mark, first_of_second);
    const __m512i sign = _mm512_maskz_max_epi32(second, _mm512_maskz_min_epi32(0xffff, symbol, one), minus_one);
    const __m512i level = _mm512_maskz_sub_epi32(0xffff, _mm512_maskz_add_epi32(0xffff, symbol, symbol), sign);
    _mm512_mask_storeu_epi32(levels + first, First(std::min(count - first, 16)),
                             _mm512_maskz_expand_epi32(coded, level));
    n += more;
  }
  return n;
}

#endif

}  // namespace

CodedElements PlainCodedElements() { return {TakePlain, PlacePlain}; }

CodedElements FastestCodedElements() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return {TakeMasked, PlaceMasked};
#endif
  return PlainCodedElements();
}

}  // namespace lichen
