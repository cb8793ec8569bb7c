// SPDX-License-Identifier: Apache-2.0
#include "codec/coding_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codec/dct_tile.h"
#include "codec/fixed_point.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::SyntheticImage;

/// Windows of flat colours with lines of dark strokes, one or two pixels wide: as text is.
Image Screen(uint32_t width, uint32_t height, int channels = 3) {
  Image image;
  image.width = width;
  image.height = height;
  image.channels = channels;
  image.pixels.assign(image.RowBytes() * height, 255);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      uint8_t* pixel = image.pixels.data() + y * image.RowBytes() + x * channels;
      const uint32_t line = y / 16, letter = x / 9, window = x / 120 + y / 90;
      for (int c = 0; c < std::min(channels, 3); ++c) pixel[c] = static_cast<uint8_t>(255 - window * (c + 1) * 23 % 90);
      const uint32_t shape = (line * 2654435761u + letter * 40503u * 977) >> 8;
      const bool inside = y % 16 > 3 && y % 16 < 14 && x % 9 > 1 && line % 3 == 0 && letter % 12 > 3;
      if (inside && (shape >> (y % 16 / 3 + x % 9 / 2 * 4) & 1) != 0) std::memset(pixel, 20, std::min(channels, 3));
    }
  }
  return image;
}

Coding CodingOf(const Result<std::vector<uint8_t>>& file) {
  EXPECT_TRUE(file.ok()) << file.status().message();
  return Inspect(file->data(), file->size())->coding;
}

TEST(HeadRowsTest, AllRowsComeOnceAndAgainAfterARewind) {
  const Image image = SyntheticImage(10, 1500, 4);
  test::ImageRows rows(image);
  HeadRows head(rows);
  ASSERT_TRUE(head.ReadHead().ok());
  EXPECT_EQ(head.rows(), 640u);  // 256 are looked at, in the middle of 1024
  const Image window = head.Window(3, 616, 5, 24);
  EXPECT_EQ(window.channels, 3);
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 5; ++x) {
      ASSERT_EQ(
          std::memcmp(window.pixels.data() + (y * 5 + x) * 3, image.pixels.data() + ((616 + y) * 10 + 3 + x) * 4, 3),
          0);
    }
  }
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<uint8_t> row(40);
    for (size_t y = 0; y < 1500; ++y) {
      ASSERT_TRUE(head.ReadRow(row.data()).ok());
      ASSERT_EQ(std::memcmp(row.data(), image.pixels.data() + y * 40, 40), 0) << y;
    }
    ASSERT_TRUE(head.Rewind().ok());
  }
}

TEST(HeadRowsTest, AHeadEndsWhereNoMoreIsLookedAt) {
  const auto height = [](uint32_t width, uint32_t rows) {
    ImageHeader picture;
    picture.width = width, picture.height = rows, picture.channels = 3;
    return HeadHeight(picture);
  };
  EXPECT_EQ(height(4000, 1), 1u);
  EXPECT_EQ(height(4000, 1024), 1024u);  // perhaps chosen as a whole
  EXPECT_EQ(height(4000, 1025), 768u);   // 512 of 1024
  EXPECT_EQ(height(4000, 3000), 768u);
  EXPECT_EQ(height(1, 3000), 640u);
  EXPECT_EQ(height(1 << 20, 3000), 21u);  // of 64 MiB
  EXPECT_EQ(height(1 << 28, 3000), 1u);
}

TEST(HeadReaderTest, ReadsTheSameRowsAgain) {
  const Image image = SyntheticImage(10, 20);
  test::ImageRows rows(image);
  HeadRows head(rows);
  ASSERT_TRUE(head.ReadHead().ok());
  HeadReader one(head), other(head);
  std::vector<uint8_t> row(30);
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t y = 0; y < 20; ++y) {
      for (HeadReader* reader : {&one, &other}) {
        ASSERT_TRUE(reader->ReadRow(row.data()).ok());
        ASSERT_EQ(std::memcmp(row.data(), image.pixels.data() + y * 30, 30), 0) << y;
      }
    }
    ASSERT_TRUE(one.Rewind().ok());
    ASSERT_TRUE(other.Rewind().ok());
  }
  EXPECT_EQ(rows.rows_read, 20u);
}

