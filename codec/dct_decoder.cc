// SPDX-License-Identifier: Apache-2.0
#include "codec/dct_decoder.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "codec/dct.h"
#include "codec/dct_tile.h"
#include "codec/latent_hash.h"
#include "codec/picture_writer.h"
#include "codec/tiling.h"
#include "codec/vectorised.h"
#include "codec/workers.h"

namespace lichen {
namespace {

constexpr int kFractionBits = 20;  // of what ClampSample gives

LICHEN_VECTORISED
void ToBytes(const int32_t* from, size_t count, uint8_t* to) {
  constexpr int32_t kHalf = 1 << (kFractionBits - 1);
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<uint8_t>((from[i] + kHalf) >> kFractionBits);
}

LICHEN_VECTORISED
void ToWords(const int32_t* from, size_t count, uint8_t* to) {
  constexpr int64_t kHalf = 1 << (kFractionBits - 1);
  for (size_t i = 0; i < count; ++i) {
    const auto sample = static_cast<uint16_t>((int64_t{from[i]} * 257 + kHalf) >> kFractionBits);
    std::memcpy(to + i * sizeof sample, &sample, sizeof sample);
  }
}

/// The pixels [begin, end) of tile `i` along one side of a picture.
Span TilePixels(const bitstream::Header& header, int i, uint32_t side) {
  const int tile = 1 << header.tile_size_log2;
  return {i * tile, std::min((i + 1) * tile, static_cast<int>(side))};
}

/// The samples of a view that pixels belong to.
Span SamplesOf(Span pixels, int scale) { return {pixels.begin / scale, (pixels.end + scale - 1) / scale}; }

/// What one thread needs.
struct Lane {
  DctTile tile;
  std::vector<int16_t> planes;   // [planes][8 rows][tile width]
  std::vector<int32_t> row;      // a row of pixels
  std::vector<int64_t> sums;     // of boxes, when the view is scaled
  std::vector<int32_t> samples;  // their means
};

class DctDecoder {
 public:
  DctDecoder(const uint8_t* data, size_t size, const bitstream::Container& container, const View& view,
             const DecodeOptions& options, RowSink& sink)
      : data_(data),
        size_(size),
        container_(container),
        header_(container.header),
        view_(view),
        options_(options),
        writer_(data, container, view_, options, sink),
        columns_(static_cast<int>(bitstream::TileColumns(header_))),
        tiles_down_(Tiles(view.rows)),
        tiles_across_(Tiles(view.columns)),
        threads_(ThreadsForTiles(options.threads, tiles_across_.size(),
                                 int64_t{tiles_across_.size()} * TilePixels(header_, 0, header_.width).size() *
                                     TilePixels(header_, 0, header_.height).size())),
        workers_(threads_),
        lanes_(threads_) {}

  Status Run() {
    if (!options_.salvage) {
      for (int row = tiles_down_.begin; row < tiles_down_.end; ++row) {
        for (int column = tiles_across_.begin; column < tiles_across_.end; ++column) {
          LICHEN_RETURN_IF_ERROR(bitstream::CheckTile(container_, data_, size_, Index(row, column)));
        }
      }
    }
    LICHEN_RETURN_IF_ERROR(writer_.Begin());
    for (int row = tiles_down_.begin; row < tiles_down_.end; ++row) LICHEN_RETURN_IF_ERROR(DecodeRow(row));
    return writer_.Finish();
  }

 private:
  /// The tiles that hold samples of the view.
  Span Tiles(Span samples) const {
    const int tile = (1 << header_.tile_size_log2) / view_.scale;
    return {samples.begin / tile, (samples.end + tile - 1) / tile};
  }

  size_t Index(int row, int column) const { return static_cast<size_t>(row) * columns_ + column; }

  Status DecodeRow(int tile_row) {
    const Span band = Common(SamplesOf(TilePixels(header_, tile_row, header_.height), view_.scale), view_.rows);
    const size_t row_bytes = view_.columns.size() * writer_.PixelBytes();
    band_.resize(row_bytes * band.size());
    std::vector<Status> statuses(tiles_across_.size());
    for (int first = 0; first < tiles_across_.size(); first += threads_) {  // so that progress is told
      const int count = std::min(threads_, tiles_across_.size() - first);
      workers_.ForEach(count, [&](int lane, int i) {
        statuses[first + i] = DecodeOne(tile_row, tiles_across_.begin + first + i, band, lanes_[lane]);
      });
      for (int i = first; i < first + count; ++i) {
        LICHEN_RETURN_IF_ERROR(OnTile(tiles_across_.begin + i, band, statuses[i]));
      }
    }
    for (int v = 0; v < band.size(); ++v) LICHEN_RETURN_IF_ERROR(writer_.WriteRow(band_.data() + v * row_bytes));
    return Status();
  }

