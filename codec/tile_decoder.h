// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TILE_DECODER_H_
#define LICHEN_CODEC_TILE_DECODER_H_

// Tiles of a file to latents, in any order.

#include "bitstream/container.h"
#include "codec/entropy_model.h"
#include "codec/model_data.h"
#include "codec/tiling.h"
#include "lichen/status.h"

namespace lichen {

class TileDecoder {
 public:
  /// Borrows everything. data, size: the file that `container` was parsed from
  TileDecoder(const uint8_t* data, size_t size, const bitstream::Container& container, const ModelData& model)
      : data_(data),
        size_(size),
        container_(container),
        grid_(container.header),
        entropy_model_(model, static_cast<int>(container.header.quality_index), IntegerEngine::kFast) {}

  /// The latents of a tile, valid until the next call. errors, which name the tile: kDamaged, kTruncated
  Result<const Latents*> Decode(int row, int column) {
    const size_t index = static_cast<size_t>(row) * grid_.columns() + column;
    LICHEN_RETURN_IF_ERROR(bitstream::CheckTile(container_, data_, size_, index));
    const bitstream::TileSpan& span = container_.tiles[index];
    const Status status = entropy_model_.Decode(data_ + span.offset, span.size, grid_.Row(row).size(),
                                                grid_.Column(column).size(), &latents_);
    LICHEN_RETURN_IF_ERROR(status.Prefixed(bitstream::TileName(container_.header, index)));
    return static_cast<const Latents*>(&latents_);
  }

 private:
  const uint8_t* data_;
  size_t size_;
  const bitstream::Container& container_;
  TileGrid grid_;
  EntropyModel entropy_model_;
  Latents latents_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_TILE_DECODER_H_
