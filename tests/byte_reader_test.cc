// SPDX-License-Identifier: Apache-2.0
#include "bitstream/byte_reader.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace lichen::bitstream {
namespace {

Result<uint32_t> ReadVarintFrom(const std::vector<uint8_t>& bytes) {
  return ByteReader(bytes.data(), bytes.size(), "test").ReadVarint();
}

TEST(ByteReaderTest, ReadsLittleEndianNumbersInOrder) {
  const std::vector<uint8_t> bytes = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                      0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0xFF};
  ByteReader reader(bytes.data(), bytes.size(), "test");
  EXPECT_EQ(*reader.ReadU8(), 0x01);
  EXPECT_EQ(*reader.ReadU16(), 0x0302);
  EXPECT_EQ(*reader.ReadU32(), 0x07060504u);
  EXPECT_EQ(reader.position(), 7u);
  EXPECT_EQ(*reader.ReadU64(), 0xFF'0E0D0C0B0A0908u);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReaderTest, NamesItsContextWhenBytesAreMissing) {
  const std::vector<uint8_t> bytes = {1, 2, 3};
  ByteReader reader(bytes.data(), bytes.size(), "header chunk");
  const Result<uint64_t> value = reader.ReadU64();
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.status().code(), StatusCode::kTruncated);
  EXPECT_EQ(value.status().message(), "header chunk: 3 bytes left, 8 expected");
}

TEST(ByteReaderTest, DoesNotAdvanceOnError) {
  const std::vector<uint8_t> bytes = {1, 2, 3};
  ByteReader reader(bytes.data(), bytes.size(), "test");
  EXPECT_FALSE(reader.ReadU32().ok());
  EXPECT_FALSE(reader.ReadBytes(4).ok());
  EXPECT_FALSE(reader.ReadBytes(SIZE_MAX).ok());
  EXPECT_EQ(reader.remaining(), 3u);
  EXPECT_EQ(*reader.ReadU16(), 0x0201);
}

TEST(ByteReaderTest, ReportsTheCodeItWasGivenForShortReads) {
  ByteReader reader(nullptr, 0, "HEAD chunk", StatusCode::kDamaged);
  EXPECT_EQ(reader.ReadU8().status().code(), StatusCode::kDamaged);
  EXPECT_EQ(reader.ReadVarint().status().code(), StatusCode::kDamaged);
  EXPECT_TRUE(reader.ReadBytes(0).ok());
}

TEST(ByteReaderTest, LendsBytesInPlace) {
  const std::vector<uint8_t> bytes = {1, 2, 3};
  ByteReader reader(bytes.data(), bytes.size(), "test");
  ASSERT_TRUE(reader.ReadU8().ok());
  EXPECT_EQ(*reader.ReadBytes(2), bytes.data() + 1);
}

TEST(ByteReaderTest, ReadsVarints) {
  EXPECT_EQ(*ReadVarintFrom({0x00}), 0u);
  EXPECT_EQ(*ReadVarintFrom({0x7F}), 127u);
  EXPECT_EQ(*ReadVarintFrom({0x80, 0x01}), 128u);
  EXPECT_EQ(*ReadVarintFrom({0xFF, 0xFF, 0xFF, 0xFF, 0x0F}), UINT32_MAX);
}

TEST(ByteReaderTest, RejectsOverlongVarints) {
  EXPECT_EQ(ReadVarintFrom({0x80, 0x00}).status().code(), StatusCode::kDamaged);
  EXPECT_EQ(ReadVarintFrom({0xFF, 0x80, 0x80, 0x80, 0x00}).status().code(), StatusCode::kDamaged);
}

TEST(ByteReaderTest, RejectsVarintsOf32BitsAndMore) {
  EXPECT_EQ(ReadVarintFrom({0x80, 0x80, 0x80, 0x80, 0x10}).status().code(), StatusCode::kDamaged);
  EXPECT_EQ(ReadVarintFrom({0xFF, 0xFF, 0xFF, 0xFF, 0x7F}).status().code(), StatusCode::kDamaged);
  EXPECT_EQ(ReadVarintFrom({0x80, 0x80, 0x80, 0x80, 0x80, 0x01}).status().code(), StatusCode::kDamaged);
}

TEST(ByteReaderTest, RejectsTruncatedVarints) {
  EXPECT_EQ(ReadVarintFrom({}).status().code(), StatusCode::kTruncated);
  EXPECT_EQ(ReadVarintFrom({0x80, 0x80}).status().message(), "test: 2 bytes left, 3 expected");
}

}  // namespace
}  // namespace lichen::bitstream
