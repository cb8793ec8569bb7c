// SPDX-License-Identifier: Apache-2.0
// The post-filter's coefficients, through the public API: files against the same files without.
#include "codec/post_filter_fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

#include "bitstream/container.h"
#include "bitstream/post_filter_code.h"
#include "codec/dct_tile.h"
#include "photograph.h"
#include "test_data.h"

namespace lichen {
namespace {

using Bytes = std::vector<uint8_t>;

/// The photograph beside and above its mirror images, of which not all is looked at.
Image LargePicture() {
  const Image photo = test::Photograph(0, 0, 448, 448);
  Image large;
  large.width = large.height = 896;
  large.channels = 3;
  for (uint32_t y = 0; y < large.height; ++y) {
    for (uint32_t x = 0; x < large.width; ++x) {
      const uint8_t* pixel =
          photo.pixels.data() + std::min(y, 895 - y) * photo.RowBytes() + size_t{std::min(x, 895 - x)} * 3;
      large.pixels.insert(large.pixels.end(), pixel, pixel + 3);
    }
  }
  return large;
}

/// The same in 16 bits, with some noise in the lower 8.
Image DeepOf(const Image& image) {
  Image deep = image;
  deep.bit_depth = 16;
  deep.pixels.clear();
  uint32_t noise = 1;
  for (const uint8_t sample : image.pixels) {
    noise = noise * 1664525 + 1013904223;
    deep.pixels.push_back(static_cast<uint8_t>(noise >> 24));
    deep.pixels.push_back(sample);
  }
  return deep;
}

EncodeOptions Options(double quality, int effort = 1, int threads = 0) {
  EncodeOptions options;
  options.quality = quality;
  options.effort = effort;
  options.threads = threads;
  options.coding = Coding::kLearned;
  return options;
}

bitstream::Container Parsed(const Bytes& file) { return bitstream::ParseContainer(file.data(), file.size()).value(); }

Image Decoded(const Bytes& file, const DecodeOptions& options = {}) {
  auto image = Decode(file.data(), file.size(), options);
  EXPECT_TRUE(image.ok()) << image.status().message();
  return image.ok() ? *image : Image();
}

/// The file, of colours alone, with other bytes for the post-filter.
Bytes WithPostFilter(const Bytes& file, const Bytes& post_filter) {
  bitstream::Container container = Parsed(file);
  container.header.post_filter = post_filter;
  std::vector<Bytes> tiles;
  for (const bitstream::TileSpan& tile : container.tiles) {
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(tile.offset);
    tiles.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(tile.size));
  }
  return bitstream::WriteContainer(container.header, tiles).value();
}

/// In squared levels of 8 bits, summed over samples.
double SquaredError(const Image& a, const Image& b) {
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); i += static_cast<size_t>(a.bit_depth / 8)) {
    double difference;
    if (a.bit_depth == 8) {
      difference = double{1} * a.pixels[i] - b.pixels[i];
    } else {
      uint16_t first, second;
      std::memcpy(&first, &a.pixels[i], 2);
      std::memcpy(&second, &b.pixels[i], 2);
      difference = (double{1} * first - second) / 257;
    }
    sum += difference * difference;
  }
  return sum;
}

class PostFilterFitTest : public testing::Test {
 protected:
  void SetUp() override {
    if (DataOf(*Model::Default().value()).post_filter.mean.empty()) {
      GTEST_SKIP() << "the default model has no post-filter";
    }
  }

  /// The coefficients bring the picture nearer, by more than their bytes are worth.
  static void ExpectGain(const Image& image, const EncodeOptions& options) {
    const Bytes file = Encode(image, options).value();
    const bitstream::Header header = Parsed(file).header;
    ASSERT_FALSE(header.post_filter.empty());
    const Bytes without = WithPostFilter(file, {});
    const double before = SquaredError(image, Decoded(without)), after = SquaredError(image, Decoded(file));
    const double samples = image.channels == 1 ? 1 : 3;
    const double bits = LambdaAtQuality(static_cast<int>(header.quality_index)) * (before - after) / samples;
    EXPECT_GT(bits, 8 * static_cast<double>(file.size() - without.size()));
    std::cout << "  " << file.size() - without.size() << " bytes, " << 10 * std::log10(before / after) << " dB\n";
  }
};

