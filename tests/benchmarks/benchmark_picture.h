// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_BENCHMARKS_BENCHMARK_PICTURE_H_
#define LICHEN_TESTS_BENCHMARKS_BENCHMARK_PICTURE_H_

// Photographs of any size for benchmarks.

#include <cstdint>
#include <string>

#include "lichen/image.h"

namespace lichen::benchmarks {

/// `image` reflected at its right and lower edges, over and over, up to width x height; cropped where it is larger.
inline Image Reflected(const Image& image, uint32_t width, uint32_t height) {
  const auto at = [](uint32_t i, uint32_t size) {
    const uint32_t j = i % (2 * size);
    return j < size ? j : 2 * size - 1 - j;
  };
  Image out;
  out.width = width;
  out.height = height;
  out.channels = image.channels;
  out.pixels.reserve(out.RowBytes() * height);
  const size_t pixel = image.RowBytes() / image.width;
  for (uint32_t y = 0; y < height; ++y) {
    const uint8_t* row = image.pixels.data() + image.RowBytes() * at(y, image.height);
    for (uint32_t x = 0; x < width; ++x) {
      const uint8_t* from = row + pixel * at(x, image.width);
      out.pixels.insert(out.pixels.end(), from, from + pixel);
    }
  }
  return out;
}

}  // namespace lichen::benchmarks

#endif  // LICHEN_TESTS_BENCHMARKS_BENCHMARK_PICTURE_H_
