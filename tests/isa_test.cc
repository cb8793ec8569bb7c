// SPDX-License-Identifier: Apache-2.0
// The classic failure of learned codecs: files that decode only on the machine that wrote them. The tools run as
// sub-processes under every instruction set that oneDNN can be told to use; latents must be equal, pixels nearly so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "image_io/image_file.h"
#include "temporary_folder.h"

namespace lichen {
namespace {

// A value above what the processor has selects what it has; ALL is no limit.
constexpr const char* kInstructionSets[] = {
    "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16", "ALL"};

/// Between machines. Sums of floats in another order change few pixels by more than one level. Before a rounding inside
/// a block with steps they can change that, and so a few pixels around: at most 3 levels in 144 decodes of 12
/// photographs at four qualities.
constexpr int kMostLevels = 2, kMostRounded = 3;

/// Standard output of a command; fails the test when the command fails.
std::string OutputOf(const std::string& isa, const std::string& command) {
  // Without the variable a sanitized build leaves out what oneDNN has a defect in.
  const std::string line = isa == "ALL" ? command : "ONEDNN_MAX_CPU_ISA=" + isa + " " + command;
  std::FILE* pipe = popen(line.c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
  EXPECT_EQ(pclose(pipe), 0) << line;
  return output;
}

/// options: of both tools
void ExpectMachinesToAgree(const std::string& quality, const std::string& options, int most_levels) {
  const TemporaryFolder folder;
  const std::string photo = LICHEN_TEST_DATA "/colosseum.png";
  for (const std::string encoder : {"AVX2", "ALL"}) {
    const std::string file = folder / (encoder + ".lic");
    OutputOf(encoder, LICHEN_ENC " --quiet -q " + quality + options + " " + photo + " " + file);
    std::string expected_hash;
    std::vector<uint8_t> expected_pixels;
    for (const std::string isa : kInstructionSets) {
      const std::string hash = OutputOf(isa, LICHEN_DEC " --quiet --verify" + options + " " + file);
      const std::string png = folder / (isa + ".png");
      OutputOf(isa, LICHEN_DEC " --quiet" + options + " " + file + " " + png);
      const auto picture = image_io::ReadPicture(png);
      ASSERT_TRUE(picture.ok()) << picture.status().message();
      if (expected_hash.empty()) {
        expected_hash = hash;
        expected_pixels = picture->pixels;
        EXPECT_GE(hash.size(), 16u);
      }
      EXPECT_EQ(hash, expected_hash) << "encoded under " << encoder << ", decoded under " << isa;
      ASSERT_EQ(picture->pixels.size(), expected_pixels.size());
      int worst = 0;
      for (size_t i = 0; i < expected_pixels.size(); ++i) {
        worst = std::max(worst, std::abs(picture->pixels[i] - expected_pixels[i]));
      }
      EXPECT_LE(worst, most_levels) << "encoded under " << encoder << ", decoded under " << isa;
    }
  }
}

class IsaTest : public testing::TestWithParam<int> {};

TEST_P(IsaTest, FilesOfAnyMachineDecodeAlikeOnEveryMachine) {
  ExpectMachinesToAgree(std::to_string(GetParam()), "", kMostLevels);
}

TEST(RoundedIsaTest, RoundedBlocksAreAlikeOnEveryMachine) {
  ExpectMachinesToAgree("50", " --model " LICHEN_TEST_DATA "/toy_rounded.lim", kMostRounded);
}

INSTANTIATE_TEST_SUITE_P(Quality, IsaTest, testing::Values(5, 50, 95),
                         [](const auto& quality) { return "Q" + std::to_string(quality.param); });

}  // namespace
}  // namespace lichen
