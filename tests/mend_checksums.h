// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_MEND_CHECKSUMS_H_
#define LICHEN_TESTS_MEND_CHECKSUMS_H_

// Sound checksums for a damaged file, so that the damage gets past them to the code behind.

#include <cstring>
#include <utility>
#include <vector>

#include "bitstream/byte_reader.h"
#include "bitstream/checksum.h"
#include "bitstream/container.h"

namespace lichen::test {

inline void StoreU32(uint32_t value, uint8_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(value >> 8 * i);
}

/// The reader stands at the payload of DATA, whose type is at `start`.
inline void MendData(bitstream::ByteReader& reader, size_t start, std::vector<uint8_t>* file) {
  const auto header = bitstream::ParseHeader(file->data(), file->size());
  if (!header.ok()) return;
  std::vector<std::pair<uint32_t, size_t>> tiles;  // size, and where its checksum stands
  for (uint64_t i = 0; i < bitstream::TileCount(*header); ++i) {
    const auto size = reader.ReadVarint();
    if (!size.ok()) return;
    tiles.emplace_back(*size, reader.position());
    if (!reader.ReadU32().ok()) return;
  }
  const size_t end = reader.position();
  if (!reader.ReadU32().ok()) return;
  for (const auto& [size, crc_at] : tiles) {
    const auto tile = reader.ReadBytes(size);
    if (!tile.ok()) break;
    StoreU32(bitstream::Crc32(*tile, size), file->data() + crc_at);
  }
  StoreU32(bitstream::Crc32(file->data() + start, end - start), file->data() + end);
}

/// Recomputes every checksum of a .lic file: of each chunk, of the tile table and of each tile, up to where damage no
/// longer lets the file be followed. A sound file stays as it is. See bitstream/FORMAT.md.
inline void MendChecksums(std::vector<uint8_t>* file) {
  bitstream::ByteReader reader(file->data(), file->size(), "file");
  constexpr size_t kSignatureSize = 8, kTypeSize = 4;
  if (!reader.ReadBytes(kSignatureSize).ok()) return;
  while (true) {
    const size_t start = reader.position();
    const auto type = reader.ReadBytes(kTypeSize);
    if (!type.ok()) return;
    const auto length = reader.ReadVarint();
    if (!length.ok()) return;
    if (std::memcmp(*type, "DATA", kTypeSize) == 0) return MendData(reader, start, file);
    if (!reader.ReadBytes(*length).ok()) return;
    const size_t end = reader.position();
    if (!reader.ReadU32().ok()) return;
    StoreU32(bitstream::Crc32(file->data() + start, end - start), file->data() + end);
  }
}

}  // namespace lichen::test

#endif  // LICHEN_TESTS_MEND_CHECKSUMS_H_
