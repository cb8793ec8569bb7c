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
#include "codec/model_data.h"
#include "codec/sample_windows.h"
#include "codec/scratch.h"
#include "codec/sharing.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/workers.h"

namespace lichen {

/// Encodes one tile after the other. Not for use by two threads at once.
class TileEncoder {
 public:
  /// Borrows `model` and `workers`. header: of the picture; tiles: of which encoders like this one work on one each, at
  /// the same time
  TileEncoder(const ModelData& model, const bitstream::Header& header, Workers& workers, int tiles)
      : model_(model),
        tables_(TablesAtQuality(model, static_cast<int>(header.quality_index))),
        h_a_(model.h_a, static_cast<int>(header.quality_index), FastestPrecision(), workers),
        entropy_model_(model, static_cast<int>(header.quality_index), static_cast<int>(header.trellis_bits),
                       IntegerEngine::kFast, EntropyModel::Quantiser::kRateDistortion, SharingOf(workers, tiles)) {}

  /// y: the tile's first position, in rows of `row_positions` positions. errors: kOutOfMemory, kInternal
  Result<std::vector<uint8_t>> Encode(const float* y, int row_positions, int h, int w, SharedSides shared) {
    LICHEN_RETURN_IF_ERROR(Prepare(y, row_positions, h, w));
    return entropy_model_.Encode(tile_.data(), z_.data(), h, w, &latents_, shared);
  }

  /// Of the last tile, in quantisation steps.
  const float* y() const { return tile_.data(); }
  /// What a decoder will get from it.
  const Latents& latents() const { return latents_; }
  EntropyModel& entropy_model() { return entropy_model_; }

 private:
  /// y and z of a tile, in quantisation steps.
  Status Prepare(const float* y, int row_positions, int h, int w) {
    const int m = model_.latent_channels;
    // h_a sees y as g_a gives it, its last row and column repeated up to multiples of 4.
    const int padded_h = (h + 3) / 4 * 4, padded_w = (w + 3) / 4 * 4;
    float* tile = tile_.Reserve(static_cast<size_t>(padded_h) * padded_w * m);
    for (int v = 0; v < padded_h; ++v) {
      const float* from = y + static_cast<size_t>(std::min(v, h - 1)) * row_positions * m;
      float* to = tile + static_cast<size_t>(v) * padded_w * m;
      std::memcpy(to, from, static_cast<size_t>(w) * m * sizeof(float));
      for (int x = w; x < padded_w; ++x) {
        std::memcpy(to + static_cast<size_t>(x) * m, from + static_cast<size_t>(w - 1) * m, m * sizeof(float));
      }
    }
    LICHEN_ASSIGN_OR_RETURN(const float* hyper, h_a_.Run(tile, padded_h, padded_w));
    const int channels = model_.hyper_channels;
    z_.resize(static_cast<size_t>(padded_h / 4) * (padded_w / 4) * channels);
    for (size_t at = 0; at < z_.size(); ++at) z_[at] = hyper[at] * tables_.z_gain[at % channels];
    float* scaled = tile;  // in place: without the padding, every value moves towards the start or stays
    const float* gain = tables_.gain_y.data();
    for (int v = 0; v < h; ++v) {
      const float* from = tile + static_cast<size_t>(v) * padded_w * m;
      for (int x = 0; x < w; ++x, from += m, scaled += m) {
#pragma omp simd
        for (int c = 0; c < m; ++c) scaled[c] = from[c] * gain[c];
      }
    }
    return Status();
  }

  const ModelData& model_;
  QualityTables tables_;
  Transform h_a_;
  EntropyModel entropy_model_;
  Scratch<float> tile_;
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
        encoders_(workers.threads()) {}

  /// band: [rows of the tiles][grid width][M]. Calls consume(column, tile), which gives a Status, in order, from the
  /// calling thread. errors: those of consume; kOutOfMemory, kInternal
  template <typename Consume>
  Status Encode(const float* band, int tile_row, const Consume& consume) {
    const int h = grid_.Row(tile_row).size(), columns = grid_.columns();
    std::vector<Result<std::vector<uint8_t>>> tiles(columns, std::vector<uint8_t>());
    workers_.ForEach(columns, [&](int lane, int i) {
      std::unique_ptr<TileEncoder>& encoder = encoders_[lane];
      if (!encoder) encoder = std::make_unique<TileEncoder>(model_, header_, workers_, columns);
      const Span span = grid_.Column(i);
      const SharedSides shared = {tile_row > 0, tile_row + 1 < grid_.rows(), i > 0, i + 1 < columns};
      tiles[i] = encoder->Encode(band + static_cast<size_t>(span.begin) * model_.latent_channels, grid_.width(), h,
                                 span.size(), shared);
      if (windows_ && tiles[i].ok()) windows_->TakeLatents(grid_.Row(tile_row), span, encoder->latents());
    });
    for (int i = 0; i < columns; ++i) {
      if (!tiles[i].ok()) return tiles[i].status();
      LICHEN_RETURN_IF_ERROR(consume(i, std::move(*tiles[i])));
    }
    return Status();
  }

  /// What a decoder will get from the last tile of the first thread. REQUIRES: Encode
  const Latents& latents() const { return encoders_[0]->latents(); }

 private:
  const ModelData& model_;
  const TileGrid& grid_;
  bitstream::Header header_;
  Workers& workers_;
  SampleWindows* windows_;
  std::vector<std::unique_ptr<TileEncoder>> encoders_;  // by lane
};

}  // namespace lichen

#endif  // LICHEN_CODEC_TILE_ENCODER_H_
