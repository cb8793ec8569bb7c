// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_CONVOLUTION_H_
#define LICHEN_CODEC_CONVOLUTION_H_

// Convolutions of the transforms, by oneDNN or, where the processor has AMX, in its tiles. Tensors are channels-last:
// [h][w][channels].

#include <cstdint>
#include <memory>
#include <vector>

#include "codec/model_data.h"
#include "codec/rounded_convolution.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

/// What a convolution takes and multiplies. kBfloat16: numbers of 16 bits, with sums of 32; kInt8: signed integers of 8
/// bits, with exact sums.
enum class Precision { kFloat32, kBfloat16, kInt8 };

/// Bytes of an element.
constexpr size_t SizeOf(Precision precision) {
  return precision == Precision::kInt8 ? 1 : precision == Precision::kBfloat16 ? 2 : sizeof(float);
}

/// What a transform computes in.
struct TransformPrecision {
  Precision floats = Precision::kFloat32;  // kFloat32 or kBfloat16: all but what has steps
  bool bytes = false;  // residual blocks with steps run in kInt8, else in kFloat32, which holds the same integers
  bool same_roundings = false;  // whatever comes before such a block runs in kFloat32
  bool coarse = false;          // all the rest of the trunk runs in `floats`, too, whatever it loses
  bool fractions = false;       // pixels may lie between integers of 8 bits: what takes them runs in kFloat32

  TransformPrecision(Precision f, bool b = false) : floats(f), bytes(b) {}
};

/// Elements from a position to the next with which the fastest convolution takes so many channels; what lies between is
/// to be finite.
int PitchFor(const FloatConvolutionData& data, Precision precision);

/// kBfloat16 and kInt8 where the processor multiplies them natively, kFloat32 elsewhere.
TransformPrecision FastestPrecision();

/// Whether what takes kBfloat16 or kInt8 runs by convolution_amx.h here, and the entropy networks: processors with AMX,
/// unless ONEDNN_MAX_CPU_ISA forbids it.
bool MultipliesInTiles();

/// Whether the entropy networks take so long on one tile that it pays to wake other threads for them. With AMX they do
/// not.
bool NetworksAreWorthSharing();

/// Round to nearest, ties to even. REQUIRES: finite values
void FloatToBfloat16(const float* src, size_t count, uint16_t* dst);
/// src: [pixels][channels]; dst: [pixels][pitch], 0 beyond channels
void FloatToBfloat16(const float* src, size_t pixels, int channels, int pitch, uint16_t* dst, Workers& workers);

/// A convolution of one shape of weights for pictures of any size; primitives are made once for every width. Where data
/// has steps, it takes integers (rounded_convolution.h): bytes with kInt8, floats that hold them with kFloat32.
class FloatConvolution {
 public:
  /// Rows of a canvas, with as many of zeros around them as belong to its padding. Columns are padded by kernel / 2.
  struct Rows {
    int h = 0, top = 0, bottom = 0;
  };

  struct Options {
    Precision precision = Precision::kFloat32;
    bool half_output = false;          // dst is bfloat16; only with kBfloat16
    bool accumulate = false;           // the result is added to what dst holds
    std::vector<float> output_step{};  // [out], where dst is to hold integers as well: those that the next one takes
    int pitch = 0, output_pitch = 0;   // elements from a position to the next of src and dst; 0: in, out
  };

  FloatConvolution(const FloatConvolutionData& data, const Options& options);
  ~FloatConvolution();
  FloatConvolution(FloatConvolution&&) noexcept;

  /// src: [rows.h][w][pitch], floats, bfloat16 or bytes by precision; dst: [rows' outputs][ceil(w/stride)][pitch],
  /// where the outputs of rows are (top + h + bottom - kernel) / stride + 1. Workers share the rows. errors:
  /// kOutOfMemory, kInternal
  Status Run(const void* src, const Rows& rows, int w, void* dst, Workers& workers, const RoundedOutput& rounded = {});

  /// Whether it can round its outputs, too: REQUIRES of `rounded`.
  bool CanRound() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_CONVOLUTION_H_
