// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_EXIF_H_
#define LICHEN_IMAGE_IO_EXIF_H_

// The little that is read from EXIF data. Exif 2.32 (CIPA DC-008), section 4.

#include <cstddef>
#include <cstdint>

namespace lichen::image_io {

/// The orientation tag, 1..8, of EXIF data from the TIFF header on; 1, upright, when there is none.
int ExifOrientation(const uint8_t* data, size_t size);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_EXIF_H_
