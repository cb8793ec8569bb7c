// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_CONTAINER_H_
#define LICHEN_BITSTREAM_CONTAINER_H_

// The .lic file: signature, chunks, header, metadata, alpha plane, tile table. FORMAT.md defines every byte.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lichen/status.h"

namespace lichen::bitstream {

/// The HEAD chunk. The ranges are what this build reads and writes.
struct Header {
  uint32_t format_version = 0;           // 0: experimental
  std::array<uint8_t, 8> model_id = {};  // names the model that the tiles need
  uint32_t width = 0;                    // 1..2^24 pixels
  uint32_t height = 0;                   // 1..2^24 pixels
  uint32_t colour_type = 3;              // 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha
  uint32_t bit_depth = 8;                // 8 or 16
  uint32_t quality_index = 0;            // 0..896, 128 a step between two anchors of the model
  uint32_t tile_size_log2 = 10;          // 6..15; a tile is 2^tile_size_log2 pixels wide and high
  uint32_t trellis_bits = 6;             // 4..8: of the state of the trellis of y; 0 with Coding::kDct
  std::vector<uint8_t> post_filter = {};  // at most kMaxPostFilterBytes of post_filter_code.h; none with Coding::kDct
};

/// Tiles in a row, rows of tiles, and tiles in all; the last column and row may be narrower than a tile.
/// REQUIRES: a header from ParseHeader or ParseContainer, or one that WriteContainer accepts
uint32_t TileColumns(const Header& header);
uint32_t TileRows(const Header& header);
uint64_t TileCount(const Header& header);

/// "tile 5 of 12 (column 2, row 2)": for messages, counting from 1. index: in raster order, from 0
std::string TileName(const Header& header, uint64_t index);

/// How the tiles hold the picture. The type of the chunk that they stand in says so.
enum class Coding {
  kLearned,  // DATA: latents of the networks
  kDct,      // DCTD: coefficients of a discrete cosine transform; needs no model
};

/// Where one tile's bytes are, and what their CRC-32 must be.
struct TileSpan {
  size_t offset = 0;  // bytes from the start of the file
  uint32_t size = 0;  // bytes
  uint32_t crc = 0;
};

/// Metadata that a file can carry, in the order of their chunks.
enum class MetadataKind { kIcc, kExif, kXmp };
inline constexpr size_t kMetadataKinds = 3;

/// Bytes that one block of metadata may have, uncompressed.
inline constexpr uint32_t kMaxMetadataBytes = uint32_t{1} << 26;

/// Where a zstd frame is, and what it says it holds.
struct FrameSpan {
  size_t offset = 0;          // bytes from the start of the file
  size_t size = 0;            // bytes; 0: there is none
  uint64_t content_size = 0;  // bytes, uncompressed
};

/// What a file says about itself. It owns no image data: spans point into the caller's bytes.
struct Container {
  Header header;
  Coding coding = Coding::kLearned;
  std::array<FrameSpan, kMetadataKinds> metadata;  // by MetadataKind
  FrameSpan alpha;                                 // for AlphaReader; with colour types 2 and 4
  std::vector<TileSpan> tiles;                     // raster order
};

/// Reads the signature and the HEAD chunk and looks at nothing behind them; for showing facts about a file, even one
/// that is still arriving.
///
/// errors  kTruncated, kDamaged, kUnsupportedVersion
Result<Header> ParseHeader(const uint8_t* data, size_t size);

/// Reads a whole file and checks everything but the tiles' checksums, which CheckTile does, tile by tile, where they
/// are decoded.
///
/// Memory is at most 16 bytes for every 5 that the file really holds, whatever dimensions it claims.
///
/// damage  null, or where to note what is wrong but not needed to find the tiles: metadata or alpha, which then count
/// as
///         absent, a file that ends inside the tiles, of which CheckTile then refuses those it lacks, and bytes behind
///         them
/// errors  kTruncated           the file ends too early; the message says where, and how much is missing
///         kDamaged             a checksum, range or order is wrong, or bytes follow the last tile
///         kUnsupportedVersion  another format version, colour type or bit depth, or an unknown critical chunk
Result<Container> ParseContainer(const uint8_t* data, size_t size, std::vector<std::string>* damage = nullptr);

/// The metadata of one kind, uncompressed; empty when there is none.
///
/// data    the file that `container` was parsed from
/// errors  kDamaged when it does not decompress
Result<std::vector<uint8_t>> ReadMetadata(const Container& container, const uint8_t* data, MetadataKind kind);

/// Checks the checksum of tile `index`, from 0; messages count from 1.
///
/// data, size  the file that `container` was parsed from
/// errors      kDamaged when the checksum is wrong; kTruncated when these bytes end before the tile does;
///             kInvalidArgument when there is no such tile
Status CheckTile(const Container& container, const uint8_t* data, size_t size, size_t index);

/// CheckTile for every tile; the first error.
Status CheckAllTiles(const Container& container, const uint8_t* data, size_t size);

/// What a file carries besides tiles.
struct Attachments {
  std::array<std::vector<uint8_t>, kMetadataKinds> metadata;  // by MetadataKind, uncompressed; empty: none
  std::vector<uint8_t> alpha;                                 // of AlphaWriter, for colour types 2 and 4
};

/// The bytes of a file, its tiles in the chunk of `coding`. Around one tile they are 56 or fewer, besides those of the
/// post-filter: up to 16383 pixels a side and 2^28 bytes of tile.
///
/// tiles   entropy-coded bytes of each tile in raster order, TileCount(header) of them
/// errors  kInvalidArgument when a header field is out of range, the number of tiles is wrong, or there is an alpha
///         plane where the colour type has none or the reverse; kLimitExceeded when a chunk takes 2^32 bytes or more
///         or a block of metadata over kMaxMetadataBytes
Result<std::vector<uint8_t>> WriteContainer(const Header& header, const std::vector<std::vector<uint8_t>>& tiles,
                                            const Attachments& attachments = {}, Coding coding = Coding::kLearned);

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_CONTAINER_H_