  Status OnTile(int column, Span band, const Status& status) {
    if (!status.ok()) {
      if (!options_.salvage) return status;
      const Span x = Common(SamplesOf(TilePixels(header_, column, header_.width), view_.scale), view_.columns);
      MakeGray(band, x);
      if (options_.damage) {
        const auto pixels = [this](Span samples, uint32_t side) {
          return Span{samples.begin * view_.scale, std::min(samples.end * view_.scale, static_cast<int>(side))};
        };
        const Span px = pixels(x, header_.width), py = pixels(band, header_.height);
        options_.damage({status.message(),
                         {static_cast<uint32_t>(px.begin), static_cast<uint32_t>(py.begin),
                          static_cast<uint32_t>(px.size()), static_cast<uint32_t>(py.size())}});
      }
    }
    ++decoded_;
    const double done = static_cast<double>(decoded_) / (double{1} * tiles_down_.size() * tiles_across_.size());
    if (options_.progress && !options_.progress(done)) return Status(StatusCode::kCancelled, "cancelled");
    return Status();
  }

  void MakeGray(Span band, Span columns) {
    constexpr uint8_t kGray = 128;  // twice, of 16 bits: 128 * 257
    for (int v = 0; v < band.size(); ++v) {
      const size_t at = static_cast<size_t>(v) * view_.columns.size() + columns.begin - view_.columns.begin;
      std::fill_n(band_.data() + at * writer_.PixelBytes(), columns.size() * writer_.PixelBytes(), kGray);
    }
  }

  /// A tile's share of the band.
  Status DecodeOne(int tile_row, int tile_column, Span band, Lane& lane) {
    const size_t index = Index(tile_row, tile_column);
    LICHEN_RETURN_IF_ERROR(bitstream::CheckTile(container_, data_, size_, index));
    const Span x = TilePixels(header_, tile_column, header_.width), y = TilePixels(header_, tile_row, header_.height);
    lane.tile.columns = BlocksAlong(x.size());
    lane.tile.rows = BlocksAlong(y.size());
    lane.tile.planes = PlanesOf(header_);
    const bitstream::TileSpan& span = container_.tiles[index];
    LICHEN_RETURN_IF_ERROR(
        DecodeTile(data_ + span.offset, span.size, &lane.tile).Prefixed(bitstream::TileName(header_, index)));
    const Span wanted = Common(SamplesOf(x, view_.scale), view_.columns);
    const Span blocks = {(wanted.begin * view_.scale - x.begin) / kBlockSide,
                         std::min(BlocksAlong(wanted.end * view_.scale - x.begin), lane.tile.columns)};
    for (int block_row = 0; block_row < lane.tile.rows; ++block_row) {
      const Span rows = {y.begin + block_row * kBlockSide, std::min(y.begin + (block_row + 1) * kBlockSide, y.end)};
      if (Common(SamplesOf(rows, view_.scale), band).size() <= 0) continue;
      InvertBlockRow(block_row, blocks, lane);
      for (int row = rows.begin; row < rows.end; ++row)
        WritePixelRow(row, row - rows.begin, x, y.end, wanted, band, lane);
    }
    return Status();
  }

  /// columns: those that are needed; the samples of others are left as they are
  static void InvertBlockRow(int block_row, Span columns, Lane& lane) {
    const int stride = lane.tile.columns * kBlockSide;
    lane.planes.resize(static_cast<size_t>(lane.tile.planes) * kBlockSide * stride);
    int16_t samples[kBlockSize];
    for (int column = columns.begin; column < columns.end; ++column) {
      for (int plane = 0; plane < lane.tile.planes; ++plane) {
        InverseDct(lane.tile.Block(block_row, column) + plane * kBlockSize, lane.tile.step, samples);
        int16_t* to = lane.planes.data() + static_cast<size_t>(plane) * kBlockSide * stride + column * kBlockSide;
        for (int y = 0; y < kBlockSide; ++y, to += stride) std::copy_n(samples + y * kBlockSide, kBlockSide, to);
      }
    }
  }

  /// row: of the picture; row_in_block: 0..7; x: columns of the tile; last: where its rows end
  void WritePixelRow(int row, int row_in_block, Span x, int last, Span wanted, Span band, Lane& lane) {
    const int stride = lane.tile.columns * kBlockSide, width = x.size();
    const int16_t* plane = lane.planes.data() + static_cast<size_t>(row_in_block) * stride;
    const size_t next_plane = static_cast<size_t>(kBlockSide) * stride;
    const int colours = lane.tile.planes;
    lane.row.resize(static_cast<size_t>(width) * colours);
    if (colours == 3) {
      RotateBack(plane, plane + next_plane, plane + 2 * next_plane, width, lane.row.data());
    } else {
      ClampGray(plane, width, lane.row.data());
    }
    const int scale = view_.scale, sample_row = row / scale;
    const int32_t* samples = lane.row.data();
    if (scale > 1) {
      const int boxes = (width + scale - 1) / scale;
      if (row % scale == 0) lane.sums.assign(static_cast<size_t>(boxes) * colours, 0);
      for (int i = 0; i < width; ++i) {
        for (int c = 0; c < colours; ++c) lane.sums[i / scale * colours + c] += lane.row[i * colours + c];
      }
      if (row % scale != scale - 1 && row != last - 1) return;
      lane.samples.resize(lane.sums.size());
      for (int i = 0; i < boxes; ++i) {
        const int64_t pixels = int64_t{row % scale + 1} * std::min(scale, width - i * scale);
        for (int c = 0; c < colours; ++c) {
          lane.samples[i * colours + c] = static_cast<int32_t>((lane.sums[i * colours + c] + pixels / 2) / pixels);
        }
      }
      samples = lane.samples.data();
    }
    if (sample_row < band.begin || sample_row >= band.end) return;
    const int skipped = wanted.begin - x.begin / scale;
    const size_t count = static_cast<size_t>(wanted.size()) * colours;
    uint8_t* to = band_.data() + (static_cast<size_t>(sample_row - band.begin) * view_.columns.size() + wanted.begin -
                                  view_.columns.begin) *
                                     writer_.PixelBytes();
    if (writer_.bit_depth() == 8) {
      ToBytes(samples + static_cast<size_t>(skipped) * colours, count, to);
    } else {
      ToWords(samples + static_cast<size_t>(skipped) * colours, count, to);
    }
  }

