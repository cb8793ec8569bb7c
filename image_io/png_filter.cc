// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_filter.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace lichen::image_io {
namespace {

// Every loop of the filters is one that GCC and Clang make vector code of: bytes, or integers of 16 bits, without a
// branch.

uint8_t Byte(int value) { return static_cast<uint8_t>(value); }

void Subtract(const uint8_t* row, const uint8_t* prediction, size_t size, uint8_t* __restrict out) {
  for (size_t i = 0; i < size; ++i) out[i] = Byte(row[i] - prediction[i]);
}

void Average(const uint8_t* row, const uint8_t* above, size_t size, size_t pixel, uint8_t* __restrict out) {
  for (size_t i = 0; i < pixel; ++i) out[i] = Byte(row[i] - above[i] / 2);
  for (size_t i = pixel; i < size; ++i) out[i] = Byte(row[i] - (row[i - pixel] + above[i]) / 2);
}

/// Predicts by a, to the left, b, above, or c, above to the left: that nearest to a + b - c, the first if several are.
void Paeth(const uint8_t* row, const uint8_t* above, size_t size, size_t pixel, uint8_t* __restrict out) {
  for (size_t i = 0; i < pixel; ++i) out[i] = Byte(row[i] - above[i]);
  for (size_t i = pixel; i < size; ++i) {
    const auto a = static_cast<int16_t>(row[i - pixel]), b = static_cast<int16_t>(above[i]);
    const auto c = static_cast<int16_t>(above[i - pixel]);
    const auto from_a = static_cast<int16_t>(std::abs(b - c)), from_b = static_cast<int16_t>(std::abs(a - c));
    const auto from_c = static_cast<int16_t>(std::abs(a + b - 2 * c));
    const int16_t b_or_c = from_b <= from_c ? b : c;
    const int16_t nearer = from_b <= from_c ? from_b : from_c;
    out[i] = Byte(row[i] - (from_a <= nearer ? a : b_or_c));
  }
}

/// What Paeth predicts, in fewer steps from `a` on, which is known last. c is it unless it lies outside of a and b or
/// near to one of them, which for lo <= c <= hi, say, means hi - c <= (c - lo) - (hi - c), or hi <= 3c - (a + b): then
/// it is the other one. Without branches, which noise would have mispredicted.
int PredictPaeth(int a, int b, int c) {
  const int limit = 3 * c - b - a;
  const int lo = a < b ? a : b, hi = a < b ? b : a;
  const int low = -static_cast<int>(hi <= limit), high = -static_cast<int>(limit <= lo);  // both: a = b = c
  return c ^ (low & (lo ^ c)) ^ (high & (hi ^ c));
}

/// Every byte waits for that one pixel before it, so the pixel's are kept in registers, and are worked on side by side.
template <size_t kPixel, typename Predict>
void Undo(uint8_t* row, const uint8_t* above, size_t size, const Predict& predict) {
  int a[kPixel] = {}, c[kPixel] = {};
  for (size_t i = 0; i < size; i += kPixel) {
    for (size_t k = 0; k < kPixel; ++k) {
      const int b = above[i + k];
      a[k] = Byte(row[i + k] + predict(a[k], b, c[k]));
      c[k] = b;
      row[i + k] = static_cast<uint8_t>(a[k]);
    }
  }
}

template <size_t kPixel>
void Undo(PngFilter filter, uint8_t* row, const uint8_t* above, size_t size) {
  switch (filter) {
    case PngFilter::kNone:
      break;
    case PngFilter::kSub:
      Undo<kPixel>(row, above, size, [](int a, int, int) { return a; });
      break;
    case PngFilter::kUp:
      for (size_t i = 0; i < size; ++i) row[i] = Byte(row[i] + above[i]);
      break;
    case PngFilter::kAverage:
      Undo<kPixel>(row, above, size, [](int a, int b, int) { return (a + b) >> 1; });
      break;
    case PngFilter::kPaeth:
      Undo<kPixel>(row, above, size, [](int a, int b, int c) { return PredictPaeth(a, b, c); });
      break;
  }
}

}  // namespace

void FilterRow(PngFilter filter, const uint8_t* row, const uint8_t* above, size_t size, size_t pixel,
               uint8_t* filtered) {
  *filtered++ = static_cast<uint8_t>(filter);
  switch (filter) {
    case PngFilter::kNone:
      std::memcpy(filtered, row, size);
      break;
    case PngFilter::kSub:
      std::memcpy(filtered, row, pixel);
      Subtract(row + pixel, row, size - pixel, filtered + pixel);
      break;
    case PngFilter::kUp:
      Subtract(row, above, size, filtered);
      break;
    case PngFilter::kAverage:
      Average(row, above, size, pixel, filtered);
      break;
    case PngFilter::kPaeth:
      Paeth(row, above, size, pixel, filtered);
      break;
  }
}

void UnfilterRow(PngFilter filter, uint8_t* row, const uint8_t* above, size_t size, size_t pixel) {
  switch (pixel) {
    case 1:
      return Undo<1>(filter, row, above, size);
    case 2:
      return Undo<2>(filter, row, above, size);
    case 3:
      return Undo<3>(filter, row, above, size);
    case 4:
      return Undo<4>(filter, row, above, size);
    case 6:
      return Undo<6>(filter, row, above, size);
    default:
      return Undo<8>(filter, row, above, size);
  }
}

uint64_t Magnitude(const uint8_t* bytes, size_t size) {
  constexpr size_t kStep = size_t{1} << 16;  // of which 32 bits hold the sum
  uint64_t sum = 0;
  for (size_t start = 0; start < size; start += kStep) {
    const size_t end = std::min(size, start + kStep);
    uint32_t part = 0;
    for (size_t i = start; i < end; ++i) part += static_cast<uint32_t>(std::abs(static_cast<int8_t>(bytes[i])));
    sum += part;
  }
  return sum;
}

}  // namespace lichen::image_io
