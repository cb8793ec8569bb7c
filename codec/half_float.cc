// SPDX-License-Identifier: Apache-2.0
#include "codec/half_float.h"

#include <cstring>

#include "codec/vectorised.h"

namespace lichen {
namespace {

LICHEN_VECTORISED
bool HalvesToFloatsLoop(const uint8_t* src, size_t count, float* dst) {
  uint32_t not_finite = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t h = src[2 * i] | static_cast<uint32_t>(src[2 * i + 1]) << 8;
    const uint32_t sign = (h & 0x8000u) << 16, exponent = h & 0x7c00u, mantissa = h & 0x3ffu;
    const float small = static_cast<float>(static_cast<int32_t>(mantissa)) * (1.0f / 16777216.0f);  // mantissa * 2^-24
    uint32_t small_bits;
    std::memcpy(&small_bits, &small, 4);
    const uint32_t bits = sign | (exponent == 0 ? small_bits : (exponent << 13) + (112u << 23) + (mantissa << 13));
    std::memcpy(dst + i, &bits, 4);
    not_finite |= exponent == 0x7c00u ? 1u : 0u;
  }
  return not_finite == 0;
}

LICHEN_VECTORISED
void FiniteHalvesToFloatsLoop(const uint16_t* __restrict src, size_t count, float* __restrict dst) {
  constexpr float kScale = 5192296858534827628530496329220096.0f;  // 2^112: what the exponents' biases differ by
  for (size_t i = 0; i < count; ++i) {
    const uint32_t h = src[i], bits = (h & 0x8000u) << 16 | (h & 0x7fffu) << 13;
    float scaled;
    std::memcpy(&scaled, &bits, sizeof(scaled));
    dst[i] = scaled * kScale;  // those below the least normal half come out right, too
  }
}

LICHEN_VECTORISED
void FloatsToHalvesLoop(const float* __restrict src, size_t count, uint16_t* __restrict dst) {
  constexpr float kMost = 65504;
  for (size_t i = 0; i < count; ++i) {
    float v = src[i];
    v = v == v ? v : 0.0f;
    v = v > -kMost ? v : -kMost;
    v = v < kMost ? v : kMost;
    uint32_t bits;
    std::memcpy(&bits, &v, sizeof(bits));
    const uint32_t magnitude = bits & 0x7fffffffu;
    // Of 2^-14 and more the exponent's bias changes; of less, a sum with 1/2 leaves the bits.
    const uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13;
    const float sum = (v < 0 ? -v : v) + 0.5f;
    uint32_t small;
    std::memcpy(&small, &sum, sizeof(small));
    const uint32_t half = magnitude < 113u << 23 ? small - 0x3f000000u : normal;
    dst[i] = static_cast<uint16_t>(half | (bits >> 16 & 0x8000u));
  }
}

}  // namespace

void HalvesToFloats(const uint16_t* src, size_t count, float* dst) { FiniteHalvesToFloatsLoop(src, count, dst); }

void FloatsToHalves(const float* src, size_t count, uint16_t* dst) { FloatsToHalvesLoop(src, count, dst); }

bool HalvesToFloats(const uint8_t* src, size_t count, float* dst) { return HalvesToFloatsLoop(src, count, dst); }

}  // namespace lichen
