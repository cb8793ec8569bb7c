// SPDX-License-Identifier: Apache-2.0
#include "bitstream/byte_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "bitstream/byte_reader.h"

namespace lichen::bitstream {
namespace {

using Bytes = std::vector<uint8_t>;

TEST(ByteWriterTest, AppendsLittleEndianNumbers) {
  Bytes bytes = {0xAA};
  ByteWriter writer(&bytes);
  writer.WriteU8(0x01);
  writer.WriteU16(0x0302);
  writer.WriteU32(0x07060504);
  writer.WriteU64(0x0F0E0D0C0B0A0908);
  const Bytes tail = {0x10, 0x11};
  writer.WriteBytes(tail.data(), tail.size());
  writer.WriteBytes(nullptr, 0);

  Bytes expected = {0xAA};
  for (uint8_t i = 1; i <= 0x11; ++i) expected.push_back(i);
  EXPECT_EQ(bytes, expected);
}

TEST(ByteWriterTest, WritesTheShortestVarint) {
  const auto varint = [](uint32_t value) {
    Bytes bytes;
    ByteWriter(&bytes).WriteVarint(value);
    return bytes;
  };
  EXPECT_EQ(varint(0), (Bytes{0x00}));
  EXPECT_EQ(varint(127), (Bytes{0x7F}));
  EXPECT_EQ(varint(128), (Bytes{0x80, 0x01}));
  EXPECT_EQ(varint(768), (Bytes{0x80, 0x06}));
  EXPECT_EQ(varint(UINT32_MAX), (Bytes{0xFF, 0xFF, 0xFF, 0xFF, 0x0F}));
}

TEST(ByteWriterTest, VarintsRoundTripAroundEveryPowerOfTwo) {
  for (int shift = 0; shift < 32; ++shift) {
    for (const int64_t delta : {-1, 0, 1}) {
      const uint32_t value = static_cast<uint32_t>((int64_t{1} << shift) + delta);
      Bytes bytes;
      ByteWriter(&bytes).WriteVarint(value);
      ByteReader reader(bytes.data(), bytes.size(), "test");
      EXPECT_EQ(*reader.ReadVarint(), value);
      EXPECT_EQ(reader.remaining(), 0u);
    }
  }
}

}  // namespace
}  // namespace lichen::bitstream
