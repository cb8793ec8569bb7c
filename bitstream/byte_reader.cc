// SPDX-License-Identifier: Apache-2.0
#include "bitstream/byte_reader.h"

#include <utility>

namespace lichen::bitstream {

ByteReader::ByteReader(const uint8_t* data, size_t size, std::string context, StatusCode short_read)
    : data_(data), size_(size), context_(std::move(context)), short_read_(short_read) {}

Result<uint8_t> ByteReader::ReadU8() { return ReadLittleEndian<uint8_t>(); }
Result<uint16_t> ByteReader::ReadU16() { return ReadLittleEndian<uint16_t>(); }
Result<uint32_t> ByteReader::ReadU32() { return ReadLittleEndian<uint32_t>(); }
Result<uint64_t> ByteReader::ReadU64() { return ReadLittleEndian<uint64_t>(); }

Result<uint32_t> ByteReader::ReadVarint() {
  constexpr size_t kMaxBytes = 5;
  uint64_t value = 0;
  for (size_t i = 0; i < kMaxBytes; ++i) {
    if (i == remaining()) return ShortRead(i + 1);
    const uint8_t byte = data_[position_ + i];
    value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) != 0) continue;

    // A last byte of 0 adds nothing: one value, one encoding.
    if (i > 0 && byte == 0) return Status(StatusCode::kDamaged, context_ + ": a number is longer than needed");
    if (value > UINT32_MAX) break;
    position_ += i + 1;
    return static_cast<uint32_t>(value);
  }
  return Status(StatusCode::kDamaged, context_ + ": a number does not fit in 32 bits");
}

Result<const uint8_t*> ByteReader::ReadBytes(size_t count) {
  if (count > remaining()) return ShortRead(count);
  const uint8_t* start = data_ + position_;
  position_ += count;
  return start;
}

template <typename T>
Result<T> ByteReader::ReadLittleEndian() {
  if (sizeof(T) > remaining()) return ShortRead(sizeof(T));
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<uint64_t>(data_[position_ + i]) << (8 * i);
  position_ += sizeof(T);
  return static_cast<T>(value);
}

Status ByteReader::ShortRead(size_t expected) const {
  return Status(short_read_, context_ + ": " + std::to_string(remaining()) + (remaining() == 1 ? " byte" : " bytes") +
                                 " left, " + std::to_string(expected) + " expected");
}

}  // namespace lichen::bitstream
