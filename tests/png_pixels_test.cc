// SPDX-License-Identifier: Apache-2.0
// The rows of PNG files, beside what libpng alone makes of the same files. In a build without ISA-L both are libpng.
#include "image_io/png_pixels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "allocation_counter.h"
#include "image_io/png_file.h"
#include "libpng_reader.h"
#include "png_chunks.h"

namespace lichen::image_io {
namespace {

using test::Bytes;
using test::Joined;
using test::Part;
using test::PixelChunks;
using test::PngChunk;
using test::PngEnd;
using test::PngShape;
using test::PngStart;
using test::ZlibStream;

struct OurPicture {
  Status status;
  Image image;
};

OurPicture Read(const Bytes& file) {
  OurPicture result;
  auto source = OpenPng(std::make_unique<MemorySource>(file.data(), file.size()), {});
  if (!source.ok()) {
    result.status = source.status();
    return result;
  }
  Image& image = result.image;
  static_cast<ImageHeader&>(image) = source.value()->header();
  Bytes row(image.RowBytes());
  for (uint32_t y = 0; y < image.height && result.status.ok(); ++y) {
    result.status = source.value()->ReadRow(row.data());
    image.pixels.insert(image.pixels.end(), row.begin(), row.end());
  }
  return result;
}

/// Both readers agree that the file is sound, and on its picture.
void ExpectSame(const Bytes& file) {
  const test::LibpngPicture expected = test::LibpngReader().Read(file.data(), file.size(), 1 << 24);
  const OurPicture read = Read(file);
  ASSERT_EQ(expected.error, "");
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  ASSERT_EQ(read.image.width, expected.width);
  ASSERT_EQ(read.image.height, expected.height);
  ASSERT_EQ(read.image.channels, expected.channels);
  ASSERT_EQ(read.image.bit_depth, expected.bit_depth);
  ASSERT_EQ(read.image.pixels, expected.pixels);
}

/// Both readers find the same fault.
void ExpectError(const Bytes& file, const std::string& error) {
  EXPECT_EQ(test::LibpngReader().Read(file.data(), file.size(), 1 << 24).error, error);
  const OurPicture read = Read(file);
  EXPECT_EQ(read.status.code(), StatusCode::kDamaged);
  EXPECT_EQ(read.status.message(), error + " (this PNG file is damaged; get a good copy)");
}

/// Noise as filtered rows, by the filter, or by all of them for -1; small numbers, so that Paeth meets equal distances.
Bytes FilteredRows(const PngShape& shape, int filter) {
  std::mt19937 random(shape.width * 31 + shape.height);
  Bytes rows(shape.RowBytes() * shape.height);
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool flat = i / shape.RowBytes() % 4 == 3;
    rows[i] = static_cast<uint8_t>(flat ? random() % 3 - 1 : random());
    if (i % shape.RowBytes() == 0) rows[i] = static_cast<uint8_t>(filter < 0 ? random() % 5 : unsigned(filter));
  }
  return rows;
}

std::vector<PngShape> Shapes(uint32_t width, uint32_t height) {
  std::vector<PngShape> shapes;
  for (const int colour_type : {0, 2, 4, 6}) {
    for (const int bit_depth : {8, 16}) shapes.push_back({width, height, colour_type, bit_depth});
  }
  return shapes;
}

TEST(PngPixelsTest, ReadsEveryFilterInPixelsOfEverySizeAsLibpngDoes) {
  for (const auto& [width, height] : {std::pair<uint32_t, uint32_t>{1, 1}, {1, 40}, {2, 9}, {40, 1}, {167, 40}}) {
    for (const PngShape& shape : Shapes(width, height)) {
      for (int filter = -1; filter <= 4; ++filter) {
        SCOPED_TRACE(testing::Message() << "colour type " << shape.colour_type << ", " << shape.bit_depth << " bits, "
                                        << width << "x" << height << ", filter " << filter);
        const Bytes stream = ZlibStream(FilteredRows(shape, filter), 6);
        ExpectSame(Joined({PngStart(shape), PixelChunks(stream, stream.size()), PngEnd()}));
      }
    }
  }
}

TEST(PngPixelsTest, ReadsStreamsOfEveryKindInChunksOfEverySize) {
  for (const PngShape& shape : {PngShape{167, 40, 2, 8}, PngShape{9, 3, 0, 8}, PngShape{300, 150, 6, 16}}) {
    const Bytes rows = FilteredRows(shape, -1);
    for (const int level : {0, 1, 9}) {
      for (const int strategy : {Z_DEFAULT_STRATEGY, Z_FIXED, Z_RLE, Z_HUFFMAN_ONLY}) {
        const Bytes stream = ZlibStream(rows, level, strategy);
        for (const size_t piece : {size_t{1}, size_t{2}, size_t{5}, size_t{8192}, size_t{65536}, stream.size()}) {
          if (piece < 10 && stream.size() > 100000) continue;
          SCOPED_TRACE(testing::Message() << shape.width << "x" << shape.height << ", level " << level << ", strategy "
                                          << strategy << ", pieces of " << piece);
          ExpectSame(Joined({PngStart(shape), PixelChunks(stream, piece), PngEnd()}));
        }
      }
    }
  }
}

TEST(PngPixelsTest, ReadsEmptyChunksAnywhere) {
  const PngShape shape = {30, 20, 2, 8};
  const Bytes stream = ZlibStream(FilteredRows(shape, -1), 6), empty = PngChunk("IDAT", {});
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    SCOPED_TRACE(cut);
    ExpectSame(Joined({PngStart(shape), empty, empty, PngChunk("IDAT", Part(stream, 0, cut)), empty, empty, empty,
                       PngChunk("IDAT", Part(stream, cut, stream.size() - cut)), empty, PngEnd()}));
  }
}

