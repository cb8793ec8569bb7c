// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_INTEGER_NETWORK_H_
#define LICHEN_CODEC_INTEGER_NETWORK_H_

// The exact integer layers of the entropy networks. Tensors are channels-last: [h][w][channels].
//
// The accumulators come from one of several engines with equal results: plain C++, which is the reference, oneDNN's
// u8 x s8 -> s32 convolution, which is exact on every x86 instruction set as long as activations stay within 0..127
// (above that the 16-bit multiply-add of SSE4.1 to AVX-512 without VNNI saturates), or, where the processor has AMX,
// convolution_amx.h. Bias and re-quantisation are always done here.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "codec/model_data.h"
#include "codec/scratch.h"
#include "codec/work_sharing.h"

namespace lichen {

/// Sums weight * input; zero padding of kernel / 2, stride 1.
class IntegerAccumulator {
 public:
  virtual ~IntegerAccumulator() = default;
  /// src: [h][w][pitch], 0..127; acc: [end - begin][w][out], of rows `begin` to `end`. lane: one of those that it was
  /// made for; calls at the same time have different ones
  virtual void Run(const uint8_t* src, int h, int w, int begin, int end, int lane, int32_t* acc) = 0;
  /// Bytes from a position of src to the next: `in`, or more where it was made for a source that may be apart.
  virtual int pitch() const = 0;
};

/// How the positions of a source lie.
enum class SourcePitch { kDense, kFastest };

enum class IntegerEngine { kPlain, kFast };

/// Of the output channels `outputs` of a layer, in this order: [outputs][in][kernel][kernel].
std::vector<int8_t> WeightsOf(const IntegerLayer& layer, const std::vector<int>& outputs);

std::unique_ptr<IntegerAccumulator> MakePlainAccumulator(int in, int out, int kernel, const int8_t* weight);
/// The fastest engine of this build; the plain one where there is no other. What it makes of the weights stays with the
/// layer, if that keeps it.
std::unique_ptr<IntegerAccumulator> MakeFastAccumulator(const IntegerLayer& layer, const std::vector<int>& outputs,
                                                        int lanes, SourcePitch source = SourcePitch::kDense);

/// Sums are computed for about so many positions at a time, so that they stay in a cache, and threads can share them.
inline constexpr int kPiecePositions = 256;

/// The same in rows, of h x w positions.
constexpr int PieceRows(int h, int w) { return std::min(h, (kPiecePositions - 1) / w + 1); }

/// A layer ready to run.
class IntegerConvolution {
 public:
  /// Room for sums, by lane, which layers that run one after the other can share.
  using Sums = std::shared_ptr<std::vector<Scratch<int32_t>>>;

  /// The layer is copied. outputs: the output channels to compute, in this order; all when not given. sums: null for
  /// room of its own, or of as many lanes as are shared
  IntegerConvolution(const IntegerLayer& layer, IntegerEngine engine, Sums sums = nullptr, const Sharing& sharing = {},
                     SourcePitch source = SourcePitch::kDense);
  IntegerConvolution(const IntegerLayer& layer, IntegerEngine engine, const std::vector<int>& outputs,
                     Sums sums = nullptr, const Sharing& sharing = {}, SourcePitch source = SourcePitch::kDense);

  int out() const { return static_cast<int>(bias_.size()); }
  /// Bytes from a position of the source to the next; what lies between is not looked at.
  int pitch() const { return accumulator_->pitch(); }
  /// REQUIRES: a ReLU layer. dst: [h][w] pixels `stride` bytes apart, out() channels each, 0..127.
  void RunRelu(const uint8_t* src, int h, int w, uint8_t* dst, int stride);
  /// REQUIRES: a head. dst: [h][w][out()]
  void RunHead(const uint8_t* src, int h, int w, int32_t* dst);

 private:
  template <typename Consumer>
  void RunInPieces(const uint8_t* src, int h, int w, const Consumer& consume);

  Sharing sharing_;
  std::unique_ptr<IntegerAccumulator> accumulator_;
  std::vector<int32_t> bias_;
  std::vector<double> scale_;  // multiplier / 2^shift, exactly
  Sums sums_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_INTEGER_NETWORK_H_
