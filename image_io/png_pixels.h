// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_PNG_PIXELS_H_
#define LICHEN_IMAGE_IO_PNG_PIXELS_H_

// The image data of a PNG file, its IDAT chunks, read without libpng: in less than half of the time.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "image_io/png_bytes.h"
#include "lichen/status.h"

namespace lichen::image_io {

/// Rows of a picture that is not interlaced, of whole bytes a sample.
class PngPixels {
 public:
  virtual ~PngPixels() = default;
  /// Writes the samples of the next row, as they are in the file, to `row`; those of 16 bits in the byte order of the
  /// machine. Not to be called again after an error. errors: kTruncated; kDamaged, in the words of libpng
  virtual Status ReadRow(uint8_t* row) = 0;
  /// Goes to the first chunk that is not image data, and sees that the image data ended with the rows. errors: the same
  virtual Status Finish() = 0;
};

/// Null in a build without ISA-L.
///
/// bytes        at the content of the first IDAT chunk; outlives the result
/// chunk_bytes  size of that chunk's content
/// row_bytes    of the samples of a row, the filter's not counted
/// errors       std::bad_alloc
std::unique_ptr<PngPixels> ReadPngPixels(PngBytes* bytes, uint32_t chunk_bytes, size_t row_bytes, int channels,
                                         int bit_depth);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_PNG_PIXELS_H_
