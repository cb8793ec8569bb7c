// SPDX-License-Identifier: Apache-2.0
#include "codec/refinement.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "codec/fixed_point.h"

namespace lichen {
namespace {

// Around a tile the window shows latents that stay as they are, so that the tile's edge is no edge to g_s, and the
// error is counted as far as the tile's latents are seen well.
constexpr int kMargin = 4, kErrorMargin = 2;

constexpr int kLargest = 120;      // magnitude of residuals whose bits are in the table
constexpr int kPredictEvery = 10;  // iterations

// By experiment on validation pictures (training/LOG.md).
constexpr double kRate = 0.03, kRateIterations = 50;        // steps per iteration, for so many of them
constexpr double kFirstTemperature = 1.5, kCooling = 2.75;  // the last is the first / e^kCooling
constexpr double kMomentum = 0.9, kSquares = 0.999;         // of Adam, Kingma and Ba 2014 (arXiv:1412.6980)
constexpr float kStart = 0.2f;                              // of a value that is not the nearest
constexpr float kEdge = 1e-4f;                              // distance kept from values that can be coded

/// lambda of the model's training, from quality 0 to 1: what the mean squared error of samples from 0 to 255 weighs
/// against bits per pixel.
double LambdaAt(int quality_index) {
  constexpr double kLeast = 0.0004, kMost = 0.32;
  return kLeast * std::pow(kMost / kLeast, static_cast<double>(quality_index) / kMaxQualityIndex);
}

/// Logistic noise, the same for the same arguments. By the finaliser of SplitMix64.
float LogisticNoise(uint32_t at, int iteration) {
  uint64_t v = (uint64_t{at} << 24) + static_cast<uint64_t>(iteration) + 0x9e3779b97f4a7c15;
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9;
  v = (v ^ (v >> 27)) * 0x94d049bb133111eb;
  v ^= v >> 31;
  const float u = (static_cast<float>(v >> 41) + 0.5f) * (1.0f / (1 << 23));
  return std::log(u / (1 - u));
}

}  // namespace

/// The part of a canvas that g_s gets: a tile and its margin.
struct Refinement::Window {
  Span rows, columns;              // of the canvas
  Span error_rows, error_columns;  // where the error counts
  Span tile_rows, tile_columns;

  Window(const RefinementCanvas& canvas, Span of_rows, Span of_columns)
      : rows(WithMargin(of_rows, kMargin, canvas.height)),
        columns(WithMargin(of_columns, kMargin, canvas.width)),
        error_rows(WithMargin(of_rows, kErrorMargin, canvas.height)),
        error_columns(WithMargin(of_columns, kErrorMargin, canvas.width)),
        tile_rows(of_rows),
        tile_columns(of_columns) {}

