// SPDX-License-Identifier: Apache-2.0
#include "codec/sampled_error.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "bitstream/container.h"
#include "codec/dct_encoder.h"
#include "photograph.h"
#include "test_data.h"

namespace lichen {
namespace {

/// A part of the photograph.
Image Photo(uint32_t width, uint32_t height) { return test::Photograph(30, 40, width, height); }

double SquaredError(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::pow(double{1} * a.pixels[i] - b.pixels[i], 2);
  return sum;
}

double Sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

struct Coded {
  bitstream::Header header;
  double learned_error = 0, dct_error = 0;  // of the files, decoded
  Latents latents;
  ErrorMap errors;
};

Coded EncodeBothWays(const Image& image, double quality) {
  Coded coded;
  EncodeOptions options;
  options.quality = quality;
  options.coding = Coding::kLearned;
  const std::vector<uint8_t> learned = Encode(image, options).value();
  const bitstream::Container container = bitstream::ParseContainer(learned.data(), learned.size()).value();
  coded.header = container.header;
  const ModelData& model = DataOf(*Model::Default().value());
  EntropyModel entropy(model, static_cast<int>(coded.header.quality_index), static_cast<int>(coded.header.trellis_bits),
                       IntegerEngine::kFast);
  const bitstream::TileSpan& tile = container.tiles.at(0);
  EXPECT_TRUE(entropy
                  .Decode(learned.data() + tile.offset, tile.size, static_cast<int>(image.height + 15) / 16,
                          static_cast<int>(image.width + 15) / 16, &coded.latents)
                  .ok());
  coded.learned_error = SquaredError(image, Decode(learned.data(), learned.size(), {}).value());
  test::ImageRows source(image);
  bitstream::Header of_blocks = coded.header;
  of_blocks.post_filter.clear();
  PictureRows rows(source, of_blocks);
  BlockErrors errors;
  errors.weights = LostDetail();
  const std::vector<uint8_t> blocks = EncodeDct(rows, of_blocks, options, &errors).value();
  coded.dct_error = SquaredError(image, Decode(blocks.data(), blocks.size(), {}).value());
  coded.errors = MapErrors(errors, image);
  return coded;
}

TEST(ErrorMapTest, KnowsTheErrorOfTheDecodedBlocks) {
  for (const double quality : {50, 80, 100}) {
    for (const bool gray : {false, true}) {
      const Image photo = Photo(213, 150), image = gray ? test::GrayOf(photo) : photo;
      const Coded coded = EncodeBothWays(image, quality);
      EXPECT_EQ(coded.errors.columns, 4);
      EXPECT_EQ(coded.errors.rows, 3);
      EXPECT_NEAR(Sum(coded.errors.dct) / coded.dct_error, 1, 0.01) << quality << gray;  // cut at the edges
    }
  }
}

TEST(ErrorMapTest, SamplesBeyondTheirRangeAreCutOff) {  // as ringing beside black and white is
  Image image = Photo(64, 64);
  for (uint8_t& sample : image.pixels) sample = sample < 110 ? 0 : 255;
  const Coded coded = EncodeBothWays(image, 20);
  EXPECT_NEAR(Sum(coded.errors.dct) / coded.dct_error, 1, 1e-5);
}

TEST(ErrorMapTest, WhatNeedsNoCoefficientsHasNoError) {
  Image image;
  image.width = image.height = 70;
  image.channels = 3;
  image.pixels.assign(image.RowBytes() * image.height, 128);
  BlockErrors errors;
  errors.weights = LostDetail();
  bitstream::Header header;
  header.width = header.height = 70;
  header.colour_type = 3;
  header.bit_depth = 8;
  header.tile_size_log2 = 10;
  header.quality_index = 700;
  test::ImageRows source(image);
  PictureRows rows(source, header);
  ASSERT_TRUE(EncodeDct(rows, header, {}, &errors).ok());
  const ErrorMap map = MapErrors(errors, image);
  EXPECT_LT(Sum(map.dct), 1e-9);
  EXPECT_LT(Sum(map.learned), 1e-9);
}

TEST(ErrorMapTest, GuessesTheErrorOfTheNetworks) {
  const Coded coded = EncodeBothWays(Photo(320, 256), 80);
  EXPECT_GT(Sum(coded.errors.learned), 0.5 * coded.learned_error);
  EXPECT_LT(Sum(coded.errors.learned), 1.5 * coded.learned_error);
}

class SampledErrorTest : public testing::Test {
 protected:
  SampledError::Estimate Measure(const Image& image, const Coded& coded, int draws) {
    test::ImageRows source(image);
    HeadRows head(source);
    EXPECT_TRUE(head.ReadHead().ok());
    SampledError sampled(head, DataOf(*Model::Default().value()), coded.header, coded.latents, coded.errors);
    return sampled.Measure(draws).value();
  }
};

TEST_F(SampledErrorTest, AllSquaresGiveTheErrorOfTheDecodedPicture) {
  for (const bool gray : {false, true}) {
    const Image photo = Photo(213, 150), image = gray ? test::GrayOf(photo) : photo;
    const Coded coded = EncodeBothWays(image, 80);
    const SampledError::Estimate all = Measure(image, coded, 16);  // of 12 squares
    EXPECT_EQ(all.draws, 0);
    EXPECT_EQ(all.variance, 0);
    EXPECT_NEAR(all.sum / coded.learned_error, 1, 0.02) << gray;  // g_s sees little of what is around a square
  }
}

TEST_F(SampledErrorTest, PicturesSmallerThanASquareAreMeasuredToo) {
  const Image image = Photo(20, 33);
  const Coded coded = EncodeBothWays(image, 80);
  EXPECT_NEAR(Measure(image, coded, 4).sum / coded.learned_error, 1, 0.001);  // nothing is around it
}

TEST_F(SampledErrorTest, FewDrawsTellMuch) {
  const Image image = Photo(400, 400);  // 49 squares
  const Coded coded = EncodeBothWays(image, 80);
  for (const int draws : {4, 8, 16, 32}) {
    const SampledError::Estimate some = Measure(image, coded, draws);
    EXPECT_EQ(some.draws, draws);
    EXPECT_GT(some.variance, 0);
    EXPECT_NEAR(some.sum / coded.learned_error, 1, draws < 16 ? 0.1 : 0.05) << draws;
  }
  EXPECT_EQ(Measure(image, coded, 8).sum, Measure(image, coded, 8).sum);
}

}  // namespace
}  // namespace lichen
