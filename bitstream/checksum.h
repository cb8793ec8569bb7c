// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_CHECKSUM_H_
#define LICHEN_BITSTREAM_CHECKSUM_H_

// CRC-32 as in zlib, PNG and gzip: polynomial 0xEDB88320 reflected, initial value and final complement 0xFFFFFFFF.

#include <cstddef>
#include <cstdint>

namespace lichen::bitstream {

/// The CRC-32 of `size` bytes. Of a run in several pieces: pass the result for the pieces before as `previous`.
uint32_t Crc32(const uint8_t* data, size_t size, uint32_t previous = 0);

/// Whether `stored` is the CRC-32 of `size` bytes. Every checksum is verified here and nowhere else: a build with
/// LICHEN_FUZZ_ACCEPT_CHECKSUMS defined accepts them all, so that a fuzzer gets past them to the code behind.
bool ChecksumMatches(uint32_t stored, const uint8_t* data, size_t size);

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_CHECKSUM_H_
