// SPDX-License-Identifier: Apache-2.0
#include "codec/dct_tile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "bitstream/adaptive_bit.h"
#include "bitstream/byte_reader.h"
#include "bitstream/byte_writer.h"
#include "bitstream/rans.h"
#include "codec/fixed_point.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

using bitstream::AdaptiveBit;

// ---- Contexts ----

constexpr int kInterior = 49;     // coefficients with u > 0 and v > 0
constexpr int kEdge = 7;          // with v = 0, or u = 0, but not both
constexpr int kMaxCategory = 17;  // of a magnitude: its length in bits
constexpr int kUnaryContexts = 16;

/// The class of a value: how many of the thresholds it reaches.
template <size_t N>
constexpr int ClassOf(const std::array<int, N>& thresholds, int value) {
  int c = 0;
  while (c < static_cast<int>(N) && value >= thresholds[c]) ++c;
  return c;
}

/// ClassOf as a table, for the inner loops; values above are as the last.
template <size_t N, size_t Size>
struct Classes {
  std::array<uint8_t, Size> table = {};
  constexpr explicit Classes(const std::array<int, N>& thresholds) {
    for (size_t i = 0; i < Size; ++i) table[i] = static_cast<uint8_t>(ClassOf(thresholds, static_cast<int>(i)));
  }
  int operator()(int value) const { return table[std::min<int>(value, Size - 1)]; }
};

constexpr Classes<7, 32> kSmallClass({1, 2, 3, 5, 8, 13, 22});                // 8: magnitudes, numbers to come
constexpr Classes<9, 64> kCountClass({1, 2, 3, 5, 8, 12, 18, 26, 36});        // 10: numbers of coefficients
constexpr Classes<9, 128> kPredictionClass({1, 2, 3, 5, 8, 12, 20, 40, 80});  // 10: predicted magnitudes
constexpr Classes<9, 512> kLengthClass({1, 2, 4, 8, 16, 32, 64, 128, 256});   // 10: lengths in bits
constexpr Classes<4, 64> kBusyClass({1, 3, 7, 15});                           // 5: numbers of coefficients
constexpr Classes<2, 64> kFlatClass({1, 4});                                  // 3: the same, coarser

struct InteriorOrder {
  std::array<uint8_t, kInterior> index = {};  // 8 * v + u
  std::array<uint8_t, kInterior> band = {};   // of u + v: 2, 3, 4, 5, 6 to 7, 8 and more
  constexpr InteriorOrder() {
    int at = 0;
    for (int sum = 2; sum <= 14; ++sum) {
      for (int i = 0; i <= sum; ++i) {
        const int v = sum % 2 != 0 ? i : sum - i, u = sum - v;  // as in JPEG's zigzag
        if (u < 1 || v < 1 || u > 7 || v > 7) continue;
        index[at] = static_cast<uint8_t>(8 * v + u);
        band[at++] = static_cast<uint8_t>(sum <= 5 ? sum - 2 : sum <= 7 ? 4 : 5);
      }
    }
  }
};
constexpr InteriorOrder kOrder;

using Unary = std::array<AdaptiveBit, kUnaryContexts>;
using Leading = std::array<AdaptiveBit, 2>;  // the two bits below the leading one
using LeadingByCategory = std::array<Leading, kUnaryContexts>;

/// The probabilities of one plane.
struct PlaneContexts {
  AdaptiveBit count[10][64];           // [kCountClass of the neighbours][node]
  AdaptiveBit zero[kInterior][8][8];   // [position][numbers to come][magnitudes around]
  Unary category[6][10];               // [band][length class of the magnitudes around]
  LeadingByCategory leading[10];       // [length class]
  AdaptiveBit edge_count[2][8][5][8];  // [edge][count around][interior][node]
  AdaptiveBit edge_zero[2][7][7][10][6];
  Unary edge_category[2][10][6];
  LeadingByCategory edge_leading[10];
  AdaptiveBit edge_sign[10][4];
  Unary mean_category[10][3];
  LeadingByCategory mean_leading;
};

