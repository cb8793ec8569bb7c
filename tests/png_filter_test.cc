// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

/// What a reader adds to byte `i`, in the words of the specification, which speaks of bytes of the picture.
int Prediction(PngFilter filter, const Bytes& row, const Bytes& above, size_t i, size_t pixel) {
  const int a = i >= pixel ? row[i - pixel] : 0, b = above[i], c = i >= pixel ? above[i - pixel] : 0;
  const int p = a + b - c, pa = std::abs(p - a), pb = std::abs(p - b), pc = std::abs(p - c);
  switch (filter) {
    case PngFilter::kNone:
      return 0;
    case PngFilter::kSub:
      return a;
    case PngFilter::kUp:
      return b;
    case PngFilter::kAverage:
      return (a + b) / 2;
    case PngFilter::kPaeth:
      return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
  }
  return -1;
}

TEST(PngFilterTest, EveryFilterIsUndoneByTheSpecification) {
  std::mt19937 random(1);
  for (const PngFilter filter :
       {PngFilter::kNone, PngFilter::kSub, PngFilter::kUp, PngFilter::kAverage, PngFilter::kPaeth}) {
    for (const size_t pixel : {1, 2, 3, 4, 6, 8}) {
      for (const size_t width : {1, 2, 5, 16, 17, 100}) {
        const size_t size = width * pixel;
        for (const uint32_t range : {256, 4, 1}) {  // few values, so that distances are equal; none: a first row
          Bytes row(size), above(size), filtered(size + 2, 0xee), read(size);
          for (uint8_t& byte : row) byte = static_cast<uint8_t>(random());
          for (uint8_t& byte : above) byte = static_cast<uint8_t>(random() % range);
          if (range == 4) {
            for (uint8_t& byte : row) byte %= 4;
          }
          FilterRow(filter, row.data(), above.data(), size, pixel, filtered.data());
          ASSERT_EQ(filtered[0], static_cast<uint8_t>(filter));
          ASSERT_EQ(filtered[size + 1], 0xee) << "not its own";
          for (size_t i = 0; i < size; ++i) {
            read[i] = static_cast<uint8_t>(filtered[1 + i] + Prediction(filter, read, above, i, pixel));
          }
          ASSERT_EQ(read, row) << "filter " << int(filter) << ", " << pixel << " bytes a pixel, " << width << " pixels";
          UnfilterRow(filter, filtered.data() + 1, above.data(), size, pixel);
          ASSERT_TRUE(std::equal(row.begin(), row.end(), filtered.begin() + 1))
              << "filter " << int(filter) << ", " << pixel << " bytes a pixel, " << width << " pixels";
          ASSERT_EQ(filtered[size + 1], 0xee) << "not its own";
        }
      }
    }
  }
}

TEST(PngFilterTest, UnfiltersWhatAverageAndPaethPredictFromAnyThreeBytes) {
  for (const PngFilter filter : {PngFilter::kAverage, PngFilter::kPaeth}) {
    for (int a = 0; a < 256; ++a) {
      Bytes row(2 * 65536), above(2 * 65536), expected(2 * 65536);  // c and b above, a and what is predicted below
      for (size_t i = 0; i < row.size(); i += 2) {
        above[i] = static_cast<uint8_t>(i >> 1);
        above[i + 1] = static_cast<uint8_t>(i >> 9);
        row[i] = static_cast<uint8_t>(a - Prediction(filter, expected, above, i, 1));
        expected[i] = static_cast<uint8_t>(a);
        expected[i + 1] = static_cast<uint8_t>(Prediction(filter, expected, above, i + 1, 1));
      }
      UnfilterRow(filter, row.data(), above.data(), row.size(), 1);
      ASSERT_EQ(row, expected) << "filter " << int(filter) << ", a = " << a;
    }
  }
}

TEST(PngFilterTest, MagnitudeCountsBytesAsSigned) {
  const Bytes bytes = {0, 1, 0xff, 0x7f, 0x80, 0x81};
  EXPECT_EQ(Magnitude(bytes.data(), bytes.size()), 0u + 1 + 1 + 127 + 128 + 127);
  EXPECT_EQ(Magnitude(bytes.data(), 0), 0u);
  const Bytes long_row(size_t{1} << 26, 0x80);
  EXPECT_EQ(Magnitude(long_row.data(), long_row.size()), uint64_t{1} << 33) << "more than 32 bits hold";
}

}  // namespace
}  // namespace lichen::image_io
