// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_file.h"

#include <gtest/gtest.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "allocation_counter.h"
#include "image_io/zlib_stream.h"
#include "temporary_folder.h"

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

// A PNG as libpng is told to write it: `rows` holds packed samples, big-endian where they have 16 bits.
struct Spec {
  uint32_t width = 0, height = 0;
  int colour_type = PNG_COLOR_TYPE_RGB;
  int bit_depth = 8;
  bool interlaced = false;
  std::vector<Bytes> rows;
  std::vector<png_color> palette;
  Bytes palette_alpha;
  std::optional<png_color_16> transparent;  // the one colour, of gray and RGB
};

int ChannelsOf(int colour_type) {
  switch (colour_type) {
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return 2;
    case PNG_COLOR_TYPE_RGB:
      return 3;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      return 4;
    default:
      return 1;
  }
}

Spec RandomSpec(uint32_t width, uint32_t height, int colour_type, int bit_depth, bool interlaced) {
  Spec spec;
  spec.width = width;
  spec.height = height;
  spec.colour_type = colour_type;
  spec.bit_depth = bit_depth;
  spec.interlaced = interlaced;
  std::mt19937 random(width * 1000 + height * 100 + uint32_t(colour_type) * 10 + uint32_t(bit_depth));
  const size_t row_bytes = (size_t{width} * ChannelsOf(colour_type) * bit_depth + 7) / 8;
  for (uint32_t y = 0; y < height; ++y) {
    Bytes row(row_bytes);
    for (uint8_t& byte : row) byte = static_cast<uint8_t>(random());
    spec.rows.push_back(row);
  }
  if (colour_type == PNG_COLOR_TYPE_PALETTE) {
    for (int i = 0; i < 1 << bit_depth; ++i) {
      spec.palette.push_back({uint8_t(random()), uint8_t(random()), uint8_t(random())});
    }
  }
  return spec;
}

Bytes WriteWithLibpng(Spec spec) {
  Bytes bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) {
        Bytes* out = static_cast<Bytes*>(png_get_io_ptr(p));
        out->insert(out->end(), data, data + size);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, spec.width, spec.height, spec.bit_depth, spec.colour_type,
               spec.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!spec.palette.empty()) png_set_PLTE(png, info, spec.palette.data(), static_cast<int>(spec.palette.size()));
  if (!spec.palette_alpha.empty()) {
    png_set_tRNS(png, info, spec.palette_alpha.data(), static_cast<int>(spec.palette_alpha.size()), nullptr);
  }
  if (spec.transparent) png_set_tRNS(png, info, nullptr, 0, &*spec.transparent);
  std::vector<png_bytep> rows;
  for (Bytes& row : spec.rows) rows.push_back(row.data());
  png_set_rows(png, info, rows.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

/// Sample number `index` of a packed row, 0 .. 2^bit_depth - 1.
uint32_t SampleAt(const Bytes& row, size_t index, int bit_depth) {
  if (bit_depth == 16) return uint32_t{row[2 * index]} << 8 | row[2 * index + 1];
  const size_t bit = index * static_cast<size_t>(bit_depth);
  return (row[bit / 8] >> (8 - bit_depth - static_cast<int>(bit % 8))) & ((1u << bit_depth) - 1);
}

/// Adds a sample of 8 or 16 bits in the byte order of the machine.
void PushSample(uint32_t value, int bit_depth, Bytes* pixels) {
  const auto word = static_cast<uint16_t>(value);
  Bytes sample = {static_cast<uint8_t>(value)};
  if (bit_depth == 16) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&word);
    sample.assign(bytes, bytes + 2);
  }
  pixels->insert(pixels->end(), sample.begin(), sample.end());
}