// ---- Bits: the encoder's and the decoder's side of the same walk ----

class BitsOut {
 public:
  explicit BitsOut(size_t expected) { rans_.Reserve(expected); }

  uint32_t Bit(AdaptiveBit& probability, uint32_t bit) {
    rans_.PutBit(probability, bit);
    return bit;
  }
  uint32_t Bit(uint32_t bit) {
    rans_.PutBit(bit);
    return bit;
  }
  static constexpr bool damaged() { return false; }
  static void SetDamaged() {}
  std::vector<uint8_t> Finish() { return rans_.Finish(); }

 private:
  bitstream::RansEncoder rans_;
};

class BitsIn {
 public:
  BitsIn(const uint8_t* data, size_t size) : rans_(data, size) {}
  uint32_t Bit(AdaptiveBit& probability, uint32_t /*bit*/) { return rans_.GetBit(probability); }
  uint32_t Bit(uint32_t /*bit*/) { return rans_.GetBit(); }
  bool damaged() const { return damaged_ || rans_.damaged(); }
  void SetDamaged() { damaged_ = true; }
  Status Finish() const {
    // What is read behind the end of a stream may be out of range, too.
    if (damaged_ && !rans_.damaged()) return Status(StatusCode::kDamaged, "a coefficient is out of range");
    return rans_.Finish();
  }

 private:
  bitstream::RansDecoder rans_;
  bool damaged_ = false;
};

// ---- The walk ----

constexpr int16_t kNoBlock[kBlockSize] = {};

constexpr int32_t kRoot2 = 181;  // sqrt(2) in 1/128

/// Where blocks touch, the sum over the frequencies across the border, in 1/128: on the far side of a block it is that
/// of `next` on its near side, if the picture goes on smoothly.
/// first: index of the mean across; stride: from one frequency to the next
int32_t FarSide(const int16_t* block, int first, int stride) {
  int32_t sum = 128 * block[first];
  for (int t = 1; t < 8; ++t) sum += (t % 2 != 0 ? -kRoot2 : kRoot2) * block[first + t * stride];
  return sum;
}
/// The same of the near side, without the mean.
int32_t NearSide(const int16_t* block, int first, int stride) {
  int32_t sum = 0;
  for (int t = 1; t < 8; ++t) sum += kRoot2 * block[first + t * stride];
  return sum;
}

/// Codes the blocks of a tile in raster order. `Bits` is BitsOut, and the blocks are read, or BitsIn, and they are
/// written.
template <typename Bits>
class Walk {
 public:
  Walk(Bits& bits, DctTile& tile)
      : bits_(bits),
        tile_(tile),
        contexts_(std::make_unique<PlaneContexts[]>(tile.planes)),
        counts_(static_cast<size_t>(tile.columns) * tile.planes) {}

  void Run() {
    for (int row = 0; row < tile_.rows; ++row) {
      for (int column = 0; column < tile_.columns && !bits_.damaged(); ++column) CodeBlock(row, column);
    }
  }

 private:
  struct Around {
    const int16_t *left, *above;        // the same plane of the blocks there, or kNoBlock
    const int16_t *before, *before_it;  // the planes before this one of the same block, or kNoBlock
    bool has_left, has_above;
  };

