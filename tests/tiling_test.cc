// SPDX-License-Identifier: Apache-2.0
#include "codec/tiling.h"

#include <gtest/gtest.h>

#include <utility>

namespace lichen {
namespace {

std::vector<std::pair<int, int>> Pairs(const std::vector<Span>& spans) {
  std::vector<std::pair<int, int>> pairs;
  for (const Span& span : spans) pairs.emplace_back(span.begin, span.end);
  return pairs;
}

using Expected = std::vector<std::pair<int, int>>;

TEST(TilingTest, StripsEndAtMultiplesAndTheFirstGetsThroughAllLayers) {
  EXPECT_EQ(Pairs(Strips({0, 30}, 8, 6)), (Expected{{0, 8}, {8, 16}, {16, 24}, {24, 30}}));
  EXPECT_EQ(Pairs(Strips({0, 20}, 4, 6)), (Expected{{0, 8}, {8, 12}, {12, 16}, {16, 20}}));
  EXPECT_EQ(Pairs(Strips({5, 30}, 8, 6)), (Expected{{5, 16}, {16, 24}, {24, 30}}));
  EXPECT_EQ(Pairs(Strips({0, 7}, 8, 6)), (Expected{{0, 7}}));
  EXPECT_EQ(Pairs(Strips({60, 70}, 64, 6)), (Expected{{60, 70}}));
  EXPECT_EQ(Pairs(Strips({63, 73}, 10, 0)), (Expected{{63, 73}}));
}

TEST(TilingTest, StripsCoverAllRowsOnce) {
  for (const int margin : {0, 3, 7, 100}) {
    for (int step = 1; step <= 64; step *= 2) {
      for (int size = 1; size < 300; size += 7) {
        int at = 11;
        for (const Span strip : Strips({11, 11 + size}, step, margin)) {
          EXPECT_EQ(strip.begin, at);
          EXPECT_TRUE(strip.end % step == 0 || strip.end == 11 + size);
          EXPECT_TRUE(strip.begin == 11 ? strip.size() > margin || strip.size() == size : strip.size() <= step);
          EXPECT_LE(strip.size(), step + margin);
          at = strip.end;
        }
        EXPECT_EQ(at, 11 + size);
      }
    }
  }
}

TEST(TilingTest, SmallPicturesAreOneStripAndNarrowOnesHaveHigherStrips) {
  EXPECT_EQ(StripRows(32, 48), 32);  // 768 x 512 pixels
  EXPECT_EQ(StripRows(48, 32), 48);
  EXPECT_EQ(StripRows(64, 64), 16);
  EXPECT_EQ(StripRows(188, 250), 4);
  EXPECT_EQ(StripRows(1 << 20, 1), 1024);
  EXPECT_EQ(StripRows(2, 1 << 20), 4);
}

}  // namespace
}  // namespace lichen
