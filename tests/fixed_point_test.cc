// SPDX-License-Identifier: Apache-2.0
#include "codec/fixed_point.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lichen {
namespace {

std::vector<uint16_t> Exp2Table() {
  std::vector<uint16_t> table;
  for (int i = 0; i < 256; ++i) table.push_back(static_cast<uint16_t>(std::lround(16384 * std::exp2(i / 256.0))));
  return table;
}

TEST(FixedPointTest, RoundingShiftRoundsHalvesUp) {
  EXPECT_EQ(RoundingShift(3, 1), 2);
  EXPECT_EQ(RoundingShift(-3, 1), -1);
  EXPECT_EQ(RoundingShift(-4, 3), 0);
  EXPECT_EQ(RoundingShift(-5, 3), -1);
  EXPECT_EQ(RoundingShift(7, 0), 7);
}

TEST(FixedPointTest, Exp2MultiplierFollowsItsFormula) {
  const std::vector<uint16_t> table = Exp2Table();
  for (int e = -24 * 256; e <= 24 * 256; e += 37) {
    const Exp2Multiplier multiplier(e, table.data());
    for (int32_t v : {0, 1, -1, 127, -5000, 1 << 15, -(1 << 19)}) {
      // In floating point: v * T is exact, and so is the power of two.
      const int octaves = static_cast<int>(std::floor(e / 256.0));
      const double exact = double(v) * table[e - 256 * octaves] * std::exp2(octaves - 14);
      EXPECT_EQ(static_cast<double>(multiplier.Apply(v)), std::floor(exact + 0.5)) << e << " " << v;
    }
    EXPECT_NEAR(multiplier.AsFloat() / std::exp2(e / 256.0), 1, 1e-4);
  }
}

TEST(FixedPointTest, AtQualityMeetsTheAnchorsAndRoundsBetween) {
  EXPECT_EQ(AtQuality(-700, 300, 0), -700);
  EXPECT_EQ(AtQuality(-700, 300, 128), 300);
  EXPECT_EQ(AtQuality(0, 1, 63), 0);
  EXPECT_EQ(AtQuality(0, 1, 64), 1);
  EXPECT_EQ(AtQuality(0, -1, 64), 0);
}

}  // namespace
}  // namespace lichen
