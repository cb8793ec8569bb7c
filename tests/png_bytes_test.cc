// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

/// Gives at most `most` bytes at a time, as a pipe may.
class SlowSource : public ByteSource {
 public:
  SlowSource(const Bytes& bytes, size_t most) : memory_(bytes.data(), bytes.size()), most_(most) {}
  Result<size_t> Read(uint8_t* data, size_t size) override { return memory_.Read(data, std::min(size, most_)); }

 private:
  MemorySource memory_;
  size_t most_;
};

Bytes Counting(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return bytes;
}

TEST(PngBytesTest, GivesTheBytesInOrderHoweverTheyComeAndAreAskedFor) {
  const Bytes bytes = Counting(100000);
  for (const size_t most : {size_t{1}, size_t{13}, size_t{70000}}) {
    PngBytes reader(std::make_unique<SlowSource>(bytes, most));
    Bytes read;
    for (size_t step = 0; read.size() < bytes.size(); ++step) {
      const size_t left = bytes.size() - read.size();
      if (step % 3 == 0) {
        Bytes piece(std::min(left, step * 37 % 3000));
        ASSERT_TRUE(reader.Read(piece.data(), piece.size()).ok());
        read.insert(read.end(), piece.begin(), piece.end());
      } else {
        const size_t least = std::min(left, 1 + step % 16);
        ASSERT_TRUE(reader.Need(least).ok());
        ASSERT_GE(reader.size(), least);
        const size_t used = step % 3 == 1 ? least : reader.size();
        read.insert(read.end(), reader.data(), reader.data() + used);
        reader.Skip(used);
      }
    }
    EXPECT_EQ(read, bytes) << most << " at a time";
    EXPECT_EQ(reader.Need(1).code(), StatusCode::kTruncated);
  }
}

TEST(PngBytesTest, NeedLeavesWhatThereIsAtTheEnd) {
  const Bytes bytes = {1, 2, 3};
  PngBytes reader(std::make_unique<SlowSource>(bytes, 2));
  const Status status = reader.Need(4);
  EXPECT_EQ(status.code(), StatusCode::kTruncated);
  EXPECT_NE(status.message().find("it ends after 3 bytes"), std::string::npos) << status.message();
  ASSERT_EQ(reader.size(), 3u);
  EXPECT_EQ(reader.data()[2], 3);
}

class FailingSource : public ByteSource {
 public:
  Result<size_t> Read(uint8_t*, size_t) override { return Status(StatusCode::kIoError, "the disk is gone"); }
};

TEST(PngBytesTest, PassesErrorsOn) {
  PngBytes reader(std::make_unique<FailingSource>());
  EXPECT_EQ(reader.Need(1).message(), "the disk is gone");
  uint8_t byte = 0;
  EXPECT_EQ(reader.Read(&byte, 1).code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace lichen::image_io
