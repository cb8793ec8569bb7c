// SPDX-License-Identifier: Apache-2.0
// Encoding to a size, a rate or a PSNR.
#include "codec/target.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "test_data.h"

namespace lichen {
namespace {

using test::SyntheticImage;
using test::ToyModel;

/// With the toy model: what the default model does, tools_test.cc sees.
EncodeOptions ToyOptions() {
  EncodeOptions options;
  options.model = ToyModel();
  options.threads = 1;  // these pictures are not worth more
  return options;
}

Result<std::vector<uint8_t>> EncodeToSize(const Image& image, uint64_t bytes) {
  EncodeOptions options = ToyOptions();
  options.target_bytes = bytes;
  return Encode(image, options);
}

size_t SizeAt(const Image& image, double quality) {
  EncodeOptions options = ToyOptions();
  options.quality = quality;
  return Encode(image, options)->size();
}

double PsnrOf(const std::vector<uint8_t>& file, const Image& image) {
  DecodeOptions options;
  options.model = ToyModel();
  options.threads = 1;
  return test::Psnr(Decode(file.data(), file.size(), options)->pixels, image.pixels);
}

/// The quality with which the file says it was made.
double QualityOf(const std::vector<uint8_t>& file) { return Inspect(file.data(), file.size())->quality; }

TEST(TargetTest, SizesAreMetWithinOnePercentAndNeverExceeded) {
  const Image image = SyntheticImage(320, 240);
  const double least = static_cast<double>(SizeAt(image, 2)), most = static_cast<double>(SizeAt(image, 98));
  for (double share = 0.05; share < 1; share += 0.15) {
    const auto bytes = static_cast<uint64_t>(least * std::pow(most / least, share));
    const auto file = EncodeToSize(image, bytes);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_LE(file->size(), bytes);
    EXPECT_GE(static_cast<double>(file->size()), 0.99 * static_cast<double>(bytes));
  }
}

TEST(TargetTest, TheFileIsTheOneOfItsQuality) {
  Image image = SyntheticImage(200, 120, 4);
  image.exif = {'I', 'I', '*', 0, 8, 0, 0, 0};
  const auto file = EncodeToSize(image, (SizeAt(image, 30) + SizeAt(image, 60)) / 2);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EncodeOptions options = ToyOptions();
  options.quality = QualityOf(*file);
  EXPECT_EQ(*file, *Encode(image, options)) << "alpha and metadata included";
}

TEST(TargetTest, BitsPerPixelAreASize) {
  const Image image = SyntheticImage(200, 120);
  const size_t bytes = SizeAt(image, 70);
  EncodeOptions options = ToyOptions();
  options.target_bits_per_pixel = (static_cast<double>(bytes) + 0.5) * 8 / (200 * 120);
  EXPECT_EQ(*Encode(image, options), *EncodeToSize(image, bytes));
}

TEST(TargetTest, PsnrIsMetWithin005DecibelsAndNeverMissed) {
  for (const int channels : {1, 3, 4}) {
    Image image = SyntheticImage(320, 240, channels);
    for (size_t i = 3; channels == 4 && i < image.pixels.size(); i += 4) image.pixels[i] = 255;
    EncodeOptions options = ToyOptions();
    options.quality = 10;
    Image colours = image;  // as they are decoded
    if (channels == 4) {
      colours.channels = 3;
      colours.pixels.clear();
      for (size_t i = 0; i < image.pixels.size(); ++i) {
        if (i % 4 != 3) colours.pixels.push_back(image.pixels[i]);
      }
    }
    const double least = PsnrOf(*Encode(image, options), colours);
    options.quality = 90;
    const double most = PsnrOf(*Encode(image, options), colours);
    ASSERT_GT(most, least + 1);
    for (const double share : {0.2, 0.5, 0.8}) {
      options.target_psnr = least + share * (most - least);
      const auto file = Encode(image, options);
      ASSERT_TRUE(file.ok()) << file.status().message();
      EXPECT_GE(PsnrOf(*file, colours), options.target_psnr - 1e-9);
      if (PsnrOf(*file, colours) <= options.target_psnr + 0.05) continue;
      // The toy model's PSNR rises in jumps here and there.
      EncodeOptions below = ToyOptions();
      below.quality = QualityOf(*file) - 100.0 / 896;
      EXPECT_LT(PsnrOf(*Encode(image, below), colours), options.target_psnr);
    }
  }
}

TEST(TargetTest, PsnrOf16BitsIsMeasuredOn16Bits) {
  const Image shallow = SyntheticImage(160, 120);
  Image image = shallow;
  image.bit_depth = 16;
  image.pixels.clear();
  for (const uint8_t sample : shallow.pixels) image.pixels.insert(image.pixels.end(), 2, sample);  // 257 times it
  EncodeOptions options = ToyOptions();
  options.quality = 30;
  options.target_psnr = PsnrOf(*Encode(shallow, options), shallow) - 0.05;
  const auto file = Encode(image, options);
  ASSERT_TRUE(file.ok()) << file.status().message();
  DecodeOptions decode;
  decode.model = ToyModel();
  const Image shown = *Decode(file->data(), file->size(), decode);
  ASSERT_EQ(shown.bit_depth, 16);
  double squares = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 2) {
    uint16_t sample, is;
    std::memcpy(&sample, image.pixels.data() + i, 2);
    std::memcpy(&is, shown.pixels.data() + i, 2);
    squares += std::pow(static_cast<double>(is) - sample, 2);
  }
  const double psnr = 10 * std::log10(65535.0 * 65535.0 * static_cast<double>(image.pixels.size() / 2) / squares);
  EXPECT_GE(psnr, options.target_psnr - 1e-9);
  EXPECT_LT(psnr, options.target_psnr + 1);  // the toy model's rises in jumps, by which quality would be no measure
}

TEST(TargetTest, WhatIsOutOfReachIsAnErrorWithTheRange) {
  const Image image = SyntheticImage(200, 120);
  const std::string range = "from quality 0 to 100 this picture takes " + std::to_string(SizeAt(image, 0)) + " to " +
                            std::to_string(SizeAt(image, 100)) + " bytes";
  for (const uint64_t bytes : {uint64_t{50}, uint64_t{1} << 40}) {
    const Status status = EncodeToSize(image, bytes).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message().rfind("a file of " + std::to_string(bytes) + " bytes (", 0), 0u) << status.message();
    EXPECT_NE(status.message().find(range), std::string::npos) << status.message();
  }
  EXPECT_TRUE(EncodeToSize(image, SizeAt(image, 0)).ok());
  EXPECT_TRUE(EncodeToSize(image, SizeAt(image, 100)).ok());
  for (const double psnr : {3.0, 90.0}) {
    EncodeOptions options = ToyOptions();
    options.target_psnr = psnr;
    const Status status = Encode(image, options).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("dB is out of reach: from quality 0 to 100 this picture has "), std::string::npos)
        << status.message();
  }
}

