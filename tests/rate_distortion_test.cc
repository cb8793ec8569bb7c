// SPDX-License-Identifier: Apache-2.0
#include "codec/rate_distortion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "codec/fixed_point.h"
#include "codec/model_data.h"
#include "test_data.h"

namespace lichen {
namespace {

double Bits(const bitstream::CdfTable& table, int32_t residual) {
  return 15 - std::log2(table.frequency(static_cast<uint32_t>(residual + table.radius())));
}

TEST(RateDistortionTest, ChoosesTheCheaperOfTwo) {
  const std::vector<bitstream::CdfTable>& all = DataOf(*test::ToyModel()).tables;
  const std::vector<bitstream::CdfTable> tables(all.begin(), all.begin() + kScaleTables);  // of z
  const RateDistortion quantiser(tables);
  int smaller = 0, same = 0;
  for (size_t t = 1; t < tables.size(); ++t) {
    for (int32_t r = 1; r <= std::min(15, tables[t].radius()); ++r) {
      for (double d = -0.499; d < 0.5; d += 0.037) {
        constexpr double kWeight = RateDistortion::kBitsPerSquaredStepOfZ;
        const double keep = Bits(tables[t], r) + kWeight * d * d;
        const double step = Bits(tables[t], r - 1) + kWeight * (1 + d) * (1 + d);
        if (std::fabs(keep - step) < 1e-3) continue;  // a matter of rounding
        const int32_t expected = step < keep ? r - 1 : r;
        EXPECT_EQ(quantiser.Choose(int(t), r, float(r + d)), expected) << "table " << t << ", " << r + d;
        EXPECT_EQ(quantiser.Choose(int(t), -r, float(-r - d)), -expected) << "table " << t << ", " << -r - d;
        ++(expected == r ? same : smaller);
      }
    }
  }
  EXPECT_GT(smaller, 100);
  EXPECT_GT(same, smaller);
}

TEST(RateDistortionTest, LeavesZeroAndWhatNeedsAnEscape) {
  const std::vector<bitstream::CdfTable>& all = DataOf(*test::ToyModel()).tables;
  const std::vector<bitstream::CdfTable> tables(all.begin(), all.begin() + kScaleTables);  // of z
  const RateDistortion quantiser(tables);
  for (int32_t t = 0; t < int32_t(tables.size()); ++t) {
    const int32_t beyond = tables[t].radius() + 1;
    EXPECT_EQ(quantiser.Choose(t, 0, -0.4f), 0);
    EXPECT_EQ(quantiser.Choose(t, beyond, float(beyond) - 0.5f), beyond);
    EXPECT_EQ(quantiser.Choose(t, -16384, -16384.5f), -16384);
  }
}

}  // namespace
}  // namespace lichen
