// SPDX-License-Identifier: Apache-2.0
// Files of DCT coefficients through the public API.
#include <gtest/gtest.h>

#include <algorithm>

#include "bitstream/container.h"
#include "lichen/codec.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::Psnr;
using test::SyntheticImage;
using Bytes = std::vector<uint8_t>;

EncodeOptions Dct(double quality, uint32_t tile_size = 1024) {
  EncodeOptions options;
  options.coding = Coding::kDct;
  options.quality = quality;
  options.tile_size = tile_size;
  return options;
}

Bytes Encoded(const Image& image, const EncodeOptions& options) {
  const auto file = Encode(image, options);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.ok() ? *file : Bytes();
}

Image Decoded(const Bytes& file, const DecodeOptions& options = {}) {
  auto image = Decode(file.data(), file.size(), options);
  EXPECT_TRUE(image.ok()) << image.status().message();
  return image.ok() ? *image : Image();
}

TEST(DctCodecTest, PicturesOfAllSizesAndKindsComeBack) {
  for (const auto& [width, height] : {std::pair{1u, 1u}, {7u, 9u}, {8u, 8u}, {65u, 64u}, {150u, 90u}}) {
    for (const int channels : {1, 2, 3, 4}) {
      Image image = SyntheticImage(width, height, channels);
      image.icc = {1, 2, 3};
      const Bytes file = Encoded(image, Dct(100, 64));
      const Image decoded = Decoded(file);
      ASSERT_EQ(decoded.pixels.size(), image.pixels.size()) << width << "x" << height << " " << channels;
      EXPECT_EQ(decoded.icc, image.icc);
      EXPECT_GT(Psnr(image.pixels, decoded.pixels), 37) << width << "x" << height << " " << channels;
      for (size_t i = channels - 1; channels % 2 == 0 && i < image.pixels.size(); i += channels) {
        ASSERT_EQ(decoded.pixels[i], image.pixels[i]);
      }
      const auto info = Inspect(file.data(), file.size());
      ASSERT_TRUE(info.ok());
      EXPECT_EQ(info->coding, Coding::kDct);
      EXPECT_EQ(info->model_id, "");
    }
  }
}

TEST(DctCodecTest, ABetterQualityTakesMoreBytesAndLosesLess) {
  const Image image = SyntheticImage(200, 150);
  size_t size = 0;
  double psnr = 0;
  for (const double quality : {0.0, 25.0, 50.0, 75.0, 100.0}) {
    const Bytes file = Encoded(image, Dct(quality));
    const double now = Psnr(image.pixels, Decoded(file).pixels);
    EXPECT_GT(file.size(), size);
    EXPECT_GT(now, psnr);
    size = file.size();
    psnr = now;
  }
}

TEST(DctCodecTest, SamplesOfSixteenBitsComeBackAsSuch) {
  Image image;
  image.width = 256;
  image.height = 64;
  image.channels = 1;
  image.bit_depth = 16;
  for (uint32_t i = 0; i < 256 * 64; ++i) {
    const auto sample = static_cast<uint16_t>(20000 + i % 256 * 25);
    image.pixels.push_back(static_cast<uint8_t>(sample & 255));
    image.pixels.push_back(static_cast<uint8_t>(sample >> 8));
  }
  const Image decoded = Decoded(Encoded(image, Dct(100)));
  ASSERT_EQ(decoded.bit_depth, 16);
  for (size_t i = 0; i < image.pixels.size(); i += 2) {
    const int a = image.pixels[i] | image.pixels[i + 1] << 8, b = decoded.pixels[i] | decoded.pixels[i + 1] << 8;
    EXPECT_NEAR(a, b, 3 * 257);
  }
  DecodeOptions options;
  options.bit_depth = 8;
  const Image rounded = Decoded(Encoded(image, Dct(100)), options);
  ASSERT_EQ(rounded.pixels.size(), image.pixels.size() / 2);
  for (size_t i = 0; i < rounded.pixels.size(); ++i) {
    EXPECT_NEAR(rounded.pixels[i], (decoded.pixels[2 * i] | decoded.pixels[2 * i + 1] << 8) / 257.0, 0.51);
  }
}

TEST(DctCodecTest, ThreadsDoNotMatter) {
  const Image image = SyntheticImage(300, 500);
  EncodeOptions one = Dct(70, 64), many = one;
  one.threads = 1;
  many.threads = 4;
  const Bytes file = Encoded(image, one);
  EXPECT_EQ(Encoded(image, many), file);
  DecodeOptions few;
  few.threads = 1;
  EXPECT_EQ(Decoded(file, few).pixels, Decoded(file).pixels);
  EXPECT_EQ(HashLatents(file.data(), file.size(), few).value(), HashLatents(file.data(), file.size(), {}).value());
}

TEST(DctCodecTest, ARegionIsTheCropOfTheWhole) {
  const Image image = SyntheticImage(201, 190);
  const Bytes file = Encoded(image, Dct(60, 64));
  const Image whole = Decoded(file);
  for (const Region& region :
       {Region{0, 0, 1, 1}, {63, 63, 2, 2}, {10, 70, 150, 60}, {200, 189, 1, 1}, {130, 0, 71, 190}}) {
    DecodeOptions options;
    options.region = region;
    const Image part = Decoded(file, options);
    ASSERT_EQ(part.width, region.width);
    ASSERT_EQ(part.height, region.height);
    for (uint32_t y = 0; y < region.height; ++y) {
      ASSERT_TRUE(std::equal(part.pixels.begin() + y * part.RowBytes(), part.pixels.begin() + (y + 1) * part.RowBytes(),
                             whole.pixels.begin() + (region.y + y) * whole.RowBytes() + region.x * 3))
          << region.x << "," << region.y << " row " << y;
    }
  }
}