TEST_F(PostFilterFitTest, CoefficientsAreWorthTheirBytes) {
  const Image photo = test::Photograph(20, 30, 400, 330);
  for (const double quality : {10, 50, 95}) ExpectGain(photo, Options(quality));
}

TEST_F(PostFilterFitTest, SoTheyAreFromPartsOfALargePicture) {
  const Image large = LargePicture();
  bitstream::Header header;
  header.width = large.width, header.height = large.height;
  ASSERT_FALSE(SampleWindows::AreWhole(TileGrid(header)));
  for (const double quality : {20, 80}) ExpectGain(large, Options(quality));
}

TEST_F(PostFilterFitTest, SoTheyAreForManyTiles) {
  EncodeOptions options = Options(60);
  options.tile_size = 64;
  ExpectGain(test::Photograph(20, 30, 400, 330), options);
}

TEST_F(PostFilterFitTest, SoTheyAreForRefinedLatents) {
  ExpectGain(test::Photograph(60, 60, 250, 180), Options(60, 2));
}

TEST_F(PostFilterFitTest, SoTheyAreForGrayPictures) {
  ExpectGain(test::GrayOf(test::Photograph(20, 30, 400, 330)), Options(60));
}

TEST_F(PostFilterFitTest, SoTheyAreFor16Bits) { ExpectGain(DeepOf(test::Photograph(20, 30, 300, 230)), Options(60)); }

TEST_F(PostFilterFitTest, AnyNumberOfThreadsGivesTheSameBytes) {
  for (const Image& image : {test::Photograph(0, 0, 448, 448), LargePicture()}) {
    const Bytes one = Encode(image, Options(40, 1, 1)).value();
    EXPECT_FALSE(Parsed(one).header.post_filter.empty());
    EXPECT_EQ(Encode(image, Options(40, 1, 2)).value(), one);
    EXPECT_EQ(Encode(image, Options(40, 1, 0)).value(), one);
  }
}

TEST_F(PostFilterFitTest, AnyNumberOfThreadsDecodesTheSame) {
  const Bytes file = Encode(LargePicture(), Options(40)).value();
  DecodeOptions one, two;
  one.threads = 1;
  two.threads = 2;
  EXPECT_EQ(Decoded(file, one).pixels, Decoded(file, two).pixels);
}

TEST_F(PostFilterFitTest, ARegionIsAPartOfTheWhole) {
  const Bytes file = Encode(LargePicture(), Options(40)).value();
  ASSERT_FALSE(Parsed(file).header.post_filter.empty());
  const Image whole = Decoded(file);
  for (const Region& region : {Region{0, 0, 100, 90}, Region{320, 256, 64, 48}, Region{333, 501, 1, 1},
                               Region{0, 400, 896, 1}, Region{895, 0, 1, 896}, Region{800, 790, 96, 106}}) {
    DecodeOptions options;
    options.region = region;
    const Image part = Decoded(file, options);
    ASSERT_EQ(part.width, region.width);
    ASSERT_EQ(part.height, region.height);
    int most = 0;
    for (uint32_t y = 0; y < part.height; ++y) {
      const uint8_t* row = whole.pixels.data() + (region.y + y) * whole.RowBytes() + size_t{region.x} * 3;
      for (size_t i = 0; i < part.RowBytes(); ++i) {
        most = std::max(most, std::abs(part.pixels[y * part.RowBytes() + i] - row[i]));
      }
    }
    EXPECT_LE(most, 1) << region.width << "x" << region.height << " at " << region.x << "," << region.y;
  }
}

TEST_F(PostFilterFitTest, SmallerPicturesAreFilteredToo) {
  const Bytes file = Encode(test::Photograph(20, 30, 400, 330), Options(40)).value(),
              without = WithPostFilter(file, {});
  ASSERT_NE(file, without);
  for (const int scale : {1, 2, 4, 8, 16}) {
    DecodeOptions smaller;
    smaller.scale = scale;
    EXPECT_NE(Decoded(file, smaller).pixels, Decoded(without, smaller).pixels) << scale;
  }
  EXPECT_EQ(HashLatents(file.data(), file.size(), {}).value(), HashLatents(without.data(), without.size(), {}).value());
}