TEST(TargetTest, TinyPicturesGetTheLargestSizeBelow) {
  const Image image = SyntheticImage(5, 4);
  std::vector<size_t> sizes;
  for (int index = 0; index <= 896; index += 7) sizes.push_back(SizeAt(image, index * 100.0 / 896));
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
  ASSERT_LT(*least, *most);
  for (size_t bytes = *least; bytes <= *most; ++bytes) {
    const auto file = EncodeToSize(image, bytes);
    if (!file.ok()) continue;  // no quality at either end is on the right side of it
    EXPECT_LE(file->size(), bytes);
    EXPECT_GE(file->size() + 8, bytes);
  }
  EncodeOptions options = ToyOptions();
  options.target_bytes = *least;
  EXPECT_TRUE(Encode(SyntheticImage(1, 1), options).ok()) << "one pixel takes no more than twenty";
}

TEST(TargetTest, WrongTargetsAreRefused) {
  const Image image = SyntheticImage(16, 16);
  const std::function<void(EncodeOptions*)> changes[] = {
      [](EncodeOptions* o) { o->target_bits_per_pixel = -1; },
      [](EncodeOptions* o) { o->target_bits_per_pixel = NAN; },
      [](EncodeOptions* o) { o->target_psnr = -1; },
      [](EncodeOptions* o) { o->target_psnr = INFINITY; },
      [](EncodeOptions* o) { o->target_psnr = 30, o->target_bytes = 500; },
      [](EncodeOptions* o) { o->target_bits_per_pixel = 1, o->target_bytes = 500; },
  };
  for (const auto& change : changes) {
    EncodeOptions options = ToyOptions();
    change(&options);
    EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kInvalidArgument);
  }
}

