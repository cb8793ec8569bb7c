// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_PHOTOGRAPH_H_
#define LICHEN_TESTS_PHOTOGRAPH_H_

#include "image_io/image_file.h"
#include "lichen/image.h"

namespace lichen::test {

/// A part of the photograph in tests/data.
inline Image Photograph(uint32_t left, uint32_t top, uint32_t width, uint32_t height) {
  const Image all = image_io::ReadPicture(LICHEN_TEST_DATA "/colosseum.png").value();
  Image part;
  part.width = width;
  part.height = height;
  part.channels = all.channels;
  for (uint32_t y = 0; y < height; ++y) {
    const uint8_t* row = all.pixels.data() + (top + y) * all.RowBytes() + left * all.channels;
    part.pixels.insert(part.pixels.end(), row, row + part.RowBytes());
  }
  return part;
}

/// The green of a picture of 8 bits.
inline Image GrayOf(const Image& image) {
  Image gray;
  gray.width = image.width;
  gray.height = image.height;
  gray.channels = 1;
  for (size_t i = 0; i < image.pixels.size(); i += 3) gray.pixels.push_back(image.pixels[i + 1]);
  return gray;
}

}  // namespace lichen::test

#endif  // LICHEN_TESTS_PHOTOGRAPH_H_
