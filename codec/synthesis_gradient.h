// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_SYNTHESIS_GRADIENT_H_
#define LICHEN_CODEC_SYNTHESIS_GRADIENT_H_

// g_s and its gradient: how a function of the picture that it gives changes with each of the latents that it takes.

#include <array>
#include <cstdint>
#include <vector>

#include "codec/convolution.h"
#include "codec/model_data.h"
#include "codec/scratch.h"
#include "codec/transform.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

/// Runs layers forwards, keeping what the way back needs, and backwards. The way back is made of convolutions too, with
/// the weights of the same layers transposed and turned by 180 degrees.
class SynthesisGradient {
 public:
  /// Borrows `workers`; weights are copied. REQUIRES: Supports(layers)
  SynthesisGradient(Layers layers, int quality_index, TransformPrecision precision, Workers& workers);

  /// Whether all convolutions are of stride 1.
  static bool Supports(Layers layers);

  /// y_hat [h][w][M], with quantisation steps multiplied in -> [h'][w'][channels], valid until the next call of either
  /// function. The canvas ends where `y_hat` does. errors: kOutOfMemory, kInternal
  Result<const float*> Run(const float* y_hat, int h, int w);

  /// Room for a gradient as large as the last Run's result.
  float* Gradient();

  /// From the gradient of a function by the last Run's result, in Gradient(), that by what Run took, valid until the
  /// next call of either function. errors: kOutOfMemory, kInternal
  Result<const float*> Back();

  /// Bytes for a canvas of h x w.
  static uint64_t Memory(Layers layers, int input_channels, int h, int w, TransformPrecision precision);

 private:
  struct Step {
    FloatLayer::Type type;
    int in = 0, out = 0, middle = 0, factor = 1;
    std::array<int, 2> kernels{};
    float slope = 1;                                    // of the branch's units below 0
    Precision taken = Precision::kFloat32;              // by the convolutions forwards
    std::vector<float> inverse_step;                    // of the integers that a residual block takes, if it does
    std::vector<FloatConvolution> forwards, backwards;  // one, or two in a residual block: first, second
    std::vector<float> gain;
    // What a residual block's first convolution gave, one of the three.
    Scratch<float> kept;
    Scratch<uint16_t> kept_half;
    Scratch<int8_t> kept_bytes;
  };

  Status AddBranch(Step& step);
  Status AddBranchBack(Step& step);
  // On what x_ holds.
  void Multiply(const std::vector<float>& gain);
  void ToDepth(int factor);
  void ToSpace(int factor);
  /// Floats in x_ as the convolutions of the way back take them.
  const void* Converted(size_t count);

  Workers& workers_;
  Precision precision_;  // of the way back
  std::vector<Step> steps_;
  int channels_ = 0, h_ = 0, w_ = 0;  // of what x_ holds
  Scratch<float> x_, next_, middle_;
  Scratch<uint16_t> half_, middle_half_;
  Scratch<float> rounded_;
  Scratch<int8_t> rounded_bytes_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_SYNTHESIS_GRADIENT_H_
