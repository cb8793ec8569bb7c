// SPDX-License-Identifier: Apache-2.0
#include "codec/half_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lichen {
namespace {

/// From the definition: (-1)^s * 2^(e - 15) * (1 + m / 1024), and 2^-14 * m / 1024 where e is 0.
float ByDefinition(int half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>((half & 0x8000) != 0 ? -value : value);
}

TEST(HalfFloatTest, EveryFiniteHalfIsConvertedExactly) {
  std::vector<uint8_t> bytes;
  std::vector<float> expected;
  for (int half = 0; half < 1 << 16; ++half) {
    if ((half >> 10 & 31) == 31) continue;
    bytes.push_back(static_cast<uint8_t>(half));
    bytes.push_back(static_cast<uint8_t>(half >> 8));
    expected.push_back(ByDefinition(half));
  }
  std::vector<float> floats(expected.size());
  ASSERT_TRUE(HalvesToFloats(bytes.data(), floats.size(), floats.data()));
  for (size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(floats[i], expected[i]) << i;
    ASSERT_EQ(std::signbit(floats[i]), std::signbit(expected[i])) << i;
  }
}

TEST(HalfFloatTest, InfinitiesAndNansAreSeenAnywhere) {
  for (const int bad : {0x7c00, 0xfc00, 0x7c01, 0xffff}) {
    for (size_t at = 0; at < 70; at += 23) {
      std::vector<uint8_t> bytes(140, 0);
      bytes[2 * at] = static_cast<uint8_t>(bad);
      bytes[2 * at + 1] = static_cast<uint8_t>(bad >> 8);
      std::vector<float> floats(70);
      EXPECT_FALSE(HalvesToFloats(bytes.data(), floats.size(), floats.data())) << bad << " at " << at;
    }
  }
}

}  // namespace
}  // namespace lichen
