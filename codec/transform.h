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

/// Tensors of transforms that run one after the other, so that they can share them.
struct TransformMemory {
  Scratch<float> x, next, middle;
  Scratch<uint16_t> half, middle_half;
};

/// Some layers of a transform, borrowed.
class Layers {
 public:
  Layers() = default;
  Layers(const std::vector<FloatLayer>& all) : Layers(all.data(), all.data() + all.size()) {}
  Layers(const FloatLayer* begin, const FloatLayer* end) : begin_(begin), end_(end) {}
  const FloatLayer* begin() const { return begin_; }
  const FloatLayer* end() const { return end_; }
  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  const FloatLayer& operator[](size_t i) const { return begin_[i]; }

 private:
  const FloatLayer *begin_ = nullptr, *end_ = nullptr;
};

/// Runs a transform on windows of any size. Zero padding at the window's edge stands for the canvas edge; where the
/// window ends inside the canvas, its outer margin (below) comes out wrong and is to be dropped.
class Transform {
 public:
  /// Borrows nothing: weights are copied. memory: null for some of its own; if shared, each Run ends the life of what
  /// the others returned, except that it takes the result of the one before as `src`
  Transform(Layers layers, int quality_index, Precision precision, std::shared_ptr<TransformMemory> memory = nullptr);
  ~Transform();

  /// Room for a window. What is written there Run takes without a copy; it ends the life of the last result.
  float* Input(int h, int w);

  /// src: [h][w][input channels]; the result, [h'][w'][output channels], stays valid until the next call.
  /// errors: kOutOfMemory, kInternal
  Result<const float*> Run(const float* src, int h, int w);

  /// Bytes kept for windows of this size. own_input: whether they are written to Input
  static uint64_t Memory(Layers layers, int input_channels, int h, int w, Precision precision, bool own_input);

 private:
  struct Step;
  std::vector<Step> steps_;
  int input_channels_;
  std::shared_ptr<TransformMemory> memory_;
};

/// Input positions on each side of a window that reach into its outputs: the receptive field's radius.
int MarginOf(Layers layers);

/// Multiply-adds per input position of the layers.
double MultiplyAdds(Layers layers);

}  // namespace lichen

#endif  // LICHEN_CODEC_TRANSFORM_H_