  /// Of a position of the tile.
  size_t Position(int v, int u) const {
    return static_cast<size_t>(tile_rows.begin - rows.begin + v) * columns.size() +
           (tile_columns.begin - columns.begin + u);
  }
};

Refinement::Refinement(const ModelData& model, int quality_index, int iterations, Workers& workers)
    : model_(model),
      workers_(workers),
      iterations_(iterations),
      tables_(TablesAtQuality(model, quality_index)),
      bits_per_squared_error_(LambdaAt(quality_index) * 255 * 255 / 3),
      g_s_(model.g_s, quality_index, FastestPrecision(), workers),
      choice_(model.tables) {
  for (const bitstream::CdfTable& table : model.tables) {
    for (int r = 0; r <= kLargest; ++r) {
      const bool escaped = r > table.radius();
      const uint32_t symbol = escaped ? table.escape_index() : static_cast<uint32_t>(r + table.radius());
      const double bits = bitstream::kProbabilityBits - std::log2(table.frequency(symbol));
      bits_.push_back(static_cast<float>(bits + (escaped ? 2 * std::log2(r - table.radius()) + 1 : 0)));
    }
  }
}

float Refinement::Bits(int table, int residual) const {
  return bits_[static_cast<size_t>(table) * (kLargest + 1) + std::min(std::abs(residual), kLargest)];
}

Status Refinement::Run(const RefinementCanvas& canvas, Span rows, Span columns, EntropyModel& entropy_model, float* y,
                       const float* z, const std::function<Status(double)>& report) {
  const Window window(canvas, rows, columns);
  const int h = window.rows.size(), w = window.columns.size(), m = model_.latent_channels;
  const size_t row = static_cast<size_t>(w) * m;
  float* y_hat = y_hat_.Reserve(h * row);
  for (int v = 0; v < h; ++v) {
    const float* from =
        canvas.y + (static_cast<size_t>(window.rows.begin + v) * canvas.width + window.columns.begin) * m;
    for (size_t i = 0; i < row; ++i) {
      const size_t c = i % m;
      y_hat[v * row + i] = from[i] * tables_.gain_y[c] * tables_.inverse_gain_y[c];
    }
  }
  const size_t latents = static_cast<size_t>(rows.size()) * columns.size() * m;
  constexpr auto kLimit = static_cast<float>(kResidualLimit);
  for (size_t i = 0; i < latents; ++i) {  // a NaN, which a broken encoder network could give, counts as 0
    y[i] = std::isnan(y[i]) ? 0.0f : std::clamp(y[i], -kLimit, kLimit);
  }
  momentum_.assign(latents, 0.0f);
  square_.assign(latents, 0.0f);
  const double rate = kRate * std::sqrt(kRateIterations / iterations_);
  for (int i = 0; i < iterations_; ++i) {
    const double share = static_cast<double>(i) / iterations_;
    if (report) LICHEN_RETURN_IF_ERROR(report(share));
    if (i % kPredictEvery == 0) Predict(entropy_model, y, z, window);
    if (i == 0) StartAtChoice(y);
    Mix(y, i, kFirstTemperature * std::exp(-kCooling * share));
    LICHEN_RETURN_IF_ERROR(g_s_.Run(y_hat, h, w).status());
    ErrorGradient(canvas, window, g_s_.Gradient());
    LICHEN_ASSIGN_OR_RETURN(const float* gradient, g_s_.Back());
    Descend(gradient, i, rate * std::min(1.0, 2 * (1 - share) + 0.02), y);
  }
  return Status();
}

/// Means and tables for y; what is not coded becomes its mean.
void Refinement::Predict(EntropyModel& entropy_model, const float* y, const float* z, const Window& window) {
  const int h = window.tile_rows.size(), w = window.tile_columns.size(), m = model_.latent_channels;
  entropy_model.Predict(y, z, h, w, &latents_, &prediction_);
  coded_.clear();
  constexpr float kSixteenth = 1.0f / (1 << kSixteenthBits);
  for (int v = 0; v < h; ++v) {
    for (int u = 0; u < w; ++u) {
      const size_t first = (static_cast<size_t>(v) * w + u) * m, in_window = window.Position(v, u) * m;
      for (int c = 0; c < m; ++c) {
        const float mean = static_cast<float>(prediction_.mean[first + c]) * kSixteenth;
        const uint8_t index = prediction_.index[first + c];
        if (index == 0) {
          y_hat_.data()[in_window + c] = mean * tables_.inverse_gain_y[c];
        } else {
          coded_.push_back({static_cast<uint32_t>(first + c), static_cast<uint32_t>(in_window + c), mean, index, 0, 0});
        }
      }
    }
  }
}

/// What rate-distortion optimised quantisation sends to a value towards 0 starts on its side of the middle.
void Refinement::StartAtChoice(float* y) {
  for (const Coded& latent : coded_) {
    const float exact = y[latent.at] - latent.mean;
    const auto rounded = static_cast<int32_t>(std::floor(exact + 0.5f));
    const int32_t chosen = choice_.Choose(latent.index, rounded, exact);
    if (chosen != rounded) y[latent.at] = latent.mean + static_cast<float>(chosen) + (exact < 0 ? -kStart : kStart);
  }
}

/// Random mixes of the two values next to each latent.
void Refinement::Mix(const float* y, int iteration, double temperature) {
  const int m = model_.latent_channels;
  const auto cold = static_cast<float>(1 / temperature);
  workers_.ForRanges(coded_.size(), 1 << 10, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      Coded& latent = coded_[i];
      const float exact = y[latent.at] - latent.mean, lower = std::floor(exact);
      const float p = std::min(std::max(exact - lower, kEdge), 1 - kEdge), q = 1 - p;
      // atanh(p) - atanh(q), and its derivative
      const float logit = 0.5f * std::log((1 + p) * p / (q * (1 + q)));
      const float logit_slope = 1 / (q * (1 + p)) + 1 / (p * (1 + q));
      const float mix = 1 / (1 + std::exp(-(logit * cold + LogisticNoise(latent.at, iteration)) * cold));
      latent.slope = mix * (1 - mix) * logit_slope * cold * cold;
      const int residual = static_cast<int>(lower);
      latent.rate_slope = Bits(latent.index, residual + 1) - Bits(latent.index, residual);
      y_hat_.data()[latent.in_window] = (lower + mix + latent.mean) * tables_.inverse_gain_y[latent.at % m];
    }
  });
}

