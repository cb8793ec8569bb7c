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

TEST(TilingTest, PiecesEndAtMultiples) {
  EXPECT_EQ(Pairs(Cut({0, 150}, 64)), (Expected{{0, 64}, {64, 128}, {128, 150}}));
  EXPECT_EQ(Pairs(Cut({60, 70}, 64)), (Expected{{60, 64}, {64, 70}}));
}

TEST(TilingTest, PiecesEndAMarginBeforeMultiples) {
  EXPECT_EQ(Pairs(CutBeforeMargin({0, 188}, 64, 4, 188)), (Expected{{0, 60}, {60, 124}, {124, 188}}));
  EXPECT_EQ(Pairs(CutBeforeMargin({100, 130}, 64, 4, 188)), (Expected{{100, 124}, {124, 130}}));
  // Where the margin ends with the canvas, it is no margin.
  EXPECT_EQ(Pairs(CutBeforeMargin({0, 64}, 64, 4, 64)), (Expected{{0, 64}}));
  EXPECT_EQ(Pairs(CutBeforeMargin({0, 65}, 64, 4, 65)), (Expected{{0, 60}, {60, 65}}));
  EXPECT_EQ(Pairs(CutBeforeMargin({0, 20}, 64, 4, 21)), (Expected{{0, 20}}));
}

TEST(TilingTest, PiecesWithTheirMarginNeedNoTileBelow) {
  for (const int margin : {0, 3, 7, 100}) {
    for (int size = 1; size < 300; size += 7) {
      int begin = 0;
      for (const Span piece : CutBeforeMargin({0, size}, 32, margin, size)) {
        EXPECT_EQ(piece.begin, begin);
        EXPECT_GT(piece.end, begin);
        EXPECT_TRUE(piece.end == size || (piece.end + margin) % 32 == 0);
        EXPECT_LE(piece.size(), 32 + margin);
        begin = piece.end;
      }
      EXPECT_EQ(begin, size);
    }
  }
}

}  // namespace
}  // namespace lichen