TEST(DctCodecTest, AScaledSampleIsTheMeanOfItsPixels) {
  for (const int channels : {1, 3}) {
    const Image image = SyntheticImage(150, 101, channels);
    const Bytes file = Encoded(image, Dct(80, 64));
    const Image whole = Decoded(file);
    for (const int scale : {2, 4, 8, 16}) {
      DecodeOptions options;
      options.scale = scale;
      const Image small = Decoded(file, options);
      ASSERT_EQ(small.width, (150u + scale - 1) / scale);
      ASSERT_EQ(small.height, (101u + scale - 1) / scale);
      options.region = {37, 20, 90, 81};
      const Image part = Decoded(file, options);
      for (uint32_t y = 0; y < small.height; ++y) {
        for (uint32_t x = 0; x < small.width; ++x) {
          for (int c = 0; c < channels; ++c) {
            double sum = 0;
            int count = 0;
            for (uint32_t v = y * scale; v < std::min((y + 1) * scale, 101u); ++v) {
              for (uint32_t u = x * scale; u < std::min((x + 1) * scale, 150u); ++u, ++count) {
                sum += whole.pixels[v * whole.RowBytes() + u * channels + c];
              }
            }
            // Half a level of rounding, and as much in each of the pixels compared with, which cannot all err alike.
            ASSERT_NEAR(small.pixels[y * small.RowBytes() + x * channels + c], sum / count, 1.01);
            const uint32_t px = x - 37 / scale, py = y - 20 / scale;
            if (x >= 37u / scale && y >= 20u / scale && px < part.width && py < part.height) {
              ASSERT_EQ(part.pixels[py * part.RowBytes() + px * channels + c],
                        small.pixels[y * small.RowBytes() + x * channels + c]);
            }
          }
        }
      }
    }
  }
}

TEST(DctCodecTest, ADamagedTileIsNamedAndSalvagedAsGray) {
  const Image image = SyntheticImage(150, 90);
  Bytes file = Encoded(image, Dct(60, 64));
  const Image sound = Decoded(file);
  const auto container = bitstream::ParseContainer(file.data(), file.size()).value();
  file[container.tiles[4].offset + 5] ^= 1;  // of 3 x 2 tiles
  const auto refused = Decode(file.data(), file.size(), {});
  EXPECT_EQ(refused.status().code(), StatusCode::kDamaged);
  EXPECT_NE(refused.status().message().find("tile 5 of 6 (column 2, row 2)"), std::string::npos)
      << refused.status().message();
  DecodeOptions options;
  options.salvage = true;
  std::vector<Damage> damage;
  options.damage = [&](const Damage& found) { damage.push_back(found); };
  const Image salvaged = Decoded(file, options);
  ASSERT_EQ(damage.size(), 1u);
  const Region& lost = damage[0].pixels;
  EXPECT_EQ(lost.x, 64u);
  EXPECT_EQ(lost.y, 64u);
  EXPECT_EQ(lost.width, 64u);
  EXPECT_EQ(lost.height, 26u);
  for (uint32_t y = 0; y < 90; ++y) {
    for (uint32_t x = 0; x < 150; ++x) {
      const size_t at = y * sound.RowBytes() + x * 3;
      const bool gray = x >= 64 && x < 128 && y >= 64;
      for (int c = 0; c < 3; ++c) ASSERT_EQ(salvaged.pixels[at + c], gray ? 128 : sound.pixels[at + c]);
    }
  }
}

TEST(DctCodecTest, TargetsAreMet) {
  const Image image = SyntheticImage(300, 200);
  EncodeOptions options = Dct(50);
  options.target_psnr = 40;
  const double psnr = Psnr(image.pixels, Decoded(Encoded(image, options)).pixels);
  EXPECT_GE(psnr, 40);
  EXPECT_LE(psnr, 40.05);
  options = Dct(50);
  options.target_bytes = 9000;
  const size_t size = Encoded(image, options).size();
  EXPECT_LE(size, 9000u);
  EXPECT_GE(size, 8910u);
}

TEST(DctCodecTest, ProgressRisesToTheEndAndCanCancel) {
  const Image image = SyntheticImage(200, 300);
  double last = 0;
  const auto rising = [&](double share) {
    EXPECT_GE(share, last);
    last = share;
    return true;
  };
  EncodeOptions encode = Dct(50, 64);
  encode.progress = rising;
  const Bytes file = Encoded(image, encode);
  EXPECT_EQ(last, 1);
  last = 0;
  DecodeOptions decode;
  decode.progress = rising;
  Decoded(file, decode);
  EXPECT_EQ(last, 1);
  const auto stop = [](double) { return false; };
  encode.progress = decode.progress = stop;
  EXPECT_EQ(Encode(image, encode).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(Decode(file.data(), file.size(), decode).status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace lichen
