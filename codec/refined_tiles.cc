// SPDX-License-Identifier: Apache-2.0
#include "codec/refined_tiles.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "codec/fixed_point.h"

namespace lichen {
namespace {

constexpr float kSixteenths = 1 << kSixteenthBits;
constexpr float kDeviationUnits = 64;  // a quantisation step

/// What g_a gives, less what decoders get.
int8_t Deviation(float y, float y_hat) {
  const float units = (y - y_hat) * kDeviationUnits;
  if (!(std::fabs(units) < 127)) return static_cast<int8_t>(units < 0 ? -127 : units > 0 ? 127 : 0);  // or a NaN
  return static_cast<int8_t>(std::lround(units));
}

}  // namespace

RefinedTiles::RefinedTiles(const ModelData& model, const TileGrid& grid, const bitstream::Header& header,
                           int iterations, Workers& workers)
    : grid_(grid),
      channels_(model.latent_channels),
      gain_(TablesAtQuality(model, static_cast<int>(header.quality_index)).gain_y),
      encoder_(model, header, workers),
      refinement_(model, static_cast<int>(header.quality_index), iterations, workers) {}

Status RefinedTiles::EncodeUsual(const RefinementCanvas& picture) {
  deviations_.Reserve(static_cast<size_t>(grid_.height()) * grid_.width() * channels_);
  for (int row = 0; row < grid_.rows(); ++row) {
    for (int column = 0; column < grid_.columns(); ++column) {
      LICHEN_ASSIGN_OR_RETURN(Usual coded, EncodeUsualTile(picture, Tile(row, column)));
      usual_.push_back(std::move(coded));
    }
  }
  return Status();
}

Result<std::vector<std::vector<uint8_t>>> RefinedTiles::Encode(const RefinementCanvas& picture,
                                                               const std::function<Status(double)>& report) {
  std::vector<std::vector<uint8_t>> tiles;
  double done = 0;
  for (int row = 0; row < grid_.rows(); ++row) {
    for (int column = 0; column < grid_.columns(); ++column) {
      const RefinementTile tile = Tile(row, column);
      const double area = static_cast<double>(tile.rows.size()) * tile.columns.size() /
                          (static_cast<double>(grid_.height()) * grid_.width());
      const auto part = [&](double share) { return report(done + share * area); };
      LICHEN_ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, Refine(picture, tile, usual_[tiles.size()], part));
      tiles.push_back(std::move(bytes));
      done += area;
      LICHEN_RETURN_IF_ERROR(report(done));
    }
  }
  return tiles;
}

RefinementTile RefinedTiles::Tile(int row, int column) const {
  return {grid_.Row(row),
          grid_.Column(column),
          {row > 0, row + 1 < grid_.rows(), column > 0, column + 1 < grid_.columns()}};
}

template <typename Row>
void RefinedTiles::ForRows(const RefinementTile& tile, const Row& row) const {
  for (int v = 0; v < tile.rows.size(); ++v) {
    row(v, (static_cast<size_t>(tile.rows.begin + v) * grid_.width() + tile.columns.begin) * channels_);
  }
}

/// By the search alone.
Result<RefinedTiles::Usual> RefinedTiles::EncodeUsualTile(const RefinementCanvas& picture, const RefinementTile& tile) {
  const int h = tile.rows.size(), w = tile.columns.size();
  const size_t first = static_cast<size_t>(tile.rows.begin) * grid_.width() + tile.columns.begin;
  Usual usual;
  LICHEN_ASSIGN_OR_RETURN(usual.bytes,
                          encoder_.Encode(picture.y + first * channels_, grid_.width(), h, w, tile.shared));
  const Latents& latents = encoder_.latents();
  usual.z_hat = latents.z_hat;
  const int32_t* y_hat = latents.y_hat.data();
  ForRows(tile, [&](int, size_t at) {
    for (int i = 0; i < w * channels_; ++i) {
      const float y = picture.y[at + i] * gain_[i % channels_];
      deviations_.data()[at + i] = Deviation(y, static_cast<float>(*y_hat++) / kSixteenths);
    }
  });
  Show(latents, picture, tile);
  return usual;
}

/// Refined, or as they were where that costs less.
Result<std::vector<uint8_t>> RefinedTiles::Refine(const RefinementCanvas& picture, const RefinementTile& tile,
                                                  const Usual& usual, const std::function<Status(double)>& report) {
  const int h = tile.rows.size(), w = tile.columns.size();
  LICHEN_ASSIGN_OR_RETURN(const double usual_error, refinement_.ErrorOf(picture, tile, nullptr));
  float* y = y_.Reserve(static_cast<size_t>(h) * w * channels_);
  ForRows(tile, [&](int v, size_t at) {
    for (int i = 0; i < w * channels_; ++i) {
      y[static_cast<size_t>(v) * w * channels_ + i] =
          picture.y[at + i] * gain_[i % channels_] + static_cast<float>(deviations_.data()[at + i]) / kDeviationUnits;
    }
  });
  z_.clear();
  for (int32_t v : usual.z_hat) z_.push_back(static_cast<float>(v) / kSixteenths);
  LICHEN_ASSIGN_OR_RETURN(
      std::optional<CodedTile> refined,
      refinement_.Run(picture, tile, encoder_.entropy_model(), y, z_.data(), report, usual.bytes.size(), usual_error));
  last_is_refined_ = refined.has_value();
  if (!refined) return usual.bytes;
  latents_ = std::move(refined->latents);
  Show(latents_, picture, tile);
  return std::move(refined->bytes);
}

/// Other tiles see what a decoder will get.
void RefinedTiles::Show(const Latents& latents, const RefinementCanvas& picture, const RefinementTile& tile) const {
  const int32_t* y_hat = latents.y_hat.data();
  ForRows(tile, [&](int, size_t at) {
    for (int i = 0; i < latents.w * channels_; ++i) {
      picture.y[at + i] = static_cast<float>(*y_hat++) / (kSixteenths * gain_[i % channels_]);
    }
  });
}

uint64_t RefinedTiles::Memory(const ModelData& model, const TileGrid& grid, TransformPrecision precision) {
  const int h = grid.Row(0).size(), w = grid.Column(0).size();
  const uint64_t m = model.latent_channels, tile = uint64_t(h) * w * m;
  return Refinement::Memory(model, h, w, precision) + uint64_t(grid.height()) * grid.width() * m +
         tile * (sizeof(float) + sizeof(int32_t));
}

}  // namespace lichen
