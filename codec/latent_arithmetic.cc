// SPDX-License-Identifier: Apache-2.0
#include "codec/latent_arithmetic.h"

#include <algorithm>

#include "codec/fixed_point.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {  // functions of several versions are always visible outside of a shared library, unless they are local

// In all loops below: limits first, which are integers, so that the order of limit and floor does not matter; then the
// floor, as truncation less 1 where that rounded up. Factors come from a model that was checked, and are finite.

LICHEN_VECTORISED_FINITE
void MeansAndIndicesLoop(const int32_t* __restrict means, const int32_t* __restrict scales,
                         const double* __restrict factor, const int32_t* __restrict offset, int count,
                         int32_t* __restrict mean, int32_t* __restrict index) {
  for (int i = 0; i < count; ++i) {
    double v = means[i] * factor[i] + 0.5;
    v = v > INT16_MIN ? v : INT16_MIN;
    v = v < INT16_MAX ? v : INT16_MAX;
    const int32_t whole = static_cast<int32_t>(v);
    mean[i] = whole - (v < whole ? 1 : 0);
  }
  for (int i = 0; i < count; ++i) {
    int32_t v = (scales[i] - offset[i] + 8) >> 4;
    v = v > 0 ? v : 0;
    index[i] = v < kScaleTables - 1 ? v : kScaleTables - 1;
  }
}

LICHEN_VECTORISED
void RoundResidualsLoop(const float* __restrict y, const int32_t* __restrict mean, int count, float* __restrict exact,
                        int32_t* __restrict residual) {
  constexpr float kLimit = kResidualLimit;
  for (int i = 0; i < count; ++i) {
    float v = y[i] - static_cast<float>(mean[i]) / (1 << kSixteenthBits);
    exact[i] = v;
    v = v == v ? v : 0.0f;
    v = v > -kLimit ? v : -kLimit;
    v = v < kLimit ? v : kLimit;
    v += 0.5f;
    const int32_t whole = static_cast<int32_t>(v);
    residual[i] = whole - (v < static_cast<float>(whole) ? 1 : 0);
  }
}

LICHEN_VECTORISED
void ExactResidualsLoop(const float* __restrict y, const int32_t* __restrict mean, int count, float* __restrict exact) {
  constexpr float kLimit = kResidualLimit;
  for (int i = 0; i < count; ++i) {
    float v = y[i] - static_cast<float>(mean[i]) * (1.0f / (1 << kSixteenthBits));
    v = v == v ? v : 0.0f;
    v = v > -kLimit ? v : -kLimit;
    exact[i] = v < kLimit ? v : kLimit;
  }
}

LICHEN_VECTORISED_FINITE
void ValuesAndUnitsLoop(const int32_t* __restrict mean, const int32_t* __restrict residual, int32_t unit,
                        const double* __restrict factor, int count, int32_t* __restrict value,
                        uint8_t* __restrict positive, uint8_t* __restrict negative) {
  for (int i = 0; i < count; ++i) {
    value[i] = mean[i] + residual[i] * unit;
    double v = value[i] * factor[i] + 0.5;
    v = v > -kActivationMax ? v : -kActivationMax;
    v = v < kActivationMax ? v : kActivationMax;
    const int32_t whole = static_cast<int32_t>(v);
    const int32_t units = whole - (v < whole ? 1 : 0), opposite = -units;
    positive[i] = static_cast<uint8_t>(std::max(units, 0));
    negative[i] = static_cast<uint8_t>(std::max(opposite, 0));
  }
}

LICHEN_VECTORISED_FINITE
void RequantiseHeadLoop(const int32_t* __restrict acc, const int32_t* __restrict bias, const double* __restrict scale,
                        int count, int32_t* __restrict dst) {
  for (int i = 0; i < count; ++i) {
    double v = (acc[i] + bias[i]) * scale[i] + 0.5;
    v = v > -kHeadLimit ? v : -kHeadLimit;
    v = v < kHeadLimit ? v : kHeadLimit;
    const int32_t whole = static_cast<int32_t>(v);
    dst[i] = whole - (v < whole ? 1 : 0);
  }
}

}  // namespace

void MeansAndIndices(const int32_t* means, const int32_t* scales, const double* factor, const int32_t* offset,
                     int count, int32_t* mean, int32_t* index) {
  MeansAndIndicesLoop(means, scales, factor, offset, count, mean, index);
}

void RoundResiduals(const float* y, const int32_t* mean, int count, float* exact, int32_t* residual) {
  RoundResidualsLoop(y, mean, count, exact, residual);
}

void ExactResiduals(const float* y, const int32_t* mean, int count, float* exact) {
  ExactResidualsLoop(y, mean, count, exact);
}

void ValuesAndUnits(const int32_t* mean, const int32_t* residual, int32_t unit, const double* factor, int count,
                    int32_t* value, uint8_t* positive, uint8_t* negative) {
  ValuesAndUnitsLoop(mean, residual, unit, factor, count, value, positive, negative);
}

void RequantiseHead(const int32_t* acc, const int32_t* bias, const double* scale, int count, int32_t* dst) {
  RequantiseHeadLoop(acc, bias, scale, count, dst);
}

}  // namespace lichen
