// SPDX-License-Identifier: Apache-2.0
// Encode and decode through the public API.
#include "lichen/codec.h"

#include <gtest/gtest.h>

#include "test_data.h"

namespace lichen {
namespace {

using test::Psnr;
using test::SyntheticImage;
using test::ToyModel;

EncodeOptions ToyOptions(double quality = 90) {
  EncodeOptions options;
  options.quality = quality;
  options.model = ToyModel();
  return options;
}

DecodeOptions ToyDecodeOptions() {
  DecodeOptions options;
  options.model = ToyModel();
  return options;
}

std::vector<uint8_t> EncodeOrDie(const Image& image, const EncodeOptions& options) {
  auto file = Encode(image, options);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *file;
}

TEST(CodecTest, PicturesOfAnySizeComeBack) {
  for (const auto& [w, h] : {std::pair{1, 1}, std::pair{17, 3}, std::pair{3, 17}, std::pair{16, 16}, std::pair{65, 63},
                             std::pair{640, 11}, std::pair{5000, 11}, std::pair{2, 1500}}) {
    const Image image = SyntheticImage(w, h);
    const std::vector<uint8_t> file = EncodeOrDie(image, ToyOptions());
    const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
    ASSERT_TRUE(back.ok()) << w << "x" << h << ": " << back.status().message();
    EXPECT_EQ(back->width, image.width);
    EXPECT_EQ(back->height, image.height);
    EXPECT_EQ(back->channels, 3);
    EXPECT_GT(Psnr(image.pixels, back->pixels), 20) << w << "x" << h;
  }
}

TEST(CodecTest, GrayStaysGray) {
  const Image image = SyntheticImage(100, 60, 1);
  const std::vector<uint8_t> file = EncodeOrDie(image, ToyOptions());
  const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->channels, 1);
  EXPECT_EQ(back->pixels.size(), image.pixels.size());
  EXPECT_GT(Psnr(image.pixels, back->pixels), 20);
}

TEST(CodecTest, TilesDoNotChangeTheTransforms) {
  const Image image = SyntheticImage(300, 200);
  EncodeOptions options = ToyOptions();
  const std::vector<uint8_t> whole = EncodeOrDie(image, options);
  options.tile_size = 64;
  const std::vector<uint8_t> tiled = EncodeOrDie(image, options);
  const auto info = Inspect(tiled.data(), tiled.size());
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->tiles, 5u * 4u);
  const auto a = Decode(whole.data(), whole.size(), ToyDecodeOptions());
  const auto b = Decode(tiled.data(), tiled.size(), ToyDecodeOptions());
  ASSERT_TRUE(a.ok());
  ASSERT_TRUE(b.ok()) << b.status().message();
  EXPECT_NEAR(Psnr(image.pixels, a->pixels), Psnr(image.pixels, b->pixels), 0.3);
}

TEST(CodecTest, WindowsCoverWidePictures) {  // wider than one window of the transforms
  const Image image = SyntheticImage(4300, 40);
  const std::vector<uint8_t> file = EncodeOrDie(image, ToyOptions());
  const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
  ASSERT_TRUE(back.ok());
  EXPECT_GT(Psnr(image.pixels, back->pixels), 20);
}

TEST(CodecTest, ThreadsDoNotChangeTheFileNorThePicture) {
  const Image image = SyntheticImage(333, 222);
  EncodeOptions options = ToyOptions();
  options.threads = 1;
  const std::vector<uint8_t> one = EncodeOrDie(image, options);
  options.threads = 8;
  EXPECT_EQ(EncodeOrDie(image, options), one);
  DecodeOptions decode = ToyDecodeOptions();
  decode.threads = 1;
  const auto a = Decode(one.data(), one.size(), decode);
  decode.threads = 8;
  const auto b = Decode(one.data(), one.size(), decode);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->pixels, b->pixels);
}

TEST(CodecTest, ThreadsDoNotChangeTheDefaultModelsFilesEither) {
  const Image image = SyntheticImage(720, 400);  // large enough for threads inside the convolutions
  EncodeOptions options;
  options.quality = 90;
  options.threads = 1;
  const std::vector<uint8_t> one = EncodeOrDie(image, options);
  options.threads = 2;
  EXPECT_EQ(EncodeOrDie(image, options), one);
  DecodeOptions decode;
  decode.threads = 1;
  const auto a = Decode(one.data(), one.size(), decode);
  decode.threads = 2;
  const auto b = Decode(one.data(), one.size(), decode);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->pixels, b->pixels);
}

TEST(CodecTest, HigherQualityCostsMoreAndIsCloser) {
  const Image image = SyntheticImage(320, 240);
  EncodeOptions options;
  size_t last_size = 0;
  double last_psnr = 0;
  for (int quality = 5; quality <= 95; quality += 15) {
    options.quality = quality;
    const std::vector<uint8_t> file = EncodeOrDie(image, options);
    const auto back = Decode(file.data(), file.size(), {});
    ASSERT_TRUE(back.ok());
    const double psnr = Psnr(image.pixels, back->pixels);
    EXPECT_GT(file.size(), last_size) << quality;
    EXPECT_GT(psnr, last_psnr) << quality;
    last_size = file.size();
    last_psnr = psnr;
  }
}

