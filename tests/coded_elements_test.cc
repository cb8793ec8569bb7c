// SPDX-License-Identifier: Apache-2.0
#include "codec/coded_elements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "codec/fixed_point.h"
#include "codec/trellis.h"

namespace lichen {
namespace {

class CodedElementsTest : public testing::TestWithParam<int> {};  // of what: count

TEST_P(CodedElementsTest, AreTakenAndPutBack) {
  const int count = GetParam();
  std::mt19937 random(static_cast<uint32_t>(count));
  for (const CodedElements& elements : {PlainCodedElements(), FastestCodedElements()}) {
    for (const uint32_t coded_in_8 : {0u, 1u, 3u, 8u}) {
      const int mark = coded_in_8 == 3 ? TrellisSearch::kAtSide : 0;
      std::vector<int32_t> index(count), levels(count, 99), expected_levels(count, 0);
      std::vector<float> exact(count), expected;
      std::vector<uint8_t> expected_marks;
      for (int i = 0; i < count; ++i) {
        index[i] = random() % 8 < coded_in_8 ? static_cast<int32_t>(1 + random() % (kScaleTables - 1)) : 0;
        exact[i] = static_cast<float>(random() % 1000) / 16;
        if (index[i] == 0) continue;
        expected.push_back(exact[i]);
        expected_marks.push_back(static_cast<uint8_t>(index[i] | mark));
      }
      const size_t number = expected.size();
      // Nothing is written behind as many as there are elements: other threads' stand there.
      std::vector<float> taken(count + 1, -1.0f);
      std::vector<uint8_t> marks(count + 1, 123);
      std::vector<uint16_t> words(WordsOfCoded(count) + 1, 12345);
      ASSERT_EQ(elements.take(index.data(), exact.data(), mark, count, taken.data(), marks.data(), words.data()),
                static_cast<int>(number));
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), taken.begin()));
      EXPECT_TRUE(std::equal(expected_marks.begin(), expected_marks.end(), marks.begin()));
      EXPECT_EQ(taken[count], -1.0f);
      EXPECT_EQ(marks[count], 123);
      EXPECT_EQ(words.back(), 12345);
      for (int i = 0; i < count; ++i) EXPECT_EQ(words[i / 16] >> (i % 16) & 1, index[i] != 0 ? 1 : 0);

      // The search's: quantisers in place of marks, and symbols of both signs.
      std::vector<int16_t> symbols;
      for (size_t n = 0, i = 0; n < number; ++n, ++i) {
        while (index[i] == 0) ++i;
        const int quantiser = static_cast<int>(random() % 2);
        symbols.push_back(static_cast<int16_t>(static_cast<int>(random() % 7) - 3));
        if (n == 0) symbols[0] = -16384;
        marks[n] = static_cast<uint8_t>(quantiser * kScaleTables + index[i]);
        expected_levels[i] = LevelOf(quantiser, symbols[n]);
      }
      levels.push_back(99);
      ASSERT_EQ(elements.place(words.data(), symbols.data(), marks.data(), count, levels.data()),
                static_cast<int>(number));
      EXPECT_EQ(levels.back(), 99);
      levels.pop_back();
      EXPECT_EQ(levels, expected_levels);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, CodedElementsTest, testing::Values(1, 15, 16, 17, 48, 128, 130));

}  // namespace
}  // namespace lichen
