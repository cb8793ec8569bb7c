// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TRANSFORM_H_
#define LICHEN_CODEC_TRANSFORM_H_

// The float transforms g_a, g_s and h_a: a chain of layers on channels-last tensors [h][w][channels], which are taken
// and given strip by strip, so that what lies between layers stays in the processor's caches and is computed once.

#include <cstdint>
#include <memory>
#include <vector>

#include "codec/convolution.h"
#include "codec/model_data.h"
#include "codec/scratch.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

/// Whether a convolution outside residual blocks runs in bfloat16 where those do. The trunk carries the picture itself:
/// all of it in bfloat16 would lose 0.1 dB at high qualities, and errors add up over smooth areas. Found by experiment
/// (docs/performance.md): the convolutions that take 128 channels, between 1/8 and 1/16 of the resolution, lose next to
/// nothing at any quality, and so do those that give fewer numbers than they take, all of an encoder; those next to
/// pixels, of 48 channels, and next to latents, of 512, do.
bool TakesBfloat16(const FloatConvolutionData& trunk);

/// What the convolutions of a layer take. REQUIRES: it has some
Precision TakenBy(const FloatLayer& layer, TransformPrecision precision);

/// Tensors of transforms that run one after the other, so that they can share them.
struct TransformMemory {
  Scratch<float> x, next;
  Scratch<int8_t> pixels;
  Scratch<uint8_t> taken, middle;  // what convolutions take, and inside residual blocks, in elements of any type
  Scratch<uint8_t> rounded, next_rounded;  // what convolutions take that the layers before have rounded
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

/// Whether the first convolution, after a space-to-depth, takes pixels as integers.
bool TakesPixels(Layers layers);

/// What a layer of those computes in, where all compute in `precision`.
TransformPrecision PrecisionOf(const FloatLayer& layer, Layers layers, TransformPrecision precision);

/// Rows of a tensor.
struct Strip {
  const float* rows = nullptr;
  int h = 0;
};

/// Runs a transform on a canvas of any size, from top to bottom. Each layer keeps the last rows that it needs again, so
/// that strips give the same as the whole at once. Zero padding at the edges stands for the canvas edge; where what
/// is passed ends inside the canvas, its outer margin (below) comes out wrong and is to be dropped.
class Transform {
 public:
  /// Borrows `workers`, which share the work of each layer; weights are copied.
  /// memory: null for some of its own; if shared, each call of Next ends the life of what the others returned, except
  /// that it takes the result of the one before as `src`
  Transform(Layers layers, int quality_index, TransformPrecision precision, Workers& workers,
            std::shared_ptr<TransformMemory> memory = nullptr);
  ~Transform();

  /// Starts a canvas of `w` input columns.
  void Begin(int w);

  /// Room for a strip of h rows. What is written there Next takes without a copy; it ends the life of the last result.
  float* Input(int h);
  /// The same for samples, 0..255, less 128. REQUIRES: TakesPixels
  int8_t* PixelInput(int h);

  /// Takes the next h rows, [h][w][input channels], and gives the rows of the output that are complete by then, which
  /// are all after the `last` strip: [h'][w'][output channels], valid until the next call. h: a multiple of the factor
  /// of a space-to-depth. errors: kOutOfMemory, kInternal
  Result<Strip> Next(const float* src, int h, bool last);
  /// The same for samples, 0..255, less 128. REQUIRES: TakesPixels, where floats become these, too
  Result<Strip> Next(const int8_t* pixels, int h, bool last);

  /// A whole canvas as one strip.
  Result<const float*> Run(const float* src, int h, int w);

  /// Bytes kept for strips of h rows of w columns. own_input: whether they are written to Input
  static uint64_t Memory(Layers layers, int input_channels, int h, int w, TransformPrecision precision, bool own_input);

 private:
  struct Step;
  struct Tensor;

  float* Reserve(Scratch<float>& scratch, size_t step, int h, int w, int channels) const;
  float* MakeRoom(size_t i, Tensor& x);
  RoundedOutput RoundedFor(size_t i, int h, int w);
  Result<Strip> RunFrom(size_t first, Tensor x, bool last);
  Status Convolve(size_t i, Tensor& x, bool last);
  template <typename T>
  Result<Strip> RunPixels(const T* pixels, int rows, bool last);
  template <typename T>
  Status ConvolveTaken(size_t i, const T* rows, Tensor& x, bool last);
  Status AddBranch(size_t i, Tensor& x, bool last);

  std::vector<Step> steps_;
  Workers& workers_;
  bool takes_pixels_, fractions_;
  int input_channels_, w_ = 0;
  std::shared_ptr<TransformMemory> memory_;
};

/// The fastest in which g_s gives the same picture on every machine but for few levels. Sums of 16 bits before a block
/// that rounds would change many roundings, and the trunk there stays in 32: 55 dB against over 60, for 1 % of the
/// time.
TransformPrecision SynthesisPrecision();

/// The fastest for an encoder that asks what a decoder's picture will be like: 50 dB from it.
TransformPrecision CoarseSynthesisPrecision();

/// Input positions on each side of a window that reach into its outputs: the receptive field's radius.
/// reach: outputs on each side that are needed with them
int MarginOf(Layers layers, int reach = 0);

/// Multiply-adds per input position of the layers.
double MultiplyAdds(Layers layers);

}  // namespace lichen

#endif  // LICHEN_CODEC_TRANSFORM_H_
