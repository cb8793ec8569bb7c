// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_DCT_TILE_H_
#define LICHEN_CODEC_DCT_TILE_H_

// A tile of quantised DCT coefficients, and its bytes. No networks: bits are coded under probabilities that adapt to
// what was coded before, chosen by the coefficients around. What a block's coefficients are predicted from, that its
// pixels go on where those of the blocks above and to the left end, is after Lepton (Horn et al., NSDI 2017).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bitstream/container.h"
#include "codec/dct.h"
#include "lichen/status.h"

namespace lichen {

/// Quantised coefficients: [rows][columns] blocks of [planes][64] each.
struct DctTile {
  int columns = 0, rows = 0;  // blocks
  int planes = 3;             // 1 for gray
  int step = 0;               // 1..65535, in 1/64 levels
  std::vector<int16_t> quantised;

  size_t BlockSize() const { return static_cast<size_t>(planes) * kBlockSize; }
  int16_t* Block(int row, int column) {
    return quantised.data() + (static_cast<size_t>(row) * columns + column) * BlockSize();
  }
  const int16_t* Block(int row, int column) const { return const_cast<DctTile*>(this)->Block(row, column); }
};

/// Planes of a picture: gray has one.
inline int PlanesOf(const bitstream::Header& header) { return header.colour_type <= 2 ? 1 : 3; }

/// Blocks that cover so many pixels.
inline int BlocksAlong(int pixels) { return (pixels + kBlockSide - 1) / kBlockSide; }

/// What a squared level of error, mean over the samples, is worth in bits per pixel at a quality index; the networks
/// are trained with the same.
double LambdaAtQuality(int quality_index);

/// The step, in 1/64 levels, of a quality index: that whose rate and distortion change at the rate which the quality
/// stands for.
int StepAtQuality(int quality_index);

/// How coefficients become integers.
enum class DctQuantiser {
  kDeadZone,  // the same dead zone for all
  kByContext  // a wider one where a coefficient other than 0 is unlikely, which costs more
};

/// What QuantiseTile tells of each block, [rows][columns].
struct BlockErrors {
  const float* weights = nullptr;  // of squared coefficients, by plane and index: [3][64]
  std::vector<float> squared;      // errors of the samples that a decoder gives, of 8 bits, in levels, summed
  std::vector<float> weighed;      // squared coefficients before quantisation, summed by the weights
};

/// Transforms and quantises a tile.
/// rgb      [height][stride][3] as the analysis transform takes it, -0.5 to 0.5; height and stride cover whole blocks
/// tile     columns, rows, planes and step are set; receives the coefficients
/// errors   may be null; weights are set
void QuantiseTile(const float* rgb, int stride, DctQuantiser quantiser, DctTile* tile, BlockErrors* errors = nullptr);
/// The same for one row of blocks, after those above it. rgb: of its pixels
void QuantiseRow(const float* rgb, int stride, DctQuantiser quantiser, int row, DctTile* tile, BlockErrors* errors);

/// The bytes of a tile.
std::vector<uint8_t> EncodeTile(const DctTile& tile);

/// tile     columns, rows and planes are set; receives the rest
/// errors   kDamaged
Status DecodeTile(const uint8_t* data, size_t size, DctTile* tile);

/// Coefficients of a tile of so many pixels, whole blocks of them.
inline uint64_t CoefficientsOf(int width, int height, int planes) {
  return static_cast<uint64_t>(BlocksAlong(width)) * static_cast<uint64_t>(BlocksAlong(height)) *
         static_cast<uint64_t>(planes) * kBlockSize;
}

/// Memory, in bytes, that a tile of so many pixels takes: its coefficients and the state of the walk over them.
uint64_t DctTileMemory(int width, int height, int planes);
/// What encoding it takes besides: its symbols, as photographs have them. White noise has some four times as many.
uint64_t DctSymbolMemory(int width, int height, int planes);

}  // namespace lichen

#endif  // LICHEN_CODEC_DCT_TILE_H_
