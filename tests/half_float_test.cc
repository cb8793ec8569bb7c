// SPDX-License-Identifier: Apache-2.0
#include "codec/half_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

TEST(HalfFloatTest, HalvesSurviveTheWayThroughFloats) {
  std::vector<uint16_t> halves, again;
  for (int half = 0; half < 1 << 16; ++half) {
    if ((half >> 10 & 31) != 31) halves.push_back(static_cast<uint16_t>(half));
  }
  std::vector<float> floats(halves.size());
  again.resize(halves.size());
  HalvesToFloats(halves.data(), halves.size(), floats.data());
  for (size_t i = 0; i < halves.size(); ++i) ASSERT_EQ(floats[i], ByDefinition(halves[i])) << i;
  FloatsToHalves(floats.data(), floats.size(), again.data());
  EXPECT_EQ(again, halves);
}

TEST(HalfFloatTest, FloatsBecomeTheNearestHalf) {
  std::vector<float> floats, expected;
  for (int half = 0; half < 0x7bff; ++half) {
    const float below = ByDefinition(half), above = ByDefinition(half + 1), middle = (below + above) / 2;
    for (const float sign : {1.0f, -1.0f}) {
      floats.insert(floats.end(),
                    {sign * std::nextafter(middle, 0.0f), sign * middle, sign * std::nextafter(middle, 1e9f)});
      expected.insert(expected.end(), {sign * below, sign * (half % 2 == 0 ? below : above), sign * above});
    }
  }
  const float infinity = std::numeric_limits<float>::infinity();
  floats.insert(floats.end(), {65519, -1e30f, infinity, -infinity, std::nanf("")});
  expected.insert(expected.end(), {65504, -65504, 65504, -65504, 0});
  std::vector<uint16_t> halves(floats.size());
  FloatsToHalves(floats.data(), floats.size(), halves.data());
  for (size_t i = 0; i < floats.size(); ++i) ASSERT_EQ(ByDefinition(halves[i]), expected[i]) << floats[i];
}

}  // namespace
}  // namespace lichen
