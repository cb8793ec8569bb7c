// SPDX-License-Identifier: Apache-2.0
#include "bitstream/post_filter_code.h"

#include <algorithm>
#include <string>

namespace lichen::bitstream {
namespace {

constexpr int kPrecisionBits = 4;
constexpr int kMaxRemainderBits = 15;

/// 0, 1, -1, 2, -2, ... as 0, 1, 2, 3, 4, ...
uint32_t Folded(int value) {
  return value > 0 ? 2 * static_cast<uint32_t>(value) - 1 : 2 * static_cast<uint32_t>(-value);
}
int Unfolded(uint32_t folded) {
  return folded % 2 == 1 ? static_cast<int>(folded / 2) + 1 : -static_cast<int>(folded / 2);
}

int RemainderBits(int precision, int size) { return std::clamp(precision + size, 0, kMaxRemainderBits); }

class BitWriter {
 public:
  void Write(uint32_t value, int bits) {
    for (int i = bits - 1; i >= 0; --i) {
      if (count_++ % 8 == 0) bytes.push_back(0xFF);  // what is not used stays 1
      if ((value >> i & 1) == 0) bytes.back() &= static_cast<uint8_t>(~(0x80 >> (count_ - 1) % 8));
    }
  }

  std::vector<uint8_t> bytes;

 private:
  size_t count_ = 0;
};

class BitReader {
 public:
  explicit BitReader(const std::vector<uint8_t>& bytes) : bytes_(bytes) {}

  size_t left() const { return bytes_.size() * 8 - position_; }
  bool AllOnes() const {
    BitReader rest = *this;
    while (rest.left() > 0) {
      if (rest.Bit() == 0) return false;
    }
    return true;
  }
  /// REQUIRES: left() > 0
  uint32_t Bit() {
    const uint32_t bit = bytes_[position_ / 8] >> (7 - position_ % 8) & 1;
    ++position_;
    return bit;
  }

 private:
  const std::vector<uint8_t>& bytes_;
  size_t position_ = 0;
};

Status Damaged(const char* message) {
  return Status(StatusCode::kDamaged, std::string("HEAD chunk: post-filter: ") + message);
}

}  // namespace

int PostFilterValueBits(int value, int precision, int size) {
  const int remainder = RemainderBits(precision, size);
  return static_cast<int>(Folded(value) >> remainder) + 1 + remainder;
}

std::vector<uint8_t> WritePostFilter(const PostFilterCoefficients& coefficients, const std::vector<int8_t>& sizes) {
  BitWriter writer;
  if (coefficients.values.empty()) return {};
  writer.Write(static_cast<uint32_t>(coefficients.precision), kPrecisionBits);
  for (size_t k = 0; k < coefficients.values.size(); ++k) {
    const uint32_t folded = Folded(coefficients.values[k]);
    const int remainder = RemainderBits(coefficients.precision, sizes[k]);
    for (uint32_t i = 0; i < folded >> remainder; ++i) writer.Write(1, 1);
    writer.Write(0, 1);
    writer.Write(folded, remainder);
  }
  return writer.bytes;
}

Result<PostFilterCoefficients> ReadPostFilter(const std::vector<uint8_t>& bytes, const std::vector<int8_t>& sizes) {
  PostFilterCoefficients coefficients;
  if (bytes.empty()) return coefficients;
  BitReader reader(bytes);
  for (int i = 0; i < kPrecisionBits; ++i) {
    coefficients.precision = 2 * coefficients.precision + static_cast<int>(reader.Bit());
  }
  while (coefficients.values.size() < sizes.size() && !reader.AllOnes()) {
    const int remainder = RemainderBits(coefficients.precision, sizes[coefficients.values.size()]);
    uint32_t folded = 0;
    while (reader.Bit() == 1) ++folded;  // there is a 0
    if (reader.left() < static_cast<size_t>(remainder)) return Damaged("it ends inside a coefficient");
    for (int i = 0; i < remainder; ++i) folded = 2 * folded + reader.Bit();
    coefficients.values.push_back(Unfolded(folded));
  }
  if (!reader.AllOnes()) return Damaged("more coefficients than the model has components");
  if (reader.left() >= 8) return Damaged("bytes behind the last coefficient");
  if (coefficients.values.empty() || coefficients.values.back() == 0) return Damaged("the last coefficient is 0");
  return coefficients;
}

}  // namespace lichen::bitstream
