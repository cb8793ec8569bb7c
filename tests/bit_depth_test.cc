// SPDX-License-Identifier: Apache-2.0
// Pictures of 16 bits a sample through encoder and decoder: nothing on the way rounds them to 8.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "lichen/codec.h"
#include "test_data.h"

namespace lichen {
namespace {

uint16_t SampleAt(const Image& image, size_t index) {
  uint16_t sample;
  std::memcpy(&sample, image.pixels.data() + index * 2, 2);
  return sample;
}

size_t SamplesOf(const Image& image) { return image.pixels.size() / (image.bit_depth / 8); }

/// A picture of 16 bits from values 0..1 of (x, y, channel).
template <typename Function>
Image DeepImage(uint32_t width, uint32_t height, int channels, const Function& value) {
  Image image;
  image.width = width;
  image.height = height;
  image.channels = channels;
  image.bit_depth = 16;
  image.pixels.resize(image.RowBytes() * height);
  size_t at = 0;
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c, at += 2) {
        const auto sample = static_cast<uint16_t>(std::lround(65535 * value(x, y, c)));
        std::memcpy(&image.pixels[at], &sample, 2);
      }
    }
  }
  return image;
}

/// A ramp from corner to corner, of a third of the range.
Image Gradient(int channels) {
  return DeepImage(256, 192, channels,
                   [](uint32_t x, uint32_t y, int c) { return 0.3 + 0.1 * c + (0.2 * x) / 256 + (0.1 * y) / 192; });
}

/// A clear sky: darker and bluer upwards, brighter around a sun outside the picture.
Image Sky() {
  return DeepImage(256, 192, 3, [](uint32_t x, uint32_t y, int c) {
    const double height = 1 - y / 192.0, distance = std::hypot(x - 300.0, y - 60.0) / 300;
    const double zenith[] = {0.20, 0.38, 0.72}, horizon[] = {0.66, 0.78, 0.90};
    return zenith[c] * height + horizon[c] * (1 - height) + 0.1 * std::exp(-2 * distance * distance);
  });
}

/// dB over samples of 16 bits.
double DeepPsnr(const Image& a, const Image& b) {
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  double sum = 0;
  for (size_t i = 0; i < SamplesOf(a); ++i) sum += std::pow(double{1} * SampleAt(a, i) - SampleAt(b, i), 2);
  return 10 * std::log10(65535.0 * 65535.0 * static_cast<double>(SamplesOf(a)) / std::fmax(sum, 1e-9));
}

/// Every sample replaced by the nearest that 8 bits can hold.
Image RoundedTo8Bits(Image image) {
  for (size_t i = 0; i < SamplesOf(image); ++i) {
    const auto level = static_cast<uint16_t>(std::lround(SampleAt(image, i) / 257.0) * 257);
    std::memcpy(image.pixels.data() + i * 2, &level, 2);
  }
  return image;
}

std::vector<uint8_t> EncodeOrDie(const Image& image, double quality, const std::shared_ptr<const Model>& model = {}) {
  EncodeOptions options;
  options.quality = quality;
  options.coding = Coding::kLearned;
  options.model = model;
  const auto file = Encode(image, options);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *file;
}

Image DecodeOrDie(const std::vector<uint8_t>& file, int bit_depth = 0, const std::shared_ptr<const Model>& model = {}) {
  DecodeOptions options;
  options.bit_depth = bit_depth;
  options.model = model;
  const auto image = Decode(file.data(), file.size(), options);
  EXPECT_TRUE(image.ok()) << image.status().message();
  return *image;
}

TEST(BitDepthTest, SmoothPicturesDecodeFinerThan8Bits) {
  for (const Image& image : {Gradient(1), Gradient(3), Sky()}) {
    for (const double quality : {90.0, 100.0}) {
      const Image back = DecodeOrDie(EncodeOrDie(image, quality));
      ASSERT_EQ(back.bit_depth, 16);
      ASSERT_EQ(back.channels, image.channels);
      const double psnr = DeepPsnr(image, back), rounded = DeepPsnr(image, RoundedTo8Bits(back));
      EXPECT_GT(psnr, rounded) << "quality " << quality;
      EXPECT_GT(psnr, 40) << "quality " << quality;
      RecordProperty("psnr_" + std::to_string(image.channels) + "_" + std::to_string(int(quality)),
                     std::to_string(psnr));
      std::set<uint16_t> levels;
      for (size_t i = 0; i < SamplesOf(back); i += back.channels) levels.insert(SampleAt(back, i));
      EXPECT_GT(levels.size(), 256u) << "of the first channel, of which 8 bits hold no more";
    }
  }
}

