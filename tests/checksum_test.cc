// SPDX-License-Identifier: Apache-2.0
#include "bitstream/checksum.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace lichen::bitstream {
namespace {

constexpr uint8_t kDigits[] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
constexpr uint32_t kDigitsCrc = 0xCBF43926;  // the check value that every catalogue of CRCs gives for "123456789"

TEST(ChecksumTest, MatchesThePublishedCheckValue) { EXPECT_EQ(Crc32(kDigits, sizeof(kDigits)), kDigitsCrc); }

TEST(ChecksumTest, ContinuesOverPieces) { EXPECT_EQ(Crc32(kDigits + 4, 5, Crc32(kDigits, 4)), kDigitsCrc); }

TEST(ChecksumTest, EmptyRunsAreNeutral) {
  EXPECT_EQ(Crc32(nullptr, 0), 0u);
  EXPECT_EQ(Crc32(nullptr, 0, kDigitsCrc), kDigitsCrc);
}

TEST(ChecksumTest, AcceptsTheRightValueOnly) {
  EXPECT_TRUE(ChecksumMatches(kDigitsCrc, kDigits, sizeof(kDigits)));
#ifndef LICHEN_FUZZ_ACCEPT_CHECKSUMS
  EXPECT_FALSE(ChecksumMatches(kDigitsCrc ^ 1, kDigits, sizeof(kDigits)));
#endif
}

}  // namespace
}  // namespace lichen::bitstream
