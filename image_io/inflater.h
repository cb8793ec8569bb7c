// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_INFLATER_H_
#define LICHEN_IMAGE_IO_INFLATER_H_

// A zlib stream (RFC 1950), read piece by piece, and the checksum of PNG's chunks: both by ISA-L, in a build that has
// it.

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lichen::image_io {

class Inflater {
 public:
  /// errors: std::bad_alloc
  Inflater();
  ~Inflater();

  /// What comes next of the stream, once all before has been used up; the caller keeps it alive until then. size: below
  /// 2^32
  void SetInput(const uint8_t* data, size_t size);
  /// Writes the next bytes of the content and returns how many: fewer than `size` only when the input is used up, the
  /// stream has ended or is damaged.
  size_t Output(uint8_t* data, size_t size);

  /// The content is complete, and its checksum, Adler-32, was right.
  bool Ended() const;
  /// Bytes of the input that are left behind the stream. REQUIRES: Ended()
  size_t Left() const;
  /// The stream is not one of zlib, or its checksum is wrong; there is no more output. What was written before it
  /// showed is not to be trusted.
  bool Damaged() const { return damaged_; }

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  bool damaged_ = false;
};

/// CRC-32 (RFC 1952) of bytes of which `crc` is that of those before, 0 for none.
uint32_t Crc32(uint32_t crc, const uint8_t* data, size_t size);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_INFLATER_H_
