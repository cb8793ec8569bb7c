// SPDX-License-Identifier: Apache-2.0
#include "codec/model_data.h"

#include <gtest/gtest.h>

#include "codec/fixed_point.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::ReadTestFile;
using test::ToyModel;

TEST(ModelDataTest, DefaultModelKeepsToItsBudget) {
  const auto model = Model::Default();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_LE((*model)->DecodeMultiplyAddsPerPixel(), 25000);
  EXPECT_GT((*model)->DecodeMultiplyAddsPerPixel(), 10000);
  EXPECT_EQ((*model)->Id().size(), 16u);
}

TEST(ModelDataTest, TablesFollowTheQuality) {
  const ModelData& model = DataOf(*ToyModel());
  const QualityTables low = TablesAtQuality(model, 0), high = TablesAtQuality(model, kMaxQualityIndex);
  for (int c = 0; c < model.latent_channels; ++c) {
    EXPECT_LT(low.gain_y[c], high.gain_y[c]);
    EXPECT_GT(low.inverse_gain_y[c], high.inverse_gain_y[c]);
    EXPECT_EQ(high.context_exponent[c], model.context_exponent[size_t(7) * model.latent_channels + c]);
  }
}

TEST(ModelDataTest, EveryTruncationIsAnError) {
  const std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
  for (size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 997) {
    const auto parsed = ParseModel(bytes.data(), size);
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_TRUE(parsed.status().code() == StatusCode::kTruncated || parsed.status().code() == StatusCode::kDamaged);
  }
}

TEST(ModelDataTest, FlippedBytesAreErrors) {
  const std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
  for (size_t at = 0; at < bytes.size(); at += at < 64 ? 1 : 1009) {
    if (at >= 9 && at < 17) continue;  // the id, which is compared, not computed
    std::vector<uint8_t> damaged = bytes;
    damaged[at] ^= 0x10;
    EXPECT_FALSE(ParseModel(damaged.data(), damaged.size()).ok()) << at;
  }
}

TEST(ModelDataTest, OtherVersionsAndFilesAreNamed) {
  std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
  bytes[8] = 9;
  const auto version = ParseModel(bytes.data(), bytes.size());
  ASSERT_FALSE(version.ok());
  EXPECT_EQ(version.status().code(), StatusCode::kUnsupportedVersion);
  EXPECT_NE(version.status().message().find("version 9"), std::string::npos);
  const auto missing = Model::Load("/nonexistent/model.lim");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace lichen
