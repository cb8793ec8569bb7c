// SPDX-License-Identifier: Apache-2.0
#include "codec/sampled_error.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "codec/fixed_point.h"
#include "codec/tiling.h"

namespace lichen {
namespace {

constexpr int kPositions = kErrorSide / kLatentPixels;  // latent positions of a square
// What is around a square matters to what is inside, above all next to it: by experiment one position is enough for
// the error (docs/performance.md).
constexpr int kMargin = 1, kWindow = kPositions + 2 * kMargin;

/// Of a row of x_hat as g_s gives it, against the samples of the picture.
double RowError(const float* x_hat, const uint8_t* original, uint32_t pixels, int colours) {
  const auto square = [](float level, uint8_t sample) {
    const int value = static_cast<int>(std::min(std::max(level, 0.0f), 255.0f));
    return (value - sample) * (value - sample);
  };
  int64_t sum = 0;
  if (colours == 1) {
    for (uint32_t i = 0; i < pixels; ++i, x_hat += 3) {
      sum += square((x_hat[0] + x_hat[1] + x_hat[2]) * 85.0f + 128.0f, original[i]);
    }
  } else {
    for (uint32_t i = 0; i < 3 * pixels; ++i) sum += square(x_hat[i] * 255.0f + 128.0f, original[i]);
  }
  return static_cast<double>(sum);
}

/// Places from 0 to 1 evenly apart, for 4, 8, 16 and 32 draws: each number has those of the smaller ones and others
/// between them.
double PlaceOfDraw(int i) {
  if (i < 4) return (i + 0.125) / 4;
  if (i < 8) return (i - 4 + 0.625) / 4;
  if (i < 16) return (i - 8 + 0.75) / 8;
  return (i - 16) / 16.0;
}

}  // namespace

SampledError::SampledError(const HeadRows& head, const ModelData& model, const bitstream::Header& header,
                           const Latents& latents, const ErrorMap& errors)
    : head_(head),
      latents_(latents),
      step_(TablesAtQuality(model, static_cast<int>(header.quality_index)).inverse_gain_y),
      g_s_(model.g_s, static_cast<int>(header.quality_index), SynthesisPrecision(), one_thread_),
      columns_(errors.columns),
      order_(errors.learned.size()),
      known_(errors.learned.size()) {
  for (float& step : step_) step *= 1.0f / (1 << kSixteenthBits);
  const PostFilterData& filter = model.post_filter;
  const auto coefficients = bitstream::ReadPostFilter(header.post_filter, filter.sizes);
  if (!filter.mean.empty() && coefficients.ok()) {
    post_filter_.emplace(PostFilterWeights(filter, static_cast<int>(header.quality_index), *coefficients), one_thread_);
  }
  const std::vector<double>& likely = errors.learned;
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) { return likely[a] < likely[b]; });
  double before = 0;
  for (const int square : order_) cumulative_.push_back(before += likely[square] + 1);  // no chance is 0
  for (double& chance : cumulative_) chance /= before;
}

Result<SampledError::Estimate> SampledError::Measure(int draws) {
  Estimate estimate;
  const size_t squares = order_.size();
  if (squares <= static_cast<size_t>(draws)) {
    for (size_t square = 0; square < squares; ++square) {
      LICHEN_ASSIGN_OR_RETURN(const double error, ErrorOf(static_cast<int>(square)));
      estimate.sum += error;
    }
    return estimate;
  }
  double sum = 0, sum_of_squares = 0;
  for (int i = 0; i < draws; ++i) {
    const double where = PlaceOfDraw(i);
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), where);
    const size_t at = std::min<size_t>(found - cumulative_.begin(), squares - 1);
    LICHEN_ASSIGN_OR_RETURN(const double error, ErrorOf(order_[at]));
    const double chance = cumulative_[at] - (at > 0 ? cumulative_[at - 1] : 0);
    sum += error / chance;
    sum_of_squares += error / chance * (error / chance);
  }
  estimate.draws = draws;
  estimate.sum = sum / draws;
  estimate.variance = std::max(0.0, sum_of_squares - sum * estimate.sum) / (draws - 1);
  return estimate;
}

/// Summed over the samples of a square.
Result<double> SampledError::ErrorOf(int square) {
  if (known_[square]) return *known_[square];
  const int row = square / columns_ * kPositions, column = square % columns_ * kPositions;
  // Moved inwards at the edges of the canvas: primitives are made for one size.
  const int h = std::min(kWindow, latents_.h), w = std::min(kWindow, latents_.w);
  const int top = std::clamp(row - kMargin, 0, latents_.h - h), left = std::clamp(column - kMargin, 0, latents_.w - w);
  const int channels = static_cast<int>(step_.size());
  g_s_.Begin(w);
  float* y_hat = g_s_.Input(h);
  for (int v = 0; v < h; ++v) {
    const int32_t* from = latents_.y_hat.data() + (static_cast<size_t>(top + v) * latents_.w + left) * channels;
    float* to = y_hat + static_cast<size_t>(v) * w * channels;
    for (int u = 0; u < w; ++u, from += channels, to += channels) {
      for (int c = 0; c < channels; ++c) to[c] = static_cast<float>(from[c]) * step_[c];
    }
  }
  LICHEN_ASSIGN_OR_RETURN(Strip x_hat, g_s_.Next(y_hat, h, true));
  if (post_filter_) {
    post_filter_->Begin(w * kLatentPixels);
    x_hat = post_filter_->Next(x_hat, true);
  }
  const auto x = static_cast<uint32_t>(column * kLatentPixels), y = static_cast<uint32_t>(row * kLatentPixels);
  const Image original = head_.Window(x, y, std::min<uint32_t>(kErrorSide, head_.header().width - x),
                                      std::min<uint32_t>(kErrorSide, head_.header().height - y));
  const size_t pitch = static_cast<size_t>(w) * kLatentPixels * 3;
  const float* first = x_hat.rows + (row - top) * kLatentPixels * pitch + (column - left) * kLatentPixels * size_t{3};
  double error = 0;
  for (uint32_t v = 0; v < original.height; ++v) {
    error += RowError(first + v * pitch, original.pixels.data() + v * original.RowBytes(), original.width,
                      original.channels);
  }
  known_[square] = error;
  return error;
}

uint64_t SampledError::Memory(const ModelData& model) {
  return Transform::Memory(model.g_s, model.latent_channels, kWindow, kWindow, SynthesisPrecision(), true) +
         PostFilter::Memory(kWindow * kLatentPixels, kWindow * kLatentPixels, 1) +
         uint64_t{kErrorSide} * kErrorSide * 3;
}

}  // namespace lichen