  void CodeBlock(int row, int column) {
    int16_t* block = tile_.Block(row, column);
    const int16_t* left = column > 0 ? tile_.Block(row, column - 1) : nullptr;
    const int16_t* above = row > 0 ? tile_.Block(row - 1, column) : nullptr;
    uint8_t* counts = &counts_[static_cast<size_t>(column) * tile_.planes];  // still those of the block above
    for (int plane = 0; plane < tile_.planes; ++plane) {
      const int at = plane * kBlockSize;
      int16_t* values = block + at;
      const Around around = {left != nullptr ? left + at : kNoBlock,
                             above != nullptr ? above + at : kNoBlock,
                             plane > 0 ? values - kBlockSize : kNoBlock,
                             plane > 1 ? values - 2 * kBlockSize : kNoBlock,
                             left != nullptr,
                             above != nullptr};
      int expected = 0;
      if (left != nullptr && above != nullptr) {
        expected = (counts[plane - tile_.planes] + counts[plane]) / 2;
      } else if (left != nullptr) {
        expected = counts[plane - tile_.planes];
      } else if (above != nullptr) {
        expected = counts[plane];
      }
      if (plane > 0) expected = (expected + counts[plane - 1] + 1) / 2;
      PlaneContexts& contexts = contexts_[plane];
      const int count = CodeInterior(values, around, plane, expected, contexts);
      counts[plane] = static_cast<uint8_t>(count);
      CodeEdge(values, around, plane, 0, count, contexts);
      CodeEdge(values, around, plane, 1, count, contexts);
      CodeMean(values, around, count, contexts);
    }
  }

  /// Returns how many coefficients of the interior are not 0.
  int CodeInterior(int16_t* values, const Around& around, int plane, int expected, PlaneContexts& contexts) {
    int count = 0;
    for (const uint8_t i : kOrder.index) count += values[i] != 0;  // a decoder's block is all 0 still
    count = CodeNumber(contexts.count[kCountClass(expected)], 6, count);
    if (count > kInterior) {
      bits_.SetDamaged();
      return 0;
    }
    int to_come = count;
    for (int n = 0; to_come > 0; ++n) {
      const int i = kOrder.index[n];
      int magnitudes = std::abs(around.left[i]) + std::abs(around.above[i]);
      if (i % 8 > 1) magnitudes += std::abs(values[i - 1]);
      if (i / 8 > 1) magnitudes += std::abs(values[i - 8]);
      if (plane > 0) magnitudes += std::abs(around.before[i]);
      magnitudes = 2 * magnitudes + std::abs(around.before_it[i]);
      if (to_come < kInterior - n) {
        AdaptiveBit& zero = contexts.zero[n][kSmallClass(to_come - 1)][kSmallClass(magnitudes)];
        if (bits_.Bit(zero, values[i] != 0) == 0) continue;
      }
      --to_come;
      const int length = kLengthClass(magnitudes);
      const int magnitude = 1 + CodeMagnitude(std::abs(values[i]) - 1, contexts.category[kOrder.band[n]][length],
                                              contexts.leading[length]);
      Set(values[i], magnitude, bits_.Bit(values[i] < 0 ? 1 : 0));
    }
    return count;
  }

  /// The first row (edge 0, predicted from the block above) or column (edge 1, from the block to the left).
  void CodeEdge(int16_t* values, const Around& around, int plane, int edge, int interior, PlaneContexts& contexts) {
    const int along = edge == 0 ? 1 : 8, across = edge == 0 ? 8 : 1;
    int count = 0, counts_around = 0;
    for (int i = along; i < 8 * along; i += along) {
      count += values[i] != 0;
      counts_around += (around.left[i] != 0) + (around.above[i] != 0) + 2 * (around.before[i] != 0);
    }
    if (plane > 0) counts_around /= 2;
    count = CodeNumber(contexts.edge_count[edge][counts_around / 2][kBusyClass(interior)], 3, count);
    const int16_t* neighbour = edge == 0 ? around.above : around.left;
    const bool has_neighbour = edge == 0 ? around.has_above : around.has_left;
    for (int n = 1; count > 0; ++n) {
      const int i = n * along;
      const int prediction =
          has_neighbour ? (FarSide(neighbour, i, across) - NearSide(values, i, across) + 64) >> 7 : 0;
      const int predicted = kPredictionClass(std::abs(prediction));
      const int around_it =
          std::min(5, kSmallClass(std::abs(around.left[i]) + std::abs(around.above[i]) + std::abs(around.before[i])));
      if (count < 8 - n) {
        AdaptiveBit& zero = contexts.edge_zero[edge][n - 1][count - 1][predicted][around_it];
        if (bits_.Bit(zero, values[i] != 0) == 0) continue;
      }
      --count;
      const int magnitude =
          1 + CodeMagnitude(std::abs(values[i]) - 1, contexts.edge_category[n > 2][predicted][around_it],
                            contexts.edge_leading[predicted]);
      uint32_t negative = values[i] < 0 ? 1 : 0;
      if (prediction == 0) {
        negative = bits_.Bit(negative);
      } else {
        const uint32_t expected = prediction < 0 ? 1 : 0;
        negative = expected ^ bits_.Bit(contexts.edge_sign[predicted][std::min(magnitude - 1, 3)], negative ^ expected);
      }
      Set(values[i], magnitude, negative);
    }
  }

