// SPDX-License-Identifier: Apache-2.0
#include "codec/latent_rows.h"

#include <algorithm>
#include <climits>
#include <mutex>

#include "codec/fixed_point.h"
#include "codec/view.h"

namespace lichen {

LatentRows::LatentRows(TileRowDecoder* tiles, const ModelData& model, const bitstream::Header& header, Span columns,
                       bool salvage, TileCallback on_tile)
    : tiles_(tiles),
      channels_(model.latent_channels),
      step_(TablesAtQuality(model, static_cast<int>(header.quality_index)).inverse_gain_y),
      grid_(header),
      columns_(columns),
      tile_columns_{columns.begin / grid_.tile(), (columns.end - 1) / grid_.tile() + 1},
      salvage_(salvage),
      on_tile_(std::move(on_tile)) {
  for (float& step : step_) step *= 1.0f / (1 << kSixteenthBits);
}

Status LatentRows::Provide(Span rows) {
  if (next_tile_row_ < 0) {
    first_tile_row_ = next_tile_row_ = rows.begin / grid_.tile();
    first_ = grid_.Row(next_tile_row_).begin;
  }
  const auto forget = [&] {
    for (; first_ < rows.begin && !rows_.empty(); ++first_) {
      const bool needed = next_tile_row_ < grid_.rows();  // by tiles that are still to come
      if (needed && !rows_.front().empty()) spare_.push_back(std::move(rows_.front()));
      rows_.pop_front();
    }
  };
  forget();
  while (grid_.Row(next_tile_row_).begin < rows.end) {
    LICHEN_RETURN_IF_ERROR(DecodeTileRow(next_tile_row_));
    forget();
  }
  if (next_tile_row_ == grid_.rows()) spare_.clear();
  return Status();
}

Status LatentRows::DecodeTileRow(int tile_row) {
  const Span rows = grid_.Row(tile_row);
  std::once_flag once;  // only once a tile was sound
  const auto keep = [&](int column, const Latents& latents) {
    std::call_once(once, [&] { MakeRows(rows.size()); });
    Keep(latents, rows, grid_.Column(column));
  };
  const std::vector<Status> statuses = tiles_->Decode(tile_row, tile_columns_.begin, tile_columns_.end, keep);
  for (int column = tile_columns_.begin; column < tile_columns_.end; ++column) {
    const Status& status = statuses[column - tile_columns_.begin];
    if (!status.ok()) {
      if (!salvage_) return status;
      damaged_.insert({tile_row, column});
    }
    LICHEN_RETURN_IF_ERROR(on_tile_(tile_row, column, status));
  }
  std::call_once(once, [&] { MakeRows(rows.size()); });
  next_tile_row_ = tile_row + 1;
  // Once with the tiles beside and above, and again when those below are there.
  for (const int row : {tile_row - 1, tile_row}) {
    for (int column = tile_columns_.begin; column < tile_columns_.end; ++column) {
      if (IsDamaged(row, column)) Conceal(row, column);
    }
  }
  return Status();
}

/// Room for more rows at the end. Every position is set then, by Keep or by Conceal.
void LatentRows::MakeRows(int count) {
  for (; count > 0; --count) {
    rows_.emplace_back();
    if (!spare_.empty()) {
      rows_.back() = std::move(spare_.back());
      spare_.pop_back();
    }
    rows_.back().resize(static_cast<size_t>(columns_.size()) * channels_);
  }
}

/// Copies a tile's latents, de-quantised. Tiles do so at the same time.
void LatentRows::Keep(const Latents& latents, Span rows, Span columns) {
  const Span kept = Common(columns, columns_);
  for (int v = rows.begin; v < rows.end; ++v) {
    const int32_t* from = latents.y_hat.data() +
                          (static_cast<size_t>(v - rows.begin) * latents.w + kept.begin - columns.begin) * channels_;
    float* to = Values(v, kept.begin);
    for (int x = kept.begin; x < kept.end; ++x, from += channels_, to += channels_) {
      for (int c = 0; c < channels_; ++c) to[c] = static_cast<float>(from[c]) * step_[c];
    }
  }
}

float* LatentRows::Values(int row, int column) {
  return rows_[row - first_].data() + static_cast<size_t>(column - columns_.begin) * channels_;
}

bool LatentRows::IsSound(int tile_row, int tile_column) const {
  return tile_row >= first_tile_row_ && tile_row < next_tile_row_ && tile_column >= tile_columns_.begin &&
         tile_column < tile_columns_.end && !IsDamaged(tile_row, tile_column);
}

/// Gives each position of a damaged tile the latents of the nearest position around the tile, so that the tiles there,
/// whose edges are synthesised with them, find their own surroundings continued; zeros where all around is damaged too.
void LatentRows::Conceal(int tile_row, int tile_column) {
  const Span rows = grid_.Row(tile_row), columns = grid_.Column(tile_column);
  const bool left = IsSound(tile_row, tile_column - 1), right = IsSound(tile_row, tile_column + 1);
  const bool above = IsSound(tile_row - 1, tile_column) && rows.begin - 1 >= first_;
  const bool below = IsSound(tile_row + 1, tile_column);
  const Span kept = Common(columns, columns_);
  for (int v = std::max(rows.begin, first_); v < rows.end; ++v) {
    for (int x = kept.begin; x < kept.end; ++x) {
      float* to = Values(v, x);
      int nearest = INT_MAX;
      const float* from = nullptr;
      const auto consider = [&](bool there, int distance, int row, int column) {
        if (!there || distance >= nearest || column < columns_.begin || column >= columns_.end) return;
        nearest = distance;
        from = Values(row, column);
      };
      consider(left, x - columns.begin, v, columns.begin - 1);
      consider(right, columns.end - 1 - x, v, columns.end);
      consider(above, v - rows.begin, rows.begin - 1, x);
      consider(below, rows.end - 1 - v, rows.end, x);
      if (from != nullptr) {
        std::copy_n(from, channels_, to);
      } else {
        std::fill_n(to, channels_, 0.0f);
      }
    }
  }
}

}  // namespace lichen
