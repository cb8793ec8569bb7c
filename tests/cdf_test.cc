// SPDX-License-Identifier: Apache-2.0
#include "bitstream/cdf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lichen::bitstream {
namespace {

// Every slot must be found where a plain walk over the symbols finds it.
void ExpectSlotsPartitioned(const CdfTable& table) {
  uint32_t slot = 0;
  for (uint32_t index = 0; index <= table.escape_index(); ++index) {
    ASSERT_EQ(table.start(index), slot);
    ASSERT_GE(table.frequency(index), 1u);
    for (uint32_t i = 0; i < table.frequency(index); ++i) ASSERT_EQ(table.Find(slot++), index);
  }
  EXPECT_EQ(slot, kProbabilityTotal);
}

TEST(CdfTest, OrdersSymbolsFromMinusRadiusToEscape) {
  const Result<CdfTable> table = CdfTable::Build({16384, 6000, 2000}, 384);
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->radius(), 2);
  EXPECT_EQ(table->escape_index(), 5u);
  const uint32_t frequencies[] = {2000, 6000, 16384, 6000, 2000, 384};
  for (uint32_t i = 0; i < 6; ++i) EXPECT_EQ(table->frequency(i), frequencies[i]);
  ExpectSlotsPartitioned(*table);
}

TEST(CdfTest, FindsEverySlotOfTheSmallestTables) {
  for (const int escape : {1, 2, 127, 128, 129, 16384, 32767}) {
    const Result<CdfTable> table =
        CdfTable::Build({static_cast<uint16_t>(32768 - escape)}, static_cast<uint16_t>(escape));
    ASSERT_TRUE(table.ok()) << table.status().message();
    EXPECT_EQ(table->radius(), 0);
    ExpectSlotsPartitioned(*table);
  }
}

TEST(CdfTest, FindsEverySlotOfTheWidestTable) {
  std::vector<uint16_t> frequencies(kMaxRadius + 1, 1);
  frequencies[0] = 32768 - 2 * kMaxRadius - 7;
  const Result<CdfTable> table = CdfTable::Build(frequencies, 7);
  ASSERT_TRUE(table.ok()) << table.status().message();
  ExpectSlotsPartitioned(*table);
}

TEST(CdfTest, RejectsWrongTotals) {
  const Status status = CdfTable::Build({16384, 6000, 2000}, 385).status();
  EXPECT_EQ(status.code(), StatusCode::kDamaged);
  EXPECT_EQ(status.message(), "CDF table: the frequencies add up to 32769, 32768 expected");
  EXPECT_FALSE(CdfTable::Build({32766}, 1).ok());
  EXPECT_FALSE(CdfTable::Build(std::vector<uint16_t>(kMaxRadius + 1, 65535), 65535).ok());
}

TEST(CdfTest, RejectsZeroFrequencies) {
  EXPECT_EQ(CdfTable::Build({32768}, 0).status().message(), "CDF table: the escape has frequency 0");
  EXPECT_EQ(CdfTable::Build({32764, 0, 1}, 2).status().message(), "CDF table: residual 1 has frequency 0");
}

TEST(CdfTest, RejectsEmptyAndOversizedTables) {
  EXPECT_EQ(CdfTable::Build({}, 32767).status().code(), StatusCode::kDamaged);
  EXPECT_EQ(CdfTable::Build(std::vector<uint16_t>(kMaxRadius + 2, 1), 1).status().code(), StatusCode::kDamaged);
}

}  // namespace
}  // namespace lichen::bitstream