  void CodeMean(int16_t* values, const Around& around, int interior, PlaneContexts& contexts) {
    // In 1/128; of the border above, and of that to the left.
    const int32_t from_above = FarSide(around.above, 0, 8) - NearSide(values, 0, 8);
    const int32_t from_left = FarSide(around.left, 0, 1) - NearSide(values, 0, 1);
    int32_t prediction = 0, spread = 4;
    if (around.has_above && around.has_left) {
      prediction = (from_above + from_left + 128) >> 8;
      spread = std::abs(from_above - from_left) >> 7;
    } else if (around.has_above) {
      prediction = (from_above + 64) >> 7;
    } else if (around.has_left) {
      prediction = (from_left + 64) >> 7;
    }
    prediction = std::clamp(prediction, -kMaxLevel, kMaxLevel);
    const int difference = values[0] - prediction;
    const int magnitude =
        CodeMagnitude(std::abs(difference), contexts.mean_category[kLengthClass(spread)][kFlatClass(interior)],
                      contexts.mean_leading);
    const bool negative = magnitude != 0 && bits_.Bit(difference < 0 ? 1 : 0) != 0;
    const int value = prediction + (negative ? -magnitude : magnitude);
    if (std::abs(value) > kMaxLevel) return bits_.SetDamaged();
    values[0] = static_cast<int16_t>(value);
  }

  /// A number of `length` bits, the highest first, each under what the ones before it were.
  int CodeNumber(AdaptiveBit* nodes, int length, int number) {
    uint32_t node = 1;
    for (int i = length - 1; i >= 0; --i) {
      node = 2 * node + bits_.Bit(nodes[node], static_cast<uint32_t>(number) >> i & 1);
    }
    return static_cast<int>(node - (1u << length));
  }

  /// A number from 0: its length in bits in unary, then the bits below the leading one.
  int CodeMagnitude(int number, Unary& category, LeadingByCategory& leading) {
    int length = 0;
    while (bits_.Bit(category[std::min(length, kUnaryContexts - 1)], number >> length != 0) != 0) {
      if (++length > kMaxCategory) {
        bits_.SetDamaged();
        return 0;
      }
    }
    if (length <= 1) return length;
    int value = 1;
    Leading& adaptive = leading[std::min(length, kUnaryContexts - 1)];
    for (int i = length - 2; i >= 0; --i) {
      const uint32_t bit = static_cast<uint32_t>(number) >> i & 1;
      const int below = length - 2 - i;
      value = 2 * value + static_cast<int>(below < 2 ? bits_.Bit(adaptive[below], bit) : bits_.Bit(bit));
    }
    return value;
  }

  void Set(int16_t& value, int magnitude, uint32_t negative) {
    if (magnitude > kMaxLevel) return bits_.SetDamaged();
    value = static_cast<int16_t>(negative != 0 ? -magnitude : magnitude);
  }

  Bits& bits_;
  DctTile& tile_;
  std::unique_ptr<PlaneContexts[]> contexts_;
  std::vector<uint8_t> counts_;  // of the interior: [columns][planes], of the latest block in each column
};

// ---- Quantisation ----