TEST(PngPixelsTest, IgnoresChunksBehindTheEndOfTheStreamAsLibpngDoes) {
  const PngShape shape = {30, 20, 2, 8};
  const Bytes pixels = PngChunk("IDAT", ZlibStream(FilteredRows(shape, -1), 6));
  ExpectSame(Joined({PngStart(shape), pixels, PngChunk("IDAT", {1, 2, 3}), PngEnd()}));
  Bytes wrong = PngChunk("IDAT", {1, 2, 3});
  wrong.back() ^= 1;
  ExpectError(Joined({PngStart(shape), pixels, wrong, PngEnd()}), "IDAT: CRC error");
}

TEST(PngPixelsTest, FindsTooMuchAndTooLittleImageData) {
  for (const PngShape& shape : Shapes(30, 20)) {
    const Bytes rows = FilteredRows(shape, -1);
    const auto file = [&](const Bytes& content) {
      return Joined({PngStart(shape), PixelChunks(ZlibStream(content, 6), 1000), PngEnd()});
    };
    ExpectError(file(Joined({rows, {0}})), "IDAT: Too much image data");
    ExpectError(file(Joined({rows, rows})), "IDAT: Too much image data");
    ExpectError(file(Part(rows, 0, rows.size() - 1)), "Not enough image data");
    ExpectError(file({}), "Not enough image data");
    const Bytes stream = ZlibStream(rows, 6);
    ExpectError(Joined({PngStart(shape), PngChunk("IDAT", Joined({stream, {0}})), PngEnd()}),
                "IDAT: Extra compressed data");
    ExpectError(Joined({PngStart(shape), PngChunk("IDAT", Part(stream, 0, stream.size() / 2)), PngEnd()}),
                "Not enough image data");
    ExpectError(Joined({PngStart(shape), PngChunk("IDAT", {}), PngEnd()}), "Not enough image data");
    for (size_t missing = 1; missing <= 12; ++missing) {
      ExpectError(Joined({PngStart(shape), PngChunk("IDAT", Part(stream, 0, stream.size() - missing)), PngEnd()}),
                  "Not enough image data");
    }
  }
}

