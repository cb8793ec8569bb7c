// SPDX-License-Identifier: Apache-2.0
// The coefficients of a post-filter: bytes that are some are the only ones for them.
//
// Input: u8 count of components, i8 size of each, then the bytes.
#include "bitstream/post_filter_code.h"
#include "fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lichen::bitstream;
  constexpr size_t kMostComponents = 64;
  const size_t components = size == 0 ? 0 : data[0] % (kMostComponents + 1);
  if (size < 1 + components) return 0;
  std::vector<int8_t> sizes;
  for (size_t k = 0; k < components; ++k) sizes.push_back(static_cast<int8_t>(data[1 + k]));
  const std::vector<uint8_t> bytes(data + 1 + components, data + size);
  if (bytes.size() > kMaxPostFilterBytes) return 0;
  const auto coefficients = ReadPostFilter(bytes, sizes);
  if (!coefficients.ok()) {
    LICHEN_FUZZ_REQUIRE_ERROR(coefficients.status());
    return 0;
  }
  LICHEN_FUZZ_REQUIRE(coefficients->precision >= 0 && coefficients->precision <= kMaxPostFilterPrecision);
  LICHEN_FUZZ_REQUIRE(coefficients->values.size() <= sizes.size());
  LICHEN_FUZZ_REQUIRE(WritePostFilter(*coefficients, sizes) == bytes);
  return 0;
}