TEST_F(PostFilterFitTest, LeastEffortSendsNone) {
  const Image photo = test::Photograph(20, 30, 400, 330);
  EXPECT_TRUE(Parsed(Encode(photo, Options(50, 0)).value()).header.post_filter.empty());
  EXPECT_FALSE(Parsed(Encode(photo, Options(50, 1)).value()).header.post_filter.empty());
}

TEST_F(PostFilterFitTest, TinyPicturesHaveNone) {
  EXPECT_TRUE(Parsed(Encode(test::Photograph(100, 100, 128, 127), Options(90)).value()).header.post_filter.empty());
  EXPECT_FALSE(Parsed(Encode(test::Photograph(100, 100, 128, 128), Options(90)).value()).header.post_filter.empty());
}

TEST_F(PostFilterFitTest, PicturesOfAnyShapeAreCoded) {
  for (const auto& [width, height] : {std::pair{1u, 40000u}, {40000u, 1u}, {17u, 5000u}, {5000u, 17u}}) {
    const Image image = test::SyntheticImage(width, height);
    const auto file = Encode(image, Options(60));
    ASSERT_TRUE(file.ok()) << file.status().message();
    const Bytes without = WithPostFilter(*file, {});
    EXPECT_LE(SquaredError(image, Decoded(*file)), SquaredError(image, Decoded(without))) << width << "x" << height;
  }
}

TEST_F(PostFilterFitTest, PicturesOfOneColourAreCoded) {
  for (const int level : {0, 128, 255}) {
    Image image;
    image.width = image.height = 200;
    image.channels = 3;
    image.pixels.assign(image.RowBytes() * image.height, static_cast<uint8_t>(level));
    const auto file = Encode(image, Options(60));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_LE(SquaredError(image, Decoded(*file)), SquaredError(image, Decoded(WithPostFilter(*file, {})))) << level;
  }
}

TEST_F(PostFilterFitTest, TargetsAreMet) {
  const Image photo = test::Photograph(20, 30, 400, 330);
  EncodeOptions options = Options(50);
  for (const double target : {30.0, 36.0}) {
    options.target_psnr = target;
    const Bytes file = Encode(photo, options).value();
    EXPECT_FALSE(Parsed(file).header.post_filter.empty());
    const double psnr = test::Psnr(Decoded(file).pixels, photo.pixels);
    EXPECT_GE(psnr, target);
    EXPECT_LE(psnr, target + 0.15);
  }
  options.target_psnr = 0;
  options.target_bytes = 9000;
  const Bytes file = Encode(photo, options).value();
  EXPECT_FALSE(Parsed(file).header.post_filter.empty());
  EXPECT_LE(file.size(), 9000u);
  EXPECT_GE(file.size(), 8800u);
}

TEST_F(PostFilterFitTest, WhatAModelCannotReadIsDamage) {
  const Bytes file = Encode(test::Photograph(100, 100, 128, 128), Options(50)).value();
  for (const Bytes& bytes : {Bytes{0xFF}, Bytes{0x00}, Bytes(255, 0x00)}) {
    const Bytes other = WithPostFilter(file, bytes);
    for (const int scale : {1, 8}) {
      DecodeOptions options;
      options.scale = scale;
      const Status status = Decode(other.data(), other.size(), options).status();
      EXPECT_EQ(status.code(), StatusCode::kDamaged) << status.message();
    }
  }
}

TEST(PostFilterFileTest, AModelWithoutAPostFilterReadsNone) {
  EncodeOptions options = Options(50);
  options.model = test::ToyModel();
  const Bytes file = Encode(test::SyntheticImage(200, 200), options).value();
  EXPECT_TRUE(Parsed(file).header.post_filter.empty());
  DecodeOptions decode;
  decode.model = test::ToyModel();
  const Bytes other = WithPostFilter(file, {0x0B});
  const Status status = Decode(other.data(), other.size(), decode).status();
  EXPECT_EQ(status.code(), StatusCode::kDamaged);
  EXPECT_EQ(status.message(), "HEAD chunk: post-filter: more coefficients than the model has components");
}

}  // namespace
}  // namespace lichen
