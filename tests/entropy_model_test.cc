// SPDX-License-Identifier: Apache-2.0
#include "codec/entropy_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "test_data.h"

namespace lichen {
namespace {

using test::ReadTestFile;
using test::ToyModel;

class EntropyModelTest : public testing::TestWithParam<IntegerEngine> {};

TEST_P(EntropyModelTest, SymbolsOfGivenLatentsEqualTheVectorsOfTheExport) {
  const ModelData& model = DataOf(*ToyModel());
  const std::vector<uint8_t> text = ReadTestFile("toy_vectors.json");
  const nlohmann::json vectors = nlohmann::json::parse(text.begin(), text.end());
  for (const nlohmann::json& vector : vectors.at("symbols")) {
    const int quality = vector.at("quality_index"), h = vector.at("h"), w = vector.at("w");
    const auto y = vector.at("y").get<std::vector<float>>();
    const auto z = vector.at("z").get<std::vector<float>>();
    EntropyModel coder(model, quality, vector.at("trellis_bits"), GetParam());
    Latents encoded, decoded;
    const std::vector<uint8_t> bytes = coder.Encode(y.data(), z.data(), h, w, &encoded);
    EXPECT_EQ(encoded.z_hat, vector.at("z_hat").get<std::vector<int32_t>>());
    EXPECT_EQ(encoded.y_hat, vector.at("y_hat").get<std::vector<int32_t>>()) << "quality index " << quality;
    const Status status = coder.Decode(bytes.data(), bytes.size(), h, w, &decoded);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(decoded.z_hat, encoded.z_hat);
    EXPECT_EQ(decoded.y_hat, encoded.y_hat);
  }
}

TEST_P(EntropyModelTest, OneCoderServesTilesOfManySizes) {
  const ModelData& model = DataOf(*ToyModel());
  EntropyModel coder(model, 500, 6, GetParam());
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 4);
  for (const auto& [h, w] : {std::pair{8, 8}, std::pair{1, 1}, std::pair{3, 17}, std::pair{1, 9}, std::pair{8, 8}}) {
    std::vector<float> y(static_cast<size_t>(h) * w * model.latent_channels);
    std::vector<float> z(static_cast<size_t>((h + 3) / 4) * ((w + 3) / 4) * model.hyper_channels);
    for (float& v : y) v = normal(random);
    for (float& v : z) v = normal(random);
    Latents encoded, decoded;
    const std::vector<uint8_t> bytes = coder.Encode(y.data(), z.data(), h, w, &encoded);
    ASSERT_TRUE(coder.Decode(bytes.data(), bytes.size(), h, w, &decoded).ok()) << h << "x" << w;
    EXPECT_EQ(decoded.y_hat, encoded.y_hat);
    EXPECT_EQ(decoded.z_hat, encoded.z_hat);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, EntropyModelTest, testing::Values(IntegerEngine::kPlain, IntegerEngine::kFast),
                         [](const auto& engine) { return engine.param == IntegerEngine::kPlain ? "Plain" : "Fast"; });

TEST(EntropyModelTest, OutliersAreLimitedAndSurvive) {
  const ModelData& model = DataOf(*ToyModel());
  EntropyModel coder(model, 0, 6, IntegerEngine::kFast);
  std::vector<float> y(static_cast<size_t>(4) * 4 * model.latent_channels, 0.0f), z(model.hyper_channels, 0.0f);
  y[0] = 1e9f, y[40] = -1e9f, y[41] = NAN, y[77] = INFINITY, z[1] = 12000.0f;
  Latents encoded, decoded;
  const std::vector<uint8_t> bytes = coder.Encode(y.data(), z.data(), 4, 4, &encoded);
  ASSERT_TRUE(coder.Decode(bytes.data(), bytes.size(), 4, 4, &decoded).ok());
  EXPECT_EQ(decoded.y_hat, encoded.y_hat);
  EXPECT_EQ(decoded.z_hat, encoded.z_hat);
  EXPECT_NEAR(encoded.z_hat[1] / 16.0, 12000, 0.5);
}

/// y and z of a tile, in quantisation steps.
struct RandomTile {
  std::vector<float> y, z;

  RandomTile(const ModelData& model, int h, int w, float deviation, uint32_t seed)
      : y(static_cast<size_t>(h) * w * model.latent_channels),
        z(static_cast<size_t>((h + 3) / 4) * ((w + 3) / 4) * model.hyper_channels) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, deviation);
    for (float& v : y) v = normal(random);
    for (float& v : z) v = normal(random);
  }
};

