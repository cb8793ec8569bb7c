// SPDX-License-Identifier: Apache-2.0
#include "codec/dct_tile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

namespace lichen {
namespace {

DctTile Empty(int columns, int rows, int planes) {
  DctTile tile;
  tile.columns = columns;
  tile.rows = rows;
  tile.planes = planes;
  tile.step = 640;
  tile.quantised.assign(static_cast<size_t>(columns) * rows * tile.BlockSize(), 0);
  return tile;
}

/// Coefficients other than 0 with a probability that falls with the frequency. share: of the lowest, percent
DctTile Random(std::mt19937& random, int columns, int rows, int planes, int share, int range) {
  DctTile tile = Empty(columns, rows, planes);
  for (size_t i = 0; i < tile.quantised.size(); ++i) {
    const int u = static_cast<int>(i % 8), v = static_cast<int>(i / 8 % 8);
    if (static_cast<int>(random() % 100) >= share / (1 + (u + v) / 3)) continue;
    tile.quantised[i] = static_cast<int16_t>(static_cast<int>(random() % (2 * range + 1)) - range);
  }
  return tile;
}

void ExpectRoundTrip(const DctTile& tile) {
  const std::vector<uint8_t> bytes = EncodeTile(tile);
  DctTile decoded;
  decoded.columns = tile.columns;
  decoded.rows = tile.rows;
  decoded.planes = tile.planes;
  const Status status = DecodeTile(bytes.data(), bytes.size(), &decoded);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(decoded.step, tile.step);
  EXPECT_EQ(decoded.quantised, tile.quantised);
}

TEST(DctTileTest, CoefficientsComeBack) {
  std::mt19937 random(1);
  for (const int planes : {1, 3}) {
    for (const int share : {0, 1, 20, 60, 100}) {
      for (const int range : {1, 3, 50, 2000, 32767}) {
        const int columns = static_cast<int>(1 + random() % 9), rows = static_cast<int>(1 + random() % 9);
        ExpectRoundTrip(Random(random, columns, rows, planes, share, range));
      }
    }
  }
}

TEST(DctTileTest, TheLargestCoefficientsComeBack) {
  for (const int16_t value : {int16_t{32767}, int16_t{-32767}}) {
    DctTile tile = Empty(3, 3, 3);
    std::fill(tile.quantised.begin(), tile.quantised.end(), value);
    ExpectRoundTrip(tile);
    for (size_t i = 0; i < tile.quantised.size(); i += 2) tile.quantised[i] = static_cast<int16_t>(-value);
    ExpectRoundTrip(tile);
  }
}

TEST(DctTileTest, ATileOfNothingTakesNextToNothing) {
  EXPECT_LT(EncodeTile(Empty(128, 128, 3)).size(), 300u);  // of 49152 blocks: their bits are learnt to be certain
}

TEST(DctTileTest, EveryTruncationIsDamage) {
  std::mt19937 random(2);
  const DctTile tile = Random(random, 6, 5, 3, 40, 20);
  const std::vector<uint8_t> bytes = EncodeTile(tile);
  for (size_t size = 0; size < bytes.size(); ++size) {
    DctTile decoded = Empty(6, 5, 3);
    EXPECT_EQ(DecodeTile(bytes.data(), size, &decoded).code(), StatusCode::kDamaged) << size;
  }
}

TEST(DctTileTest, FlippedBitsAreDamageOrOtherCoefficientsInRange) {
  std::mt19937 random(3);
  const std::vector<uint8_t> bytes = EncodeTile(Random(random, 6, 5, 3, 40, 20));
  size_t damaged = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<uint8_t> flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    DctTile decoded = Empty(6, 5, 3);
    const Status status = DecodeTile(flipped.data(), flipped.size(), &decoded);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), StatusCode::kDamaged);
      ++damaged;
      continue;
    }
    EXPECT_EQ(EncodeTile(decoded), flipped) << bit;  // another legal stream
  }
  EXPECT_GT(damaged, 7 * bytes.size());
}

