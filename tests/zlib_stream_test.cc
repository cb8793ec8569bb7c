// SPDX-License-Identifier: Apache-2.0
#include "image_io/zlib_stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

TEST(ZlibStreamTest, RoundTripsEverySize) {
  for (const size_t size : {0, 1, 1000, 16384, 16385, 32768, 1000000}) {
    Bytes content(size);
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<uint8_t>(i * i / 5);
    const Bytes stream = Deflate(content);
    EXPECT_EQ(Inflate(stream.data(), stream.size(), size), content) << size;
    EXPECT_EQ(Inflate(stream.data(), stream.size(), size_t{1} << 26), content) << size;
    if (size == 0) continue;
    EXPECT_EQ(Inflate(stream.data(), stream.size(), size - 1), std::nullopt) << size;
  }
}

TEST(ZlibStreamTest, RefusesTruncationsAndIgnoresWhatFollows) {
  const Bytes content(3000, 5);
  Bytes stream = Deflate(content);
  for (size_t size = 0; size < stream.size(); ++size) {
    EXPECT_EQ(Inflate(stream.data(), size, 5000), std::nullopt) << size;
  }
  stream.push_back(1);
  EXPECT_EQ(Inflate(stream.data(), stream.size(), 5000), content);
}

}  // namespace
}  // namespace lichen::image_io
