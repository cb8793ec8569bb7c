// SPDX-License-Identifier: Apache-2.0
#include "codec/quality_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace lichen {
namespace {

using Curve = std::function<double(int)>;

struct Search {
  QualityResult result;
  int trials = 0;
};

Search SearchOn(const QualityGoal& goal, int start, const Curve& curve) {
  Search search;
  const auto result = SearchQuality(goal, start, [&](int index) -> Result<double> {
    EXPECT_TRUE(index >= 0 && index <= 896) << index;
    EXPECT_LT(++search.trials, 40);
    return curve(index);
  });
  EXPECT_TRUE(result.ok());
  if (result.ok()) search.result = *result;
  return search;
}

/// log2 of bits per pixel, as photographs have it: steep at first, flat at the end.
double LogRate(int index) { return -3.7 + 5.0 * index / 896 - 0.6 * std::pow(index / 896.0 - 0.4, 2); }

TEST(QualitySearchTest, MeetsGoalsAnywhereOnASmoothCurveInFewTrials) {
  int most = 0;
  for (double bits = 0.09; bits < 2.0; bits *= 1.07) {
    for (const int start : {0, 300, 896}) {
      const Search search = SearchOn({std::log2(0.99 * bits), std::log2(bits), true, 0.0056}, start, LogRate);
      ASSERT_TRUE(search.result.in_reach) << bits;
      EXPECT_LE(search.result.trial.measured, std::log2(bits));
      EXPECT_GE(search.result.trial.measured, std::log2(0.99 * bits));
      EXPECT_EQ(search.result.trial.measured, LogRate(search.result.trial.index));
      most = std::max(most, search.trials);
    }
  }
  EXPECT_LE(most, 5);
}

TEST(QualitySearchTest, EndsOnCurvesOfAnyShape) {
  const Curve curves[] = {
      [](int i) { return i < 700 ? 0.0 : 1.0 + i; },              // a jump
      [](int i) { return std::exp(0.02 * i); },                   // ever steeper
      [](int i) { return std::log1p(50.0 * i); },                 // ever flatter
      [](int i) { return 0.01 * i + ((i * 7919) % 13) * 0.05; },  // rising on the whole only
      [](int i) { return static_cast<double>(i / 100); },         // steps
  };
  for (const Curve& curve : curves) {
    for (const double share : {0.1, 0.5, 0.9}) {
      const double aim = curve(0) + share * (curve(896) - curve(0));
      for (const bool at_most : {true, false}) {
        for (const int start : {0, 448, 896}) {
          const double low = at_most ? aim - 1e-3 : aim, high = at_most ? aim : aim + 1e-3;
          const Search search = SearchOn({low, high, at_most, 0.01}, start, curve);
          ASSERT_TRUE(search.result.in_reach);
          const QualityTrial found = search.result.trial;
          if (at_most) {
            EXPECT_LE(found.measured, high);
            EXPECT_TRUE(found.measured >= low || curve(found.index + 1) > high) << "not the next either";
          } else {
            EXPECT_GE(found.measured, low);
            EXPECT_TRUE(found.measured <= high || curve(found.index - 1) < low) << "not the one before either";
          }
        }
      }
    }
  }
}

TEST(QualitySearchTest, TellsWhatIsOutOfReach) {
  const Curve line = [](int i) { return 10.0 + i; };
  const Search below = SearchOn({5, 9, true, 1}, 500, line);
  EXPECT_FALSE(below.result.in_reach);
  EXPECT_EQ(below.result.trial.index, 0);
  const Search above = SearchOn({907, 909, false, 1}, 500, line);
  EXPECT_FALSE(above.result.in_reach);
  EXPECT_EQ(above.result.trial.index, 896);
  EXPECT_TRUE(SearchOn({10, 10.5, true, 1}, 500, line).result.in_reach);
  EXPECT_TRUE(SearchOn({906, 906.5, true, 1}, 500, line).result.in_reach);
}

TEST(QualitySearchTest, PassesErrorsOn) {
  const auto result =
      SearchQuality({1, 2, true, 1}, 0, [](int) -> Result<double> { return Status(StatusCode::kCancelled, "stop"); });
  EXPECT_EQ(result.status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace lichen
