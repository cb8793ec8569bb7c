// SPDX-License-Identifier: Apache-2.0
// Encode and decode through the public API.
#include "lichen/codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

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

TEST(CodecTest, StripsCoverWidePictures) {  // of 4 rows of latents
  const Image image = SyntheticImage(4300, 300);
  const std::vector<uint8_t> file = EncodeOrDie(image, ToyOptions());
  const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
  ASSERT_TRUE(back.ok());
  EXPECT_GT(Psnr(image.pixels, back->pixels), 20);
}

/// The file and the picture are the same for 1 and for `threads` threads.
void ExpectThreadsDoNotMatter(const Image& image, EncodeOptions options, DecodeOptions decode, int threads) {
  options.threads = 1;
  const std::vector<uint8_t> one = EncodeOrDie(image, options);
  options.threads = threads;
  EXPECT_EQ(EncodeOrDie(image, options), one);
  decode.threads = 1;
  const auto a = Decode(one.data(), one.size(), decode);
  decode.threads = threads;
  const auto b = Decode(one.data(), one.size(), decode);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->pixels, b->pixels);
}

TEST(CodecTest, ThreadsDoNotChangeTheFileNorThePicture) {
  ExpectThreadsDoNotMatter(SyntheticImage(333, 222), ToyOptions(), ToyDecodeOptions(), 8);
}

TEST(CodecTest, ThreadsDoNotChangeTheDefaultModelsFilesEither) {
  EncodeOptions options;
  options.quality = 90;
  options.coding = Coding::kLearned;
  ExpectThreadsDoNotMatter(SyntheticImage(720, 400), options, {}, 2);  // threads inside the convolutions
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
  image = SyntheticImage(8, 8, 5);
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

TEST(CodecTest, ProgressIsAtItsEndOnlyOnceAPostFilterIsFitted) {
  EncodeOptions options;  // the default model has one
  options.coding = Coding::kLearned;
  options.tile_size = 64;
  std::vector<double> shares;
  options.progress = [&shares](double done) {
    shares.push_back(done);
    return true;
  };
  const std::vector<uint8_t> file = EncodeOrDie(SyntheticImage(200, 150), options);
  ASSERT_GE(shares.size(), 2u);
  EXPECT_NEAR(shares.back(), 1, 1e-9);
  EXPECT_LT(shares[shares.size() - 2], 0.95);
}

/// The alpha of an image with channels 2 or 4.
std::vector<uint8_t> AlphaOf(const Image& image) {
  std::vector<uint8_t> alpha;
  for (size_t i = image.channels - 1; i < image.pixels.size(); i += image.channels) alpha.push_back(image.pixels[i]);
  return alpha;
}

/// The image without its alpha, and a copy of its colours only.
Image WithoutAlpha(const Image& image) {
  Image colours = image;
  colours.channels = image.channels - 1;
  colours.pixels.clear();
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    if (i % image.channels != static_cast<size_t>(colours.channels)) colours.pixels.push_back(image.pixels[i]);
  }
  return colours;
}

void SetAlpha(Image* image, const std::function<int(uint32_t x, uint32_t y)>& alpha) {
  for (uint32_t i = 0; i < image->width * image->height; ++i) {
    image->pixels[(i + 1) * image->channels - 1] = static_cast<uint8_t>(alpha(i % image->width, i / image->width));
  }
}

TEST(CodecTest, AlphaIsLossless) {
  std::mt19937 random(1);
  const std::function<int(uint32_t, uint32_t)> planes[] = {
      [&random](uint32_t, uint32_t) { return static_cast<int>(random() & 255); },
      [](uint32_t x, uint32_t y) { return static_cast<int>(x + y); },
      [](uint32_t x, uint32_t y) { return x * x + y * y < 900 ? 255 : 0; },
      [](uint32_t, uint32_t) { return 0; },
  };
  for (const int channels : {2, 4}) {
    for (const auto& [w, h] : {std::pair{1, 1}, std::pair{33, 17}, std::pair{201, 150}}) {
      for (const auto& plane : planes) {
        SCOPED_TRACE(testing::Message() << channels << " channels, " << w << "x" << h);
        Image image = SyntheticImage(w, h, channels);
        SetAlpha(&image, plane);
        if (w == 1) image.pixels.back() = 77;
        EncodeOptions options = ToyOptions();
        options.tile_size = 64;
        const std::vector<uint8_t> file = EncodeOrDie(image, options);
        const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
        ASSERT_TRUE(back.ok()) << back.status().message();
        EXPECT_EQ(back->channels, channels);
        ASSERT_EQ(back->pixels.size(), image.pixels.size());
        EXPECT_EQ(AlphaOf(*back), AlphaOf(image));
        // The colours are those of the same picture without alpha.
        const std::vector<uint8_t> bare = EncodeOrDie(WithoutAlpha(image), options);
        EXPECT_EQ(WithoutAlpha(*back).pixels, Decode(bare.data(), bare.size(), ToyDecodeOptions())->pixels);
        const auto info = Inspect(file.data(), file.size());
        EXPECT_EQ(info->channels, channels);
        EXPECT_GT(info->alpha_bytes, 0u);
        EXPECT_LT(info->alpha_bytes + bare.size(), file.size());
      }
    }
  }
}

