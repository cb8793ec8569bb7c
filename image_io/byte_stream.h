// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_BYTE_STREAM_H_
#define LICHEN_IMAGE_IO_BYTE_STREAM_H_

// Bytes in order, from or to a file, a pipe or memory: what the PNG and JPEG code reads and writes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lichen/status.h"

namespace lichen::image_io {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Writes the next bytes, at most `size`, to `data` and returns how many: 0 only at the end.
  virtual Result<size_t> Read(uint8_t* data, size_t size) = 0;
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status Write(const uint8_t* data, size_t size) = 0;
  /// Call once, after the last byte: what was written is kept only from then on.
  virtual Status Finish() = 0;
};

/// Reads bytes that the caller keeps alive.
class MemorySource : public ByteSource {
 public:
  MemorySource(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  Result<size_t> Read(uint8_t* data, size_t size) override {
    const size_t count = std::min(size, left_);
    if (count > 0) std::memcpy(data, data_, count);
    data_ += count;
    left_ -= count;
    return count;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

/// Appends to a vector that the caller keeps alive.
class MemorySink : public ByteSink {
 public:
  explicit MemorySink(std::vector<uint8_t>* bytes) : bytes_(bytes) {}

  Status Write(const uint8_t* data, size_t size) override {
    bytes_->insert(bytes_->end(), data, data + size);
    return Status();
  }
  Status Finish() override { return Status(); }

 private:
  std::vector<uint8_t>* bytes_;
};

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_BYTE_STREAM_H_
