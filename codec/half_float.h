// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_HALF_FLOAT_H_
#define LICHEN_CODEC_HALF_FLOAT_H_

// 16-bit floats (IEEE 754 binary16): in them a model file holds its weights, and an encoder the latents that it is yet
// to code.

#include <cstddef>
#include <cstdint>

namespace lichen {

/// src: 2 * count bytes, little-endian. Returns whether all values are finite; dst is undefined when not.
bool HalvesToFloats(const uint8_t* src, size_t count, float* dst);

/// In memory, what FloatsToHalves made.
void HalvesToFloats(const uint16_t* src, size_t count, float* dst);
/// Rounded to nearest, ties to even; limited to the largest, 65504; 0 for what is no number.
void FloatsToHalves(const float* src, size_t count, uint16_t* dst);

}  // namespace lichen

#endif  // LICHEN_CODEC_HALF_FLOAT_H_
