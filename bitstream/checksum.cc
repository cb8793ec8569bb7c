// SPDX-License-Identifier: Apache-2.0
#include "bitstream/checksum.h"

#include <zlib.h>

namespace lichen::bitstream {

uint32_t Crc32(const uint8_t* data, size_t size, uint32_t previous) {
  if (size == 0) return previous;  // zlib takes a null pointer as a request for the initial value
  return static_cast<uint32_t>(crc32_z(previous, data, size));
}

bool ChecksumMatches(uint32_t stored, const uint8_t* data, size_t size) {
#ifdef LICHEN_FUZZ_ACCEPT_CHECKSUMS
  static_cast<void>(stored), static_cast<void>(data), static_cast<void>(size);
  return true;
#else
  return stored == Crc32(data, size);
#endif
}

}  // namespace lichen::bitstream
