// SPDX-License-Identifier: Apache-2.0
// Damaged files, as they are and with every checksum recomputed after the damage: each ends in an error or a picture of
// the declared size, within the declared memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <map>
#include <random>
#include <tuple>
#include <utility>

#include "allocation_counter.h"
#include "lichen/codec.h"
#include "mend_checksums.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::AllocationCounter;
using test::MendChecksums;

struct Sample {
  const char* name;    // of a golden file, or "Default": one of the default model
  size_t truncations;  // at most; all where the file is shorter
  size_t flips;
  uint64_t max_pixels;
  size_t max_bytes;  // that decoding may hold at once, beside the file
};

void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }

// What max_pixels allow to hold: 128 bytes a pixel with the toy model, and 1 KiB with the default one, whose weights
// are part of it.
constexpr size_t kMebibyte = size_t{1} << 20;

constexpr Sample kSamples[] = {
    {"rgb", 100000, 10000, 1 << 16, 8 * kMebibyte},   {"tiles", 100000, 10000, 1 << 16, 8 * kMebibyte},
    {"alpha", 100000, 10000, 1 << 16, 8 * kMebibyte}, {"dct", 100000, 10000, 1 << 16, 8 * kMebibyte},
    {"Default", 300, 300, 1 << 16, 64 * kMebibyte},
};

class DamageTest : public testing::TestWithParam<std::tuple<Sample, bool>> {
 protected:
  void SetUp() override {
    const Sample& sample = std::get<0>(GetParam());
    options_.max_pixels = sample.max_pixels;
    options_.threads = 1;
    if (sample.name == std::string("Default")) {
      EncodeOptions options;
      options.quality = 85;
      options.coding = Coding::kLearned;
      const auto file = Encode(test::SyntheticImage(70, 50), options);
      ASSERT_TRUE(file.ok()) << file.status().message();
      file_ = *file;
    } else {
      options_.model = test::ToyModel();
      file_ = test::ReadTestFile("golden/" + std::string(sample.name) + ".lic");
    }
    std::vector<uint8_t> same = file_;
    MendChecksums(&same);
    ASSERT_EQ(same, file_);
    ASSERT_TRUE(Decode(file_.data(), file_.size(), options_).ok());  // what is made once is made now
  }

  void Try(std::vector<uint8_t> damaged) {
    if (std::get<1>(GetParam())) MendChecksums(&damaged);
    const std::clock_t start = std::clock();
    const AllocationCounter counter;
    const auto picture = Decode(damaged.data(), damaged.size(), options_);
    peak_ = std::max(peak_, counter.Peak());
    largest_ = std::max(largest_, counter.Largest());
    slowest_ = std::max(slowest_, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    ++outcomes_[picture.status().code()];
    if (!picture.ok()) {
      EXPECT_FALSE(picture.status().message().empty());
      EXPECT_NE(picture.status().code(), StatusCode::kInternal) << picture.status().message();
      EXPECT_NE(picture.status().code(), StatusCode::kOutOfMemory) << picture.status().message();
      return;
    }
    const auto info = Inspect(damaged.data(), damaged.size());
    ASSERT_TRUE(info.ok()) << info.status().message();
    EXPECT_EQ(picture->width, info->width);
    EXPECT_EQ(picture->height, info->height);
    EXPECT_EQ(picture->channels, info->channels);
    EXPECT_EQ(picture->pixels.size(), picture->RowBytes() * picture->height);
  }

  /// The outcomes since the last report, of which there were `tried`.
  std::map<StatusCode, size_t> Report(const std::string& damage, size_t tried) {
    static const std::map<StatusCode, const char*> kNames = {{StatusCode::kOk, "pictures"},
                                                             {StatusCode::kTruncated, "truncated"},
                                                             {StatusCode::kDamaged, "damaged"},
                                                             {StatusCode::kUnsupportedVersion, "unsupported"},
                                                             {StatusCode::kUnknownModel, "of an unknown model"},
                                                             {StatusCode::kLimitExceeded, "over the limit"}};
    std::cout << "  " << tried << " " << damage << ":";
    size_t counted = 0;
    for (const auto& [code, count] : outcomes_) {
      const auto name = kNames.find(code);
      std::cout << " " << count << " " << (name != kNames.end() ? name->second : "other") << ";";
      counted += count;
    }
    std::cout << " at most " << peak_ / 1024 << " KiB held, " << largest_ / 1024 << " KiB at once, " << slowest_
              << " s\n";
    EXPECT_EQ(counted, tried);
    EXPECT_LE(peak_, std::get<0>(GetParam()).max_bytes);
    return std::exchange(outcomes_, {});
  }

  DecodeOptions options_;
  std::vector<uint8_t> file_;
  std::map<StatusCode, size_t> outcomes_;
  size_t peak_ = 0, largest_ = 0;
  double slowest_ = 0;
};

TEST_P(DamageTest, EveryTruncationIsAnError) {
  const Sample& sample = std::get<0>(GetParam());
  const size_t count = std::min(sample.truncations, file_.size());
  for (size_t i = 0; i < count; ++i) {
    const auto size = static_cast<std::ptrdiff_t>(i * file_.size() / count);
    Try({file_.begin(), file_.begin() + size});
  }
  auto outcomes = Report("truncations", count);
  EXPECT_EQ(outcomes[StatusCode::kTruncated], count);
}

TEST_P(DamageTest, EveryFlippedByteIsAnErrorOrAPicture) {
  const auto& [sample, mended] = GetParam();
  std::mt19937 random(20260101);
  for (size_t i = 0; i < sample.flips; ++i) {
    std::vector<uint8_t> damaged = file_;
    damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1 + random() % 255);
    Try(std::move(damaged));
  }
  auto outcomes = Report("flipped bytes", sample.flips);
  // A CRC-32 finds every damage within 32 bits; behind sound ones, some of it is another legal file.
  EXPECT_EQ(outcomes[StatusCode::kOk] > 0, mended);
  EXPECT_GT(outcomes[StatusCode::kDamaged], 0u);
}

INSTANTIATE_TEST_SUITE_P(Files, DamageTest, testing::Combine(testing::ValuesIn(kSamples), testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) ? "WithSoundChecksums" : "AsItIs");
                         });

}  // namespace
}  // namespace lichen
