// SPDX-License-Identifier: Apache-2.0
#include "eval/progress.h"

#include <gtest/gtest.h>

namespace lichen::eval {
namespace {

TEST(ProgressTest, EstimatesFromStepsThatTookTime) {
  EXPECT_EQ(DescribeProgress("measuring", 12, 4, 32, 8, "a.png"), "[12/32] measuring, 40 s left: a.png");
  EXPECT_EQ(DescribeProgress("measuring", 1, 1, 121, 2, "a.png"), "[1/121] measuring, 4 min left: a.png");
  EXPECT_EQ(DescribeProgress("measuring", 1, 1, 101, 120, "a.png"), "[1/101] measuring, 3 h 20 min left: a.png");
}

TEST(ProgressTest, SaysNothingItDoesNotKnow) {
  EXPECT_EQ(DescribeProgress("timing", 3, 0, 9, 1, "a.png"), "[3/9] timing: a.png");
  EXPECT_EQ(DescribeProgress("timing", 9, 9, 9, 1, "a.png"), "[9/9] timing: a.png");
}

}  // namespace
}  // namespace lichen::eval
