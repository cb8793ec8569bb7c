// SPDX-License-Identifier: Apache-2.0
#include "codec/post_filter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codec/fixed_point.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

constexpr int kPixels = PostFilterRows::kPixels;
constexpr int kColours = 3;
constexpr size_t kWeights = size_t{kPostFilterFeatures} * kColours;
// Features in their order: polynomials of Y, U and V, second differences in four directions of each, the same of
// differences that are limited, and products with Y's.
constexpr int kSecond = 20, kLimited = kSecond + 12, kMixed = kLimited + 12;
constexpr float kLimit = 0.01f;

/// ITU-R BT.601. Samples beyond white and black are limited first, as they will be at last, and what is no number
/// becomes one here, so that all that follows need not ask. to: [3][pitch]
LICHEN_VECTORISED
void ToPlanes(const float* rgb, int pixels, size_t pitch, float* to) {
  float *luma = to, *blue = to + pitch, *red = to + 2 * pitch;
#pragma omp simd
  for (int i = 0; i < pixels; ++i) {
    float r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
    r = r > -0.5f ? r : -0.5f;
    g = g > -0.5f ? g : -0.5f;
    b = b > -0.5f ? b : -0.5f;
    r = r < 0.5f ? r : 0.5f;
    g = g < 0.5f ? g : 0.5f;
    b = b < 0.5f ? b : 0.5f;
    luma[i] = 0.299f * r + 0.587f * g + 0.114f * b;
    blue[i] = -0.168736f * r - 0.331264f * g + 0.5f * b;
    red[i] = 0.5f * r - 0.418688f * g - 0.081312f * b;
  }
}

LICHEN_VECTORISED_FINITE
void Polynomials(const float* luma, const float* blue, const float* red, int pixels, float* to) {
#pragma omp simd
  for (int i = 0; i < pixels; ++i) {
    const float y = luma[i], u = blue[i], v = red[i];
    const float yy = y * y, yu = y * u, yv = y * v, uu = u * u, uv = u * v, vv = v * v;
    float* out = to + i;
    out[0 * kPixels] = 1.0f;
    out[1 * kPixels] = y;
    out[2 * kPixels] = u;
    out[3 * kPixels] = v;
    out[4 * kPixels] = yy;
    out[5 * kPixels] = yu;
    out[6 * kPixels] = yv;
    out[7 * kPixels] = uu;
    out[8 * kPixels] = uv;
    out[9 * kPixels] = vv;
    out[10 * kPixels] = y * yy;
    out[11 * kPixels] = u * yy;
    out[12 * kPixels] = v * yy;
    out[13 * kPixels] = y * uu;
    out[14 * kPixels] = y * uv;
    out[15 * kPixels] = y * vv;
    out[16 * kPixels] = u * uu;
    out[17 * kPixels] = v * uu;
    out[18 * kPixels] = u * vv;
    out[19 * kPixels] = v * vv;
  }
}

/// Differences of a pixel and its neighbours, those of opposite ones added: as they are, and limited. sums, limited:
/// [4][kPixels], by direction
LICHEN_VECTORISED_FINITE
void Differences(const float* above, const float* pixel, const float* below, int pixels, float* sums, float* limited) {
  const float* const sides[4][2] = {
      {pixel + 1, pixel - 1}, {below, above}, {below + 1, above - 1}, {below - 1, above + 1}};
  for (int k = 0; k < 4; ++k) {
    const float *a = sides[k][0], *b = sides[k][1];
    float *sum = sums + k * kPixels, *of_limited = limited + k * kPixels;
#pragma omp simd
    for (int i = 0; i < pixels; ++i) {
      const float first = a[i] - pixel[i], second = b[i] - pixel[i];
      float p = first > -kLimit ? first : -kLimit, q = second > -kLimit ? second : -kLimit;
      p = p < kLimit ? p : kLimit;
      q = q < kLimit ? q : kLimit;
      sum[i] = first + second;
      of_limited[i] = p + q;
    }
  }
}