/// The share of a step that is added before rounding down.
float Rounding(DctQuantiser quantiser, int magnitudes_around, float magnitude) {
  if (quantiser == DctQuantiser::kDeadZone) return 0.4f;
  if (magnitude > 1.5f) return 0.45f;
  return magnitudes_around == 0 ? 0.25f : magnitudes_around < 3 ? 0.34f : 0.42f;
}

void QuantisePlane(const float* coefficients, const int16_t* left, const int16_t* above, const int16_t* before,
                   float inverse_step, DctQuantiser quantiser, int16_t* quantised) {
  const auto quantise = [&](int i, float rounding) {
    const int magnitude = std::min(static_cast<int>(std::abs(coefficients[i]) * inverse_step + rounding), kMaxLevel);
    quantised[i] = static_cast<int16_t>(coefficients[i] < 0 ? -magnitude : magnitude);
  };
  quantise(0, 0.5f);
  for (int i = 1; i < kBlockSize; ++i) {
    const float magnitude = std::abs(coefficients[i]) * inverse_step;
    if (magnitude < 0.5f) {  // no rounding makes more of it
      quantised[i] = 0;
      continue;
    }
    int around = std::abs(left[i]) + std::abs(above[i]) + std::abs(before[i]);
    if (i % 8 > 0 && i > 1) around += std::abs(quantised[i - 1]);
    if (i > 8) around += std::abs(quantised[i - 8]);
    quantise(i, Rounding(quantiser, around, magnitude));
  }
}