/// x_hat as g_s gives it -> what the bits that its error is worth change by with each sample.
void Refinement::ErrorGradient(const RefinementCanvas& canvas, const Window& window, float* x) {
  const size_t row = static_cast<size_t>(window.columns.size()) * kLatentPixels * 3;
  const auto offset = [](int positions) { return static_cast<size_t>(positions) * kLatentPixels * 3; };
  const size_t begin = offset(window.error_columns.begin - window.columns.begin);
  const size_t end = offset(window.error_columns.end - window.columns.begin);
  const auto factor = static_cast<float>(2 * bits_per_squared_error_);
  workers_.ForRanges(window.rows.size() * kLatentPixels, 16, [&](size_t first, size_t last) {
    for (size_t v = first; v < last; ++v) {
      float* to = x + v * row;
      const int position = window.rows.begin + static_cast<int>(v) / kLatentPixels;
      if (position < window.error_rows.begin || position >= window.error_rows.end) {
        std::fill_n(to, row, 0.0f);
        continue;
      }
      const uint16_t* samples = canvas.samples +
                                (static_cast<size_t>(window.rows.begin) * kLatentPixels + v) * offset(canvas.width) +
                                offset(window.columns.begin);
      std::fill_n(to, begin, 0.0f);
      for (size_t i = begin; i < end; ++i) {
        to[i] = factor * (to[i] + 0.5f - static_cast<float>(samples[i]) * (1.0f / 65535));
      }
      std::fill(to + end, to + row, 0.0f);
    }
  });
}

/// One step of Adam. gradient: of the error by the window's latents, as g_s takes them
void Refinement::Descend(const float* gradient, int iteration, double rate, float* y) {
  const int m = model_.latent_channels;
  const auto step = static_cast<float>(rate / (1 - std::pow(kMomentum, iteration + 1)));
  const auto square_factor = static_cast<float>(1 / (1 - std::pow(kSquares, iteration + 1)));
  workers_.ForRanges(coded_.size(), 1 << 10, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const Coded& latent = coded_[i];
      const float error_slope = gradient[latent.in_window] * tables_.inverse_gain_y[latent.at % m];
      const float g = (error_slope + latent.rate_slope) * latent.slope;
      if (!(std::fabs(g) < 1e30f)) continue;  // a broken g_s
      float &momentum = momentum_[latent.at], &square = square_[latent.at];
      momentum += static_cast<float>(1 - kMomentum) * (g - momentum);
      square += static_cast<float>(1 - kSquares) * (g * g - square);
      y[latent.at] -= step * momentum / (std::sqrt(square * square_factor) + 1e-8f);
    }
  });
}

uint64_t Refinement::Memory(const ModelData& model, int h, int w, TransformPrecision precision) {
  const uint64_t window_h = h + 2 * kMargin, window_w = w + 2 * kMargin, m = model.latent_channels;
  const uint64_t latents = uint64_t(h) * w * m, in_window = window_h * window_w * m;
  // y_hat of the entropy model, means, indices, momentum, squares, and the list of those that are coded
  return SynthesisGradient::Memory(model.g_s, model.latent_channels, static_cast<int>(window_h),
                                   static_cast<int>(window_w), precision) +
         in_window * sizeof(float) + latents * (4 + 4 + 1 + 4 + 4 + 2 * sizeof(Coded));
}

}  // namespace lichen
