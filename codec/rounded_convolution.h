// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_ROUNDED_CONVOLUTION_H_
#define LICHEN_CODEC_ROUNDED_CONVOLUTION_H_

// The arithmetic of residual blocks that have steps (training/model.py, Rounded): both their convolutions take and
// multiply integers of 8 bits. Any type that holds the integers can carry them: bytes where the processor has
// instructions for these, floats elsewhere.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/model_data.h"
#include "codec/workers.h"

namespace lichen {

constexpr int kRoundedMax = 127;  // of activations and weights, either sign

/// A convolution of integers t = x / step: its output is scale[o] * sum of weight * t + bias[o].
struct RoundedWeights {
  std::vector<int8_t> weight;  // [out][in][kernel][kernel], round(weight * step / scale)
  std::vector<float> scale;    // [out], above 0: the largest weight of each output becomes 127
};

/// REQUIRES: data.step is not empty
RoundedWeights RoundWeights(const FloatConvolutionData& data);

/// dst = clamp(round(src / step), -127, 127), ties to even; of what is no number anything.
/// src: [pixels][channels]; dst: [pixels][pitch], of bytes, or [pixels][channels]; inverse_step: [channels]
/// pitch: channels, or what PitchFor gives for them
void RoundToSteps(const float* src, size_t pixels, const std::vector<float>& inverse_step, int pitch, int8_t* dst,
                  Workers& workers);
void RoundToSteps(const float* src, size_t pixels, const std::vector<float>& inverse_step, float* dst,
                  Workers& workers);

/// Where a convolution's outputs, floats, go rounded for the one that comes next; nowhere by default.
struct RoundedOutput {
  /// Of the first output, [positions][pitch]: with steps bytes (RoundToSteps), beside the floats; without bfloat16, 0
  /// beyond the channels, in place of the floats.
  uint8_t* dst = nullptr;
  const float* inverse_step = nullptr;  // [out], or null
  int pitch = 0;                        // elements

  size_t Element() const { return inverse_step ? 1 : 2; }  // bytes
};

/// 1 / step.
std::vector<float> Inverses(const std::vector<float>& step);

}  // namespace lichen

#endif  // LICHEN_CODEC_ROUNDED_CONVOLUTION_H_