/// The sum of those differences' magnitudes.
LICHEN_VECTORISED_FINITE
void Activity(const float* above, const float* pixel, const float* below, int pixels, float* activity) {
  const float* const neighbours[8] = {pixel + 1, pixel - 1, below, above, below + 1, above - 1, below - 1, above + 1};
  for (int i = 0; i < pixels; ++i) activity[i] = 0;
  for (const float* neighbour : neighbours) {
#pragma omp simd
    for (int i = 0; i < pixels; ++i) {
      const float difference = neighbour[i] - pixel[i];
      activity[i] += difference > 0 ? difference : -difference;
    }
  }
}

LICHEN_VECTORISED_FINITE
void Mixed(const float* features, const float* activities, int pixels, float* to) {
  const float* second = features + kSecond * kPixels;
#pragma omp simd
  for (int i = 0; i < pixels; ++i) {
    const float y = features[kPixels + i], u = features[2 * kPixels + i], v = features[3 * kPixels + i];
    const float laplacian = second[i] + second[kPixels + i] + second[2 * kPixels + i] + second[3 * kPixels + i];
    const float activity = activities[i];
    to[i] = y * laplacian;
    to[kPixels + i] = activity;
    to[2 * kPixels + i] = activity * u;
    to[3 * kPixels + i] = activity * v;
    to[4 * kPixels + i] = u * laplacian;
    to[5 * kPixels + i] = v * laplacian;
  }
}

/// sums: [3][kPixels], of which those of the pixels are set, and up to 15 more
LICHEN_VECTORISED
void WeighFeatures(const float* features, const float* weights, int pixels, float* sums) {
  for (int begin = 0; begin < pixels; begin += 16) {
    float r[16] = {}, g[16] = {}, b[16] = {};
    for (int f = 0; f < kPostFilterFeatures; ++f) {
      const float* feature = features + f * kPixels + begin;
      for (int i = 0; i < 16; ++i) {
        r[i] += weights[3 * f] * feature[i];
        g[i] += weights[3 * f + 1] * feature[i];
        b[i] += weights[3 * f + 2] * feature[i];
      }
    }
    std::memcpy(sums + begin, r, sizeof r);
    std::memcpy(sums + kPixels + begin, g, sizeof g);
    std::memcpy(sums + 2 * kPixels + begin, b, sizeof b);
  }
}

LICHEN_VECTORISED
void AddSums(const float* row, const float* sums, int pixels, float* to) {
#pragma omp simd
  for (int i = 0; i < pixels; ++i) {
    to[3 * i] = row[3 * i] + sums[i];
    to[3 * i + 1] = row[3 * i + 1] + sums[kPixels + i];
    to[3 * i + 2] = row[3 * i + 2] + sums[2 * kPixels + i];
  }
}

}  // namespace

int PostFilterReach(const ModelData& model, int scale) { return !model.post_filter.mean.empty() && scale <= 4 ? 1 : 0; }

std::vector<float> PostFilterWeights(const PostFilterData& filter, int quality_index,
                                     const bitstream::PostFilterCoefficients& coefficients) {
  const int anchor = std::min(quality_index / kQualitySteps, kQualityAnchors - 2);
  const double share = static_cast<double>(quality_index - anchor * kQualitySteps) / kQualitySteps;
  const double amplitude = GainsAtQuality(filter.amplitude, 1, quality_index)[0];
  const float *below = filter.mean.data() + anchor * kWeights, *above = below + kWeights;
  std::vector<float> weights(kWeights);
  for (size_t i = 0; i < kWeights; ++i) {
    double sum = 0;
    for (size_t k = 0; k < coefficients.values.size(); ++k) {
      sum += std::ldexp(coefficients.values[k], -coefficients.precision) * filter.components[k * kWeights + i];
    }
    weights[i] = static_cast<float>((1 - share) * below[i] + share * above[i] + amplitude * sum);
  }
  return weights;
}

void DropNeighbours(std::vector<float>* weights) {
  std::fill(weights->begin() + kSecond * kColours, weights->end(), 0.0f);
}

void PostFilterRows::Begin(const float* above, const float* row, const float* below, int width) {
  width_ = width;
  Set(above, &rows_[0]);
  Set(row, &rows_[1]);
  Set(below, &rows_[2]);
}

