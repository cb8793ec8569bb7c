// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_CDF_H_
#define LICHEN_BITSTREAM_CDF_H_

// CDF tables: the integer probabilities under which rANS codes one residual.

#include <array>
#include <cstdint>
#include <vector>

#include "lichen/status.h"

namespace lichen::bitstream {

/// Frequencies of a table add up to 2^kProbabilityBits.
constexpr int kProbabilityBits = 15;
constexpr uint32_t kProbabilityTotal = 1u << kProbabilityBits;

/// Residuals farther from 0 must be escaped whatever the table.
constexpr int32_t kMaxRadius = 4095;

/// Frequencies of the residuals -R..R, symmetric about 0, and of an escape for all others. Immutable once built.
///
/// Symbol `index` is residual + R for -R..R, and 2R + 1 for the escape. It owns the slots start(index) to
/// start(index) + frequency(index) - 1 of the 2^15, in the order of the indices.
class CdfTable {
 public:
  /// frequencies       f[0..R], R = size - 1, 0 <= R <= kMaxRadius; f[r] serves +r and -r
  /// escape_frequency  of all residuals beyond R together
  ///
  /// errors  kDamaged when there are none or too many, when one is 0, or unless
  ///         f[0] + 2 * (f[1] + ... + f[R]) + escape_frequency = 2^15
  static Result<CdfTable> Build(const std::vector<uint16_t>& frequencies, uint16_t escape_frequency);

  /// R, the largest magnitude that has a symbol of its own.
  int32_t radius() const { return radius_; }
  uint32_t escape_index() const { return 2 * static_cast<uint32_t>(radius_) + 1; }

  /// REQUIRES: index <= escape_index(), for both
  uint32_t start(uint32_t index) const { return starts_[index]; }
  uint32_t frequency(uint32_t index) const { return static_cast<uint32_t>(starts_[index + 1]) - starts_[index]; }

  /// The symbol that owns `slot`. REQUIRES: slot < 2^15
  uint32_t Find(uint32_t slot) const {
    uint32_t index = first_in_bucket_[slot >> kBucketBits];
    while (slot >= starts_[index + 1]) ++index;  // ends at the last entry, 2^15
    return index;
  }

 private:
  // A bucket is 128 slots. Likely symbols own more, so Find seldom takes a second step, and 192 tables take 96 KiB.
  static constexpr int kBucketBits = 7;

  explicit CdfTable(int32_t radius) : radius_(radius) {}

  int32_t radius_;
  std::vector<uint16_t> starts_;  // 2R + 3: one a symbol, then 2^15
  std::array<uint16_t, (kProbabilityTotal >> kBucketBits)> first_in_bucket_ = {};
};

/// What a residual costs, in bits; an escape at least its code's length.
double BitsOf(const CdfTable& table, int32_t residual);

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_CDF_H_
