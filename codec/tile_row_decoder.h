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
#include "codec/convolution.h"
#include "codec/entropy_model.h"
#include "codec/model_data.h"
#include "codec/sharing.h"
#include "codec/tiling.h"
#include "codec/workers.h"

namespace lichen {

class TileRowDecoder {
 public:
  /// Borrows everything. data, size: the file that `container` was parsed from
  TileRowDecoder(const uint8_t* data, size_t size, const bitstream::Container& container, const ModelData& model,
                 Workers& workers)
      : data_(data),
        size_(size),
        container_(container),
        model_(model),
        grid_(container.header),
        workers_(workers),
        lanes_(workers.threads()) {}

  /// Decodes the tiles first..end-1 of a row of tiles. Calls take(column, latents) for those that are sound, in any
  /// order and several at once, and gives each one's status; errors, which name the tile, are kDamaged or kTruncated.
  template <typename Take>
  std::vector<Status> Decode(int tile_row, int first, int end, const Take& take) {
    std::vector<Status> statuses(end - first);
    workers_.ForEachOutermost(end - first, [&](int thread, int i) {
      // No more than one is at work on a column; and no more are used than are at work, whichever threads these are.
      Lane& lane = lanes_[end - first < workers_.threads() ? i : thread];
      statuses[i] = DecodeTile(tile_row, first + i, lane);
      if (statuses[i].ok()) take(first + i, static_cast<const Latents&>(lane.latents));
    });
    return statuses;
  }

 private:
  struct Lane {
    std::unique_ptr<EntropyModel> model;
    Latents latents;
  };

  Status DecodeTile(int tile_row, int column, Lane& lane) {
    if (!lane.model) {
      const bitstream::Header& header = container_.header;
      lane.model = std::make_unique<EntropyModel>(
          model_, static_cast<int>(header.quality_index), static_cast<int>(header.trellis_bits), IntegerEngine::kFast,
          EntropyModel::Quantiser::kNearest, NetworksAreWorthSharing() ? SharingOf(workers_) : Sharing());
    }
    const size_t tile = static_cast<size_t>(tile_row) * grid_.columns() + column;
    LICHEN_RETURN_IF_ERROR(bitstream::CheckTile(container_, data_, size_, tile));
    const bitstream::TileSpan& span = container_.tiles[tile];
    return lane.model
        ->Decode(data_ + span.offset, span.size, grid_.Row(tile_row).size(), grid_.Column(column).size(), &lane.latents)
        .Prefixed(bitstream::TileName(container_.header, tile));
  }

  const uint8_t* data_;
  size_t size_;
  const bitstream::Container& container_;
  const ModelData& model_;
  TileGrid grid_;
  Workers& workers_;
  std::vector<Lane> lanes_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_TILE_ROW_DECODER_H_
