// SPDX-License-Identifier: Apache-2.0
#include "eval/pixels.h"

#include <string>

namespace lichen::eval {

Result<Image> ToRgb(const Image& image) {
  if (image.bit_depth != 8 || (image.channels != 1 && image.channels != 3)) {
    return Status(StatusCode::kInvalidArgument, "the picture has " + std::to_string(image.channels) + " channels of " +
                                                    std::to_string(image.bit_depth) +
                                                    " bits; this codec takes 1 or 3 of 8 bits");
  }
  if (image.channels == 3) return image;
  Image rgb;
  rgb.width = image.width;
  rgb.height = image.height;
  rgb.pixels.reserve(image.pixels.size() * 3);
  for (uint8_t gray : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, gray);
  return rgb;
}

Image ToGray(const Image& image) {
  if (image.channels == 1) return image;
  Image gray;
  gray.width = image.width;
  gray.height = image.height;
  gray.channels = 1;
  gray.pixels.reserve(image.pixels.size() / 3);
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    const int sum = 299 * image.pixels[i] + 587 * image.pixels[i + 1] + 114 * image.pixels[i + 2];
    gray.pixels.push_back(static_cast<uint8_t>((sum + 500) / 1000));
  }
  return gray;
}

}  // namespace lichen::eval