/// The samples that a reader has to give, of 16 bits where the file has them and `most_bits` allows, worked out without
/// libpng.
Bytes ExpectedPixels(const Spec& spec, int most_bits = 16) {
  Bytes pixels;
  const int bits = std::min(most_bits, spec.bit_depth == 16 ? 16 : 8);
  const uint32_t full = (1u << bits) - 1;
  const uint32_t most = (1u << spec.bit_depth) - 1;
  const int channels = ChannelsOf(spec.colour_type);
  for (const Bytes& row : spec.rows) {
    for (uint32_t x = 0; x < spec.width; ++x) {
      if (spec.colour_type == PNG_COLOR_TYPE_PALETTE) {
        const uint32_t index = SampleAt(row, x, spec.bit_depth);
        const png_color& colour = spec.palette[index];
        pixels.insert(pixels.end(), {colour.red, colour.green, colour.blue});
        if (!spec.palette_alpha.empty()) pixels.push_back(spec.palette_alpha[index]);
        continue;
      }
      bool opaque = !spec.transparent;
      for (int c = 0; c < channels; ++c) {
        const uint64_t value = SampleAt(row, size_t{x} * channels + c, spec.bit_depth);
        PushSample(static_cast<uint32_t>((value * full + most / 2) / most), bits, &pixels);
        if (!spec.transparent) continue;
        const png_color_16& t = *spec.transparent;
        opaque |= value != (channels == 1 ? t.gray : c == 0 ? t.red : c == 1 ? t.green : t.blue);
      }
      if (spec.transparent) PushSample(opaque ? full : 0, bits, &pixels);
    }
  }
  return pixels;
}

struct ReadResult {
  Status status;
  Image image;
  std::vector<std::string> dropped;
};

ReadResult Read(const Bytes& bytes, const ReadOptions& options = {}) {
  ReadResult result;
  auto source = OpenPng(std::make_unique<MemorySource>(bytes.data(), bytes.size()), options);
  if (!source.ok()) {
    result.status = source.status();
    return result;
  }
  static_cast<ImageHeader&>(result.image) = source.value()->header();
  Bytes row(result.image.RowBytes());
  for (uint32_t y = 0; y < result.image.height && result.status.ok(); ++y) {
    result.status = source.value()->ReadRow(row.data());
    result.image.pixels.insert(result.image.pixels.end(), row.begin(), row.end());
  }
  static_cast<ImageHeader&>(result.image) = source.value()->header();
  result.dropped = source.value()->dropped();
  return result;
}

/// The file with a chunk more, right after the header chunk.
Bytes WithChunk(Bytes file, const std::string& type, const Bytes& data) {
  const auto push_number = [](Bytes* bytes, uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes->push_back(static_cast<uint8_t>(number >> shift));
  };
  Bytes chunk;
  push_number(&chunk, static_cast<uint32_t>(data.size()));
  chunk.insert(chunk.end(), type.begin(), type.end());
  chunk.insert(chunk.end(), data.begin(), data.end());
  push_number(&chunk, static_cast<uint32_t>(crc32(0, chunk.data() + 4, static_cast<uInt>(data.size() + 4))));
  file.insert(file.begin() + 8 + 25, chunk.begin(), chunk.end());
  return file;
}

Bytes BytesOf(const std::string& text) { return Bytes(text.begin(), text.end()); }

Bytes SmallPng() { return WriteWithLibpng(RandomSpec(7, 5, PNG_COLOR_TYPE_RGB, 8, false)); }

/// The head of an ICC profile without tags: the least that libpng takes for one.
Bytes IccProfile() {
  Bytes profile(132);
  const auto put = [&profile](size_t offset, const std::string& text) {
    std::memcpy(&profile[offset], text.data(), text.size());
  };
  profile[3] = 132;
  put(8, "\x04");
  put(12, "mntrRGB XYZ ");
  put(36, "acsp");
  put(68, std::string("\0\0\xf6\xd6\0\1\0\0\0\0\xd3\x2d", 12));  // the D50 illuminant
  return profile;
}

Bytes IccChunk(const Bytes& profile, int level = 0) {
  Bytes compressed(compressBound(profile.size()));
  uLongf size = compressed.size();
  compress2(compressed.data(), &size, profile.data(), profile.size(), level);
  Bytes chunk = BytesOf(std::string("name\0\0", 6));
  chunk.insert(chunk.end(), compressed.begin(), compressed.begin() + static_cast<std::ptrdiff_t>(size));
  return chunk;
}

Bytes ExifWithOrientation(uint8_t orientation) {
  const std::string tiff("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", 26);
  Bytes exif = BytesOf(tiff);
  exif[19] = orientation;
  return exif;
}