/// An image's rows, counting how often each is read.
class CountingSource : public RowSource {
 public:
  CountingSource(const Image& image, bool rewinds) : image_(image), rewinds_(rewinds) {}
  const ImageHeader& header() const override { return image_; }
  Status ReadRow(uint8_t* row) override {
    EXPECT_LT(next_, image_.height);
    std::memcpy(row, image_.pixels.data() + next_++ * image_.RowBytes(), image_.RowBytes());
    ++rows_read;
    return Status();
  }
  bool can_rewind() const override { return rewinds_; }
  Status Rewind() override {
    EXPECT_TRUE(rewinds_);
    next_ = 0;
    return Status();
  }
  size_t rows_read = 0;

 private:
  const Image& image_;
  bool rewinds_;
  size_t next_ = 0;
};

TEST(TargetTest, RowsAreReadOnceForASizeAndAgainForAPsnr) {
  const Image image = SyntheticImage(160, 120);
  EncodeOptions by_size = ToyOptions(), by_psnr = ToyOptions();
  by_size.target_bytes = SizeAt(image, 77);
  by_psnr.quality = 77;
  by_psnr.target_psnr = PsnrOf(*Encode(image, by_psnr), image) - 0.05;  // the toy model's PSNR jumps
  for (const EncodeOptions& options : {by_size, by_psnr}) {
    const std::vector<uint8_t> expected = *Encode(image, options);
    CountingSource once(image, false), again(image, true);
    EXPECT_EQ(*Encode(once, options), expected);
    EXPECT_EQ(once.rows_read, 120u) << "and what is needed again is kept";
    EXPECT_EQ(*Encode(again, options), expected);
    if (options.target_psnr > 0) {
      EXPECT_GE(again.rows_read, 240u) << "rather than kept";
    } else {
      EXPECT_EQ(again.rows_read, 120u);
    }
  }
}

/// A header only, for a picture that nobody has.
class AbsentSource : public RowSource {
 public:
  AbsentSource() {
    header_.width = 1 << 14;
    header_.height = 1 << 13;
  }
  const ImageHeader& header() const override { return header_; }
  Status ReadRow(uint8_t*) override { return Status(StatusCode::kIoError, "absent"); }

 private:
  ImageHeader header_;
};

TEST(TargetTest, LargePicturesThatCannotRewindAreRefused) {
  AbsentSource source;
  EncodeOptions options = ToyOptions();
  options.target_psnr = 40;
  const Status status = Encode(source, options).status();
  EXPECT_EQ(status.code(), StatusCode::kLimitExceeded);
  EXPECT_NE(status.message().find("402653184 bytes uncompressed and can be read only once"), std::string::npos)
      << status.message();
  options.target_psnr = 0;
  EXPECT_EQ(Encode(source, options).status().message(), "absent") << "a quality needs one pass";
}

TEST(TargetTest, ProgressRisesOverAllTrialsAndCanStop) {
  const Image image = SyntheticImage(160, 120);
  EncodeOptions options = ToyOptions();
  options.target_bytes = SizeAt(image, 77);
  double last = 0;
  options.progress = [&last](double share) {
    EXPECT_GE(share, last);
    last = share;
    return true;
  };
  EXPECT_TRUE(Encode(image, options).ok());
  EXPECT_EQ(last, 1);
  options.progress = [](double) { return false; };
  EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace lichen
