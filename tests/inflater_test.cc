// SPDX-License-Identifier: Apache-2.0
#include "image_io/inflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <random>
#include <vector>

#include "png_chunks.h"

namespace lichen::image_io {
namespace {

using test::Bytes;
using test::Part;

/// Noise, few values, repetitions, and parts of each.
Bytes Content(int kind, size_t size) {
  std::mt19937 random(static_cast<uint32_t>(kind));
  Bytes content(size);
  for (size_t i = 0; i < size; ++i) {
    const int here = kind == 3 ? static_cast<int>(i / 3000 % 3) : kind;
    if (here == 0) content[i] = static_cast<uint8_t>(random());
    if (here == 1) content[i] = static_cast<uint8_t>(random() % 4 + random() % 4);
    if (here == 2) content[i] = i < 30001 || random() % 60 == 0 ? static_cast<uint8_t>(random()) : content[i - 30001];
  }
  return content;
}

struct Inflated {
  Bytes content;
  bool ended = false, damaged = false;
  size_t left = 0;  // bytes of the stream
};

/// Given and taken in pieces of these sizes; each piece of the input is gone once the inflater should be through with
/// it. Goes no further than `most` bytes of content.
Inflated Read(const Bytes& stream, size_t input_size, size_t output_size, size_t most = SIZE_MAX) {
  Inflater inflater;
  Inflated result;
  Bytes piece, output(output_size);
  size_t start = 0;
  while (true) {
    const size_t room = std::min(output_size, most - result.content.size());
    const size_t count = inflater.Output(output.data(), room);
    result.content.insert(result.content.end(), output.begin(), output.begin() + static_cast<std::ptrdiff_t>(count));
    if (inflater.Ended() || inflater.Damaged() || result.content.size() == most) break;
    if (count == room) continue;
    if (start == stream.size()) break;
    std::fill(piece.begin(), piece.end(), uint8_t{0xcd});
    piece = Part(stream, start, std::min(input_size, stream.size() - start));
    start += piece.size();
    inflater.SetInput(piece.data(), piece.size());
  }
  result.ended = inflater.Ended();
  result.damaged = inflater.Damaged();
  if (result.ended) result.left = inflater.Left() + stream.size() - start;
  return result;
}

TEST(InflaterTest, ReadsWhatZlibWrites) {
  for (int kind = 0; kind <= 3; ++kind) {
    for (const size_t size : {0, 1, 300, 150000}) {
      const Bytes content = Content(kind, size);
      for (const int level : {0, 1, 9}) {
        for (const int strategy : {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY}) {
          const Bytes stream = test::ZlibStream(content, level, strategy);
          for (const size_t input : {1, 2, 7, 1021, 1 << 20}) {
            if (size > 300 && input < 1021 && (level != 9 || input != 7)) continue;
            for (const size_t output : {1, 301, 1 << 18}) {
              if (size > 300 && output == 1) continue;
              const Inflated read = Read(stream, input, output);
              ASSERT_TRUE(read.ended && !read.damaged);
              ASSERT_EQ(read.content, content)
                  << "kind " << kind << ", " << size << " bytes, level " << level << ", strategy " << strategy
                  << ", pieces of " << input << " to " << output;
            }
          }
        }
      }
    }
  }
}

TEST(InflaterTest, CountsTheBytesBehindTheStream) {
  for (int kind = 0; kind <= 3; ++kind) {
    const Bytes stream = test::ZlibStream(Content(kind, 1000), 6);
    for (const size_t more : {0, 1, 3, 4, 5, 8, 9, 100}) {
      for (const size_t input : {size_t{1}, size_t{5}, stream.size() - 2, stream.size(), stream.size() + 100}) {
        const Inflated read = Read(test::Joined({stream, Bytes(more, 0x78)}), input, 400);
        ASSERT_TRUE(read.ended);
        ASSERT_EQ(read.left, more) << "pieces of " << input;
      }
    }
  }
}

TEST(InflaterTest, DoesNotEndBeforeTheStream) {
  const Bytes content = Content(3, 2000), stream = test::ZlibStream(content, 6);
  for (size_t size = 0; size < stream.size(); ++size) {
    for (const size_t input : {size_t{3}, stream.size()}) {
      const Inflated read = Read(Part(stream, 0, size), input, 700);
      ASSERT_FALSE(read.ended) << size << " of " << stream.size() << " bytes";
      ASSERT_FALSE(read.damaged);
      ASSERT_TRUE(std::equal(read.content.begin(), read.content.end(), content.begin()));
    }
  }
}

TEST(InflaterTest, FindsEveryWrongChecksum) {
  const Bytes content = Content(1, 2000), stream = test::ZlibStream(content, 6);
  for (size_t i = stream.size() - 4; i < stream.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = stream;
      damaged[i] = static_cast<uint8_t>(damaged[i] ^ 1 << bit);
      for (const size_t input : {size_t{1}, stream.size()}) {
        const Inflated read = Read(damaged, input, 2000);
        ASSERT_TRUE(read.damaged && !read.ended) << "byte " << i << ", bit " << bit;
        ASSERT_EQ(read.content, content);
      }
    }
  }
}

TEST(InflaterTest, AgreesWithZlibOnEveryFlippedBit) {
  for (const int level : {0, 1, 9}) {
    const Bytes stream = test::ZlibStream(Content(3, 4000), level);
    for (size_t i = 0; i < stream.size(); i += i < 100 || i + 100 > stream.size() ? 1 : 7) {
      for (int bit = 0; bit < 8; ++bit) {
        SCOPED_TRACE(testing::Message() << "level " << level << ", byte " << i << ", bit " << bit);
        Bytes damaged = stream;
        damaged[i] = static_cast<uint8_t>(damaged[i] ^ 1 << bit);
        const Inflated read = Read(damaged, 1000, 1500, 1 << 16);
        Bytes expected(1 << 16);
        uLongf size = expected.size();
        const bool sound = uncompress(expected.data(), &size, damaged.data(), damaged.size()) == Z_OK;
        ASSERT_EQ(read.ended, sound) << "which the checksum lets pass now and then";
        expected.resize(size);
        if (sound) {
          ASSERT_EQ(read.content, expected);
        }
      }
    }
  }
}

TEST(InflaterTest, RefusesAStreamThatNeedsADictionary) {
  z_stream z = {};
  deflateInit(&z, 6);
  const Bytes content = Content(0, 100);
  deflateSetDictionary(&z, content.data(), 100);
  Bytes stream(1000);
  z.next_in = const_cast<Bytef*>(content.data());
  z.avail_in = 100;
  z.next_out = stream.data();
  z.avail_out = 1000;
  deflate(&z, Z_FINISH);
  stream.resize(z.total_out);
  deflateEnd(&z);
  EXPECT_TRUE(Read(stream, 1000, 1000).damaged);
}

TEST(InflaterTest, Crc32IsThatOfZlib) {
  const Bytes content = Content(0, 100000);
  for (const size_t size : {0, 1, 3, 15, 16, 17, 1000, 100000}) {
    const auto expected = static_cast<uint32_t>(crc32(0, content.data(), static_cast<uInt>(size)));
    EXPECT_EQ(Crc32(0, content.data(), size), expected);
    EXPECT_EQ(Crc32(Crc32(0, content.data(), size / 3), content.data() + size / 3, size - size / 3), expected);
  }
}

}  // namespace
}  // namespace lichen::image_io
