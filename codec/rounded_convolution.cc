// SPDX-License-Identifier: Apache-2.0
#include "codec/rounded_convolution.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "codec/convolution_amx.h"
#include "codec/rearrangement.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

/// factors: by weight of a row. Returns the largest magnitude. Bits of positive floats are in the order of their
/// values, and the largest of integers is found by vectors.
LICHEN_VECTORISED
float MultiplyRow(const float* weights, const float* factors, size_t count, float* products) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    products[i] = weights[i] * factors[i];
    uint32_t bits;
    std::memcpy(&bits, products + i, 4);
    bits &= 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  float magnitude;
  std::memcpy(&magnitude, &largest, 4);
  return magnitude;
}

/// floor(value / scale + 0.5)
LICHEN_VECTORISED
void RoundRow(const float* values, float scale, size_t count, int8_t* dst) {
  constexpr float kUp = kRoundedMax + 0.5f;  // what is cut off is then above 0
  for (size_t i = 0; i < count; ++i) {
    dst[i] = static_cast<int8_t>(static_cast<int>(values[i] / scale + kUp) - kRoundedMax);
  }
}

/// Adding it to a float leaves the nearest whole number in the lowest bits: 1.5 * 2^23.
constexpr float kRounder = 12582912.0f;

LICHEN_VECTORISED_FINITE
void RoundPixels(const float* src, size_t pixels, size_t channels, const float* inverse_step, int8_t* dst) {
  for (size_t p = 0; p < pixels; ++p, src += channels, dst += channels) {
    for (size_t c = 0; c < channels; ++c) {
      float v = src[c] * inverse_step[c];
      v = v < -kRoundedMax ? -kRoundedMax : v;
      v = v > kRoundedMax ? kRoundedMax : v;
      v += kRounder;
      int32_t bits;
      std::memcpy(&bits, &v, 4);
      dst[c] = static_cast<int8_t>(bits);
    }
  }
}

LICHEN_VECTORISED_FINITE
void RoundPixelsAsFloats(const float* src, size_t pixels, size_t channels, const float* inverse_step, float* dst) {
  for (size_t p = 0; p < pixels; ++p, src += channels, dst += channels) {
    for (size_t c = 0; c < channels; ++c) {
      float v = src[c] * inverse_step[c];
      v = v < -kRoundedMax ? -kRoundedMax : v;
      v = v > kRoundedMax ? kRoundedMax : v;
      dst[c] = (v + kRounder) - kRounder;
    }
  }
}

/// work(offset, pixels, channels, inverse_step), with several pixels taken for one of more channels, since loops work
/// on 64 numbers at a time.
template <typename Work>
void ForPixels(size_t pixels, const std::vector<float>& inverse_step, Workers& workers, const Work& work) {
  const size_t channels = inverse_step.size(), together = std::lcm<size_t>(channels, 64) / channels;
  std::vector<float> repeated;
  for (size_t i = 0; i < together; ++i) repeated.insert(repeated.end(), inverse_step.begin(), inverse_step.end());
  const size_t size = repeated.size(), groups = pixels / together;
  workers.ForRanges(groups, kLeastElements / size + 1,
                    [&](size_t begin, size_t end) { work(begin * size, end - begin, size, repeated.data()); });
  work(groups * size, pixels % together, channels, inverse_step.data());
}

}  // namespace

RoundedWeights RoundWeights(const FloatConvolutionData& data) {
  const size_t taps = static_cast<size_t>(data.kernel) * data.kernel, row = data.in * taps;
  std::vector<float> factors(row), products(row);
  for (size_t i = 0; i < row; ++i) factors[i] = data.step[i / taps];
  RoundedWeights rounded;
  rounded.weight.resize(data.out * row);
  for (int o = 0; o < data.out; ++o) {
    const float largest = MultiplyRow(data.weight.data() + o * row, factors.data(), row, products.data());
    rounded.scale.push_back(largest > 0 ? largest / kRoundedMax : 1.0f);
    RoundRow(products.data(), rounded.scale.back(), row, rounded.weight.data() + o * row);
  }
  return rounded;
}

void RoundToSteps(const float* src, size_t pixels, const std::vector<float>& inverse_step, int pitch, int8_t* dst,
                  Workers& workers) {
  const size_t all = inverse_step.size();
  if (static_cast<size_t>(pitch) != all) {
    workers.ForRanges(pixels, kLeastElements / all + 1, [&](size_t begin, size_t end) {
      TileConvolution::Round(src + begin * all, end - begin, inverse_step, pitch, dst + begin * pitch);
    });
    return;
  }
  ForPixels(pixels, inverse_step, workers, [&](size_t at, size_t count, size_t channels, const float* inverse) {
    RoundPixels(src + at, count, channels, inverse, dst + at);
  });
}
void RoundToSteps(const float* src, size_t pixels, const std::vector<float>& inverse_step, float* dst,
                  Workers& workers) {
  ForPixels(pixels, inverse_step, workers, [&](size_t at, size_t count, size_t channels, const float* inverse) {
    RoundPixelsAsFloats(src + at, count, channels, inverse, dst + at);
  });
}

std::vector<float> Inverses(const std::vector<float>& step) {
  std::vector<float> inverses;
  for (const float s : step) inverses.push_back(1 / s);
  return inverses;
}

}  // namespace lichen
