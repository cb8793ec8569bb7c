// SPDX-License-Identifier: Apache-2.0
#include "bitstream/byte_writer.h"

namespace lichen::bitstream {

void ByteWriter::WriteVarint(uint32_t value) {
  for (; value >= 0x80; value >>= 7) WriteU8(static_cast<uint8_t>(value | 0x80));
  WriteU8(static_cast<uint8_t>(value));
}

void ByteWriter::WriteBytes(const uint8_t* data, size_t size) { bytes_->insert(bytes_->end(), data, data + size); }

void ByteWriter::WriteLittleEndian(uint64_t value, int byte_count) {
  for (int i = 0; i < byte_count; ++i) bytes_->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

}  // namespace lichen::bitstream
