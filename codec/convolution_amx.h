// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_CONVOLUTION_AMX_H_
#define LICHEN_CODEC_CONVOLUTION_AMX_H_

// Convolutions in the tiles of Intel's AMX. With oneDNN 2.6 they take 1.2 to 2 times as long at the sizes of our layers
// (docs/performance.md), since it copies the sources of each row of outputs first, and a small picture takes as long
// again for the code that it writes for every width.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/rounded_convolution.h"
#include "codec/scratch.h"

namespace lichen {

/// Up to 32 outputs of a row.
struct TileBlock {
  static constexpr int kMostRows = 7;

  int x, positions;
  bool both;                                   // tiles of 16 positions, or one
  std::array<const uint8_t*, kMostRows> rows;  // of its source, by row of the kernel; null for a row of zeros
};

/// What one thread needs of its own.
struct TileScratch {
  std::vector<TileBlock> blocks;  // of a row
  Scratch<uint8_t> source;        // with its padding, of blocks at an edge
};

/// One convolution for pictures of any size. Any number of threads may run it. Tensors are channels-last.
class TileConvolution {
 public:
  enum class Takes { kInt8, kUint8, kBfloat16 };  // the weights are signed bytes, signed bytes and bfloat16
  enum class Gives { kFloat32, kInt8, kBfloat16, kInt32 };

  struct Geometry {
    int in, out, kernel, stride;
    int pitch = 0, output_pitch = 0;  // elements from a position to the next; 0: in, out
  };

  /// What becomes of a sum, in this order: + bias, * scale, + dst, leaky ReLU, conversion to what is given: to integers
  /// to the nearest, ties to even, within -128..127; to bfloat16 likewise. Of kInt32 nothing: the sum itself is given.
  struct Epilogue {
    std::vector<float> bias{}, scale{};  // [out]; scale may be empty
    bool accumulate = false;             // only with kFloat32
    bool relu = false;
    float slope = 0;  // of the ReLU below 0
  };

  /// Rows of a canvas, with `top` rows of zeros before them and as many after them as are needed. Columns are padded by
  /// kernel / 2 zeros.
  struct Source {
    const void* rows;  // [h][w][pitch]; what lies between positions is finite
    int h, w, top;
  };

  /// Asks the system for the use of tiles. REQUIRES, of what follows: that it is granted, and a processor that
  /// multiplies bytes and bfloat16 in tiles
  static bool Enable();
  /// Whether that shape is supported.
  static bool Supports(const Geometry& geometry) {
    return geometry.out % kColumns == 0 && geometry.kernel <= TileBlock::kMostRows;
  }

  /// The pitch with which positions begin at multiples of 64 bytes: tiles are loaded from there four times as fast.
  static int PitchFor(int channels, Takes takes);
  /// RoundToSteps (rounded_convolution.h) of pixels [pixels][channels]. dst: [pixels][pitch], of which it leaves alone
  /// what is beyond channels. REQUIRES: channels are a multiple of 16
  static void Round(const float* src, size_t pixels, const std::vector<float>& inverse_step, int pitch, int8_t* dst);

  /// weights: [out][in][kernel][kernel]. REQUIRES: Supports(geometry)
  TileConvolution(const Geometry& geometry, Takes takes, const void* weights, Gives gives, Epilogue epilogue);

  const Geometry& geometry() const { return geometry_; }

  /// Rows `begin` to `end` of the outputs. dst: of row `begin`, [end - begin][ceil(w/stride)][output pitch]; rounded:
  /// of the same row, only where floats are given
  void Run(const Source& source, int begin, int end, TileScratch& scratch, void* dst,
           const RoundedOutput& rounded = {}) const;

 private:
  static constexpr int kColumns = 16;  // outputs of a tile

  void CutUp(const Source& source, int row, TileScratch& scratch) const;
  template <Takes takes, Gives gives>
  void RunAs(const Source& source, int begin, int end, TileScratch& scratch, uint8_t* dst,
             const RoundedOutput& rounded) const;

  Geometry geometry_;
  Takes takes_;
  Gives gives_;
  Epilogue epilogue_;
  size_t position_, output_position_;  // bytes
  int chunks_;                         // of 64 bytes, for a position, the last filled up by weights of 0
  // [out / 16][kernel][kernel][chunk][16][16 outputs][4 bytes]: tiles in the order in which they are multiplied.
  Scratch<uint8_t> weights_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_CONVOLUTION_AMX_H_
