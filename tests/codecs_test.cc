// SPDX-License-Identifier: Apache-2.0
#include "eval/codecs.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <utility>

#include "eval/evaluation.h"
#include "test_data.h"

namespace lichen::eval {
namespace {

const std::vector<std::string> kPeers = {"jpeg", "jpeg-444", "webp", "jxl", "avif", "avif-s4"};

// The codec, or null with a message when this build lacks it.
std::unique_ptr<Codec> MakeOrSkip(const std::string& name) {
  const std::string missing = HowToInstall(name);
  if (!missing.empty()) {
    std::printf("%s\n", missing.c_str());
    return nullptr;
  }
  Result<std::unique_ptr<Codec>> codec = MakeCodec(name, {});
  EXPECT_TRUE(codec.ok()) << codec.status().message();
  return codec.ok() ? std::move(codec).value() : nullptr;
}

TEST(CodecsTest, RoundTripsGrayAndRgbOfAnySize) {
  for (const std::string& name : kPeers) {
    SCOPED_TRACE(name);
    const std::unique_ptr<Codec> codec = MakeOrSkip(name);
    if (codec == nullptr) continue;
    for (const int channels : {1, 3}) {
      const Image image = test::SyntheticImage(channels == 1 ? 111 : 37, 21, channels);
      const Result<Trial> trial = RunTrial(*codec, codec->DefaultQualities().back(), image);
      ASSERT_TRUE(trial.ok()) << trial.status().message();
      EXPECT_GT(trial->distortion.psnr, 28);
      EXPECT_GT(trial->bytes, 100u);
    }
  }
}

TEST(CodecsTest, FilesGrowAlongQualitiesAndTheLadder) {
  const Image image = test::SyntheticImage(96, 64);
  for (const std::string& name : kPeers) {
    SCOPED_TRACE(name);
    const std::unique_ptr<Codec> codec = MakeOrSkip(name);
    if (codec == nullptr) continue;
    for (const std::vector<double>& qualities : {codec->DefaultQualities(), codec->SizeLadder()}) {
      for (double quality : qualities) EXPECT_TRUE(codec->CheckQuality(quality).ok()) << quality;
      const Result<Trial> low = RunTrial(*codec, qualities.front(), image);
      const Result<Trial> high = RunTrial(*codec, qualities.back(), image);
      ASSERT_TRUE(low.ok() && high.ok());
      EXPECT_LT(low->bytes, high->bytes);
      EXPECT_LT(low->distortion.psnr, high->distortion.psnr);
    }
  }
}

TEST(CodecsTest, FilesDoNotDependOnThreads) {
  const Image image = test::SyntheticImage(300, 200);
  for (const std::string& name : kPeers) {
    SCOPED_TRACE(name);
    if (!HowToInstall(name).empty()) continue;
    LichenSettings one, three;
    one.threads = 1;
    three.threads = 3;
    const auto a = MakeCodec(name, one), b = MakeCodec(name, three);
    ASSERT_TRUE(a.ok() && b.ok());
    const double quality = (*a)->DefaultQualities()[3];
    EXPECT_EQ(*(*a)->Encode(image, quality), *(*b)->Encode(image, quality));
  }
}

TEST(CodecsTest, RefusesQualitiesOutOfRange) {
  for (const auto& [name, quality] : {std::pair("webp", 100.5), std::pair("jxl", 0.0), std::pair("avif", 63.5)}) {
    const std::unique_ptr<Codec> codec = MakeOrSkip(name);
    if (codec == nullptr) continue;
    EXPECT_EQ(codec->Encode(test::SyntheticImage(8, 8), quality).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(CodecsTest, DamagedFilesAreErrors) {
  for (const std::string& name : kPeers) {
    SCOPED_TRACE(name);
    const std::unique_ptr<Codec> codec = MakeOrSkip(name);
    if (codec == nullptr) continue;
    EXPECT_FALSE(codec->Decode({}).ok());
    EXPECT_FALSE(codec->Decode({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}).ok());
  }
}

TEST(CodecsTest, EffortsAreCodecsOfTheirOwn) {
  const auto plain = MakeCodec("lichen", {}).value(), refined = MakeCodec("lichen-e2", {}).value();
  EXPECT_EQ(plain->Name(), "lichen");
  EXPECT_EQ(refined->Name(), "lichen-e2");
  EXPECT_NE(plain->Identity(), refined->Identity());  // what was measured of one is not taken for the other
  const Image image = test::SyntheticImage(48, 48);
  EXPECT_NE(*plain->Encode(image, 50), *refined->Encode(image, 50));
}

TEST(CodecsTest, UnknownNamesAreListedAgainstTheKnown) {
  const Status status = MakeCodec("gif", {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "no codec is called gif; there are lichen, lichen-e0, "
            "lichen-e2, lichen-e3, jpeg, jpeg-444, webp, jxl, avif, avif-s4");
  EXPECT_EQ(HowToInstall("gif"), "");
}

}  // namespace
}  // namespace lichen::eval
