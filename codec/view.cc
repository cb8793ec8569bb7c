// SPDX-License-Identifier: Apache-2.0
#include "codec/view.h"

#include <string>

namespace lichen {
namespace {

std::string SizeOf(uint32_t width, uint32_t height) { return std::to_string(width) + "x" + std::to_string(height); }

}  // namespace

Result<View> MakeView(const bitstream::Header& header, const Region& wanted, int scale) {
  if (scale != 1 && scale != 2 && scale != 4 && scale != 8 && scale != 16) {
    return Status(StatusCode::kInvalidArgument,
                  "scale 1/" + std::to_string(scale) + "; 1, 1/2, 1/4, 1/8 or 1/16 expected");
  }
  Region region = wanted;
  if (region.width == 0 && region.height == 0 && region.x == 0 && region.y == 0) {
    region.width = header.width;
    region.height = header.height;
  }
  if (region.width == 0 || region.height == 0 || uint64_t{region.x} + region.width > header.width ||
      uint64_t{region.y} + region.height > header.height) {
    return Status(StatusCode::kInvalidArgument, "the region of " + SizeOf(region.width, region.height) + " pixels at " +
                                                    std::to_string(region.x) + "," + std::to_string(region.y) +
                                                    " is not inside the picture of " +
                                                    SizeOf(header.width, header.height));
  }
  const auto samples = [scale](uint32_t begin, uint32_t size) {
    return Span{static_cast<int>(begin) / scale, (static_cast<int>(begin + size) + scale - 1) / scale};
  };
  return View{scale, samples(region.x, region.width), samples(region.y, region.height)};
}

}  // namespace lichen