TEST(CodingChoiceTest, SmallPicturesOfOneTileAreChosenWhole) {
  bitstream::Header header;
  header.width = 1024;
  header.height = 1024;
  header.bit_depth = 8;
  header.tile_size_log2 = 10;
  EXPECT_TRUE(IsChosenWhole(header));
  header.width = 1025;
  EXPECT_FALSE(IsChosenWhole(header));
  header.width = 256;
  header.tile_size_log2 = 8;
  EXPECT_FALSE(IsChosenWhole(header));
  header.height = 256;
  EXPECT_TRUE(IsChosenWhole(header));
  header.bit_depth = 16;
  EXPECT_FALSE(IsChosenWhole(header));
  header.bit_depth = 8;
  header.tile_size_log2 = 15;
  header.width = 10000;
  EXPECT_FALSE(IsChosenWhole(header));
}

/// Rate and weighed error, as the choice means them.
double CostOf(const Image& image, const std::vector<uint8_t>& file, double quality) {
  const Image decoded = Decode(file.data(), file.size(), {}).value();
  const double samples = double{1} * image.width * image.height * (image.channels <= 2 ? 1 : 3);
  double error = 0;
  for (uint32_t i = 0; i < image.width * image.height; ++i) {
    for (int c = 0; c < (image.channels <= 2 ? 1 : 3); ++c) {
      error += std::pow(
          double{1} * image.pixels[size_t{i} * image.channels + c] - decoded.pixels[size_t{i} * decoded.channels + c],
          2);
    }
  }
  return 8.0 * static_cast<double>(file.size()) / (double{1} * image.width * image.height) +
         LambdaAtQuality(static_cast<int>(std::lround(quality * 8.96))) * error / samples;
}

TEST(CodingChoiceTest, TheFileIsTheBetterOfTheTwo) {
  Image alpha = SyntheticImage(200, 150, 4);
  alpha.icc = {1, 2, 3};
  for (const Image& image : {SyntheticImage(300, 260), SyntheticImage(152, 200, 1), alpha, Screen(200, 190)}) {
    for (const double quality : {65, 80, 90, 100}) {
      EncodeOptions options;
      options.quality = quality;
      const auto chosen = Encode(image, options);
      options.coding = Coding::kLearned;
      const auto learned = Encode(image, options);
      options.coding = Coding::kDct;
      const auto blocks = Encode(image, options);
      ASSERT_TRUE(chosen.ok() && learned.ok() && blocks.ok());
      const double by_networks = CostOf(image, *learned, quality), by_blocks = CostOf(image, *blocks, quality);
      EXPECT_TRUE(*chosen == *learned || *chosen == *blocks) << "as the others are, byte for byte";
      EXPECT_LE(CostOf(image, *chosen, quality), 1.002 * std::min(by_networks, by_blocks))
          << image.channels << " channels, quality " << quality << ": " << by_networks << " or " << by_blocks;
    }
  }
}

TEST(CodingChoiceTest, ThreadsMakeNoDifference) {
  for (const double quality : {65, 85, 100}) {
    const Image image = SyntheticImage(400, 300);
    EncodeOptions options;
    options.quality = quality;
    options.threads = 1;
    const auto one = Encode(image, options);
    options.threads = 3;
    const auto three = Encode(image, options);
    ASSERT_TRUE(one.ok() && three.ok());
    EXPECT_EQ(*one, *three) << quality;
  }
}

TEST(CodingChoiceTest, ProgressGrowsAndCanCancel) {
  for (const Image& image : {SyntheticImage(300, 200), Screen(300, 200)}) {
    for (const int threads : {1, 3}) {
      EncodeOptions options;
      options.quality = 80;
      options.threads = threads;
      double last = 0;
      int calls = 0;
      options.progress = [&](double share) {
        EXPECT_GE(share, last);
        last = share;
        ++calls;
        return true;
      };
      ASSERT_TRUE(Encode(image, options).ok());
      EXPECT_EQ(last, 1);
      EXPECT_GT(calls, threads == 1 ? 1 : 0);
      // Where both codings are under way, how often they ask is a matter of luck.
      for (const int at : {1, threads == 1 ? calls : 1}) {
        int asked = 0;
        options.progress = [&](double) { return ++asked < at; };
        EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kCancelled);
        EXPECT_EQ(asked, at) << "once is enough";
      }
    }
  }
}

