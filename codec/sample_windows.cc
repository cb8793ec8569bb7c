// SPDX-License-Identifier: Apache-2.0
#include "codec/sample_windows.h"

#include <algorithm>
#include <cmath>

#include "codec/fixed_point.h"
#include "codec/view.h"

namespace lichen {
namespace {

constexpr int kMostPositions = 2048;  // of a canvas that is taken whole
// A canvas of more has room for two quick windows, which must tell of each other.
constexpr int kMostQuickPositions = (2 * SampleWindows::kSide - 1) * (2 * SampleWindows::kSide - 1);
constexpr int kPositionsPerQuickWindow = 512;
constexpr int kWindows = 16, kFewestWindows = 3;

/// The range of window i of `count` along a side of the canvas.
Span Place(int i, int count, int size) {
  const int side = std::min(SampleWindows::kSide, size);
  const int centre = static_cast<int>((2 * int64_t{i} + 1) * size / (2 * int64_t{count}));
  const int begin = std::clamp(centre - side / 2, 0, size - side);
  return {begin, begin + side};
}

}  // namespace

SampleWindows::SampleWindows(const TileGrid& grid, int latent_channels, bool quick)
    : height_(grid.height()), width_(grid.width()), channels_(latent_channels), whole_(AreWhole(grid, quick)) {
  if (whole_) {
    windows_.push_back({{0, height_}, {0, width_}, {}, {}});
  } else {
    const int64_t area = int64_t{height_} * width_;
    const int64_t quick_windows = std::max<int64_t>(area / kPositionsPerQuickWindow, kFewestWindows);
    const int windows = kWindows * kSide / std::min({height_, width_, kSide});  // more where they are narrow
    const int count = quick ? static_cast<int>(std::min<int64_t>(quick_windows, kWindows)) : windows;
    const double aspect = std::sqrt(static_cast<double>(height_) / width_ * count);
    const int rows = std::clamp(static_cast<int>(std::lround(aspect)), 1, std::clamp(height_ / kSide, 1, count));
    const int columns = std::clamp(count / rows, 1, std::max(1, width_ / kSide));
    for (int v = 0; v < rows; ++v) {
      for (int u = 0; u < columns; ++u) {
        windows_.push_back({Place(v, rows, height_), Place(u, columns, width_), {}, {}});
      }
    }
  }
  for (Window& window : windows_) {
    const size_t positions = static_cast<size_t>(window.rows.size()) * window.columns.size();
    window.samples.resize(positions * kLatentPixels * kLatentPixels * 3);
    window.y_hat.resize(positions * channels_);
  }
}

void SampleWindows::TakePixels(const PictureRows& picture, Span rows) {
  for (Window& window : windows_) {
    const Span common = Common(rows, window.rows);
    const int pixels = window.columns.size() * kLatentPixels;
    for (int y = common.begin * kLatentPixels; y < common.end * kLatentPixels; ++y) {
      const size_t row = static_cast<size_t>(y - window.rows.begin * kLatentPixels);
      picture.GetWords(y, window.columns.begin * kLatentPixels, pixels, window.samples.data() + row * pixels * 3);
    }
  }
}

std::vector<bool> SampleWindows::RowsWanted(Span rows, Span columns) const {
  std::vector<bool> wanted(rows.size(), false);
  for (const Window& window : windows_) {
    if (Common(columns, window.columns).size() <= 0) continue;
    const Span common = Common(rows, window.rows);
    for (int v = common.begin; v < common.end; ++v) wanted[v - rows.begin] = true;
  }
  return wanted;
}

void SampleWindows::TakeLatents(Span rows, Span columns, const Latents& latents) {
  for (Window& window : windows_) {
    const Span v_range = Common(rows, window.rows), u_range = Common(columns, window.columns);
    if (u_range.size() <= 0) continue;
    for (int v = v_range.begin; v < v_range.end; ++v) {
      const size_t from = (static_cast<size_t>(v - rows.begin) * columns.size() + u_range.begin - columns.begin);
      const size_t to =
          static_cast<size_t>(v - window.rows.begin) * window.columns.size() + u_range.begin - window.columns.begin;
      const int32_t* y_hat = latents.y_hat.data() + from * channels_;
      float* out = window.y_hat.data() + to * channels_;
      for (int i = 0; i < u_range.size() * channels_; ++i) {
        out[i] = static_cast<float>(y_hat[i]) * (1.0f / (1 << kSixteenthBits));
      }
    }
  }
}

void SampleWindows::TakeLatents(const float* y, const std::vector<float>& scale) {
  for (Window& window : windows_) {
    float* out = window.y_hat.data();
    for (int v = window.rows.begin; v < window.rows.end; ++v) {
      const float* from = y + (static_cast<size_t>(v) * width_ + window.columns.begin) * channels_;
      for (int i = 0; i < window.columns.size() * channels_; ++i) *out++ = *from++ * scale[i % channels_];
    }
  }
}

bool SampleWindows::AreWhole(const TileGrid& grid, bool quick) {
  return int64_t{grid.height()} * grid.width() <= (quick ? kMostQuickPositions : kMostPositions);
}

uint64_t SampleWindows::Memory(const TileGrid& grid, int latent_channels) {
  const uint64_t most = std::max<uint64_t>(kMostPositions, uint64_t{kWindows} * kSide * kSide);
  const uint64_t positions = std::min<uint64_t>(uint64_t(grid.height()) * grid.width(), most);
  return positions * (kLatentPixels * kLatentPixels * 3 * sizeof(uint16_t) + latent_channels * sizeof(float));
}

}  // namespace lichen
