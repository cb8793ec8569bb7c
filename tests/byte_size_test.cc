// SPDX-License-Identifier: Apache-2.0
#include "encoder_cli/byte_size.h"

#include <gtest/gtest.h>

namespace lichen::cli {
namespace {

TEST(ByteSizeTest, UnderstandsUnits) {
  EXPECT_EQ(ParseByteSize("120000"), 120000u);
  EXPECT_EQ(ParseByteSize("1"), 1u);
  EXPECT_EQ(ParseByteSize("512B"), 512u);
  for (const char* text : {"120k", "120K", "120kB", "120KB", "120kb", "0.12M"}) {
    EXPECT_EQ(ParseByteSize(text), 120000u) << text;
  }
  EXPECT_EQ(ParseByteSize("1.5M"), 1500000u);
  EXPECT_EQ(ParseByteSize("1234567"), 1234567u);
  EXPECT_EQ(ParseByteSize("2GB"), 2000000000u);
  for (const char* text : {"3Ki", "3KiB", "3kib"}) EXPECT_EQ(ParseByteSize(text), 3072u) << text;
  EXPECT_EQ(ParseByteSize("1.5MiB"), 1572864u);
  EXPECT_EQ(ParseByteSize("0.0015k"), 1u) << "rounded down";
}

TEST(ByteSizeTest, RefusesOtherText) {
  for (const char* text : {"", "k", "-5", "+5", "0", "0.5", "1.2.3", "12x", "12 k", " 12", "1e3", "0x10", "12kk",
                           "12bb", "1e30", "99999999999999999999", "nan", "inf", "12%"}) {
    EXPECT_EQ(ParseByteSize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace lichen::cli
