// SPDX-License-Identifier: Apache-2.0
// The whole decoder, with the toy model: any bytes are an error or a picture of the size that they declare.
#include <fstream>
#include <iterator>

#include "fuzz_target.h"
#include "lichen/codec.h"

namespace lichen {
namespace {

constexpr uint64_t kMaxPixels = 1 << 14;

std::shared_ptr<const Model> ToyModel() {
  std::ifstream file(LICHEN_TEST_DATA "/toy.lim", std::ios::binary);
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto model = Model::Parse(bytes.data(), bytes.size());
  LICHEN_FUZZ_REQUIRE(model.ok());
  return *model;
}

void Check(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const Model> model = ToyModel();
  DecodeOptions options;
  options.model = model;
  options.threads = 1;
  options.max_pixels = kMaxPixels;
  const auto picture = Decode(data, size, options);
  if (!picture.ok()) {
    LICHEN_FUZZ_REQUIRE_ERROR(picture.status());
    return;
  }
  const auto info = Inspect(data, size);
  LICHEN_FUZZ_REQUIRE(info.ok());
  LICHEN_FUZZ_REQUIRE(picture->width == info->width && picture->height == info->height);
  LICHEN_FUZZ_REQUIRE(picture->channels == info->channels && picture->bit_depth == info->bit_depth);
  LICHEN_FUZZ_REQUIRE(uint64_t{info->width} * info->height <= kMaxPixels);
  LICHEN_FUZZ_REQUIRE(picture->pixels.size() == picture->RowBytes() * picture->height);
  LICHEN_FUZZ_REQUIRE(picture->icc.size() == info->icc_bytes && picture->exif.size() == info->exif_bytes &&
                      picture->xmp.size() == info->xmp_bytes);
  const auto hash = HashLatents(data, size, options);
  LICHEN_FUZZ_REQUIRE(hash.ok());
}

}  // namespace
}  // namespace lichen

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lichen::Check(data, size);
  return 0;
}
