// SPDX-License-Identifier: Apache-2.0
// Files written once must decode to the same latents for ever, and to the same picture within one level.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lichen/codec.h"
#include "test_data.h"

namespace lichen {
namespace {

TEST(GoldenTest, EveryFileDecodesToItsLatentsAndPixels) {
  const std::vector<uint8_t> text = test::ReadTestFile("golden/manifest.json");
  const nlohmann::json manifest = nlohmann::json::parse(text.begin(), text.end());
  ASSERT_EQ(manifest.size(), 9u);
  DecodeOptions options;
  options.model = test::ToyModel();
  for (const auto& [name, facts] : manifest.items()) {
    const std::vector<uint8_t> file = test::ReadTestFile("golden/" + name + ".lic");
    const std::vector<uint8_t> expected = test::ReadTestFile("golden/" + name + ".raw");
    const auto hash = HashLatents(file.data(), file.size(), options);
    ASSERT_TRUE(hash.ok()) << name << ": " << hash.status().message();
    EXPECT_EQ(*hash, std::stoull(facts.at("latents").get<std::string>(), nullptr, 16)) << name;
    const auto image = Decode(file.data(), file.size(), options);
    ASSERT_TRUE(image.ok()) << name << ": " << image.status().message();
    EXPECT_EQ(image->width, facts.at("width").get<uint32_t>());
    EXPECT_EQ(image->height, facts.at("height").get<uint32_t>());
    EXPECT_EQ(image->channels, facts.at("channels").get<int>());
    ASSERT_EQ(image->pixels.size(), expected.size());
    int worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(image->pixels[i] - expected[i]));
    // The toy model's weights are large for its few channels; a bfloat16 decoder may be two levels off.
    const bool exact = Inspect(file.data(), file.size())->coding == Coding::kDct;
    EXPECT_LE(worst, exact ? 0 : 2) << name;
  }
}

TEST(GoldenTest, AlphaAndMetadataAreExact) {
  const Image expected = test::GoldenAlphaImage();
  const std::vector<uint8_t> file = test::ReadTestFile("golden/alpha.lic");
  DecodeOptions options;
  options.model = test::ToyModel();
  const auto image = Decode(file.data(), file.size(), options);
  ASSERT_TRUE(image.ok()) << image.status().message();
  ASSERT_EQ(image->pixels.size(), expected.pixels.size());
  for (size_t i = 3; i < expected.pixels.size(); i += 4) ASSERT_EQ(image->pixels[i], expected.pixels[i]) << i;
  EXPECT_EQ(image->icc, expected.icc);
  EXPECT_EQ(image->exif, expected.exif);
  EXPECT_EQ(image->xmp, expected.xmp);
}

}  // namespace
}  // namespace lichen
