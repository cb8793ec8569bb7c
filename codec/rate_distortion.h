// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_RATE_DISTORTION_H_
#define LICHEN_CODEC_RATE_DISTORTION_H_

// Rate-distortion optimised quantisation of z's residuals; y has a trellis (trellis.h). A choice of the encoder: any
// decoder takes either.

#include <cstdint>
#include <vector>

#include "bitstream/cdf.h"

namespace lichen {

/// Decides where a residual goes one step towards 0, because the bits that saves are worth more than the error it adds.
/// Immutable once built.
class RateDistortion {
 public:
  /// Bits that one squared quantisation step of z's error is worth. What a step of it does to y is not that simple, but
  /// at low qualities z is up to a fifth of the bits.
  static constexpr double kBitsPerSquaredStepOfZ = 24;

  /// Borrows nothing. tables: of the model, by scale index
  explicit RateDistortion(const std::vector<bitstream::CdfTable>& tables,
                          double bits_per_squared_step = kBitsPerSquaredStepOfZ);

  /// The residual to code in place of `rounded`, the nearest to `exact`: that, or its neighbour towards 0.
  /// REQUIRES: table is an index of the constructor's tables
  int32_t Choose(int32_t table, int32_t rounded, float exact) const {
    const int32_t magnitude = rounded < 0 ? -rounded : rounded;
    if (magnitude == 0 || magnitude > kLargest) return rounded;
    const float beyond = (rounded < 0 ? -exact : exact) - static_cast<float>(magnitude);
    const bool smaller = beyond < thresholds_[static_cast<size_t>(table) * kLargest + magnitude - 1];
    return rounded - (smaller ? (rounded < 0 ? -1 : 1) : 0);
  }

 private:
  static constexpr int32_t kLargest = 15;  // beyond, neighbours cost almost the same

  std::vector<float> thresholds_;  // [table][magnitude - 1]: of what a value exceeds its magnitude by, -1/2 to 1/2
};

}  // namespace lichen

#endif  // LICHEN_CODEC_RATE_DISTORTION_H_
