// SPDX-License-Identifier: Apache-2.0
#include "bitstream/zstd_frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace lichen::bitstream {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes SomeBytes(size_t size) {
  std::mt19937 random(7);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 5);
  return bytes;
}

Bytes Compressed(const Bytes& content) { return CompressFrame(content.data(), content.size()).value(); }

TEST(ZstdFrameTest, RoundTripsWholeAndInPieces) {
  for (const size_t size : {size_t{1}, size_t{1000}, size_t{200000}, size_t{5000000}}) {
    const Bytes content = SomeBytes(size);
    FrameWriter writer(size);
    for (size_t at = 0; at < size; at += 777) {
      ASSERT_TRUE(writer.Write(content.data() + at, std::min<size_t>(777, size - at)).ok());
    }
    const Bytes frame = writer.Finish().value();
    EXPECT_LT(frame.size(), size / 2 + 20);
    EXPECT_EQ(DecompressFrame(frame.data(), frame.size(), size).value(), content);
    FrameReader reader(frame.data(), frame.size());
    Bytes back(size);
    for (size_t at = 0; at < size; at += 1234) {
      ASSERT_TRUE(reader.Read(back.data() + at, std::min<size_t>(1234, size - at)).ok());
    }
    EXPECT_EQ(back, content);
    EXPECT_TRUE(reader.Finish().ok());
  }
}

TEST(ZstdFrameTest, WritesWhatWasAnnounced) {
  const Bytes content = SomeBytes(100);
  FrameWriter shorter(101), longer(99);
  ASSERT_TRUE(shorter.Write(content.data(), 100).ok());
  EXPECT_EQ(shorter.Finish().status().code(), StatusCode::kInternal);
  const Status status = longer.Write(content.data(), 100);
  EXPECT_EQ(status.ok() ? longer.Finish().status().code() : status.code(), StatusCode::kInternal);
}

TEST(ZstdFrameTest, ReportsWhatIsLeft) {
  const Bytes frame = Compressed(SomeBytes(100000));
  FrameReader reader(frame.data(), frame.size());
  Bytes part(99999);
  ASSERT_TRUE(reader.Read(part.data(), part.size()).ok());
  EXPECT_EQ(reader.Finish().code(), StatusCode::kDamaged);
}

TEST(ZstdFrameTest, RefusesToReadBeyondTheEnd) {
  const Bytes frame = Compressed(SomeBytes(1000));
  FrameReader reader(frame.data(), frame.size());
  Bytes more(1001);
  EXPECT_EQ(reader.Read(more.data(), more.size()).code(), StatusCode::kDamaged);
}

TEST(ZstdFrameTest, ChecksSizesWithoutDecompressing) {
  Bytes frame = Compressed(SomeBytes(1000));
  EXPECT_TRUE(CheckFrame(frame.data(), frame.size(), 1000).ok());
  EXPECT_EQ(CheckFrame(frame.data(), frame.size(), 1001).message(), "the zstd frame holds 1000 bytes, 1001 expected");
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_EQ(CheckFrame(frame.data(), size, 1000).code(), StatusCode::kDamaged) << size;
    EXPECT_EQ(DecompressFrame(frame.data(), size, 1000).status().code(), StatusCode::kDamaged) << size;
  }
  frame.push_back(0);
  EXPECT_EQ(CheckFrame(frame.data(), frame.size(), 1000).code(), StatusCode::kDamaged);
  const Bytes skippable = {0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0};
  EXPECT_EQ(CheckFrame(skippable.data(), skippable.size(), 1000).code(), StatusCode::kDamaged);
  // A frame head that leaves the content size out: window of 1 kB, then one empty block.
  const Bytes unknown = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x01, 0x00, 0x00};
  EXPECT_EQ(CheckFrame(unknown.data(), unknown.size(), 0).message(), "the zstd frame does not state its content size");
}

TEST(ZstdFrameTest, RefusesLargeWindows) {
  // A window of 2^24 bytes, a content size of 2^24 in 8 bytes, and blocks of one repeated byte.
  Bytes frame = {0x28, 0xB5, 0x2F, 0xFD, 0xC0, 14 << 3, 0, 0, 0, 1, 0, 0, 0, 0};
  for (int i = 0; i < 128; ++i) {
    const uint32_t head = (uint32_t{1} << 17) << 3 | 1 << 1 | (i == 127 ? 1 : 0);
    for (int shift = 0; shift < 24; shift += 8) frame.push_back(static_cast<uint8_t>(head >> shift));
    frame.push_back(7);
  }
  ASSERT_TRUE(CheckFrame(frame.data(), frame.size(), 1 << 24).ok());
  EXPECT_EQ(DecompressFrame(frame.data(), frame.size(), 1 << 24).value(), Bytes(1 << 24, 7)) << "at once it is fine";
  FrameReader reader(frame.data(), frame.size());
  Bytes some(10);
  EXPECT_EQ(reader.Read(some.data(), some.size()).code(), StatusCode::kDamaged);
}

TEST(ZstdFrameTest, SurvivesEveryFlippedBit) {
  const Bytes content = SomeBytes(300);
  const Bytes frame = Compressed(content);
  for (size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    Bytes flipped = frame;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto whole = DecompressFrame(flipped.data(), flipped.size(), content.size());
    EXPECT_EQ(whole.ok(), whole.status().message().empty());
    if (!CheckFrame(flipped.data(), flipped.size(), content.size()).ok()) continue;
    FrameReader reader(flipped.data(), flipped.size());
    Bytes back(content.size());
    Status status = reader.Read(back.data(), back.size());
    if (status.ok()) status = reader.Finish();
    EXPECT_EQ(status.ok(), whole.ok()) << bit;
  }
}

}  // namespace
}  // namespace lichen::bitstream
