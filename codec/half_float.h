// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_HALF_FLOAT_H_
#define LICHEN_CODEC_HALF_FLOAT_H_

// The 16-bit floats (IEEE 754 binary16) in which a model file holds its weights.

#include <cstddef>
#include <cstdint>

namespace lichen {

/// src: 2 * count bytes, little-endian. Returns whether all values are finite; dst is undefined when not.
bool HalvesToFloats(const uint8_t* src, size_t count, float* dst);

}  // namespace lichen

#endif  // LICHEN_CODEC_HALF_FLOAT_H_