TEST(PngPixelsTest, FindsWrongFilters) {
  const PngShape shape = {3, 20, 2, 8};
  Bytes rows = FilteredRows(shape, -1);
  for (const int filter : {5, 255}) {
    rows[shape.RowBytes() * 19] = static_cast<uint8_t>(filter);
    ExpectError(Joined({PngStart(shape), PngChunk("IDAT", ZlibStream(rows, 6)), PngEnd()}),
                "bad adaptive filter value");
  }
}

TEST(PngPixelsTest, FindsWrongChecksums) {
  const PngShape shape = {30, 20, 2, 8};
  Bytes stream = ZlibStream(FilteredRows(shape, -1), 6);
  const Bytes first = PngChunk("IDAT", Part(stream, 0, 100)),
              second = PngChunk("IDAT", Part(stream, 100, stream.size() - 100));
  for (const Bytes* chunk : {&first, &second}) {
    for (size_t i = chunk->size() - 4; i < chunk->size(); ++i) {
      Bytes damaged = *chunk;
      damaged[i] ^= 0x10;
      ExpectError(
          Joined({PngStart(shape), chunk == &first ? damaged : first, chunk == &second ? damaged : second, PngEnd()}),
          "IDAT: CRC error");
    }
  }
  stream.back() ^= 1;
  const Bytes file = Joined({PngStart(shape), PngChunk("IDAT", stream), PngEnd()});
  EXPECT_EQ(test::LibpngReader().Read(file.data(), file.size(), 1 << 24).error, "IDAT: incorrect data check");
  EXPECT_EQ(Read(file).status.code(), StatusCode::kDamaged);
}

TEST(PngPixelsTest, ReadsMetadataBehindThePixels) {
  const PngShape shape = {3, 2, 6, 16};
  const Bytes pixels = PngChunk("IDAT", ZlibStream(FilteredRows(shape, -1), 6));
  const Bytes exif = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0};
  const Bytes file = Joined({PngStart(shape), pixels, PngChunk("tIME", {7, 208, 1, 1, 0, 0, 0}), PngChunk("eXIf", exif),
                             PngChunk("prVt", {1}), PngEnd()});
  ExpectSame(file);
  const auto source = OpenPng(std::make_unique<MemorySource>(file.data(), file.size()), {});
  Bytes row(24);
  ASSERT_TRUE(source.value()->ReadRow(row.data()).ok());
  EXPECT_TRUE(source.value()->header().exif.empty());
  ASSERT_TRUE(source.value()->ReadRow(row.data()).ok());
  EXPECT_EQ(source.value()->header().exif, exif);
}

TEST(PngPixelsTest, RefusesPixelsAndUnknownCriticalChunksBehindOtherChunks) {
  const PngShape shape = {30, 20, 2, 8};
  const Bytes pixels = PngChunk("IDAT", ZlibStream(FilteredRows(shape, -1), 6)), time = PngChunk("tIME", Bytes(7, 1));
  for (const Bytes& chunk : {PngChunk("IDAT", {}), PngChunk("IDAT", {1, 2}), PngChunk("ABCD", {})}) {
    const Bytes file = Joined({PngStart(shape), pixels, time, chunk, PngEnd()});
    EXPECT_NE(test::LibpngReader().Read(file.data(), file.size(), 1 << 24).error, "");
    EXPECT_EQ(Read(file).status.code(), StatusCode::kDamaged) << Read(file).status.message();
  }
}

TEST(PngPixelsTest, GivesNoMoreAfterAnError) {
  const PngShape shape = {3, 9, 2, 8};
  Bytes rows = FilteredRows(shape, 0);
  rows[shape.RowBytes() * 4] = 5;
  const Bytes file = Joined({PngStart(shape), PngChunk("IDAT", ZlibStream(rows, 6)), PngEnd()});
  const auto source = OpenPng(std::make_unique<MemorySource>(file.data(), file.size()), {});
  Bytes row(9);
  for (int y = 0; y < 4; ++y) ASSERT_TRUE(source.value()->ReadRow(row.data()).ok());
  for (int y = 4; y < 9; ++y) EXPECT_EQ(source.value()->ReadRow(row.data()).code(), StatusCode::kDamaged);
}

