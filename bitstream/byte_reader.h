// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_BYTE_READER_H_
#define LICHEN_BITSTREAM_BYTE_READER_H_

// Bounds-checked reading of little-endian numbers from borrowed bytes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "lichen/status.h"

namespace lichen::bitstream {

/// Reads numbers and byte runs from front to back. Never reads out of bounds; a failed read does not advance.
///
/// Every number is assembled byte by byte, so the host's byte order and alignment rules do not matter. A read past the
/// end fails with the context in front, as in `HEAD chunk: 3 bytes left, 8 expected`.
class ByteReader {
 public:
  /// data        borrowed, must outlive the reader; may be null when size is 0
  /// context     what is being read, for messages
  /// short_read  code of a read past the end: kTruncated when the bytes end where the file ends, kDamaged when they
  ///             are a part of it whose length the file itself states
  ByteReader(const uint8_t* data, size_t size, std::string context, StatusCode short_read = StatusCode::kTruncated);

  void set_context(std::string context) { context_ = std::move(context); }

  /// Bytes read so far.
  size_t position() const { return position_; }
  /// Bytes not read yet.
  size_t remaining() const { return size_ - position_; }

  Result<uint8_t> ReadU8();
  Result<uint16_t> ReadU16();
  Result<uint32_t> ReadU32();
  Result<uint64_t> ReadU64();

  /// LEB128: 7 bits a byte, the lowest first, the top bit set on all bytes but the last.
  ///
  /// returns a value below 2^32, from 1 to 5 bytes
  /// errors  the short-read code at the end; kDamaged when the value does not fit or has a shorter encoding
  Result<uint32_t> ReadVarint();

  /// Passes over `count` bytes and returns where they start; they stay owned by whoever owns the reader's data.
  Result<const uint8_t*> ReadBytes(size_t count);

 private:
  template <typename T>
  Result<T> ReadLittleEndian();
  Status ShortRead(size_t expected) const;

  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
  std::string context_;
  StatusCode short_read_;
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_BYTE_READER_H_
