// SPDX-License-Identifier: Apache-2.0
// In place of isal_deflater.cc in a build without ISA-L.
#include "image_io/deflater.h"

namespace lichen::image_io {

std::unique_ptr<Deflater> MakeIsalDeflater() { return nullptr; }

}  // namespace lichen::image_io
