// SPDX-License-Identifier: Apache-2.0
// In place of png_pixels.cc in a build without ISA-L.
#include "image_io/png_pixels.h"

namespace lichen::image_io {

std::unique_ptr<PngPixels> ReadPngPixels(PngBytes*, uint32_t, size_t, int, int) { return nullptr; }

}  // namespace lichen::image_io