TEST(BitDepthTest, SamplesThat8BitsHoldGiveTheSameLatents) {
  Image deep = Gradient(3), shallow;
  static_cast<ImageHeader&>(shallow) = deep;
  shallow.bit_depth = 8;
  deep = RoundedTo8Bits(deep);
  for (size_t i = 0; i < SamplesOf(deep); ++i) shallow.pixels.push_back(static_cast<uint8_t>(SampleAt(deep, i) / 257));
  const auto model = test::ToyModel();
  DecodeOptions options;
  options.model = model;
  const auto deep_file = EncodeOrDie(deep, 80, model), shallow_file = EncodeOrDie(shallow, 80, model);
  // Up to the rounding of floats on the way in, which few paths through the trellis notice.
  EXPECT_NEAR(double(deep_file.size()), double(shallow_file.size()), 8);
  EXPECT_GT(test::Psnr(DecodeOrDie(deep_file, 8, model).pixels, DecodeOrDie(shallow_file, 8, model).pixels), 45);
  EXPECT_EQ(Inspect(deep_file.data(), deep_file.size())->bit_depth, 16);
  EXPECT_EQ(Inspect(shallow_file.data(), shallow_file.size())->bit_depth, 8);
}

TEST(BitDepthTest, TheDecoderRoundsOnceToWhatIsAskedFor) {
  const auto model = test::ToyModel();
  for (const int channels : {1, 3}) {
    const auto file = EncodeOrDie(Gradient(channels), 80, model);
    const Image deep = DecodeOrDie(file, 0, model), shallow = DecodeOrDie(file, 8, model);
    ASSERT_EQ(deep.bit_depth, 16);
    ASSERT_EQ(shallow.bit_depth, 8);
    ASSERT_EQ(shallow.pixels.size() * 2, deep.pixels.size());
    for (size_t i = 0; i < shallow.pixels.size(); ++i) {
      ASSERT_NEAR(SampleAt(deep, i) / 257.0, shallow.pixels[i], 0.503) << i;
    }
    EXPECT_EQ(DecodeOrDie(file, 16, model).pixels, deep.pixels);
  }
}

TEST(BitDepthTest, AlphaOf16BitsIsLossless) {
  const auto model = test::ToyModel();
  for (const int channels : {2, 4}) {
    const Image image = DeepImage(61, 35, channels, [](uint32_t x, uint32_t y, int c) {
      return std::fmod(0.013 * x * y + 0.1 * c + 0.007 * x, 1.0);
    });
    const auto file = EncodeOrDie(image, 60, model);
    const Image back = DecodeOrDie(file, 0, model), shallow = DecodeOrDie(file, 8, model);
    ASSERT_EQ(back.channels, channels);
    ASSERT_EQ(shallow.channels, channels);
    for (size_t i = channels - 1; i < SamplesOf(image); i += channels) {
      ASSERT_EQ(SampleAt(back, i), SampleAt(image, i)) << i;
      ASSERT_EQ(shallow.pixels[i], std::lround(SampleAt(image, i) / 257.0)) << i;
    }
  }
}

TEST(BitDepthTest, AlphaOf8BitsFillsTheRangeOf16) {
  const auto model = test::ToyModel();
  const Image image = test::SyntheticImage(30, 20, 4);
  const Image deep = DecodeOrDie(EncodeOrDie(image, 60, model), 16, model);
  ASSERT_EQ(deep.bit_depth, 16);
  for (size_t i = 3; i < image.pixels.size(); i += 4) ASSERT_EQ(SampleAt(deep, i), image.pixels[i] * 257);
}

TEST(BitDepthTest, OpaqueAlphaOf16BitsIsDropped) {
  const auto model = test::ToyModel();
  for (const int channels : {2, 4}) {
    Image image = DeepImage(40, 30, channels,
                            [channels](uint32_t x, uint32_t, int c) { return c == channels - 1 ? 1.0 : 0.01 * x; });
    EXPECT_EQ(DecodeOrDie(EncodeOrDie(image, 60, model), 0, model).channels, channels - 1);
    const uint16_t nearly = 65534;
    std::memcpy(&image.pixels[image.pixels.size() - 2], &nearly, 2);
    EXPECT_EQ(DecodeOrDie(EncodeOrDie(image, 60, model), 0, model).channels, channels);
  }
}

TEST(BitDepthTest, OnePixelComesBack) {
  for (const int channels : {1, 2, 3, 4}) {
    const Image image = DeepImage(1, 1, channels, [](uint32_t, uint32_t, int c) { return 0.3 + 0.1 * c; });
    const Image back = DecodeOrDie(EncodeOrDie(image, 95));
    ASSERT_EQ(back.pixels.size(), image.pixels.size());
    for (int c = 0; c < channels; ++c) EXPECT_NEAR(SampleAt(back, c), SampleAt(image, c), 65535 * 0.05) << c;
  }
}

TEST(BitDepthTest, OtherDepthsAreRefused) {
  Image image = test::SyntheticImage(8, 8);
  const auto file = EncodeOrDie(image, 50, test::ToyModel());
  DecodeOptions options;
  options.model = test::ToyModel();
  options.bit_depth = 12;
  const auto decoded = Decode(file.data(), file.size(), options);
  EXPECT_EQ(decoded.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(decoded.status().message(), "bit depth 12; 0 (as in the file), 8 or 16 expected");
  image.bit_depth = 12;
  EXPECT_EQ(Encode(image, {}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lichen
