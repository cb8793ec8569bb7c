// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TILE_ROW_DECODER_H_
#define LICHEN_CODEC_TILE_ROW_DECODER_H_

// Tiles of a file to latents, several at a time.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bitstream/container.h"
#include "codec/entropy_model.h"
#include "codec/model_data.h"
#include "codec/parallel_tiles.h"
#include "codec/tiling.h"

namespace lichen {

class TileRowDecoder {
 public:
  /// Borrows everything but `threads`: at most this many, 0 for as many as there are processors.
  /// data, size: the file that `container` was parsed from
  TileRowDecoder(const uint8_t* data, size_t size, const bitstream::Container& container, const ModelData& model,
                 int threads)
      : data_(data), size_(size), container_(container), model_(model), grid_(container.header), threads_(threads) {}

  /// Decodes the tiles first..end-1 of a row of tiles. Calls consume(column, latents), which takes a
  /// Result<const Latents*> and gives a Status, in order, from the calling thread; errors there, which name the tile,
  /// are kDamaged or kTruncated. errors: those of consume
  template <typename Consume>
  Status Decode(int tile_row, int first, int end, const Consume& consume) {
    const int64_t positions =
        int64_t{grid_.Row(tile_row).size()} * (grid_.Column(end - 1).end - grid_.Column(first).begin);
    const int threads = ThreadsForTiles(threads_, end - first, positions * kLatentPixels * kLatentPixels);
    if (lanes_.size() < static_cast<size_t>(threads)) lanes_.resize(threads);
    for (; first < end; first += threads) {
      const int count = std::min(threads, end - first);
      InParallel(threads, count,
                 [&](int thread, int i) { DecodeTile(tile_row, first + i, lanes_[thread], lanes_[i]); });
      for (int i = 0; i < count; ++i) {
        const Lane& lane = lanes_[i];
        const Result<const Latents*> latents =
            lane.status.ok() ? Result<const Latents*>(&lane.latents) : Result<const Latents*>(lane.status);
        LICHEN_RETURN_IF_ERROR(consume(first + i, latents));
      }
    }
    return Status();
  }

 private:
  /// A thread's entropy model; and, which may be another thread's work, a tile's result.
  struct Lane {
    std::unique_ptr<EntropyModel> model;
    Latents latents;
    Status status;
  };

  void DecodeTile(int tile_row, int column, Lane& thread, Lane& result) {
    if (!thread.model) {
      const int quality_index = static_cast<int>(container_.header.quality_index);
      thread.model = std::make_unique<EntropyModel>(model_, quality_index, IntegerEngine::kFast);
    }
    result.status = Decode(static_cast<size_t>(tile_row) * grid_.columns() + column, grid_.Row(tile_row).size(),
                           grid_.Column(column).size(), *thread.model, &result.latents);
  }

  Status Decode(size_t tile, int h, int w, EntropyModel& model, Latents* latents) const {
    LICHEN_RETURN_IF_ERROR(bitstream::CheckTile(container_, data_, size_, tile));
    const bitstream::TileSpan& span = container_.tiles[tile];
    return model.Decode(data_ + span.offset, span.size, h, w, latents)
        .Prefixed(bitstream::TileName(container_.header, tile));
  }

  const uint8_t* data_;
  size_t size_;
  const bitstream::Container& container_;
  const ModelData& model_;
  TileGrid grid_;
  int threads_;
  std::vector<Lane> lanes_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_TILE_ROW_DECODER_H_
