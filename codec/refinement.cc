// SPDX-License-Identifier: Apache-2.0
#include "codec/refinement.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "codec/fixed_point.h"
#include "codec/rate_distortion.h"

namespace lichen {
namespace {

// Around a tile the window shows latents that stay as they are, so that the tile's edge is no edge to g_s, and the
// error is counted as far as the tile's latents are seen well.
constexpr int kMargin = 4, kErrorMargin = 2;

constexpr float kSixteenth = 1.0f / (1 << kSixteenthBits);
constexpr int kLargest = 120;      // magnitude of residuals whose bits are in the table
constexpr int kPredictEvery = 10;  // iterations

// By experiment on validation pictures (training/LOG.md).
constexpr double kRate = 0.03, kRateIterations = 50;        // steps per iteration, for so many of them
constexpr double kFirstTemperature = 1.5, kCooling = 2.75;  // the last is the first / e^kCooling
constexpr double kMomentum = 0.9, kSquares = 0.999;         // of Adam, Kingma and Ba 2014 (arXiv:1412.6980)
constexpr float kEdge = 1e-4f;                              // distance kept from values that can be coded

// Along sides that touch other tiles rates weigh less, as much as in quantisation without refinement.
constexpr auto kRateAtSides =
    static_cast<float>(RateDistortion::kBitsPerSquaredStep / RateDistortion::kBitsPerSquaredStepAtSides);

/// lambda of the model's training, from quality 0 to 1: what the mean squared error of samples from 0 to 255 weighs
/// against bits per pixel.
double LambdaAt(int quality_index) {
  constexpr double kLeast = 0.0004, kMost = 0.32;
  return kLeast * std::pow(kMost / kLeast, static_cast<double>(quality_index) / kMaxQualityIndex);
}

/// What a decoder shows of x_hat, less what it should.
float ErrorAt(float x_hat, uint16_t sample) {
  return std::min(std::max(x_hat + 0.5f, 0.0f), 1.0f) - static_cast<float>(sample) * (1.0f / 65535);
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
  RefinementTile tile;
  Span rows, columns;              // of the canvas
  Span error_rows, error_columns;  // pixels of the window whose error counts

  Window(const RefinementCanvas& canvas, const RefinementTile& of)
      : tile(of),
        rows(WithMargin(of.rows, kMargin, canvas.height)),
        columns(WithMargin(of.columns, kMargin, canvas.width)),
        error_rows(ErrorPixels(WithMargin(of.rows, kErrorMargin, canvas.height), rows, canvas.picture_height)),
        error_columns(ErrorPixels(WithMargin(of.columns, kErrorMargin, canvas.width), columns, canvas.picture_width)) {}

  /// Of a position of the tile.
  size_t Position(int v, int u) const {
    return static_cast<size_t>(tile.rows.begin - rows.begin + v) * columns.size() +
           (tile.columns.begin - columns.begin + u);
  }
  size_t RowSamples() const { return static_cast<size_t>(columns.size()) * kLatentPixels * 3; }
  /// Those of the canvas under a row of the window's pixels.
  const uint16_t* Samples(const RefinementCanvas& canvas, int v) const {
    const size_t row = static_cast<size_t>(rows.begin) * kLatentPixels + v;
    return canvas.samples + (row * canvas.width + columns.begin) * kLatentPixels * 3;
  }

 private:
  static Span ErrorPixels(Span counted, Span window, int picture) {
    const int begin = window.begin * kLatentPixels;
    return {counted.begin * kLatentPixels - begin, std::min(counted.end * kLatentPixels, picture) - begin};
  }
};

Refinement::Refinement(const ModelData& model, int quality_index, int iterations, Workers& workers)
    : model_(model),
      workers_(workers),
      iterations_(iterations),
      tables_(TablesAtQuality(model, quality_index)),
      bits_per_squared_error_(LambdaAt(quality_index) * 255 * 255 / 3),
      g_s_(model.g_s, quality_index, FastestPrecision(), workers) {
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

Status Refinement::Run(const RefinementCanvas& canvas, const RefinementTile& tile, EntropyModel& entropy_model,
                       float* y, const float* z, const std::function<Status(double)>& report) {
  const Window window(canvas, tile);
  ShowSurroundings(canvas, window);
  const size_t latents = static_cast<size_t>(tile.rows.size()) * tile.columns.size() * model_.latent_channels;
  momentum_.assign(latents, 0.0f);
  square_.assign(latents, 0.0f);
  const double rate = kRate * std::sqrt(kRateIterations / iterations_);
  for (int i = 0; i < iterations_; ++i) {
    const double share = static_cast<double>(i) / iterations_;
    if (report) LICHEN_RETURN_IF_ERROR(report(share));
    if (i % kPredictEvery == 0) Predict(entropy_model, y, z, window);
    Mix(y, i, kFirstTemperature * std::exp(-kCooling * share));
    LICHEN_ASSIGN_OR_RETURN(const float* x_hat, g_s_.Run(y_hat_.data(), window.rows.size(), window.columns.size()));
    ErrorGradient(canvas, window, Filtered(x_hat, window), g_s_.Gradient());
    LICHEN_ASSIGN_OR_RETURN(const float* gradient, g_s_.Back());
    Descend(gradient, i, rate * std::min(1.0, 2 * (1 - share) + 0.02), y);
  }
  return Status();
}

Result<double> Refinement::ErrorOf(const RefinementCanvas& canvas, const RefinementTile& tile, const Latents* latents) {
  const Window window(canvas, tile);
  ShowSurroundings(canvas, window);
  const int m = model_.latent_channels;
  for (int v = 0; latents && v < latents->h; ++v) {
    const int32_t* from = latents->y_hat.data() + static_cast<size_t>(v) * latents->w * m;
    float* to = y_hat_.data() + window.Position(v, 0) * m;
    for (int i = 0; i < latents->w * m; ++i) {
      to[i] = static_cast<float>(from[i]) * kSixteenth * tables_.inverse_gain_y[i % m];
    }
  }
  LICHEN_ASSIGN_OR_RETURN(const float* x_hat, g_s_.Run(y_hat_.data(), window.rows.size(), window.columns.size()));
  x_hat = Filtered(x_hat, window);
  std::vector<double> sums(window.error_rows.size());  // by row, for the same total on any number of threads
  workers_.ForRanges(sums.size(), 16, [&](size_t first, size_t last) {
    for (size_t n = first; n < last; ++n) {
      const int v = window.error_rows.begin + static_cast<int>(n);
      const float* row = x_hat + v * window.RowSamples();
      const uint16_t* samples = window.Samples(canvas, v);
      for (int i = window.error_columns.begin * 3; i < window.error_columns.end * 3; ++i) {
        const float error = ErrorAt(row[i], samples[i]);
        sums[n] += error * error;
      }
    }
  });
  return bits_per_squared_error_ * std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// All of the window's latents as the canvas has them.
void Refinement::ShowSurroundings(const RefinementCanvas& canvas, const Window& window) {
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
}

/// Means and tables for y; what is not coded becomes its mean.
void Refinement::Predict(EntropyModel& entropy_model, const float* y, const float* z, const Window& window) {
  const int h = window.tile.rows.size(), w = window.tile.columns.size(), m = model_.latent_channels;
  entropy_model.Predict(y, z, h, w, &latents_, &prediction_);
  coded_.clear();
  for (int v = 0; v < h; ++v) {
    for (int u = 0; u < w; ++u) {
      const float rate_weight = window.tile.shared.Touch(v, u, h, w) ? kRateAtSides : 1.0f;
      const size_t first = (static_cast<size_t>(v) * w + u) * m, in_window = window.Position(v, u) * m;
      for (int c = 0; c < m; ++c) {
        const float mean = static_cast<float>(prediction_.mean[first + c]) * kSixteenth;
        const uint8_t index = prediction_.index[first + c];
        if (index == 0) {
          y_hat_.data()[in_window + c] = mean * tables_.inverse_gain_y[c];
        } else {
          coded_.push_back(
              {static_cast<uint32_t>(first + c), static_cast<uint32_t>(in_window + c), mean, rate_weight, index, 0, 0});
        }
      }
    }
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
      latent.rate_slope = latent.rate_weight * (Bits(latent.index, residual + 1) - Bits(latent.index, residual));
      y_hat_.data()[latent.in_window] = (lower + mix + latent.mean) * tables_.inverse_gain_y[latent.at % m];
    }
  });
}

/// What decoders show of a window. Valid until the next call; x_hat itself without a post-filter.
const float* Refinement::Filtered(const float* x_hat, const Window& window) {
  if (!post_filter_) return x_hat;
  post_filter_->Begin(window.columns.size() * kLatentPixels);
  return post_filter_->Next({x_hat, window.rows.size() * kLatentPixels}, true).rows;
}

/// What is shown -> what the bits that its error is worth change by with each sample. What a post-filter adds counts as
/// it is: it changes little with a sample. gradient: may be `shown`
void Refinement::ErrorGradient(const RefinementCanvas& canvas, const Window& window, const float* shown,
                               float* gradient) {
  const size_t row = window.RowSamples(), begin = size_t{3} * window.error_columns.begin,
               end = size_t{3} * window.error_columns.end;
  const auto factor = static_cast<float>(2 * bits_per_squared_error_);
  workers_.ForRanges(window.rows.size() * kLatentPixels, 16, [&](size_t first, size_t last) {
    for (size_t v = first; v < last; ++v) {
      const float* from = shown + v * row;
      float* to = gradient + v * row;
      const int pixel_row = static_cast<int>(v);
      if (pixel_row < window.error_rows.begin || pixel_row >= window.error_rows.end) {
        std::fill_n(to, row, 0.0f);
        continue;
      }
      const uint16_t* samples = window.Samples(canvas, pixel_row);
      std::fill_n(to, begin, 0.0f);
      for (size_t i = begin; i < end; ++i) to[i] = factor * ErrorAt(from[i], samples[i]);
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
         PostFilter::Memory(static_cast<int>(window_h) * kLatentPixels, static_cast<int>(window_w) * kLatentPixels, 1) +
         in_window * sizeof(float) + latents * (4 + 4 + 1 + 4 + 4 + 2 * sizeof(Coded));
}

}  // namespace lichen
