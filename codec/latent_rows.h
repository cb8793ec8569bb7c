// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_LATENT_ROWS_H_
#define LICHEN_CODEC_LATENT_ROWS_H_

// The input of the synthesis transform, row by row from top to bottom: tiles are decoded when their rows are needed,
// and only the rows that a later strip needs are kept.

#include <deque>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "codec/tile_row_decoder.h"

namespace lichen {

class LatentRows {
 public:
  /// Called for every tile with its latent rows and columns; `status` says why it could not be decoded.
  using TileCallback = std::function<Status(int row, int column, const Status& status)>;

  /// Borrows `tiles` and `model`. columns: the latent columns to keep
  /// salvage: go on when a tile is damaged, with latents repeated from the tiles around it
  LatentRows(TileRowDecoder* tiles, const ModelData& model, const bitstream::Header& header, Span columns, bool salvage,
             TileCallback on_tile);

  /// Makes these rows available and forgets those before; the next call must not begin before this one.
  /// errors: those of TileRowDecoder, unless salvage; those of the callback
  Status Provide(Span rows);

  /// The values of a row from the first column on. REQUIRES: provided
  const float* Row(int row) const { return rows_[row - first_].data(); }

  /// Whether a tile, decoded by now, is damaged.
  bool IsDamaged(int tile_row, int tile_column) const { return damaged_.count({tile_row, tile_column}) > 0; }

 private:
  Status DecodeTileRow(int tile_row);
  void MakeRows(int count);
  void Keep(const Latents& latents, Span rows, Span columns);
  void Conceal(int tile_row, int tile_column);
  bool IsSound(int tile_row, int tile_column) const;
  float* Values(int row, int column);

  TileRowDecoder* tiles_;
  int channels_;
  std::vector<float> step_;  // of quantisation, by channel, in sixteenths
  TileGrid grid_;
  Span columns_, tile_columns_;
  bool salvage_;
  TileCallback on_tile_;
  std::deque<std::vector<float>> rows_;    // from first_ on
  std::vector<std::vector<float>> spare_;  // forgotten ones, to be used again
  int first_ = 0;
  int first_tile_row_ = -1, next_tile_row_ = -1;  // of those decoded
  std::set<std::pair<int, int>> damaged_;         // (row, column)
};

}  // namespace lichen

#endif  // LICHEN_CODEC_LATENT_ROWS_H_
