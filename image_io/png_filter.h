// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_PNG_FILTER_H_
#define LICHEN_IMAGE_IO_PNG_FILTER_H_

// The filters that make PNG's rows small for deflate. PNG specification, W3C second edition, section 9.

#include <cstddef>
#include <cstdint>

namespace lichen::image_io {

enum class PngFilter : uint8_t { kNone = 0, kSub = 1, kUp = 2, kAverage = 3, kPaeth = 4 };

/// Writes the filter's byte and the `size` filtered bytes of a row to `filtered`.
///
/// row, above  this row and the one above it, zeros above the first; samples of 16 bits are big-endian
/// pixel       bytes of a pixel: 1, 2, 3, 4, 6 or 8; `size` is a multiple of it
/// REQUIRES: `filtered` overlaps neither row
void FilterRow(PngFilter filter, const uint8_t* row, const uint8_t* above, size_t size, size_t pixel,
               uint8_t* filtered);

/// Turns the `size` filtered bytes of a row, without the filter's byte, into those of the picture, in place; the rest
/// as for FilterRow.
void UnfilterRow(PngFilter filter, uint8_t* row, const uint8_t* above, size_t size, size_t pixel);

/// The sum of the bytes' absolute values, taken as -128 .. 127: the less, the better deflate does, by and large.
uint64_t Magnitude(const uint8_t* bytes, size_t size);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_PNG_FILTER_H_