void PostFilterRows::Next(const float* below) {
  std::rotate(rows_.begin(), rows_.begin() + 1, rows_.end());
  Set(below, &rows_[2]);
}

void PostFilterRows::Set(const float* row, Planes* planes) const {
  const size_t pitch = static_cast<size_t>(width_) + 2;
  planes->resize(kColours * pitch);
  ToPlanes(row, width_, pitch, planes->data() + 1);
  for (int c = 0; c < kColours; ++c) {
    float* plane = planes->data() + c * pitch;
    plane[0] = plane[1];
    plane[pitch - 1] = plane[pitch - 2];
  }
}

void PostFilterRows::Features(int x, int pixels, float* features) const {
  const size_t pitch = static_cast<size_t>(width_) + 2;
  const auto at = [&](int row, int c) { return rows_[row].data() + c * pitch + x + 1; };
  Polynomials(at(1, 0), at(1, 1), at(1, 2), pixels, features);
  for (int c = 0; c < kColours; ++c) {
    Differences(at(0, c), at(1, c), at(2, c), pixels, features + (kSecond + 4 * c) * kPixels,
                features + (kLimited + 4 * c) * kPixels);
  }
  float activity[kPixels];
  Activity(at(0, 0), at(1, 0), at(2, 0), pixels, activity);
  Mixed(features, activity, pixels, features + kMixed * kPixels);
}

void PostFilter::Begin(int width) {
  width_ = width;
  begun_ = false;
}

Strip PostFilter::Next(Strip x_hat, bool last) {
  const size_t row = static_cast<size_t>(width_) * kColours;
  // Rows that are at hand, from the one above what comes next on.
  std::vector<const float*> rows;
  if (begun_) rows = {before_.data(), row_.data()};
  for (int v = 0; v < x_hat.h; ++v) rows.push_back(x_hat.rows + v * row);
  if (!begun_ && !rows.empty()) rows.insert(rows.begin(), rows.front());
  if (rows.empty()) return {out_.data(), 0};
  if (last) rows.push_back(rows.back());
  const int h = std::max(0, static_cast<int>(rows.size()) - 2);
  float* out = out_.Reserve(row * std::max(1, h));
  workers_.ForRanges(h, (1 << 14) / width_ + 1, [&](size_t begin, size_t end) {
    if (begin == end) return;
    PostFilterRows around;
    around.Begin(rows[begin], rows[begin + 1], rows[begin + 2], width_);
    for (size_t v = begin; v < end; ++v) {
      if (v > begin) around.Next(rows[v + 2]);
      Filter(around, rows[v + 1], out + v * row);
    }
  });
  if (!last) {
    std::vector<float> before(rows.end()[-2], rows.end()[-2] + row), next(rows.back(), rows.back() + row);
    before_.swap(before);
    row_.swap(next);
    begun_ = true;
  }
  return {out, h};
}

void PostFilter::Filter(PostFilterRows& around, const float* row, float* to) const {
  alignas(64) float features[kPostFilterFeatures * kPixels], sums[kColours * kPixels];
  for (int x = 0; x < width_; x += kPixels) {
    const int pixels = std::min(kPixels, width_ - x);
    around.Features(x, pixels, features);
    for (int f = 0; pixels % 16 != 0 && f < kPostFilterFeatures; ++f) {  // what is summed up with them
      std::fill_n(features + f * kPixels + pixels, 16 - pixels % 16, 0.0f);
    }
    WeighFeatures(features, weights_.data(), pixels, sums);
    AddSums(row + static_cast<size_t>(x) * kColours, sums, pixels, to + static_cast<size_t>(x) * kColours);
  }
}

uint64_t PostFilter::Memory(int h, int width, int threads) {
  // The last strip gives a row more than it has; two rows are kept while the next two are copied.
  const uint64_t rows = static_cast<uint64_t>(h) + 5 + 3 * static_cast<uint64_t>(threads);
  return rows * (static_cast<uint64_t>(width) + 2) * kColours * sizeof(float);
}

}  // namespace lichen