TEST(DctTileTest, RandomBytesAreRefused) {
  std::mt19937 random(4);
  for (int round = 0; round < 1000; ++round) {
    std::vector<uint8_t> bytes(random() % 300);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    DctTile decoded = Empty(4, 4, 3);
    EXPECT_EQ(DecodeTile(bytes.data(), bytes.size(), &decoded).code(), StatusCode::kDamaged);
  }
}

TEST(DctTileTest, AStepOfZeroIsDamage) {
  std::vector<uint8_t> bytes = EncodeTile(Empty(2, 2, 1));
  bytes[0] = bytes[1] = 0;
  DctTile decoded = Empty(2, 2, 1);
  const Status status = DecodeTile(bytes.data(), bytes.size(), &decoded);
  EXPECT_EQ(status.code(), StatusCode::kDamaged);
  EXPECT_EQ(status.message(), "a quantisation step of 0");
}

TEST(DctTileTest, TheStepFollowsTheQuality) {
  EXPECT_EQ(StepAtQuality(0), 18240);  // 285 levels
  EXPECT_EQ(StepAtQuality(896), 645);  // 10
  for (int i = 1; i <= 896; ++i) EXPECT_LT(StepAtQuality(i), StepAtQuality(i - 1));
  EXPECT_NEAR(LambdaAtQuality(896), 0.32, 1e-9);
}

TEST(DctTileTest, ErrorsAreThoseOfTheSamples) {
  std::mt19937 random(6);
  constexpr int kSide = 32;
  std::vector<float> rgb(kSide * kSide * 3);
  for (float& v : rgb) v = static_cast<float>(random() % 100) / 255 - 0.2f;
  DctTile tile = Empty(kSide / 8, kSide / 8, 3);
  tile.step = 20 * kStepsPerLevel;
  std::vector<float> weights(3 * kBlockSize, 0.0f);
  weights[2 * kBlockSize] = 3;  // the mean of the last plane
  BlockErrors errors;
  errors.weights = weights.data();
  QuantiseTile(rgb.data(), kSide, DctQuantiser::kByContext, &tile, &errors);
  ASSERT_EQ(errors.squared.size(), 16u);
  ASSERT_EQ(errors.weighed.size(), 16u);
  for (int block = 0; block < 16; ++block) {
    int16_t samples[3][kBlockSize];
    for (int plane = 0; plane < 3; ++plane) {
      InverseDct(tile.Block(block / 4, block % 4) + plane * kBlockSize, tile.step, samples[plane]);
    }
    int32_t decoded[3 * kBlockSize];
    RotateBack(samples[0], samples[1], samples[2], kBlockSize, decoded);
    double squared = 0, mean = 0;
    for (int i = 0; i < kBlockSize; ++i) {
      const float* pixel = rgb.data() + ((block / 4 * 8 + i / 8) * kSide + block % 4 * 8 + i % 8) * 3;
      float planes[3];
      RotateColours(pixel, 1, 1, planes);
      for (int c = 0; c < 3; ++c) {
        squared += std::pow(pixel[c] * 255 + 127.5 - std::round(decoded[3 * i + c] / double{1 << 20}), 2);
      }
      mean += planes[2] / 8;
    }
    EXPECT_GT(squared, 0);
    EXPECT_NEAR(errors.squared[block] / squared, 1, 0.001);
    EXPECT_NEAR(errors.weighed[block], 3 * mean * mean, 0.01 * mean * mean + 0.01);
  }
}

TEST(DctTileTest, AWiderDeadZoneLeavesFewerCoefficients) {
  std::mt19937 random(5);
  std::vector<float> rgb(64 * 64 * 3);
  for (float& v : rgb) v = static_cast<float>(random() % 100) / 255 - 0.2f;
  const auto count = [&](DctQuantiser quantiser) {
    DctTile tile = Empty(8, 8, 3);
    tile.step = 50 * kStepsPerLevel;
    QuantiseTile(rgb.data(), 64, quantiser, &tile);
    return tile.quantised.size() - std::count(tile.quantised.begin(), tile.quantised.end(), 0);
  };
  const auto wide = count(DctQuantiser::kByContext), narrow = count(DctQuantiser::kDeadZone);
  EXPECT_GT(wide, 0u);
  EXPECT_LT(wide, narrow);
}

}  // namespace
}  // namespace lichen
