// SPDX-License-Identifier: Apache-2.0
#include "codec/dct.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codec/vectorised.h"

namespace lichen {
namespace {

// Functions for several instruction sets are seen outside a shared library unless they are local.

/// Of H.265: row v is cos((2n + 1) v pi / 16), times about 64, times sqrt(2) where v is not 0.
constexpr int kMatrix[8][8] = {{64, 64, 64, 64, 64, 64, 64, 64},     {89, 75, 50, 18, -18, -50, -75, -89},
                               {83, 36, -36, -83, -83, -36, 36, 83}, {75, -18, -89, -50, 50, 89, 18, -75},
                               {64, -64, -64, 64, 64, -64, -64, 64}, {50, -89, 18, 75, -75, -18, 89, -50},
                               {36, -83, 83, -36, -36, 83, -83, 36}, {18, -50, 75, -89, 89, -75, 50, -18}};

constexpr int32_t Saturate16(int32_t v) { return v < -32768 ? -32768 : v > 32767 ? 32767 : v; }

/// Rows that undo kMatrix but for what its rows lack in orthogonality, with the coefficients of an orthonormal
/// transform.
struct ForwardMatrix {
  float rows[8][8], columns[8][8];
  ForwardMatrix() {
    const double scale = std::sqrt(32768.0);  // of the matrix in both directions, which InverseDct divides by
    for (int v = 0; v < 8; ++v) {
      double square = 0;
      for (int n = 0; n < 8; ++n) square += double{1} * kMatrix[v][n] * kMatrix[v][n];
      for (int n = 0; n < 8; ++n) {
        rows[v][n] = columns[n][v] = static_cast<float>(kMatrix[v][n] * scale / square);
      }
    }
  }
};

using Row = float __attribute__((vector_size(32)));  // of 8, however many instructions that takes

LICHEN_VECTORISED
void Forward(const ForwardMatrix& matrix, const float* x, float* c) {
  Row rows[8], columns[8];
  std::memcpy(rows, x, sizeof rows);
  std::memcpy(columns, matrix.columns, sizeof columns);
  for (int v = 0; v < 8; ++v) {
    Row between = {}, sum = {};
    for (int n = 0; n < 8; ++n) between += matrix.rows[v][n] * rows[n];
    for (int n = 0; n < 8; ++n) sum += between[n] * columns[n];
    std::memcpy(c + 8 * v, &sum, sizeof sum);
  }
}

LICHEN_VECTORISED
void Inverse(const int16_t* quantised, int step, int16_t* samples) {
  int32_t c[64], between[64];
  for (int i = 0; i < 64; ++i) {
    const int32_t magnitude = ((quantised[i] < 0 ? -quantised[i] : quantised[i]) * step + 4) >> 3;
    const int32_t bounded = magnitude > 32767 ? 32767 : magnitude;
    c[i] = quantised[i] < 0 ? -bounded : bounded;
  }
  for (int y = 0; y < 8; ++y) {
    int32_t sum[8] = {};
    for (int v = 0; v < 8; ++v) {
      for (int u = 0; u < 8; ++u) sum[u] += kMatrix[v][y] * c[8 * v + u];
    }
    for (int u = 0; u < 8; ++u) between[8 * y + u] = Saturate16((sum[u] + 32) >> 6);
  }
  for (int y = 0; y < 8; ++y) {
    int32_t sum[8] = {};
    for (int u = 0; u < 8; ++u) {
      for (int x = 0; x < 8; ++x) sum[x] += between[8 * y + u] * kMatrix[u][x];
    }
    for (int x = 0; x < 8; ++x) samples[8 * y + x] = static_cast<int16_t>(Saturate16((sum[x] + 32) >> 6));
  }
}

// 2^14 / sqrt(3), / sqrt(2), / sqrt(6) and * 2 / sqrt(6).
constexpr int32_t kThird = 9459, kHalf = 11585, kSixth = 6689, kTwoSixths = 13377;

LICHEN_VECTORISED
void Rotate(const float* rgb, int count, int plane, float* planes) {
  constexpr float kThirdF = 0.57735027f, kHalfF = 0.70710678f, kSixthF = 0.40824829f;
  for (int i = 0; i < count; ++i) {
    // x is a sample / 255 - 0.5; levels about 0 are 255 x - 0.5.
    const float r = rgb[3 * i] * 255.0f - 0.5f, g = rgb[3 * i + 1] * 255.0f - 0.5f, b = rgb[3 * i + 2] * 255.0f - 0.5f;
    planes[i] = (r + g + b) * kThirdF;
    planes[plane + i] = (r - b) * kHalfF;
    planes[2 * plane + i] = (r - 2 * g + b) * kSixthF;
  }
}

LICHEN_VECTORISED
void RotateInverse(const int16_t* y, const int16_t* c1, const int16_t* c2, int count, int32_t* rgb) {
  for (int i = 0; i < count; ++i) {
    rgb[3 * i] = ClampSample(kThird * y[i] + kHalf * c1[i] + kSixth * c2[i]);
    rgb[3 * i + 1] = ClampSample(kThird * y[i] - kTwoSixths * c2[i]);
    rgb[3 * i + 2] = ClampSample(kThird * y[i] - kHalf * c1[i] + kSixth * c2[i]);
  }
}

LICHEN_VECTORISED
void Clamp(const int16_t* y, int count, int32_t* gray) {
  for (int i = 0; i < count; ++i) gray[i] = ClampSample(y[i] * (1 << 14));
}

}  // namespace

void ForwardDct(const float* samples, float* coefficients) {
  static const ForwardMatrix kForward;
  Forward(kForward, samples, coefficients);
}

void InverseDct(const int16_t* quantised, int step, int16_t* samples) {
  if (std::any_of(quantised + 1, quantised + kBlockSize, [](int16_t q) { return q != 0; })) {
    return Inverse(quantised, step, samples);
  }
  // What the arithmetic above makes of a mean alone: the mean.
  const int32_t magnitude = std::min((std::abs(int32_t{quantised[0]}) * step + 4) >> 3, 32767);
  std::fill_n(samples, kBlockSize, static_cast<int16_t>(quantised[0] < 0 ? -magnitude : magnitude));
}

void RotateColours(const float* rgb, int count, int plane, float* planes) { Rotate(rgb, count, plane, planes); }

void RotateBack(const int16_t* y, const int16_t* c1, const int16_t* c2, int count, int32_t* rgb) {
  RotateInverse(y, c1, c2, count, rgb);
}

void ClampGray(const int16_t* y, int count, int32_t* gray) { Clamp(y, count, gray); }

}  // namespace lichen