TEST(CodecTest, InspectTellsWhatWasAsked) {
  EncodeOptions options = ToyOptions(12.5);
  options.tile_size = 256;
  const std::vector<uint8_t> file = EncodeOrDie(SyntheticImage(700, 300), options);
  const auto info = Inspect(file.data(), file.size());
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->format_version, 0);
  EXPECT_EQ(info->model_id, ToyModel()->Id());
  EXPECT_EQ(info->width, 700u);
  EXPECT_EQ(info->height, 300u);
  EXPECT_EQ(info->channels, 3);
  EXPECT_EQ(info->bit_depth, 8);
  EXPECT_DOUBLE_EQ(info->quality, 12.5);
  EXPECT_EQ(info->tile_size, 256u);
  EXPECT_EQ(info->tiles, 6u);
  EXPECT_EQ(info->file_bytes, file.size());
}

TEST(CodecTest, AnotherModelIsNamed) {
  const std::vector<uint8_t> file = EncodeOrDie(SyntheticImage(20, 20), ToyOptions());
  const auto back = Decode(file.data(), file.size(), {});
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.status().code(), StatusCode::kUnknownModel);
  EXPECT_NE(back.status().message().find(ToyModel()->Id()), std::string::npos) << back.status().message();
}

TEST(CodecTest, LimitsHold) {
  const std::vector<uint8_t> file = EncodeOrDie(SyntheticImage(20, 20), ToyOptions());
  DecodeOptions options = ToyDecodeOptions();
  options.max_pixels = 399;
  EXPECT_EQ(Decode(file.data(), file.size(), options).status().code(), StatusCode::kLimitExceeded);
  options.max_pixels = 400;
  EXPECT_TRUE(Decode(file.data(), file.size(), options).ok());
}

TEST(CodecTest, WrongArgumentsAreRefused) {
  Image image = SyntheticImage(8, 8);
  EncodeOptions options = ToyOptions();
  for (double quality : {-0.1, 100.1, std::nan("")}) {
    options.quality = quality;
    EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kInvalidArgument);
  }
  options = ToyOptions();
  for (uint32_t size : {0u, 32u, 100u, 65536u}) {
    options.tile_size = size;
    EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kInvalidArgument) << size;
  }
  image.pixels.pop_back();
  EXPECT_EQ(Encode(image, ToyOptions()).status().code(), StatusCode::kInvalidArgument);
  image = SyntheticImage(8, 8, 4);
  EXPECT_EQ(Encode(image, ToyOptions()).status().code(), StatusCode::kInvalidArgument);
}

TEST(CodecTest, ProgressRisesToOneAndCanStop) {
  const Image image = SyntheticImage(300, 300);
  EncodeOptions options = ToyOptions();
  options.tile_size = 64;
  double last = 0;
  options.progress = [&last](double done) {
    EXPECT_GE(done, last);
    last = done;
    return true;
  };
  const std::vector<uint8_t> file = EncodeOrDie(image, options);
  EXPECT_NEAR(last, 1, 1e-9);
  DecodeOptions decode = ToyDecodeOptions();
  last = 0;
  decode.progress = options.progress;
  EXPECT_TRUE(Decode(file.data(), file.size(), decode).ok());
  EXPECT_NEAR(last, 1, 1e-9);
  decode.progress = [](double) { return false; };
  EXPECT_EQ(Decode(file.data(), file.size(), decode).status().code(), StatusCode::kCancelled);
  options.progress = decode.progress;
  EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kCancelled);
}

TEST(CodecTest, EveryTruncationIsAnError) {
  const std::vector<uint8_t> file = EncodeOrDie(SyntheticImage(70, 50), ToyOptions(60));
  for (size_t size = 0; size < file.size(); ++size) {
    const auto back = Decode(file.data(), size, ToyDecodeOptions());
    ASSERT_FALSE(back.ok()) << size;
    EXPECT_NE(back.status().code(), StatusCode::kInternal) << back.status().message();
    EXPECT_FALSE(back.status().message().empty());
  }
}

TEST(CodecTest, EveryFlippedBitIsAnError) {
  const std::vector<uint8_t> file = EncodeOrDie(SyntheticImage(40, 30), ToyOptions(30));
  for (size_t bit = 0; bit < file.size() * 8; bit += 3) {
    std::vector<uint8_t> damaged = file;
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto back = Decode(damaged.data(), damaged.size(), ToyDecodeOptions());
    ASSERT_FALSE(back.ok()) << bit;
    EXPECT_NE(back.status().code(), StatusCode::kInternal) << back.status().message();
  }
}

TEST(CodecTest, TheDefaultModelCompressesAPicture) {
  const Image image = SyntheticImage(160, 96);
  EncodeOptions options;
  options.quality = 80;
  const std::vector<uint8_t> file = EncodeOrDie(image, options);
  EXPECT_LT(file.size(), image.pixels.size() / 4);
  const auto back = Decode(file.data(), file.size(), {});
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_GT(Psnr(image.pixels, back->pixels), 30);
}

}  // namespace
}  // namespace lichen
