// SPDX-License-Identifier: Apache-2.0
#include "image_io/exif.h"

#include <cstring>

namespace lichen::image_io {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShortType = 3;
constexpr size_t kEntryBytes = 12;  // tag, type, count, value

/// The unsigned integer of `bytes` bytes at `data`.
uint32_t ReadNumber(const uint8_t* data, size_t bytes, bool big_endian) {
  uint32_t number = 0;
  for (size_t i = 0; i < bytes; ++i) number = number << 8 | data[big_endian ? i : bytes - 1 - i];
  return number;
}

}  // namespace

int ExifOrientation(const uint8_t* data, size_t size) {
  if (size < 8) return 1;
  const bool big_endian = std::memcmp(data, "MM\0*", 4) == 0;
  if (!big_endian && std::memcmp(data, "II*\0", 4) != 0) return 1;
  const size_t directory = ReadNumber(data + 4, 4, big_endian);
  if (directory > size - 2) return 1;
  const size_t entries = ReadNumber(data + directory, 2, big_endian);
  size_t offset = directory + 2;
  for (size_t i = 0; i < entries && offset + kEntryBytes <= size; ++i, offset += kEntryBytes) {
    const uint8_t* entry = data + offset;
    if (ReadNumber(entry, 2, big_endian) != kOrientationTag) continue;
    if (ReadNumber(entry + 2, 2, big_endian) != kShortType) return 1;
    const uint32_t orientation = ReadNumber(entry + 8, 2, big_endian);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

}  // namespace lichen::image_io