/// What is wrong or missing at the end of the stream, which libpng does not always look at, is an error; else the
/// readers agree, even where no checksum tells of the damage.
TEST(PngPixelsTest, DamageIsAnErrorOrThePictureThatLibpngGives) {
  int pictures = 0;
  for (const PngShape& shape : {PngShape{7, 5, 2, 8}, PngShape{5, 4, 0, 8}, PngShape{3, 5, 6, 16}}) {
    for (const int level : {0, 9}) {
      const Bytes stream = ZlibStream(FilteredRows(shape, -1), level);
      const Bytes whole = Joined({PngStart(shape), PixelChunks(stream, 40), PngChunk("tIME", Bytes(7, 1)), PngEnd()});
      for (size_t i = 0; i < whole.size(); ++i) {
        for (const int change : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
          for (const bool mended : {false, true}) {
            Bytes file = whole;
            file[i] = static_cast<uint8_t>(file[i] ^ change);
            if (mended) test::MendPng(&file);
            const test::LibpngPicture expected = test::LibpngReader().Read(file.data(), file.size(), 10000);
            if (expected.error == "too large") continue;
            const OurPicture read = Read(file);
            if (read.status.ok()) {
              ++pictures;
              ASSERT_TRUE(expected.error.empty() || expected.error.rfind("IDAT: invalid", 0) == 0)
                  << "byte " << i << " changed by " << change << ": " << expected.error;
              if (!expected.error.empty()) continue;  // zlib is stricter about codes that nothing uses
              ASSERT_EQ(read.image.pixels, expected.pixels) << "byte " << i << " changed by " << change;
            } else {
              ASSERT_TRUE(!expected.error.empty() || !test::PixelsAreExact(file))
                  << "byte " << i << " changed by " << change << ": " << read.status.message();
            }
          }
        }
      }
    }
  }
  EXPECT_GT(pictures, 1000);
}

/// A picture as high as one likes, of noise, in stored blocks, all in one chunk.
class EndlessRows : public ByteSource {
 public:
  explicit EndlessRows(const PngShape& shape) : row_bytes_(shape.RowBytes()) {
    Bytes start(10);
    test::StoreNumber(static_cast<uint32_t>((row_bytes_ + 5) * shape.height + 2), start.data());
    const uint8_t type_and_zlib[] = {'I', 'D', 'A', 'T', 0x78, 0x01};
    std::copy_n(type_and_zlib, 6, start.begin() + 4);
    head_ = Joined({PngStart(shape), start});
  }
  Result<size_t> Read(uint8_t* data, size_t size) override {
    for (size_t i = 0; i < size; ++i) data[i] = Next();
    return size;
  }

 private:
  uint8_t Next() {
    if (at_ < head_.size()) return head_[at_++];
    const size_t block = row_bytes_ + 5, i = (at_++ - head_.size()) % block;  // each row in a block of its own
    const auto low = static_cast<uint8_t>(row_bytes_), high = static_cast<uint8_t>(row_bytes_ >> 8);
    const uint8_t header[] = {0, low, high, static_cast<uint8_t>(~low), static_cast<uint8_t>(~high), 4};
    return i < 6 ? header[i] : static_cast<uint8_t>(at_ * 2654435761u >> 13);
  }

  Bytes head_;
  size_t row_bytes_;
  size_t at_ = 0;
};

TEST(PngPixelsTest, MemoryDoesNotDependOnTheHeight) {
  const PngShape shape = {20000, 300, 2, 8};
  const test::AllocationCounter counter;
  const auto source = OpenPng(std::make_unique<EndlessRows>(shape), {});
  ASSERT_TRUE(source.ok()) << source.status().message();
  Bytes row(60000);
  for (uint32_t y = 0; y < 299; ++y) ASSERT_TRUE(source.value()->ReadRow(row.data()).ok());
  EXPECT_LT(counter.Peak(), 5 * row.size() + (size_t{1} << 18));
}

}  // namespace
}  // namespace lichen::image_io
