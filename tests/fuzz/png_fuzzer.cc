// SPDX-License-Identifier: Apache-2.0
// PNG files: any bytes are an error or the picture that libpng alone makes of them.
//
// An input that starts with 0x89 is a PNG file as it is, but for its checksums, which are mended. Any other is a
// picture to make one of, for compression would hide the rows from the fuzzer: kind of samples, width, size of the IDAT
// chunks, level and strategy of the compression, and then the filtered rows.
#include <png.h>

#include <algorithm>
#include <memory>

#include "../libpng_reader.h"
#include "../png_chunks.h"
#include "fuzz_target.h"
#include "image_io/png_file.h"

namespace lichen::image_io {
namespace {

using test::Bytes;

constexpr uint64_t kMaxPixels = 1 << 14;

Bytes MakePng(const uint8_t* data, size_t size) {
  constexpr size_t kParameters = 5;
  if (size <= kParameters) return {};
  constexpr int kColourTypes[] = {0, 2, 4, 6};
  test::PngShape shape;
  shape.colour_type = kColourTypes[data[0] % 4];
  shape.bit_depth = data[0] / 4 % 2 == 0 ? 8 : 16;
  shape.width = 1 + data[1] % 64u;
  const size_t piece = 1 + data[2] * data[2] / 4u;
  const int level = data[3] % 10, strategy = data[4] % 5;
  const Bytes rows(data + kParameters, data + size);
  shape.height = std::max(1u, static_cast<uint32_t>(rows.size() / shape.RowBytes()));  // what is left over is too much
  return test::Joined(
      {test::PngStart(shape), test::PixelChunks(test::ZlibStream(rows, level, strategy), piece), test::PngEnd()});
}

struct OurPicture {
  Status status;
  Image image;
};

OurPicture Read(const Bytes& file) {
  OurPicture result;
  ReadOptions options;
  options.max_pixels = kMaxPixels;
  auto source = OpenPng(std::make_unique<MemorySource>(file.data(), file.size()), options);
  if (!source.ok()) {
    result.status = source.status();
    return result;
  }
  Image& image = result.image;
  static_cast<ImageHeader&>(image) = source.value()->header();
  image.pixels.resize(image.RowBytes() * image.height);
  for (uint32_t y = 0; y < image.height && result.status.ok(); ++y) {
    result.status = source.value()->ReadRow(image.pixels.data() + image.RowBytes() * y);
  }
  return result;
}

void Check(const uint8_t* data, size_t size) {
  const bool is_file = size > 0 && data[0] == 0x89;
  Bytes file = is_file ? Bytes(data, data + size) : MakePng(data, size);
  if (is_file) test::MendPng(&file);
  const OurPicture ours = Read(file);
  if (!ours.status.ok()) LICHEN_FUZZ_REQUIRE_ERROR(ours.status);
  if (ours.status.code() == StatusCode::kLimitExceeded) return;
  const test::LibpngPicture expected = test::LibpngReader().Read(file.data(), file.size(), kMaxPixels);
  if (!ours.status.ok()) {
    LICHEN_FUZZ_REQUIRE(!expected.error.empty() || !test::PixelsAreExact(file));
  } else if (expected.error.empty()) {
    LICHEN_FUZZ_REQUIRE(ours.image.width == expected.width && ours.image.height == expected.height);
    LICHEN_FUZZ_REQUIRE(ours.image.channels == expected.channels && ours.image.bit_depth == expected.bit_depth);
    LICHEN_FUZZ_REQUIRE(ours.image.pixels == expected.pixels);
  } else {
    // zlib is stricter than ISA-L about codes that nothing uses, and about the window that the stream declares. The
    // checksum of what came out was right.
    LICHEN_FUZZ_REQUIRE(expected.error.rfind("IDAT: invalid", 0) == 0);
  }
}

}  // namespace
}  // namespace lichen::image_io

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lichen::image_io::Check(data, size);
  return 0;
}
