// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TILE_ENCODER_H_
#define LICHEN_CODEC_TILE_ENCODER_H_

// Latents of a band of tiles, as g_a gives them, to the bytes of each tile.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "bitstream/container.h"
#include "codec/entropy_model.h"
#include "codec/half_float.h"
#include "codec/model_data.h"
#include "codec/prefetch.h"
#include "codec/sample_windows.h"
#include "codec/sharing.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/workers.h"

namespace lichen {

/// y of a tile among that of others, as g_a gives it, in floats or in halves (half_float.h).
template <typename T>
class TileOfY : public LatentSource {
 public:
  /// first: the tile's first position, in rows of `row_positions` positions; gain: to quantisation steps, by channel.
  /// wanted: null for all, or which of its rows are wanted coded. Borrows all.
  TileOfY(const T* first, int row_positions, const std::vector<float>& gain, const std::vector<bool>* wanted)
      : first_(first), channels_(static_cast<int>(gain.size())), gain_(gain), wanted_(wanted) {
    row_ = static_cast<size_t>(row_positions) * channels_;
  }

  void Get(int y, int x, int c, int count, float* values) const override {
    Copy(At(y, x) + c, count, values);
    const float* gain = gain_.data() + c;
#pragma omp simd
    for (int i = 0; i < count; ++i) values[i] *= gain[i];
  }
  void Prefetch(int y, int x, int c, int count) const override { lichen::Prefetch<0>(At(y, x) + c, count); }
  bool WantsCoded(int y) const override { return !wanted_ || (*wanted_)[y]; }
  /// Of `positions` positions, as g_a gives them.
  void Row(int y, int x, int positions, float* values) const {
    Copy(At(y, x), static_cast<size_t>(positions) * channels_, values);
  }

 private:
  const T* At(int y, int x) const { return first_ + y * row_ + static_cast<size_t>(x) * channels_; }
  static void Copy(const float* from, size_t count, float* to) { std::memcpy(to, from, count * sizeof(float)); }
  static void Copy(const uint16_t* from, size_t count, float* to) { HalvesToFloats(from, count, to); }

  const T* first_;
  int channels_;
  const std::vector<float>& gain_;
  const std::vector<bool>* wanted_;
  size_t row_;
};

/// Encodes one tile after the other. Not for use by two threads at once.
class TileEncoder {
 public:
  /// Borrows `model` and `workers`. header: of the picture
  TileEncoder(const ModelData& model, const bitstream::Header& header, Workers& workers)
      : model_(model),
        tables_(TablesAtQuality(model, static_cast<int>(header.quality_index))),
        h_a_(model.h_a, static_cast<int>(header.quality_index), FastestPrecision(), workers),
        entropy_model_(model, static_cast<int>(header.quality_index), static_cast<int>(header.trellis_bits),
                       IntegerEngine::kFast, EntropyModel::Quantiser::kRateDistortion, SharingOf(workers)) {}

  /// y: the tile's first position, as in TileOfY; wanted: rows of latents() that are. errors: kOutOfMemory, kInternal
  template <typename T>
  Result<std::vector<uint8_t>> Encode(const T* y, int row_positions, int h, int w, SharedSides shared,
                                      const std::vector<bool>* wanted = nullptr) {
    const TileOfY<T> tile(y, row_positions, tables_.gain_y, wanted);
    LICHEN_RETURN_IF_ERROR(FindZ(tile, h, w));
    return entropy_model_.Encode(tile, z_.data(), h, w, &latents_, shared);
  }

  /// What a decoder will get from the last tile.
  const Latents& latents() const { return latents_; }
  EntropyModel& entropy_model() { return entropy_model_; }

  /// Rows of y that h_a takes at a time.
  static constexpr int kStrip = 8;

