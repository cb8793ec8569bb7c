// SPDX-License-Identifier: Apache-2.0
#include "codec/dct_encoder.h"

#include <algorithm>
#include <utility>

#include "codec/dct.h"
#include "codec/dct_tile.h"
#include "codec/tiling.h"
#include "codec/workers.h"

namespace lichen {
namespace {

/// Pixels of a tile that the picture's edge does not cut, along a side.
int TileSide(const bitstream::Header& header, uint32_t side) {
  return static_cast<int>(std::min(1u << header.tile_size_log2, side));
}

struct Lane {
  DctTile tile;
  std::vector<float> rgb;
};

}  // namespace

Result<std::vector<uint8_t>> EncodeDct(PictureRows& rows, const bitstream::Header& picture,
                                       const EncodeOptions& options, BlockErrors* block_errors) {
  bitstream::Header header = picture;
  header.model_id = {};  // it needs none
  header.trellis_bits = 0;
  const int columns = static_cast<int>(bitstream::TileColumns(header));
  const int tile_rows = static_cast<int>(bitstream::TileRows(header));
  const int side = 1 << header.tile_size_log2;
  const auto width = static_cast<int>(header.width), height = static_cast<int>(header.height);
  const int threads = ThreadsForTiles(options.threads, columns, int64_t{width} * TileSide(header, header.height));
  const DctQuantiser quantiser = options.effort > 0 ? DctQuantiser::kByContext : DctQuantiser::kDeadZone;
  const int step = StepAtQuality(static_cast<int>(header.quality_index));
  Workers workers(threads);
  std::vector<Lane> lanes(threads);
  std::vector<std::vector<uint8_t>> tiles(static_cast<size_t>(columns) * tile_rows);
  LICHEN_RETURN_IF_ERROR(rows.Begin());
  for (int row = 0; row < tile_rows; ++row) {
    const int top = row * side, bottom = std::min(top + side, height);
    const int blocks_down = BlocksAlong(bottom - top);
    LICHEN_RETURN_IF_ERROR(rows.Provide(top, top + blocks_down * kBlockSide));
    for (int first = 0; first < columns; first += threads) {  // so that progress is told
      const int count = std::min(threads, columns - first);
      workers.ForEach(count, [&](int at, int i) {
        Lane& lane = lanes[at];
        const int left = (first + i) * side, right = std::min(left + side, width);
        lane.tile.columns = BlocksAlong(right - left);
        lane.tile.rows = blocks_down;
        lane.tile.planes = PlanesOf(header);
        lane.tile.step = step;
        const int stride = lane.tile.columns * kBlockSide;
        lane.rgb.resize(static_cast<size_t>(stride) * kBlockSide * 3);
        for (int block = 0; block < blocks_down; ++block) {
          for (int y = 0; y < kBlockSide; ++y) {
            rows.GetFloats(top + block * kBlockSide + y, left, stride,
                           lane.rgb.data() + static_cast<size_t>(y) * stride * 3);
          }
          QuantiseRow(lane.rgb.data(), stride, quantiser, block, &lane.tile, block_errors);
        }
        tiles[static_cast<size_t>(row) * columns + first + i] = EncodeTile(lane.tile);
      });
      const double done = (double{1} * row * columns + first + count) / (double{1} * tile_rows * columns);
      if (options.progress && !options.progress(done)) return Status(StatusCode::kCancelled, "cancelled");
    }
  }
  LICHEN_RETURN_IF_ERROR(rows.Provide(height, height));  // forget them all
  LICHEN_ASSIGN_OR_RETURN(const bitstream::Attachments* attachments,
                          rows.Attach(options.strip_metadata, &header.colour_type));
  return bitstream::WriteContainer(header, tiles, *attachments, bitstream::Coding::kDct);
}

uint64_t DctEncodeMemory(const bitstream::Header& header, int threads) {
  const int width = TileSide(header, header.width), height = TileSide(header, header.height);
  const int columns = static_cast<int>(bitstream::TileColumns(header));
  const int lanes = ThreadsForTiles(threads, columns, int64_t{header.width} * height);
  const uint64_t rgb = CoefficientsOf(width, kBlockSide, 3) * sizeof(float);  // a row of blocks
  const uint64_t tile =
      DctTileMemory(width, height, PlanesOf(header)) + DctSymbolMemory(width, height, PlanesOf(header)) + rgb;
  const uint64_t canvas = (static_cast<uint64_t>(height) + kLatentPixels) * (uint64_t{header.width} + kLatentPixels) *
                          3 * header.bit_depth / 8;
  const uint64_t alpha = header.colour_type % 2 == 0 ? uint64_t{24} << 20 : 0;  // zstd's state
  return lanes * tile + canvas + alpha;
}

}  // namespace lichen
