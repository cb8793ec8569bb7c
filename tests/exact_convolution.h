// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_EXACT_CONVOLUTION_H_
#define LICHEN_TESTS_EXACT_CONVOLUTION_H_

// Convolutions in 8-bit integers whose results are known exactly.

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "codec/model_data.h"

namespace lichen::test {

/// A convolution whose numbers are all multiples of powers of 2, so that neither scales nor sums round: steps, scales
/// and output steps are powers of 2, weights and biases whole multiples of them.
/// As the first of a block it has output steps, 2^least to 2^most of which are about the deviation of its sums; the
/// second takes these.
struct ExactConvolution {
  FloatConvolutionData data;
  std::vector<int> weight, bias;               // in units
  std::vector<int> step, scale, output_scale;  // log2
  std::vector<float> output_step;

  ExactConvolution(int in, int out, int kernel, bool relu, int least, int most, std::mt19937& random,
                   const ExactConvolution* before = nullptr) {
    data.in = in, data.out = out, data.kernel = kernel, data.relu = relu, data.slope = relu ? 0.25f : 0.0f;
    const auto between = [&](int low, int high) { return low + static_cast<int>(random() % (high - low + 1)); };
    for (int i = 0; i < in; ++i) {
      step.push_back(before ? before->output_scale[i] : between(-6, 2));
      data.step.push_back(std::ldexp(1.0f, step.back()));
    }
    const size_t taps = static_cast<size_t>(kernel) * kernel, row = in * taps;
    const int deviation = static_cast<int>(std::log2(73 * 73 * std::sqrt(row)));  // of sums
    for (int o = 0; o < out; ++o) {
      scale.push_back(before ? between(-20, -17) : between(-12, -8));
      output_scale.push_back(scale.back() + deviation - between(least, most));
      output_step.push_back(std::ldexp(1.0f, output_scale.back()));
      for (size_t i = 0; i < row; ++i) {
        weight.push_back(i == o % row ? 127 : between(-127, 127));
        data.weight.push_back(std::ldexp(static_cast<float>(weight.back()), scale.back() - step[i / taps]));
      }
      bias.push_back(between(-5000, 5000));
      data.bias.push_back(std::ldexp(static_cast<float>(bias.back()), scale.back()));
    }
  }

  /// Sums in units of the scales, at output row y and column x.
  int Sum(const std::vector<int8_t>& t, int h, int w, int top, int y, int x, int o) const {
    const int k = data.kernel;
    int sum = bias[o];
    for (int ky = 0; ky < k; ++ky) {
      for (int kx = 0; kx < k; ++kx) {
        const int sy = y + ky - top, sx = x + kx - k / 2;
        if (sy < 0 || sy >= h || sx < 0 || sx >= w) continue;
        for (int i = 0; i < data.in; ++i) {
          sum += weight[((static_cast<size_t>(o) * data.in + i) * k + ky) * k + kx] *
                 t[(static_cast<size_t>(sy) * w + sx) * data.in + i];
        }
      }
    }
    return sum;
  }
};

}  // namespace lichen::test

#endif  // LICHEN_TESTS_EXACT_CONVOLUTION_H_
