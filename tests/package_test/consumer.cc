// SPDX-License-Identifier: Apache-2.0
#include <lichen/codec.h>

#include <cstdio>

int main() {
  lichen::Image image;
  image.width = 40;
  image.height = 24;
  image.pixels.assign(image.RowBytes() * image.height, 128);

  const lichen::Result<std::vector<uint8_t>> file = lichen::Encode(image, {});
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", file.status().message().c_str());
    return 1;
  }
  const lichen::Result<lichen::Image> back = lichen::Decode(file->data(), file->size(), {});
  if (!back.ok()) {
    std::fprintf(stderr, "%s\n", back.status().message().c_str());
    return 1;
  }
  std::printf("lichen %s: %ux%u in %zu bytes\n", lichen::Version(), back->width, back->height, file->size());
  return back->width == image.width && back->height == image.height ? 0 : 1;
}