TEST(CodecTest, OpaqueAlphaIsDropped) {
  for (const int channels : {2, 4}) {
    Image image = SyntheticImage(70, 40, channels);
    SetAlpha(&image, [](uint32_t, uint32_t) { return 255; });
    const std::vector<uint8_t> file = EncodeOrDie(image, ToyOptions());
    EXPECT_EQ(file, EncodeOrDie(WithoutAlpha(image), ToyOptions()));
    EXPECT_EQ(Decode(file.data(), file.size(), ToyDecodeOptions())->channels, channels - 1);
    EXPECT_EQ(Inspect(file.data(), file.size())->alpha_bytes, 0u);
    image.pixels.back() = 254;
    EXPECT_NE(EncodeOrDie(image, ToyOptions()), file);
  }
}

Image ImageWithEverything() {
  Image image = SyntheticImage(40, 30, 4);
  for (int i = 0; i < 300; ++i) image.icc.push_back(static_cast<uint8_t>(i * i));
  image.exif = {'I', 'I', '*', 0, 8, 0, 0, 0};
  image.xmp = {'<', 'x', '/', '>'};
  return image;
}

TEST(CodecTest, MetadataComesBackByteForByte) {
  const Image image = ImageWithEverything();
  const std::vector<uint8_t> file = EncodeOrDie(image, ToyOptions());
  const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->icc, image.icc);
  EXPECT_EQ(back->exif, image.exif);
  EXPECT_EQ(back->xmp, image.xmp);
  const auto info = Inspect(file.data(), file.size());
  EXPECT_EQ(info->icc_bytes, 300u);
  EXPECT_EQ(info->exif_bytes, 8u);
  EXPECT_EQ(info->xmp_bytes, 4u);
}

TEST(CodecTest, StrippingLeavesThePictureOnly) {
  Image image = ImageWithEverything();
  EncodeOptions options = ToyOptions();
  options.strip_metadata = true;
  const std::vector<uint8_t> file = EncodeOrDie(image, options);
  const auto back = Decode(file.data(), file.size(), ToyDecodeOptions());
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(back->icc.empty() && back->exif.empty() && back->xmp.empty());
  EXPECT_EQ(back->channels, 4);
  image.icc.clear(), image.exif.clear(), image.xmp.clear();
  EXPECT_EQ(file, EncodeOrDie(image, ToyOptions()));
}

/// Gives the metadata only after the last row, as files may.
class LateSource : public RowSource {
 public:
  explicit LateSource(const Image& image) : image_(image), header_(image) { header_.exif.clear(); }
  const ImageHeader& header() const override { return header_; }
  Status ReadRow(uint8_t* row) override {
    std::memcpy(row, image_.pixels.data() + next_++ * image_.RowBytes(), image_.RowBytes());
    if (next_ == image_.height) header_.exif = image_.exif;
    return Status();
  }

 private:
  const Image& image_;
  ImageHeader header_;
  size_t next_ = 0;
};

TEST(CodecTest, MetadataMayComeAfterTheRows) {
  const Image image = ImageWithEverything();
  LateSource source(image);
  const auto file = Encode(source, ToyOptions());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*file, EncodeOrDie(image, ToyOptions()));
}

/// Encoder and decoder load only what each needs of the built-in model.
TEST(CodecTest, TheDefaultModelAndItsPartsAreOne) {
  const Image image = SyntheticImage(300, 200);
  EncodeOptions whole;
  DecodeOptions decode_whole;
  whole.model = decode_whole.model = *Model::Default();
  const std::vector<uint8_t> file = EncodeOrDie(image, whole);
  EncodeOptions part;
  part.coding = Coding::kLearned;
  EXPECT_EQ(EncodeOrDie(image, part), file);
  const auto back = Decode(file.data(), file.size(), {}), expected = Decode(file.data(), file.size(), decode_whole);
  ASSERT_TRUE(back.ok() && expected.ok());
  EXPECT_EQ(back->pixels, expected->pixels);
}

/// Tiles are shared out to threads: in rows of more and of fewer tiles than there are threads.
TEST(CodecTest, TilesOnSeveralThreadsAreThoseOnOne) {
  const Image image = SyntheticImage(700, 290);
  EncodeOptions options = ToyOptions(60);
  options.tile_size = 64;
  options.threads = 1;
  const std::vector<uint8_t> file = EncodeOrDie(image, options);
  DecodeOptions decode = ToyDecodeOptions();
  decode.threads = 1;
  const auto expected = Decode(file.data(), file.size(), decode);
  const auto hash = HashLatents(file.data(), file.size(), decode);
  ASSERT_TRUE(expected.ok() && hash.ok());
  for (const int threads : {0, 2, 3}) {
    options.threads = decode.threads = threads;
    EXPECT_EQ(EncodeOrDie(image, options), file) << threads;
    const auto back = Decode(file.data(), file.size(), decode);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->pixels, expected->pixels) << threads;
    EXPECT_EQ(*HashLatents(file.data(), file.size(), decode), *hash) << threads;
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