/// Of which every third row is wanted coded.
class ThirdRows : public LatentSource {
 public:
  ThirdRows(const float* values, int w, int channels) : values_(values), w_(w), channels_(channels) {}
  void Get(int y, int x, int c, int count, float* values) const override {
    std::copy_n(values_ + (static_cast<size_t>(y) * w_ + x) * channels_ + c, count, values);
  }
  void Prefetch(int, int, int, int) const override {}
  bool WantsCoded(int y) const override { return y % 3 == 0; }

 private:
  const float* values_;
  int w_, channels_;
};

TEST(EntropyModelTest, RowsThatNobodyWantsAreCodedAlike) {
  const ModelData& model = DataOf(*ToyModel());
  const int h = 13, w = 9, m = model.latent_channels;
  const RandomTile tile(model, h, w, 2, 9);
  const std::vector<float>&y = tile.y, &z = tile.z;
  EntropyModel all(model, 300, 6, IntegerEngine::kFast), some(model, 300, 6, IntegerEngine::kFast);
  Latents of_all, of_some;
  EXPECT_EQ(some.Encode(ThirdRows(y.data(), w, m), z.data(), h, w, &of_some),
            all.Encode(y.data(), z.data(), h, w, &of_all));
  const size_t row = static_cast<size_t>(w) * m;
  for (int v = 0; v < h; ++v) {
    const int32_t* coded = of_all.y_hat.data() + v * row;
    EXPECT_EQ(std::equal(coded, coded + row, of_some.y_hat.data() + v * row), v % 3 == 0) << v;
  }
}

TEST(EntropyModelTest, TheSearchSavesBitsAndErrorAndDecodes) {
  const ModelData& model = DataOf(*ToyModel());
  const int h = 16, w = 24;
  const RandomTile tile(model, h, w, 1, 7);
  const std::vector<float>&y = tile.y, &z = tile.z;
  // Bits and squared error at what the search takes it to be worth.
  const auto cost = [&](EntropyModel& coder, EntropyModel& decoder) {
    Latents coded, decoded;
    const std::vector<uint8_t> bytes = coder.Encode(y.data(), z.data(), h, w, &coded);
    EXPECT_TRUE(decoder.Decode(bytes.data(), bytes.size(), h, w, &decoded).ok());
    EXPECT_EQ(decoded.y_hat, coded.y_hat);
    double error = 0;
    for (size_t i = 0; i < y.size(); ++i) error += std::pow(y[i] - coded.y_hat[i] / 16.0, 2);
    return 8.0 * static_cast<double>(bytes.size()) + 14 * error;
  };
  double before = 1e9;
  for (const int bits : {4, 5, 6, 7, 8}) {
    EntropyModel nearest(model, 300, bits, IntegerEngine::kFast);
    EntropyModel searching(model, 300, bits, IntegerEngine::kFast, EntropyModel::Quantiser::kRateDistortion);
    const double found = cost(searching, nearest);
    EXPECT_LT(found, 0.9 * cost(nearest, nearest)) << bits;
    EXPECT_LT(found, before) << bits;
    before = found;
  }
}

TEST(EntropyModelTest, RateDistortionMovesHyperLatentsTowardsZeroAtLowQualities) {
  const ModelData& model = DataOf(*ToyModel());
  const int h = 32, w = 48, m = model.latent_channels;
  std::vector<float> y(static_cast<size_t>(h) * w * m), z(static_cast<size_t>(8) * 12 * model.hyper_channels);
  std::mt19937 random(13);
  std::normal_distribution<float> normal(0, 1);
  for (float& v : z) v = normal(random);
  for (const auto& [quality_index, moves] : {std::pair{0, true}, {402, true}, {403, false}, {896, false}}) {
    EntropyModel nearest(model, quality_index, 6, IntegerEngine::kFast);
    EntropyModel optimised(model, quality_index, 6, IntegerEngine::kFast, EntropyModel::Quantiser::kRateDistortion);
    Latents a, b;
    nearest.Encode(y.data(), z.data(), h, w, &a);
    optimised.Encode(y.data(), z.data(), h, w, &b);
    ASSERT_EQ(a.z_hat.size(), z.size());
    int moved = 0;
    for (size_t i = 0; i < z.size(); ++i) {
      // The first step, which sees nothing: what later ones expect depends on what it coded.
      const size_t pixel = i / model.hyper_channels, channel = i % model.hyper_channels;
      const int phase = static_cast<int>(pixel / 12 % 2 * 2 + pixel % 12 % 2);
      if (phase != model.phase_order[channel * 4 / model.hyper_channels]) continue;
      ASSERT_EQ(a.z_hat[i], 16 * std::floor(z[i] + 0.5f));
      if (a.z_hat[i] == b.z_hat[i]) continue;
      ++moved;
      ASSERT_EQ(std::abs(b.z_hat[i]), std::abs(a.z_hat[i]) - 16);
      ASSERT_LT(std::fabs(z[i] - static_cast<float>(b.z_hat[i]) / 16), 1.0f);
    }
    if (!moves) {
      EXPECT_EQ(a.z_hat, b.z_hat);
    }
    EXPECT_EQ(moved > 0, moves) << quality_index;
    EXPECT_LT(moved, static_cast<int>(z.size()) / 16) << quality_index;
  }
}

