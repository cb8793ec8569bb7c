// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_CONVOLUTION_H_
#define LICHEN_CODEC_CONVOLUTION_H_

// Float convolutions on oneDNN. Tensors are channels-last: [h][w][channels].

#include <cstdint>
#include <memory>

#include "codec/model_data.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

/// kBfloat16: inputs and weights of 16 bits, sums of 32; outputs are floats, or bfloat16 where asked for.
enum class Precision { kFloat32, kBfloat16 };

/// kBfloat16 where the processor multiplies it natively, kFloat32 elsewhere.
Precision FastestPrecision();

/// Round to nearest, ties to even. REQUIRES: finite values
void FloatToBfloat16(const float* src, size_t count, uint16_t* dst);
void FloatToBfloat16(const float* src, size_t count, uint16_t* dst, Workers& workers);

/// A convolution of one shape of weights for pictures of any size; primitives are made once for every size.
/// With accumulate, the result is added to what dst holds.
class FloatConvolution {
 public:
  /// Rows of a canvas, with as many of zeros around them as belong to its padding. Columns are padded by kernel / 2.
  struct Rows {
    int h = 0, top = 0, bottom = 0;
  };

  struct Options {
    Precision precision = Precision::kFloat32;
    bool half_output = false;  // dst is bfloat16; only with kBfloat16
    bool accumulate = false;
  };

  FloatConvolution(const FloatConvolutionData& data, const Options& options);
  ~FloatConvolution();
  FloatConvolution(FloatConvolution&&) noexcept;

  /// src: [rows.h][w][in], floats or bfloat16 by precision; dst: [rows' outputs][ceil(w/stride)][out], where the
  /// outputs of rows are (top + h + bottom - kernel) / stride + 1. Workers share the rows.
  /// many_follow: rows of the same number will; else there are as few pieces as workers, since each height takes a
  /// primitive of its own. errors: kOutOfMemory, kInternal
  Status Run(const void* src, const Rows& rows, int w, void* dst, Workers& workers, bool many_follow);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_CONVOLUTION_H_
