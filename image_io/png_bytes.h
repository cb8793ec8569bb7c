// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_PNG_BYTES_H_
#define LICHEN_IMAGE_IO_PNG_BYTES_H_

// The bytes of a PNG file, read in blocks: libpng asks for 4 and for 8 of them at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "image_io/byte_stream.h"
#include "lichen/status.h"

namespace lichen::image_io {

class PngBytes {
 public:
  /// errors: std::bad_alloc
  explicit PngBytes(std::unique_ptr<ByteSource> bytes);

  /// Has at least `least` bytes follow at data(), at most 16. errors: kTruncated when the file ends before; those of
  /// the source
  Status Need(size_t least);
  /// The bytes that come next, as many as have been read; they stay until the next Need or Read.
  const uint8_t* data() const { return buffer_.data() + start_; }
  size_t size() const { return end_ - start_; }
  /// Goes on behind the next `count` bytes, at most size().
  void Skip(size_t count) { start_ += count; }

  /// Copies the next `size` bytes. errors: as those of Need
  Status Read(uint8_t* data, size_t size);

 private:
  std::unique_ptr<ByteSource> bytes_;
  std::vector<uint8_t> buffer_;
  size_t start_ = 0, end_ = 0;  // of what has been read and not used, in buffer_
  uint64_t bytes_read_ = 0;
};

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_PNG_BYTES_H_
