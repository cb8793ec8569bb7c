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

}  // namespace

bool HalvesToFloats(const uint8_t* src, size_t count, float* dst) { return HalvesToFloatsLoop(src, count, dst); }

}  // namespace lichen
