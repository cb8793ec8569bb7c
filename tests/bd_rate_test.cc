// SPDX-License-Identifier: Apache-2.0
#include "eval/bd_rate.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lichen::eval {
namespace {

// Means over the 24 Kodak photographs (PSNR over RGB): libwebp 1.2.4 -m 6 -sharp_yuv, and libjpeg-turbo 2.1.5,
// 4:2:0, optimised, progressive.
const std::vector<RatePoint> kWebp = {{0.1029409, 25.6932229}, {0.2189874, 28.1561883}, {0.3290914, 29.657305},
                                      {0.5322079, 31.8014804}, {0.728848, 33.4868167},  {0.9174974, 34.8114242},
                                      {1.4836035, 37.8883763}, {2.4938033, 41.1843925}, {3.3930545, 43.0707442}};
const std::vector<RatePoint> kJpeg = {{0.1557117, 23.8234442}, {0.2706849, 26.6642725}, {0.4594922, 29.1444829},
                                      {0.685295, 31.012955},   {0.8648402, 32.1738158}, {1.0837902, 33.3596237},
                                      {1.5043699, 35.369985},  {2.2069668, 38.0339729}, {2.8415586, 39.9447867}};

// Curves of few, uneven points; the first has one that costs more and gives less.
const std::vector<RatePoint> kRagged = {{0.2, 28}, {0.5, 32}, {0.45, 31}, {0.6, 31.5}, {1.0, 36}, {1.9, 40}};
const std::vector<RatePoint> kPlain = {{0.25, 27}, {0.55, 31}, {1.2, 35.5}, {2.5, 41}};

std::vector<RatePoint> ScaleRate(std::vector<RatePoint> points, double factor) {
  for (RatePoint& point : points) point.bpp *= factor;
  return points;
}

TEST(BdRateTest, IdenticalCurvesDifferByNothing) {
  const auto result = ComputeBdRate(kJpeg, kJpeg);
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->percent, 0, 1e-9);
  EXPECT_EQ(result->range.low, kJpeg.front().quality);
  EXPECT_EQ(result->range.high, kJpeg.back().quality);
}

TEST(BdRateTest, HalfTheRateIsMinusFiftyPercent) {
  EXPECT_NEAR(ComputeBdRate(ScaleRate(kJpeg, 0.5), kJpeg)->percent, -50, 1e-9);
  EXPECT_NEAR(ComputeBdRate(ScaleRate(kJpeg, 2), kJpeg)->percent, 100, 1e-9);
}

// Expected figures: an implementation in NumPy whose interpolation equals scipy's PchipInterpolator.
TEST(BdRateTest, AgreesWithReferenceOverTheWholeOverlap) {
  const auto result = ComputeBdRate(kWebp, kJpeg);
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->percent, -36.150378, 1e-5);
  EXPECT_NEAR(result->range.low, 25.6932229, 1e-9);
  EXPECT_NEAR(result->range.high, 39.9447867, 1e-9);
}

TEST(BdRateTest, AgreesWithReferenceWithinLimits) {
  const auto result = ComputeBdRate(kWebp, kJpeg, {29, 37});
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->percent, -34.076856, 1e-5);
  EXPECT_EQ(result->range.low, 29);
  EXPECT_EQ(result->range.high, 37);
}

TEST(BdRateTest, LeavesOutPointsThatOthersBeat) {
  EXPECT_NEAR(ComputeBdRate(kRagged, kPlain)->percent, -22.369542139139142, 1e-9);
  EXPECT_NEAR(ComputeBdRate(kRagged, kPlain, {30, 34})->percent, -22.970015275992505, 1e-9);
}

TEST(BdRateTest, TwoPointsMakeALine) {
  const auto result = ComputeBdRate({kRagged[0], kRagged[1]}, {kPlain[0], kPlain[1]});
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->percent, -31.086657540694407, 1e-9);
}

TEST(BdRateTest, OrderOfPointsDoesNotMatter) {
  std::vector<RatePoint> reversed = kWebp;
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(ComputeBdRate(reversed, kJpeg)->percent, ComputeBdRate(kWebp, kJpeg)->percent);
}

// The example of github.com/FAU-LMS/bjontegaard, and one that many scripts carry; figures by a second, plain
// implementation, which sums 200000 samples of each curve.
TEST(BdRateTest, AgreesWithSecondImplementationOnPublishedCurves) {
  const std::vector<RatePoint> anchor = {{9487.76, 40.037}, {4593.60, 38.615}, {2486.44, 36.845}, {1358.24, 34.851}};
  const std::vector<RatePoint> test = {{9787.80, 40.121}, {4469.00, 38.651}, {2451.52, 36.970}, {1356.24, 34.987}};
  EXPECT_NEAR(ComputeBdRate(test, anchor)->percent, -4.41748535, 1e-6);
  EXPECT_NEAR(ComputeBdGain(test, anchor)->decibels, 0.11969279, 1e-6);

  const std::vector<RatePoint> better = {{686.76, 40.28}, {309.58, 37.18}, {157.11, 34.24}, {85.95, 31.42}};
  const std::vector<RatePoint> worse = {{893.34, 40.39}, {407.8, 37.21}, {204.93, 34.17}, {112.75, 31.24}};
  EXPECT_NEAR(ComputeBdRate(worse, better)->percent, 31.37987820, 1e-6);
  EXPECT_NEAR(ComputeBdGain(worse, better)->decibels, -1.18347240, 1e-6);
}

TEST(BdGainTest, AgreesWithReferenceOverTheCommonRates) {
  const auto result = ComputeBdGain(kWebp, kJpeg);
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->decibels, 2.33965750, 1e-6);
  EXPECT_NEAR(result->low_bpp, 0.1557117, 1e-9);
  EXPECT_NEAR(result->high_bpp, 2.8415586, 1e-9);
}

TEST(BdGainTest, OneDecibelUpIsOneDecibel) {
  std::vector<RatePoint> better = kJpeg;
  for (RatePoint& point : better) point.quality += 1;
  EXPECT_NEAR(ComputeBdGain(better, kJpeg)->decibels, 1, 1e-9);
  EXPECT_NEAR(ComputeBdGain(kJpeg, better)->decibels, -1, 1e-9);
}

TEST(BdGainTest, NothingWithoutCommonRates) {
  EXPECT_FALSE(ComputeBdGain({{0.01, 20}, {0.02, 22}}, kJpeg));
  EXPECT_FALSE(ComputeBdGain({{0.5, 30}}, kJpeg));
}

TEST(BdRateTest, NothingWithoutCommonQualities) {
  EXPECT_FALSE(ComputeBdRate({{0.1, 20}, {0.2, 22}}, kJpeg));
  EXPECT_FALSE(ComputeBdRate(kWebp, kJpeg, {50, 60}));
  EXPECT_FALSE(ComputeBdRate({{0.5, 30}}, kJpeg));
  EXPECT_FALSE(ComputeBdRate({}, kJpeg));
}

}  // namespace
}  // namespace lichen::eval
