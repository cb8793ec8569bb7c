// SPDX-License-Identifier: Apache-2.0
#include "codec/refinement.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "codec/fixed_point.h"

namespace lichen {
namespace {

// Around a tile the window shows latents that stay as they are, so that the tile's edge is no edge to g_s, and the
// error is counted as far as the tile's latents are seen well.
constexpr int kMargin = 4, kErrorMargin = 2;

constexpr float kSixteenth = 1.0f / (1 << kSixteenthBits);

// By experiment on validation pictures (training/LOG.md).
constexpr double kBitsPerSquaredStep = 8.5;  // W
constexpr double kErrorWeight = 1.25;       // of the error, over what training took it for
/// Of the way, from the first iteration to the last; how much of a move goes on in the next; and for how many of the last
/// iterations each context step but the last stands still.
struct Pace {
  double first, last;
  float momentum;
  int frozen;
};
Pace PaceOf(int iterations) {
  if (iterations < 24) return {0.4, 0.1, 0, 0};
  return {0.15, 0.03, 0.5f, iterations / 6};
}

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
      g_s_(model.g_s, quality_index, FastestPrecision(), workers) {}

Result<std::optional<CodedTile>> Refinement::Run(const RefinementCanvas& canvas, const RefinementTile& tile,
                                                 EntropyModel& entropy_model, float* y, const float* z,
                                                 const std::function<Status(double)>& report, size_t usual_bytes,
                                                 double usual_error) {
  const Window window(canvas, tile);
  ShowSurroundings(canvas, window);
  entropy_model.SetWeight(kBitsPerSquaredStep);
  const Pace pace = PaceOf(iterations_);
  const size_t count = static_cast<size_t>(tile.rows.size()) * tile.columns.size() * model_.latent_channels;
  std::fill_n(velocity_.Reserve(count), count, 0.0f);
  best_y_.Reserve(count);
  std::optional<CodedTile> best;
  const auto cost = [](size_t bytes, double error, double weight) {
    return 8 * static_cast<double>(bytes) + weight * error;
  };
  const double usual = cost(usual_bytes, usual_error, 1);
  double least = cost(usual_bytes, usual_error, kErrorWeight);
  int first_moving = 0;  // step
  for (int i = 0;; ++i) {
    const double share = static_cast<double>(i) / iterations_;
    if (report) LICHEN_RETURN_IF_ERROR(report(static_cast<double>(i) / (iterations_ + 1)));
    coded_.bytes =
        entropy_model.Encode(y, z, tile.rows.size(), tile.columns.size(), &coded_.latents, tile.shared, &index_);
    Show(coded_.latents, window);
    LICHEN_ASSIGN_OR_RETURN(const float* x_hat, g_s_.Run(y_hat_.data(), window.rows.size(), window.columns.size()));
    const float* shown = Filtered(x_hat, window);
    const double error = Error(canvas, window, shown), weighed = cost(coded_.bytes.size(), error, kErrorWeight);
    if (weighed < least && cost(coded_.bytes.size(), error, 1) <= usual) {
      least = weighed;
      best = coded_;
      std::copy_n(y, count, best_y_.data());
    }
    if (i == iterations_) return best;
    ErrorGradient(canvas, window, shown, g_s_.Gradient());
    LICHEN_ASSIGN_OR_RETURN(const float* gradient, g_s_.Back());
    Move(gradient, window, static_cast<float>(pace.first * std::pow(pace.last / pace.first, share)), first_moving, y);
    if (pace.frozen > 0 && best && first_moving < 3 && iterations_ - i - 1 <= (3 - first_moving) * pace.frozen) {
      Freeze(first_moving++, best_y_.data(), y);
    }
  }
}

Result<double> Refinement::ErrorOf(const RefinementCanvas& canvas, const RefinementTile& tile, const Latents* latents) {
  const Window window(canvas, tile);
  ShowSurroundings(canvas, window);
  if (latents) Show(*latents, window);
  LICHEN_ASSIGN_OR_RETURN(const float* x_hat, g_s_.Run(y_hat_.data(), window.rows.size(), window.columns.size()));
  return Error(canvas, window, Filtered(x_hat, window));
}

/// Of what is shown, in bits.
double Refinement::Error(const RefinementCanvas& canvas, const Window& window, const float* shown) {
  std::vector<double> sums(window.error_rows.size());  // by row, for the same total on any number of threads
  workers_.ForRanges(sums.size(), 16, [&](size_t first, size_t last) {
    for (size_t n = first; n < last; ++n) {
      const int v = window.error_rows.begin + static_cast<int>(n);
      const float* row = shown + v * window.RowSamples();
      const uint16_t* samples = window.Samples(canvas, v);
      for (int i = window.error_columns.begin * 3; i < window.error_columns.end * 3; ++i) {
        const float error = ErrorAt(row[i], samples[i]);
        sums[n] += error * error;
      }
    }
  });
  return bits_per_squared_error_ * std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// The tile's latents.
void Refinement::Show(const Latents& latents, const Window& window) {
  const int m = model_.latent_channels;
  workers_.ForRanges(latents.h, 1, [&](size_t first, size_t last) {
    for (size_t v = first; v < last; ++v) {
      const int32_t* from = latents.y_hat.data() + v * latents.w * m;
      float* to = y_hat_.data() + window.Position(static_cast<int>(v), 0) * m;
      for (int u = 0; u < latents.w; ++u, from += m, to += m) {
        for (int c = 0; c < m; ++c) to[c] = static_cast<float>(from[c]) * kSixteenth * tables_.inverse_gain_y[c];
      }
    }
  });
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
  const auto factor = static_cast<float>(2 * kErrorWeight * bits_per_squared_error_);
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

/// The context step that codes a latent of the tile.
int Refinement::StepOf(int v, int u, int channel) const {
  const int phase = (v & 1) * 2 + (u & 1), group = channel / (model_.latent_channels / 4);
  int step = 0;
  while (model_.phase_order[(group + step) % 4] != phase) ++step;
  return step;
}

/// From now on what a step aims at is that of the best.
void Refinement::Freeze(int step, const float* best, float* y) {
  const int m = model_.latent_channels;
  for (int v = 0; v < coded_.latents.h; ++v) {
    for (int u = 0; u < coded_.latents.w; ++u, best += m, y += m) {
      for (int c = 0; c < m; ++c) {
        if (StepOf(v, u, c) == step) y[c] = best[c];
      }
    }
  }
}

/// y, as far as it was coded, a part of the way to where the error would be least.
/// gradient: of the error by the window's latents, as g_s takes them
void Refinement::Move(const float* gradient, const Window& window, float part, int first_moving, float* y) {
  const int m = model_.latent_channels, group = m / 4, w = coded_.latents.w;
  constexpr auto kHalfCurvature = static_cast<float>(1 / (2 * kBitsPerSquaredStep));
  const float momentum = PaceOf(iterations_).momentum;
  workers_.ForRanges(coded_.latents.h, 1, [&](size_t first, size_t last) {
    for (size_t v = first; v < last; ++v) {
      for (int u = 0; u < w; ++u) {
        const size_t at = (v * w + u) * m;
        const float* g = gradient + window.Position(static_cast<int>(v), u) * m;
        for (int c = 0; c < m; ++c) {
          if (c % group == 0 && StepOf(static_cast<int>(v), u, c) < first_moving) {
            c += group - 1;
            continue;
          }
          float& velocity = velocity_.data()[at + c];
          velocity *= momentum;
          if (index_[at + c] != 0) {
            const float y_hat = static_cast<float>(coded_.latents.y_hat[at + c]) * kSixteenth;
            const float move = part * (y_hat - g[c] * tables_.inverse_gain_y[c] * kHalfCurvature - y[at + c]);
            velocity += std::fabs(move) < 1e4f ? move : 0;  // else of a broken g_s
            y[at + c] += velocity;
          }
        }
      }
    }
  });
}

uint64_t Refinement::Memory(const ModelData& model, int h, int w, TransformPrecision precision) {
  const uint64_t window_h = h + 2 * kMargin, window_w = w + 2 * kMargin, m = model.latent_channels;
  const uint64_t latents = uint64_t(h) * w * m, in_window = window_h * window_w * m;
  // y_hat of the entropy model, that of the best, indices, velocities, y of the best
  return SynthesisGradient::Memory(model.g_s, model.latent_channels, static_cast<int>(window_h),
                                   static_cast<int>(window_w), precision) +
         PostFilter::Memory(static_cast<int>(window_h) * kLatentPixels, static_cast<int>(window_w) * kLatentPixels, 1) +
         in_window * sizeof(float) + latents * (4 + 4 + 1 + 4 + 4);
}

}  // namespace lichen