TEST(CodingChoiceTest, LittleMemoryIsEnoughForATrialOfParts) {
  const Image image = SyntheticImage(900, 900);
  EncodeOptions options;
  options.quality = 70;
  options.coding = Coding::kLearned;
  uint64_t least = uint64_t{1} << 20;  // for the learned coding
  do {
    options.max_memory_bytes = least += uint64_t{4} << 20;
  } while (options.max_memory_bytes < uint64_t{400} << 20 &&
           Encode(image, options).status().code() == StatusCode::kLimitExceeded);
  options.coding = Coding::kAuto;
  options.max_memory_bytes = least + 900 * 900 * 3;  // and the rows
  const auto file = Encode(image, options);
  EXPECT_TRUE(file.ok()) << file.status().message();
}

TEST(CodingChoiceTest, ScreenContentIsCodedInBlocks) {
  EncodeOptions options;
  options.quality = 64;                // from 65 on all pictures are tried
  for (const int channels : {3, 4}) {  // in gray, the post-filter makes the networks as good
    EXPECT_EQ(CodingOf(Encode(Screen(400, 300, channels), options)), Coding::kDct) << channels;
  }
}

TEST(CodingChoiceTest, TheChoiceCostsLess) {
  const Image image = Screen(512, 400);
  EncodeOptions options;
  options.quality = 70;
  const auto chosen = Encode(image, options);
  options.coding = Coding::kLearned;
  const auto learned = Encode(image, options);
  ASSERT_TRUE(chosen.ok() && learned.ok());
  EXPECT_EQ(CodingOf(chosen), Coding::kDct);
  const auto cost = [&](const std::vector<uint8_t>& file) {  // bits per pixel and the weighed error
    const auto decoded = Decode(file.data(), file.size(), {});
    EXPECT_TRUE(decoded.ok());
    const double error = 255 * 255 * std::pow(10, -test::Psnr(image.pixels, decoded->pixels) / 10);
    return 8.0 * static_cast<double>(file.size()) / (512 * 400) + LambdaAtQuality(QualityIndexOf(70)) * error;
  };
  EXPECT_LT(cost(*chosen), cost(*learned));
  RecordProperty("costs", std::to_string(cost(*chosen)) + " " + std::to_string(cost(*learned)));
}

TEST(CodingChoiceTest, AGivenModelIsUsed) {
  EncodeOptions options;
  options.model = test::ToyModel();
  EXPECT_EQ(CodingOf(Encode(Screen(100, 80), options)), Coding::kLearned);
  options.coding = Coding::kDct;
  EXPECT_EQ(CodingOf(Encode(Screen(100, 80), options)), Coding::kDct);
}

TEST(CodingChoiceTest, TargetsAreMetByEither) {
  const Image image = Screen(256, 200);
  EncodeOptions options;
  options.target_psnr = 45;  // more than the networks reach
  const auto by_psnr = Encode(image, options);
  ASSERT_EQ(CodingOf(by_psnr), Coding::kDct);
  const auto decoded = Decode(by_psnr->data(), by_psnr->size(), {});
  EXPECT_GE(test::Psnr(image.pixels, decoded->pixels), 45);
  options.target_psnr = 0;
  options.target_bytes = 9000;
  double last = 0;
  options.progress = [&](double share) {
    EXPECT_GE(share, last);
    last = share;
    return true;
  };
  const auto by_size = Encode(image, options);
  ASSERT_EQ(CodingOf(by_size), Coding::kDct);
  EXPECT_LE(by_size->size(), 9000u);
  EXPECT_EQ(last, 1);
  options.progress = nullptr;
  options.target_bytes = 30;  // out of reach of both
  EXPECT_EQ(Encode(image, options).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lichen
