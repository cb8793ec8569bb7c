// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_FIXED_POINT_H_
#define LICHEN_CODEC_FIXED_POINT_H_

// The integer arithmetic that decides symbols; FORMAT.md, "Integer networks", is the same in words.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace lichen {

inline constexpr int kQualityAnchors = 8;
inline constexpr int kQualitySteps = 128;  // quality indices between two anchors
inline constexpr int kMaxQualityIndex = (kQualityAnchors - 1) * kQualitySteps;
/// The index of a quality of 0 to 100.
inline int QualityIndexOf(double quality) { return static_cast<int>(std::lround(quality * kMaxQualityIndex / 100)); }
inline constexpr int kExponentBits = 8;  // exponents of the integer networks count 1/256 octaves
inline constexpr int kGainBits = 11;     // those of the float transforms 1/2048, or skies would be a level off
inline constexpr int kExponentLimit = 16 << kExponentBits;
inline constexpr int kActivationMax = 127;
inline constexpr int32_t kHeadLimit = (1 << 23) - 1;
inline constexpr int kMeanHeadBits = 8;   // a mean head gives 1/256 of a context unit
inline constexpr int kSixteenthBits = 4;  // means and y_hat count 1/16 of a quantisation step
inline constexpr int kResidualLimit = 1 << 14;
inline constexpr int kScaleTables = 64;
inline constexpr int kTableSets = 3;

/// floor(v / 2^shift + 1/2) for shift >= 1; v itself for 0.
inline int64_t RoundingShift(int64_t v, int shift) {
  return shift == 0 ? v : (v + (int64_t{1} << (shift - 1))) >> shift;
}

/// Multiplies by a power of two given in 1/256 octaves: floor(v * T[e mod 256] / 2^(14 - floor(e / 256)) + 1/2), where
/// T[i] = 2^14 * 2^(i / 256), rounded, comes from the model file. |e| <= 24 * 256, |v| < 2^24.
class Exp2Multiplier {
 public:
  Exp2Multiplier() = default;
  Exp2Multiplier(int exponent, const uint16_t* table)
      : mantissa_(table[exponent & ((1 << kExponentBits) - 1)]), shift_(14 - (exponent >> kExponentBits)) {}

  int64_t Apply(int32_t v) const {
    const int64_t product = int64_t{v} * mantissa_;
    return shift_ >= 0 ? RoundingShift(product, shift_) : product * (int64_t{1} << -shift_);
  }
  /// The factor itself, exactly.
  float AsFloat() const {
    return shift_ >= 0 ? static_cast<float>(mantissa_) / static_cast<float>(int64_t{1} << shift_)
                       : static_cast<float>(mantissa_) * static_cast<float>(int64_t{1} << -shift_);
  }

 private:
  int32_t mantissa_ = 1 << 14;
  int shift_ = 14;
};

/// A table's value at a quality index, between the entries of the two nearest anchors.
inline int AtQuality(int lower, int upper, int fraction) {
  return static_cast<int>(RoundingShift(lower * (kQualitySteps - fraction) + upper * fraction, 7));
}

}  // namespace lichen

#endif  // LICHEN_CODEC_FIXED_POINT_H_
