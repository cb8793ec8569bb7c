// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_BYTE_WRITER_H_
#define LICHEN_BITSTREAM_BYTE_WRITER_H_

// Appending little-endian numbers to a vector of bytes; the mirror of byte_reader.h.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lichen::bitstream {

/// Appends numbers and byte runs, byte by byte, whatever the host's byte order.
class ByteWriter {
 public:
  /// bytes  borrowed, must outlive the writer; what it already holds stays in front
  explicit ByteWriter(std::vector<uint8_t>* bytes) : bytes_(bytes) {}

  void WriteU8(uint8_t value) { WriteLittleEndian(value, 1); }
  void WriteU16(uint16_t value) { WriteLittleEndian(value, 2); }
  void WriteU32(uint32_t value) { WriteLittleEndian(value, 4); }
  void WriteU64(uint64_t value) { WriteLittleEndian(value, 8); }

  /// LEB128 in the fewest bytes, 1 to 5; see ByteReader::ReadVarint.
  void WriteVarint(uint32_t value);

  void WriteBytes(const uint8_t* data, size_t size);

 private:
  void WriteLittleEndian(uint64_t value, int byte_count);

  std::vector<uint8_t>* bytes_;
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_BYTE_WRITER_H_