 private:
  /// z of a tile, in quantisation steps.
  template <typename T>
  Status FindZ(const TileOfY<T>& y, int h, int w) {
    const int m = model_.latent_channels, channels = model_.hyper_channels;
    // h_a sees y as g_a gives it, its last row and column repeated up to multiples of 4.
    const int padded_h = (h + 3) / 4 * 4, padded_w = (w + 3) / 4 * 4;
    z_.clear();
    h_a_.Begin(padded_w);
    for (int top = 0; top < padded_h; top += kStrip) {
      const int rows = std::min(kStrip, padded_h - top);
      float* to = h_a_.Input(rows);
      for (int v = top; v < top + rows; ++v) {
        y.Row(std::min(v, h - 1), 0, w, to);
        for (int x = w; x < padded_w; ++x) {
          std::memcpy(to + static_cast<size_t>(x) * m, to + static_cast<size_t>(w - 1) * m, m * sizeof(float));
        }
        to += static_cast<size_t>(padded_w) * m;
      }
      LICHEN_ASSIGN_OR_RETURN(const Strip z,
                              h_a_.Next(to - static_cast<size_t>(rows) * padded_w * m, rows, top + rows == padded_h));
      const int count = z.h * (padded_w / 4) * channels;
      for (int i = 0; i < count; ++i) z_.push_back(z.rows[i] * tables_.z_gain[i % channels]);
    }
    return Status();
  }

  const ModelData& model_;
  QualityTables tables_;
  Transform h_a_;
  EntropyModel entropy_model_;
  std::vector<float> z_;
  Latents latents_;
};

/// Encodes rows of tiles, several tiles at a time.
class TileRowEncoder {
 public:
  /// Borrows everything. windows: null, or what takes the latents of each tile
  TileRowEncoder(const ModelData& model, const TileGrid& grid, const bitstream::Header& header, Workers& workers,
                 SampleWindows* windows = nullptr)
      : model_(model),
        grid_(grid),
        header_(header),
        workers_(workers),
        windows_(windows),
        encoders_(std::min(workers.threads(), grid.columns())) {}

  /// band: [rows of the tiles][grid width][M], halves. Calls consume(column, tile), which gives a Status, in order,
  /// from the calling thread. errors: those of consume; kOutOfMemory, kInternal
  template <typename Consume>
  Status Encode(const uint16_t* band, int tile_row, const Consume& consume) {
    const int h = grid_.Row(tile_row).size(), columns = grid_.columns();
    std::vector<Result<std::vector<uint8_t>>> tiles(columns, std::vector<uint8_t>());
    workers_.ForEachOutermost(columns, [&](int lane, int i) {
      // No more than one is at work on a column; and no more are made than are at work, whichever threads these are.
      std::unique_ptr<TileEncoder>& encoder = encoders_[columns < workers_.threads() ? i : lane];
      if (!encoder) encoder = std::make_unique<TileEncoder>(model_, header_, workers_);
      const Span span = grid_.Column(i);
      const SharedSides shared = {tile_row > 0, tile_row + 1 < grid_.rows(), i > 0, i + 1 < columns};
      const bool only = columns == 1 && grid_.rows() == 1;  // whose latents the caller may want
      const std::vector<bool> wanted =
          windows_ ? windows_->RowsWanted(grid_.Row(tile_row), span) : std::vector<bool>(h, false);
      tiles[i] = encoder->Encode(band + static_cast<size_t>(span.begin) * model_.latent_channels, grid_.width(), h,
                                 span.size(), shared, only ? nullptr : &wanted);
      if (windows_ && tiles[i].ok()) windows_->TakeLatents(grid_.Row(tile_row), span, encoder->latents());
    });
    for (int i = 0; i < columns; ++i) {
      if (!tiles[i].ok()) return tiles[i].status();
      LICHEN_RETURN_IF_ERROR(consume(i, std::move(*tiles[i])));
    }
    return Status();
  }

  /// What a decoder will get from the tile, of a picture of one. REQUIRES: Encode
  const Latents& latents() const { return encoders_[0]->latents(); }

 private:
  const ModelData& model_;
  const TileGrid& grid_;
  bitstream::Header header_;
  Workers& workers_;
  SampleWindows* windows_;
  std::vector<std::unique_ptr<TileEncoder>> encoders_;  // by column where these are fewer than threads, else by lane
};

}  // namespace lichen

#endif  // LICHEN_CODEC_TILE_ENCODER_H_
