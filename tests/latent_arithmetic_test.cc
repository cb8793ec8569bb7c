// SPDX-License-Identifier: Apache-2.0
// Against the integer arithmetic of fixed_point.h.
#include "codec/latent_arithmetic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "codec/fixed_point.h"

namespace lichen {
namespace {

constexpr int kCount = 67;  // no multiple of any vector's length

std::vector<uint16_t> Exp2Table() {
  std::vector<uint16_t> table;
  for (int i = 0; i < 256; ++i) table.push_back(static_cast<uint16_t>(std::lround(16384 * std::exp2(i / 256.0))));
  return table;
}

/// Numbers of all magnitudes up to `limit`, and the limits themselves.
std::vector<int32_t> Numbers(int32_t limit, std::mt19937& random) {
  std::vector<int32_t> numbers = {0, 1, -1, limit, -limit, limit - 1, 1 - limit};
  while (numbers.size() < kCount) {
    const auto magnitude = static_cast<int32_t>(random() >> (random() % 32)) & 0x7fffffff;
    numbers.push_back((random() & 1) != 0 ? magnitude % limit : -(magnitude % limit));
  }
  return numbers;
}

class LatentArithmeticTest : public testing::Test {
 protected:
  void SetExponent(int exponent) {
    multiplier = Exp2Multiplier(exponent, table.data());
    factor.assign(kCount, multiplier.AsFloat());
  }

  std::mt19937 random{7};
  std::vector<uint16_t> table = Exp2Table();
  Exp2Multiplier multiplier;
  std::vector<double> factor;
};

TEST_F(LatentArithmeticTest, MeansEqualThoseOfIntegersAtEveryExponent) {
  for (int e = -20 * 256; e <= 12 * 256; e += 13) {
    SetExponent(e);
    const std::vector<int32_t> heads = Numbers(kHeadLimit, random), offset(kCount, 0);
    std::vector<int32_t> mean(kCount), index(kCount);
    MeansAndIndices(heads.data(), heads.data(), factor.data(), offset.data(), kCount, mean.data(), index.data());
    for (int i = 0; i < kCount; ++i) {
      ASSERT_EQ(mean[i], std::clamp<int64_t>(multiplier.Apply(heads[i]), INT16_MIN, INT16_MAX)) << heads[i] << " " << e;
    }
  }
}

TEST_F(LatentArithmeticTest, HalvesAreRoundedUp) {
  SetExponent(-256);  // times 1/2
  const std::vector<int32_t> heads = {-5, -4, -3, -2, -1, 0, 1, 2, 3}, zeros(9, 0);
  std::vector<int32_t> mean(9), index(9);
  MeansAndIndices(heads.data(), zeros.data(), factor.data(), zeros.data(), 9, mean.data(), index.data());
  EXPECT_EQ(mean, (std::vector<int32_t>{-2, -2, -1, -1, 0, 0, 1, 1, 2}));
}

TEST_F(LatentArithmeticTest, IndicesAreRoundedAndLimited) {
  SetExponent(0);
  const std::vector<int32_t> scales = {-kHeadLimit, -9, -8, 7, 8, 23, 24, 63 * 16 - 9, 63 * 16, kHeadLimit};
  const std::vector<int32_t> offset(scales.size(), 0);
  const int count = static_cast<int>(scales.size());
  std::vector<int32_t> mean(scales.size()), index(scales.size());
  MeansAndIndices(scales.data(), scales.data(), factor.data(), offset.data(), count, mean.data(), index.data());
  EXPECT_EQ(index, (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 2, 62, 63, 63}));
  const std::vector<int32_t> shifted(scales.size(), 16);
  MeansAndIndices(scales.data(), scales.data(), factor.data(), shifted.data(), count, mean.data(), index.data());
  EXPECT_EQ(index[8], 62);
}

TEST_F(LatentArithmeticTest, ResidualsAreRoundedLimitedAndNeverNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> y = {0.0f, 0.5f, -0.5f, -0.51f, 1.49f, 1e9f, -1e9f, nan, infinite, -infinite, 3.0f};
  std::vector<int32_t> mean(y.size(), 0), residual(y.size());
  std::vector<float> exact(y.size());
  RoundResiduals(y.data(), mean.data(), static_cast<int>(y.size()), exact.data(), residual.data());
  EXPECT_EQ(residual, (std::vector<int32_t>{0, 1, 0, -1, 1, 16384, -16384, 0, 16384, -16384, 3}));
  mean.assign(y.size(), 24);  // 1.5 steps
  RoundResiduals(y.data(), mean.data(), static_cast<int>(y.size()), exact.data(), residual.data());
  EXPECT_EQ(residual[0], -1);
  EXPECT_EQ(residual[10], 2);
  EXPECT_EQ(exact[10], 1.5f);
}

TEST_F(LatentArithmeticTest, UnitsEqualThoseOfIntegersAtEveryExponent) {
  for (int e = -20 * 256; e <= 12 * 256; e += 13) {
    SetExponent(e);
    const int32_t unit = e % 2 == 0 ? 16 : 12;  // of z, of y
    const std::vector<int32_t> mean = Numbers(INT16_MAX, random), residual = Numbers(2 * kResidualLimit, random);
    std::vector<int32_t> value(kCount);
    std::vector<uint8_t> positive(kCount), negative(kCount);
    ValuesAndUnits(mean.data(), residual.data(), unit, factor.data(), kCount, value.data(), positive.data(),
                   negative.data());
    for (int i = 0; i < kCount; ++i) {
      ASSERT_EQ(value[i], mean[i] + unit * residual[i]);
      const int64_t units = multiplier.Apply(value[i]);
      ASSERT_EQ(positive[i], std::clamp<int64_t>(units, 0, kActivationMax)) << value[i] << " " << e;
      ASSERT_EQ(negative[i], std::clamp<int64_t>(-units, 0, kActivationMax)) << value[i] << " " << e;
    }
  }
}

TEST_F(LatentArithmeticTest, HeadsEqualThoseOfIntegersAtEveryShift) {
  for (int shift = 1; shift <= 40; ++shift) {
    for (const int mantissa : {0, 1, 3, 16385, 32767}) {
      const std::vector<int32_t> acc = Numbers((1 << 24) - 100, random), bias(kCount, 37);
      const std::vector<double> scale(kCount, std::ldexp(mantissa, -shift));
      std::vector<int32_t> dst(kCount);
      RequantiseHead(acc.data(), bias.data(), scale.data(), kCount, dst.data());
      for (int i = 0; i < kCount; ++i) {
        const int64_t scaled = RoundingShift(int64_t{acc[i] + bias[i]} * mantissa, shift);
        ASSERT_EQ(dst[i], std::clamp<int64_t>(scaled, -kHeadLimit, kHeadLimit)) << acc[i] << " " << shift;
      }
    }
  }
}

}  // namespace
}  // namespace lichen