TEST(EntropyModelTest, LaterStepsOfHyperLatentsSeeEarlierOnes) {
  const ModelData& model = DataOf(*ToyModel());
  const int channels = model.hyper_channels;
  const std::vector<float> y(static_cast<size_t>(8) * 8 * model.latent_channels);
  std::vector<float> z(static_cast<size_t>(4) * channels);
  std::mt19937 random(17);
  std::normal_distribution<float> normal(0, 3);
  for (float& v : z) v = normal(random);
  EntropyModel coder(model, 300, 6, IntegerEngine::kFast);
  Latents before, after;
  coder.Encode(y.data(), z.data(), 8, 8, &before);
  const auto residue = [&](const Latents& latents, size_t i) { return latents.z_hat[i] & 15; };  // of the mean
  // What the first step codes at position 0; the other groups there follow in later steps.
  const int first =
      static_cast<int>(std::find(model.phase_order.begin(), model.phase_order.end(), 0) - model.phase_order.begin()) *
      channels / 4;
  z[first] += 40;
  coder.Encode(y.data(), z.data(), 8, 8, &after);
  EXPECT_EQ(residue(before, first), 0) << "the first step's means are 0";
  EXPECT_EQ(after.z_hat[first] - before.z_hat[first], 16 * 40);
  int others = 0;
  for (int i = 0; i < channels; ++i) others += i != first && residue(before, i) != residue(after, i) ? 1 : 0;
  EXPECT_GT(others, 0);
}

TEST(EntropyModelTest, SidesSharedWithOtherTilesAreSparedMore) {
  const ModelData& model = DataOf(*ToyModel());
  const int h = 400, w = 4;
  const RandomTile tile(model, h, w, 1, 11);
  const std::vector<float>&y = tile.y, &z = tile.z;
  EntropyModel coder(model, 0, 6, IntegerEngine::kFast, EntropyModel::Quantiser::kRateDistortion);
  Latents latents;
  const size_t alone = coder.Encode(y.data(), z.data(), h, w, &latents).size();
  EXPECT_GT(coder.Encode(y.data(), z.data(), h, w, &latents, {false, false, true, true}).size(), alone);
}

TEST(SharedSidesTest, TouchOnlyAlongTheirRowOrColumn) {
  const int h = 3, w = 5;
  const SharedSides bottom_and_left = {false, true, true, false};
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) EXPECT_EQ(bottom_and_left.Touch(y, x, h, w), y == 2 || x == 0) << y << " " << x;
  }
}

TEST(EntropyModelTest, AnotherQualityOrModelStateIsReportedAsDamage) {
  const ModelData& model = DataOf(*ToyModel());
  std::vector<float> y(static_cast<size_t>(8) * 8 * model.latent_channels),
      z(static_cast<size_t>(4) * model.hyper_channels);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  for (float& v : y) v = normal(random);
  for (float& v : z) v = normal(random);
  Latents latents;
  const std::vector<uint8_t> bytes =
      EntropyModel(model, 400, 6, IntegerEngine::kFast).Encode(y.data(), z.data(), 8, 8, &latents);
  const Status status =
      EntropyModel(model, 401, 6, IntegerEngine::kFast).Decode(bytes.data(), bytes.size(), 8, 8, &latents);
  EXPECT_EQ(status.code(), StatusCode::kDamaged);
}

}  // namespace
}  // namespace lichen
