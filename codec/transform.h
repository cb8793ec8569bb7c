// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TRANSFORM_H_
#define LICHEN_CODEC_TRANSFORM_H_

// The float transforms g_a, g_s and h_a: a chain of layers on channels-last tensors [h][w][channels].

#include <cstdint>
#include <memory>
#include <vector>

#include "codec/convolution.h"
#include "codec/model_data.h"
#include "codec/scratch.h"
#include "lichen/status.h"

namespace lichen {

/// Runs a transform on windows of any size. Zero padding at the window's edge stands for the canvas edge; where the
/// window ends inside the canvas, its outer margin (below) comes out wrong and is to be dropped.
class Transform {
 public:
  /// Borrows nothing: weights are copied.
  Transform(const std::vector<FloatLayer>& layers, int quality_index, Precision precision);
  ~Transform();

  /// src: [h][w][input channels]; the result, [h'][w'][output channels], stays valid until the next call.
  /// errors: kOutOfMemory, kInternal
  Result<const float*> Run(const float* src, int h, int w);

  /// Bytes that Run keeps for windows of this size.
  static uint64_t Memory(const std::vector<FloatLayer>& layers, int input_channels, int h, int w, Precision precision);

 private:
  struct Step;
  Precision precision_;
  std::vector<Step> steps_;
  int input_channels_;
  Scratch<float> x_, next_, middle_;
  Scratch<uint16_t> half_, middle_half_;
};

/// Input positions on each side of a window that reach into its outputs: the receptive field's radius.
int MarginOf(const std::vector<FloatLayer>& layers);

/// Multiply-adds per input position of the layers.
double MultiplyAdds(const std::vector<FloatLayer>& layers);

}  // namespace lichen

#endif  // LICHEN_CODEC_TRANSFORM_H_
