// SPDX-License-Identifier: Apache-2.0
#include "eval/timing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "test_data.h"

namespace lichen::eval {
namespace {

using std::chrono::milliseconds;

// Encoding takes memory, decoding waits; qualities below 0 fail, quality 99 ends the process.
class CostlyCodec : public Codec {
 public:
  std::string Name() const override { return "costly"; }
  std::string Version() const override { return "1"; }
  std::vector<double> DefaultQualities() const override { return {1}; }
  std::vector<double> SizeLadder() const override { return {1}; }
  Status CheckQuality(double) const override { return Status(); }
  Result<std::vector<uint8_t>> Encode(const Image&, double quality) const override {
    if (quality < 0) return Status(StatusCode::kInvalidArgument, "below zero");
    if (quality == 99) _exit(7);
    std::vector<uint8_t> memory(size_t{100} << 20);
    std::memset(memory.data(), 1, memory.size());
    for (const auto start = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() - start < milliseconds(60);) {
    }
    return std::vector<uint8_t>(memory.begin(), memory.begin() + 200000);
  }
  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    if (file != std::vector<uint8_t>(200000, 1)) return Status(StatusCode::kDamaged, "not what was encoded");
    std::this_thread::sleep_for(milliseconds(50));
    return test::SyntheticImage(8, 8);
  }
};

TEST(TimingTest, TellsSecondsAndMemoryApart) {
  const Result<Timing> timing = TimeCodec(CostlyCodec(), 1, test::SyntheticImage(8, 8), 2);
  ASSERT_TRUE(timing.ok()) << timing.status().message();
  EXPECT_GE(timing->encode.wall_seconds, 0.06);
  EXPECT_GE(timing->encode.cpu_seconds, 0.01);
  EXPECT_GE(timing->encode.peak_bytes, 100 << 20);
  EXPECT_GE(timing->decode.wall_seconds, 0.05);
  EXPECT_LT(timing->decode.cpu_seconds, 0.04);
  EXPECT_LE(timing->decode.peak_bytes, timing->encode.peak_bytes - (90 << 20));
}

TEST(TimingTest, ErrorsComeBack) {
  const Result<Timing> failed = TimeCodec(CostlyCodec(), -1, test::SyntheticImage(8, 8), 1);
  EXPECT_EQ(failed.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(failed.status().message(), "below zero");
  const Result<Timing> ended = TimeCodec(CostlyCodec(), 99, test::SyntheticImage(8, 8), 1);
  EXPECT_EQ(ended.status().message(), "the process that measures time ended by an early exit");
}

}  // namespace
}  // namespace lichen::eval