LICHEN_VECTORISED
float WeighedSquares(const float* coefficients, const float* weights) {
  float sums[8] = {};
  for (int i = 0; i < kBlockSize; i += 8) {
    for (int n = 0; n < 8; ++n) sums[n] += weights[i + n] * coefficients[i + n] * coefficients[i + n];
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// Of `count` samples, a multiple of 8. decoded: as ClampSample gives them; original: -0.5 to 0.5, `step` apart
LICHEN_VECTORISED
float SquaredError(const int32_t* decoded, const float* original, int step, int count) {
  float sums[8] = {};
  for (int i = 0; i < count; i += 8) {
    for (int n = 0; n < 8; ++n) {
      const int level = (decoded[i + n] + (1 << 19)) >> 20;
      const float error = original[(i + n) * step] * 255.0f + 127.5f - static_cast<float>(level);
      sums[n] += error * error;
    }
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// The squared error of a block as a decoder gives it. rgb: its first pixel, in rows of `stride`
float DecodedError(const int16_t* block, int planes, int step, const float* rgb, int stride) {
  int16_t samples[3][kBlockSize];
  int32_t decoded[3 * kBlockSize];
  for (int plane = 0; plane < planes; ++plane) InverseDct(block + plane * kBlockSize, step, samples[plane]);
  if (planes == 3) {
    RotateBack(samples[0], samples[1], samples[2], kBlockSize, decoded);
  } else {
    ClampGray(samples[0], kBlockSize, decoded);
  }
  const int row = kBlockSide * planes;
  float sum = 0;
  for (int y = 0; y < kBlockSide; ++y) {
    sum += SquaredError(decoded + y * row, rgb + static_cast<size_t>(y) * stride * 3, 3 / planes, row);
  }
  return sum;
}

}  // namespace

double LambdaAtQuality(int quality_index) { return 0.0004 * std::pow(800.0, quality_index / double{kMaxQualityIndex}); }

int StepAtQuality(int quality_index) {
  // For a step of s levels, rate and distortion of photographs were measured to change at about (5.7 / s)^2.
  return static_cast<int>(std::lround(kStepsPerLevel * 5.7 / std::sqrt(LambdaAtQuality(quality_index))));
}

void QuantiseTile(const float* rgb, int stride, DctQuantiser quantiser, DctTile* tile, BlockErrors* errors) {
  for (int row = 0; row < tile->rows; ++row) {
    QuantiseRow(rgb + static_cast<size_t>(row) * stride * kBlockSide * 3, stride, quantiser, row, tile, errors);
  }
}

void QuantiseRow(const float* rgb, int stride, DctQuantiser quantiser, int row, DctTile* tile, BlockErrors* errors) {
  const size_t blocks = static_cast<size_t>(tile->rows) * tile->columns;
  tile->quantised.resize(blocks * tile->BlockSize());
  if (errors != nullptr) errors->squared.resize(blocks), errors->weighed.resize(blocks);
  const float inverse_step = static_cast<float>(kStepsPerLevel) / static_cast<float>(tile->step);
  float planes[3][kBlockSize], coefficients[kBlockSize];
  for (int column = 0; column < tile->columns; ++column) {
    const float* from = rgb + static_cast<size_t>(column) * kBlockSide * 3;
    for (int y = 0; y < kBlockSide; ++y) {
      const float* pixels = from + static_cast<size_t>(y) * stride * 3;
      if (tile->planes == 3) {
        RotateColours(pixels, kBlockSide, kBlockSize, planes[0] + y * kBlockSide);
      } else {
        for (int x = 0; x < kBlockSide; ++x) planes[0][y * kBlockSide + x] = pixels[3 * x] * 255.0f - 0.5f;
      }
    }
    int16_t* block = tile->Block(row, column);
    float weighed = 0;
    for (int plane = 0; plane < tile->planes; ++plane) {
      const int at = plane * kBlockSize;
      ForwardDct(planes[plane], coefficients);
      QuantisePlane(coefficients, column > 0 ? tile->Block(row, column - 1) + at : kNoBlock,
                    row > 0 ? tile->Block(row - 1, column) + at : kNoBlock,
                    plane > 0 ? block + at - kBlockSize : kNoBlock, inverse_step, quantiser, block + at);
      if (errors != nullptr) weighed += WeighedSquares(coefficients, errors->weights + at);
    }
    if (errors == nullptr) continue;
    const size_t index = static_cast<size_t>(row) * tile->columns + column;
    errors->squared[index] = DecodedError(block, tile->planes, tile->step, from, stride);
    errors->weighed[index] = weighed;
  }
}

std::vector<uint8_t> EncodeTile(const DctTile& tile) {
  std::vector<uint8_t> bytes;
  bitstream::ByteWriter(&bytes).WriteU16(static_cast<uint16_t>(tile.step));
  // Of each block at least three numbers and the mean, and of each value whether it is 0, its length and its sign.
  const auto others = tile.quantised.size() - std::count(tile.quantised.begin(), tile.quantised.end(), 0);
  BitsOut bits(tile.quantised.size() / 4 + 8 * others);
  Walk<BitsOut>(bits, const_cast<DctTile&>(tile)).Run();  // which writes back what it reads
  const std::vector<uint8_t> stream = bits.Finish();
  bytes.insert(bytes.end(), stream.begin(), stream.end());
  return bytes;
}

Status DecodeTile(const uint8_t* data, size_t size, DctTile* tile) {
  bitstream::ByteReader reader(data, size, "tile", StatusCode::kDamaged);
  LICHEN_ASSIGN_OR_RETURN(tile->step, reader.ReadU16());
  if (tile->step == 0) return Status(StatusCode::kDamaged, "a quantisation step of 0");
  tile->quantised.assign(static_cast<size_t>(tile->rows) * tile->columns * tile->BlockSize(), 0);
  BitsIn bits(data + reader.position(), reader.remaining());
  Walk<BitsIn>(bits, *tile).Run();
  return bits.Finish();
}

uint64_t DctTileMemory(int width, int height, int planes) {
  return CoefficientsOf(width, height, planes) * sizeof(int16_t) +
         static_cast<uint64_t>(planes) * (sizeof(PlaneContexts) + static_cast<uint64_t>(BlocksAlong(width)));
}

uint64_t DctSymbolMemory(int width, int height, int planes) {
  // Kept until the stream is written backwards: up to 4 a coefficient in photographs, 9 in noise.
  constexpr uint64_t kSymbol = 4, kSymbols = 4;
  return CoefficientsOf(width, height, planes) * kSymbols * kSymbol;
}

}  // namespace lichen
