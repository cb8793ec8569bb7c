// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_POST_FILTER_CODE_H_
#define LICHEN_BITSTREAM_POST_FILTER_CODE_H_

// The post-filter's coefficients in the HEAD chunk: FORMAT.md, "Post-filter".

#include <cstdint>
#include <vector>

#include "lichen/status.h"

namespace lichen::bitstream {

inline constexpr int kMaxPostFilterPrecision = 15;
inline constexpr size_t kMaxPostFilterBytes = 255;

/// Coefficient k is values[k] / 2^precision; those behind the last are 0, which is never 0 itself.
struct PostFilterCoefficients {
  int precision = 0;  // 0..kMaxPostFilterPrecision
  std::vector<int> values;
};

/// Bits of one value of coefficient k. size: sizes[k] of WritePostFilter
int PostFilterValueBits(int value, int precision, int size);

/// sizes: log2 of how large each coefficient usually is, of as many as there can be. REQUIRES: no more values than
/// sizes, the last not 0, kMaxPostFilterBytes enough. Without values there are no bytes.
std::vector<uint8_t> WritePostFilter(const PostFilterCoefficients& coefficients, const std::vector<int8_t>& sizes);

/// errors: kDamaged
Result<PostFilterCoefficients> ReadPostFilter(const std::vector<uint8_t>& bytes, const std::vector<int8_t>& sizes);

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_POST_FILTER_CODE_H_