  const uint8_t* data_;
  size_t size_;
  const bitstream::Container& container_;
  const bitstream::Header& header_;
  View view_;
  const DecodeOptions& options_;
  PictureWriter writer_;
  int columns_;  // of all tiles
  Span tiles_down_, tiles_across_;
  int threads_;
  Workers workers_;
  std::vector<Lane> lanes_;
  std::vector<uint8_t> band_;  // samples of a row of tiles, colours only
  uint64_t decoded_ = 0;       // tiles
};

}  // namespace

Status DecodeDct(const uint8_t* data, size_t size, const bitstream::Container& container, const View& view,
                 const DecodeOptions& options, RowSink& sink) {
  return DctDecoder(data, size, container, view, options, sink).Run();
}

Result<uint64_t> HashDct(const uint8_t* data, const bitstream::Container& container, int threads) {
  const bitstream::Header& header = container.header;
  const int columns = static_cast<int>(bitstream::TileColumns(header));
  const uint64_t tiles = bitstream::TileCount(header);
  const int at_a_time = ThreadsForTiles(threads, static_cast<int>(std::min<uint64_t>(tiles, 1 << 16)),
                                        int64_t{header.width} * header.height);
  Workers workers(at_a_time);
  std::vector<DctTile> decoded(at_a_time);
  std::vector<Status> statuses(at_a_time);
  LatentHash hash;
  for (uint64_t first = 0; first < tiles; first += at_a_time) {
    const int count = static_cast<int>(std::min<uint64_t>(at_a_time, tiles - first));
    workers.ForEach(count, [&](int, int i) {
      const uint64_t index = first + i;
      DctTile& tile = decoded[i];
      tile.columns = BlocksAlong(TilePixels(header, static_cast<int>(index % columns), header.width).size());
      tile.rows = BlocksAlong(TilePixels(header, static_cast<int>(index / columns), header.height).size());
      tile.planes = PlanesOf(header);
      const bitstream::TileSpan& span = container.tiles[index];
      statuses[i] = DecodeTile(data + span.offset, span.size, &tile).Prefixed(bitstream::TileName(header, index));
    });
    for (int i = 0; i < count; ++i) {
      LICHEN_RETURN_IF_ERROR(statuses[i]);
      hash.Add(decoded[i].quantised);
    }
  }
  return hash.Digest();
}

uint64_t DctDecodeMemory(const bitstream::Header& header, const View& view, int threads) {
  const Span x = TilePixels(header, 0, header.width), y = TilePixels(header, 0, header.height);
  const int tile = (1 << header.tile_size_log2) / view.scale;  // samples
  const int columns = (view.columns.end + tile - 1) / tile - view.columns.begin / tile;
  const int lanes = ThreadsForTiles(threads, columns, int64_t{columns} * x.size() * y.size());
  constexpr uint64_t kMostPixelBytes = 6, kAlpha = uint64_t{10} << 20;  // zstd's window is up to 8 MiB
  const uint64_t band = uint64_t(view.columns.size()) * std::min(y.size(), view.rows.size() * view.scale);
  return lanes * (DctTileMemory(x.size(), y.size(), PlanesOf(header)) + uint64_t(x.size()) * 256) +
         band * kMostPixelBytes + (header.colour_type % 2 == 0 ? kAlpha : 0);
}

uint64_t DctHashMemory(const bitstream::Header& header, int threads) {
  const int width = TilePixels(header, 0, header.width).size(), height = TilePixels(header, 0, header.height).size();
  const auto tiles = static_cast<int>(std::min<uint64_t>(bitstream::TileCount(header), 1 << 16));
  const int lanes = ThreadsForTiles(threads, tiles, int64_t{header.width} * header.height);
  constexpr uint64_t kHashed = 8;  // bytes of a coefficient, of one tile at a time
  return lanes * DctTileMemory(width, height, PlanesOf(header)) +
         CoefficientsOf(width, height, PlanesOf(header)) * kHashed;
}

}  // namespace lichen