TEST(PngSourceTest, ReadsEveryKindOfPng) {
  struct Kind {
    int colour_type, bit_depth;
  };
  const std::vector<Kind> kinds = {
      {PNG_COLOR_TYPE_GRAY, 1},        {PNG_COLOR_TYPE_GRAY, 2},       {PNG_COLOR_TYPE_GRAY, 4},
      {PNG_COLOR_TYPE_GRAY, 8},        {PNG_COLOR_TYPE_GRAY, 16},      {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
      {PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {PNG_COLOR_TYPE_RGB, 8},        {PNG_COLOR_TYPE_RGB, 16},
      {PNG_COLOR_TYPE_RGB_ALPHA, 8},   {PNG_COLOR_TYPE_RGB_ALPHA, 16}, {PNG_COLOR_TYPE_PALETTE, 1},
      {PNG_COLOR_TYPE_PALETTE, 2},     {PNG_COLOR_TYPE_PALETTE, 4},    {PNG_COLOR_TYPE_PALETTE, 8}};
  for (const Kind& kind : kinds) {
    for (const bool interlaced : {false, true}) {
      for (const auto& [width, height] : {std::pair<uint32_t, uint32_t>{1, 1}, {17, 3}, {3, 9}, {33, 20}}) {
        SCOPED_TRACE(testing::Message() << "colour type " << kind.colour_type << ", " << kind.bit_depth << " bits, "
                                        << width << "x" << height << (interlaced ? ", interlaced" : ""));
        const Spec spec = RandomSpec(width, height, kind.colour_type, kind.bit_depth, interlaced);
        const ReadResult read = Read(WriteWithLibpng(spec));
        ASSERT_TRUE(read.status.ok()) << read.status.message();
        EXPECT_EQ(read.image.width, width);
        EXPECT_EQ(read.image.height, height);
        EXPECT_EQ(read.image.bit_depth, kind.bit_depth == 16 ? 16 : 8);
        EXPECT_TRUE(read.dropped.empty());
        EXPECT_EQ(read.image.channels, kind.colour_type == PNG_COLOR_TYPE_PALETTE ? 3 : ChannelsOf(kind.colour_type));
        EXPECT_EQ(read.image.pixels, ExpectedPixels(spec));
        ReadOptions options;
        options.max_bit_depth = 8;
        const ReadResult rounded = Read(WriteWithLibpng(spec), options);
        EXPECT_EQ(rounded.image.bit_depth, 8);
        EXPECT_EQ(rounded.image.pixels, ExpectedPixels(spec, 8));
      }
    }
  }
}

TEST(PngSourceTest, ReadsOneTransparentColourAsAlpha) {
  for (const int colour_type : {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_RGB}) {
    for (const int bit_depth : {1, 2, 4, 8, 16}) {
      if (colour_type == PNG_COLOR_TYPE_RGB && bit_depth < 8) continue;
      SCOPED_TRACE(testing::Message() << "colour type " << colour_type << ", " << bit_depth << " bits");
      Spec spec = RandomSpec(33, 20, colour_type, bit_depth, false);
      const auto at = [&spec, bit_depth](size_t i) {
        return static_cast<uint16_t>(SampleAt(spec.rows[3], i, bit_depth));
      };
      spec.transparent = png_color_16{0, at(0), at(1), at(2), at(0)};
      const ReadResult read = Read(WriteWithLibpng(spec));
      ASSERT_TRUE(read.status.ok()) << read.status.message();
      EXPECT_EQ(read.image.channels, colour_type == PNG_COLOR_TYPE_GRAY ? 2 : 4);
      EXPECT_EQ(read.image.pixels, ExpectedPixels(spec));
    }
  }
}

TEST(PngSourceTest, RefusesInterlacedPicturesThatTakeTooMuchMemory) {
  ReadOptions options;
  options.max_memory = 9 * 9 * 3 - 1;
  const ReadResult read = Read(WriteWithLibpng(RandomSpec(9, 9, PNG_COLOR_TYPE_RGB, 8, true)), options);
  EXPECT_EQ(read.status.code(), StatusCode::kLimitExceeded);
  for (const char* word : {"interlaced PNG", "row by row", "max memory", "without interlacing"}) {
    EXPECT_NE(read.status.message().find(word), std::string::npos) << read.status.message();
  }
  EXPECT_TRUE(Read(WriteWithLibpng(RandomSpec(9, 9, PNG_COLOR_TYPE_RGB, 8, false)), options).status.ok());
  ++options.max_memory;
  EXPECT_TRUE(Read(WriteWithLibpng(RandomSpec(9, 9, PNG_COLOR_TYPE_RGB, 8, true)), options).status.ok());
}

TEST(PngSourceTest, RefusesEveryTruncation) {
  for (const bool interlaced : {false, true}) {
    const Bytes whole = WriteWithLibpng(RandomSpec(9, 9, PNG_COLOR_TYPE_RGB_ALPHA, 16, interlaced));
    for (size_t size = 0; size < whole.size(); ++size) {
      const ReadResult read = Read(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      ASSERT_EQ(read.status.code(), StatusCode::kTruncated) << size << " of " << whole.size() << " bytes";
      ASSERT_NE(read.status.message().find("ends after " + std::to_string(size) + " bytes"), std::string::npos);
    }
  }
}

TEST(PngSourceTest, RefusesEveryFlippedByte) {
  const Bytes whole = SmallPng();
  for (size_t i = 0; i < whole.size(); ++i) {
    Bytes damaged = whole;
    damaged[i] ^= 0x55;
    ASSERT_FALSE(Read(damaged).status.ok()) << "byte " << i;
  }
}

TEST(PngSourceTest, IgnoresBytesAfterTheEnd) {
  Bytes bytes = SmallPng();
  bytes.insert(bytes.end(), 100, 'x');
  EXPECT_TRUE(Read(bytes).status.ok());
}

TEST(PngSourceTest, RefusesAbsurdSizes) {
  Spec spec = RandomSpec(1, 1, PNG_COLOR_TYPE_RGB, 8, true);
  Bytes bytes = WriteWithLibpng(spec);
  const auto with_size = [&bytes](uint32_t width, uint32_t height) {
    Bytes changed = bytes;
    for (int i = 0; i < 4; ++i) {
      changed[16 + i] = static_cast<uint8_t>(width >> (24 - 8 * i));
      changed[20 + i] = static_cast<uint8_t>(height >> (24 - 8 * i));
    }
    const uint32_t crc = static_cast<uint32_t>(crc32(0, &changed[12], 17));
    for (int i = 0; i < 4; ++i) changed[29 + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    return changed;
  };
  EXPECT_EQ(Read(with_size(0x7fffffff, 0x7fffffff)).status.code(), StatusCode::kLimitExceeded);
  EXPECT_EQ(Read(with_size(kMaxSide + 1, 1)).status.code(), StatusCode::kLimitExceeded);
  EXPECT_EQ(Read(with_size(40000, 40000)).status.code(), StatusCode::kLimitExceeded);
  ReadOptions roomy;
  roomy.max_memory = uint64_t{1} << 32;  // it is interlaced
  EXPECT_EQ(Read(with_size(30000, 30000), roomy).status.code(), StatusCode::kDamaged) << "but allowed";
  EXPECT_EQ(Read(with_size(30000, 30000)).status.code(), StatusCode::kLimitExceeded);
  EXPECT_EQ(Read(with_size(0, 1)).status.code(), StatusCode::kDamaged);
  ReadOptions options;
  options.max_pixels = 34;
  EXPECT_EQ(Read(SmallPng(), options).status.code(), StatusCode::kLimitExceeded);
  options.max_pixels = 35;
  EXPECT_TRUE(Read(SmallPng(), options).status.ok());
}

TEST(PngSourceTest, RefusesRowsBeyondTheLast) {
  const Bytes bytes = SmallPng();
  auto source = OpenPng(std::make_unique<MemorySource>(bytes.data(), bytes.size()), {});
  ASSERT_TRUE(source.ok());
  Bytes row(21);
  for (int y = 0; y < 5; ++y) ASSERT_TRUE(source.value()->ReadRow(row.data()).ok());
  EXPECT_EQ(source.value()->ReadRow(row.data()).code(), StatusCode::kInvalidArgument);
}

TEST(PngSourceTest, LooksUpTransparentPaletteEntries) {
  Spec spec = RandomSpec(4, 4, PNG_COLOR_TYPE_PALETTE, 1, false);
  spec.palette_alpha = {0, 77};
  const ReadResult read = Read(WriteWithLibpng(spec));
  EXPECT_EQ(read.image.channels, 4);
  EXPECT_EQ(read.image.pixels, ExpectedPixels(spec)) << "the colour is kept";
  EXPECT_TRUE(read.dropped.empty());
}

TEST(PngSourceTest, TellsOfRoundingOnlyWhere8BitsDoNotHoldTheSamples) {
  ReadOptions options;
  options.max_bit_depth = 8;
  Spec spec = RandomSpec(1, 1, PNG_COLOR_TYPE_GRAY, 16, false);
  spec.rows[0] = {0x7b, 0x7b};
  EXPECT_TRUE(Read(WriteWithLibpng(spec), options).dropped.empty());
  spec.rows[0] = {0x7b, 0x7c};
  EXPECT_EQ(Read(WriteWithLibpng(spec), options).dropped, std::vector<std::string>{"16-bit samples"});
  EXPECT_TRUE(Read(WriteWithLibpng(spec)).dropped.empty()) << "when they are kept";
}

TEST(PngSourceTest, KeepsMetadata) {
  const auto read = [](const std::string& type, const Bytes& data) {
    const ReadResult result = Read(WithChunk(SmallPng(), type, data));
    EXPECT_TRUE(result.status.ok()) << result.status.message();
    EXPECT_TRUE(result.dropped.empty()) << testing::PrintToString(result.dropped);
    return result.image;
  };
  for (const Bytes& profile : {IccProfile(), Bytes(200), Bytes(300000, 7)}) {
    EXPECT_EQ(read("iCCP", IccChunk(profile)).icc, profile) << "even one that libpng finds odd";
  }
  EXPECT_EQ(read("eXIf", ExifWithOrientation(6)).exif, ExifWithOrientation(6));
  Bytes named = BytesOf(std::string("Exif\0\0", 6));
  const Bytes exif = ExifWithOrientation(3);
  named.insert(named.end(), exif.begin(), exif.end());
  EXPECT_EQ(read("eXIf", named).exif, exif);
  EXPECT_TRUE(read("eXIf", {}).exif.empty());

  EXPECT_EQ(read("iTXt", BytesOf(std::string("XML:com.adobe.xmp\0\0\0\0\0<x/>", 26))).xmp, BytesOf("<x/>"));
  EXPECT_EQ(read("iTXt", BytesOf(std::string("XML:com.adobe.xmp\0\0\0de\0k\0<x\0>", 29))).xmp,
            BytesOf(std::string("<x\0>", 4)));
  Bytes compressed = BytesOf(std::string("XML:com.adobe.xmp\0\1\0\0\0", 22));
  const Bytes stream = Deflate(Bytes(100000, 'x'));
  compressed.insert(compressed.end(), stream.begin(), stream.end());
  EXPECT_EQ(read("iTXt", compressed).xmp, Bytes(100000, 'x'));
  EXPECT_TRUE(read("iTXt", BytesOf(std::string("Comment\0\0\0\0\0hello", 17))).xmp.empty());
}

TEST(PngSourceTest, KeepsMetadataBehindThePicture) {
  Bytes file = SmallPng();
  const Bytes with = WithChunk(file, "eXIf", ExifWithOrientation(6));
  const Bytes chunk(with.begin() + 33, with.begin() + 33 + 12 + 26);
  file.insert(file.end() - 12, chunk.begin(), chunk.end());
  EXPECT_EQ(Read(file).image.exif, ExifWithOrientation(6));
}

TEST(PngSourceTest, TellsOfMetadataThatItCannotKeep) {
  const auto dropped = [](const std::string& type, const Bytes& data) {
    const ReadResult read = Read(WithChunk(SmallPng(), type, data));
    EXPECT_TRUE(read.status.ok()) << read.status.message();
    EXPECT_TRUE(read.image.icc.empty() && read.image.exif.empty() && read.image.xmp.empty());
    return testing::PrintToString(read.dropped);
  };
  const std::string bad_icc = "{ \"ICC profile (damaged or over 67108864 bytes)\" }";
  Bytes icc = IccChunk(IccProfile());
  icc.resize(icc.size() - 10);
  EXPECT_EQ(dropped("iCCP", icc), bad_icc);
  for (const std::string& text :
       {std::string("name"), std::string("name\0", 5), std::string("\0\0", 2), std::string()}) {
    EXPECT_EQ(dropped("iCCP", BytesOf(text)), bad_icc);
  }
  EXPECT_EQ(dropped("iCCP", IccChunk(Bytes((size_t{1} << 26) + 1), 9)), bad_icc) << "a bomb";
  for (const size_t size : {18, 20, 21}) {
    EXPECT_EQ(dropped("iTXt", BytesOf(std::string("XML:com.adobe.xmp\0\0\0\0\0", size))), "{ \"XMP data (damaged)\" }");
  }
  EXPECT_EQ(dropped("zTXt", BytesOf(std::string("Raw profile type exif\0\0x", 24))), R"({ "profile \"exif\"" })");
  EXPECT_EQ(dropped("gAMA", {0, 1, 0x86, 0xa0}), "{ \"gamma 1.0000\" }");
  EXPECT_EQ(dropped("gAMA", {0, 0, 0xb1, 0x8f}), "{}") << "sRGB's";
  EXPECT_EQ(dropped("acTL", {0, 0, 0, 2, 0, 0, 0, 0}), "{ \"animation (only the first frame is used)\" }");
  EXPECT_EQ(dropped("cICP", {9, 16, 0, 1}), "{ \"colour description (cICP)\" }");
  EXPECT_EQ(dropped("tEXt", BytesOf(std::string("Software\0x", 10))), "{}");
  const ReadResult twice =
      Read(WithChunk(WithChunk(SmallPng(), "eXIf", ExifWithOrientation(1)), "eXIf", ExifWithOrientation(6)));
  EXPECT_EQ(twice.image.exif, ExifWithOrientation(6));
  EXPECT_EQ(twice.dropped, std::vector<std::string>{"further EXIF data"});
}

TEST(PngSourceTest, SurvivesDamagedMetadata) {
  Bytes chunk = BytesOf(std::string("XML:com.adobe.xmp\0\1\0\0\0", 22));
  const Bytes stream = Deflate(BytesOf("<x>some text, some more text</x>"));
  chunk.insert(chunk.end(), stream.begin(), stream.end());
  const Bytes icc = IccChunk(IccProfile());
  for (size_t i = 0; i < chunk.size(); ++i) {
    Bytes damaged = chunk;
    damaged[i] ^= 0x15;
    EXPECT_TRUE(Read(WithChunk(SmallPng(), "iTXt", damaged)).status.ok());
    damaged = Bytes(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_TRUE(Read(WithChunk(SmallPng(), "iTXt", damaged)).status.ok());
  }
  for (size_t i = 0; i < icc.size(); ++i) {
    Bytes damaged = icc;
    damaged[i] ^= 0x15;
    EXPECT_TRUE(Read(WithChunk(SmallPng(), "iCCP", damaged)).status.ok());
  }
}

/// The file that a sink makes of random pixels, which go to `pixels`.
Bytes WriteWithSink(const ImageHeader& header, const WriteOptions& options, Bytes* pixels) {
  std::mt19937 random(5);
  pixels->resize(header.RowBytes() * header.height);
  for (uint8_t& byte : *pixels) byte = static_cast<uint8_t>(random());
  Bytes bytes;
  const auto sink = CreatePng(std::make_unique<MemorySink>(&bytes), options);
  EXPECT_TRUE(sink->Begin(header).ok());
  for (uint32_t y = 0; y < header.height; ++y) {
    EXPECT_TRUE(sink->WriteRow(pixels->data() + header.RowBytes() * y).ok());
  }
  EXPECT_TRUE(sink->Finish().ok());
  return bytes;
}

TEST(PngSinkTest, RoundTripsGrayAndRgbWithAndWithoutAlpha) {
  for (const int channels : {1, 2, 3, 4}) {
    for (const int bit_depth : {8, 16}) {
      for (const int level : {0, 1, 2, 6, 9}) {
        for (const auto& [width, height] : {std::pair<uint32_t, uint32_t>{1, 1}, {1, 100}, {100, 1}, {31, 17}}) {
          SCOPED_TRACE(testing::Message() << channels << " channels, " << bit_depth << " bits, level " << level << ", "
                                          << width << "x" << height);
          ImageHeader header;
          header.width = width;
          header.height = height;
          header.channels = channels;
          header.bit_depth = bit_depth;
          WriteOptions options;
          options.png_level = level;
          Bytes pixels;
          const ReadResult read = Read(WriteWithSink(header, options, &pixels));
          ASSERT_TRUE(read.status.ok()) << read.status.message();
          EXPECT_EQ(read.image.width, width);
          EXPECT_EQ(read.image.height, height);
          EXPECT_EQ(read.image.channels, channels);
          EXPECT_EQ(read.image.bit_depth, bit_depth);
          EXPECT_EQ(read.image.pixels, pixels);
          EXPECT_TRUE(read.dropped.empty());
        }
      }
    }
  }
}

/// Types and sizes of the chunks of a file that is sound, in order.
std::vector<std::pair<std::string, size_t>> ChunksOf(const Bytes& file) {
  std::vector<std::pair<std::string, size_t>> chunks;
  for (size_t at = 8; at < file.size();) {
    const size_t size = size_t{file[at]} << 24 | size_t{file[at + 1]} << 16 | size_t{file[at + 2]} << 8 | file[at + 3];
    chunks.push_back({std::string(&file[at + 4], &file[at + 8]), size});
    at += size + 12;
  }
  return chunks;
}

TEST(PngSinkTest, WritesWideRowsInChunksOf64KiB) {
  for (const int level : {1, 2}) {
    ImageHeader header;
    header.width = 20000;  // rows of 160001 bytes, more than are compressed at a time
    header.height = 7;
    header.channels = 4;
    header.bit_depth = 16;
    WriteOptions options;
    options.png_level = level;
    Bytes pixels;
    const Bytes file = WriteWithSink(header, options, &pixels);
    EXPECT_EQ(Read(file).image.pixels, pixels);
    const auto chunks = ChunksOf(file);
    ASSERT_GT(chunks.size(), 18u) << "noise does not become less";
    EXPECT_EQ(chunks.front(), (std::pair<std::string, size_t>{"IHDR", 13}));
    EXPECT_EQ(chunks.back(), (std::pair<std::string, size_t>{"IEND", 0}));
    for (size_t i = 1; i + 1 < chunks.size(); ++i) {
      EXPECT_EQ(chunks[i].first, "IDAT");
      const size_t size = chunks[i].second;
      const bool last = i + 2 == chunks.size();
      EXPECT_TRUE(last ? size > 0 && size <= 65536 : size == 65536) << size;
    }
  }
}

/// Counts bytes and keeps none.
class CountingSink : public ByteSink {
 public:
  explicit CountingSink(uint64_t* bytes) : bytes_(bytes) {}
  Status Write(const uint8_t*, size_t size) override {
    *bytes_ += size;
    return Status();
  }
  Status Finish() override { return Status(); }

 private:
  uint64_t* bytes_;
};

TEST(PngSinkTest, MemoryDoesNotDependOnTheHeight) {
  for (const int level : {1, 2}) {
    const test::AllocationCounter counter;
    uint64_t bytes = 0;
    WriteOptions options;
    options.png_level = level;
    const auto sink = CreatePng(std::make_unique<CountingSink>(&bytes), options);
    ImageHeader header;
    header.width = 20000;
    header.height = 300;
    ASSERT_TRUE(sink->Begin(header).ok());
    Bytes row(header.RowBytes());
    std::mt19937 random(3);
    for (uint8_t& byte : row) byte = static_cast<uint8_t>(random());
    for (uint32_t y = 0; y < header.height; ++y) {
      row[y] ^= 1;
      ASSERT_TRUE(sink->WriteRow(row.data()).ok());
    }
    ASSERT_TRUE(sink->Finish().ok());
    EXPECT_GT(bytes, 60000u);
    EXPECT_LT(counter.Peak(), 6 * row.size() + (size_t{1} << 20)) << "level " << level;
  }
}

TEST(PngSinkTest, LevelOneMakesAPhotographAsSmallAsZlibDoesWithin3Percent) {
  const Bytes photo_file = ReadBytes(LICHEN_TEST_DATA "/colosseum.png");
  const ReadResult photo = Read(photo_file);
  ASSERT_TRUE(photo.status.ok()) << photo.status.message();
  const auto size_at = [&photo](int level) {
    uint64_t bytes = 0;
    WriteOptions options;
    options.png_level = level;
    const auto sink = CreatePng(std::make_unique<CountingSink>(&bytes), options);
    EXPECT_TRUE(sink->Begin(photo.image).ok());
    for (uint32_t y = 0; y < photo.image.height; ++y) {
      EXPECT_TRUE(sink->WriteRow(photo.image.pixels.data() + photo.image.RowBytes() * y).ok());
    }
    EXPECT_TRUE(sink->Finish().ok());
    return static_cast<double>(bytes);
  };
  const double zlib = size_at(2);
  EXPECT_LT(size_at(1), 1.03 * zlib);
  EXPECT_LT(size_at(9), zlib);
  EXPECT_GT(size_at(0), zlib);
}

TEST(PngSinkTest, RoundTripsMetadata) {
  ImageHeader header;
  header.width = header.height = 9;
  header.icc = Bytes(100000, 3);
  header.icc[7] = 1;
  header.exif = ExifWithOrientation(8);
  header.xmp = BytesOf(std::string("<x>\0</x>", 8));
  Bytes pixels;
  const ReadResult read = Read(WriteWithSink(header, {}, &pixels));
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.image.icc, header.icc);
  EXPECT_EQ(read.image.exif, header.exif);
  EXPECT_EQ(read.image.xmp, header.xmp);
  EXPECT_TRUE(read.dropped.empty());
}

TEST(PngSinkTest, WritesMetadataThatLibpngReads) {
  ImageHeader header;
  header.width = header.height = 9;
  header.icc = IccProfile();
  header.exif = ExifWithOrientation(8);
  header.xmp = BytesOf("<x/>");
  Bytes pixels;
  const Bytes file = WriteWithSink(header, {}, &pixels);
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  MemorySource source(file.data(), file.size());
  png_set_read_fn(png, &source, [](png_structp p, png_bytep data, size_t size) {
    (void)static_cast<MemorySource*>(png_get_io_ptr(p))->Read(data, size);
  });
  png_read_info(png, info);
  png_charp name = nullptr;
  png_bytep data = nullptr;
  png_uint_32 size = 0;
  int compression = 0;
  ASSERT_NE(png_get_iCCP(png, info, &name, &compression, &data, &size), 0u);
  EXPECT_EQ(Bytes(data, data + size), header.icc);
  ASSERT_NE(png_get_eXIf_1(png, info, &size, &data), 0u);
  EXPECT_EQ(Bytes(data, data + size), header.exif);
  png_textp text = nullptr;
  int texts = 0;
  ASSERT_EQ(png_get_text(png, info, &text, &texts), 1);
  EXPECT_STREQ(text[0].key, "XML:com.adobe.xmp");
  EXPECT_STREQ(text[0].text, "<x/>");
  png_destroy_read_struct(&png, &info, nullptr);
}

TEST(PngSinkTest, RefusesWhatItCannotHold) {
  Bytes bytes;
  ImageHeader header;
  header.width = header.height = 4;
  header.channels = 5;
  EXPECT_EQ(CreatePng(std::make_unique<MemorySink>(&bytes), {})->Begin(header).code(), StatusCode::kInvalidArgument);
  header.channels = 3;
  header.bit_depth = 12;
  EXPECT_EQ(CreatePng(std::make_unique<MemorySink>(&bytes), {})->Begin(header).code(), StatusCode::kInvalidArgument);
}

TEST(PngSinkTest, RefusesToFinishWithRowsMissing) {
  Bytes bytes;
  const auto sink = CreatePng(std::make_unique<MemorySink>(&bytes), {});
  ImageHeader header;
  header.width = header.height = 2;
  EXPECT_FALSE(sink->Finish().ok());
  ASSERT_TRUE(sink->Begin(header).ok());
  EXPECT_EQ(sink->Finish().message(), "2 rows of the picture are missing");
}

class FailingSink : public ByteSink {
 public:
  explicit FailingSink(size_t room) : room_(room) {}
  Status Write(const uint8_t*, size_t size) override {
    if (size > room_) return Status(StatusCode::kIoError, "no room left");
    room_ -= size;
    return Status();
  }
  Status Finish() override { return Status(); }

 private:
  size_t room_;
};

TEST(PngSinkTest, PassesWriteErrorsOn) {
  ImageHeader header;
  header.width = header.height = 300;
  const Bytes row(header.RowBytes());
  for (const int level : {1, 2}) {
    WriteOptions options;
    options.png_level = level;
    uint64_t whole = 0;
    const auto write = [&](std::unique_ptr<ByteSink> bytes) {
      const auto sink = CreatePng(std::move(bytes), options);
      Status status = sink->Begin(header);
      for (int y = 0; y < 300 && status.ok(); ++y) status = sink->WriteRow(row.data());
      return status.ok() ? sink->Finish() : status;
    };
    ASSERT_TRUE(write(std::make_unique<CountingSink>(&whole)).ok());
    for (uint64_t room = 0; room < whole; room += 1 + room / 40) {
      EXPECT_EQ(write(std::make_unique<FailingSink>(room)).message(), "no room left") << room << " of " << whole;
    }
    EXPECT_EQ(write(std::make_unique<FailingSink>(whole - 1)).message(), "no room left") << "for the end marker";
    EXPECT_TRUE(write(std::make_unique<FailingSink>(whole)).ok());
  }
}

}  // namespace
}  // namespace lichen::image_io
