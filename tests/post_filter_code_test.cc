// SPDX-License-Identifier: Apache-2.0
#include "bitstream/post_filter_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>

namespace lichen::bitstream {
namespace {

using Bytes = std::vector<uint8_t>;
using Sizes = std::vector<int8_t>;

/// Bytes written as a row of 0 and 1, with spaces for the reader; what is not given of the last is 1.
Bytes FromBits(std::string bits) {
  bits.erase(std::remove(bits.begin(), bits.end(), ' '), bits.end());
  Bytes bytes((bits.size() + 7) / 8, 0xFF);
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] == '0') bytes[i / 8] &= static_cast<uint8_t>(~(0x80 >> i % 8));
  }
  return bytes;
}

void ExpectDamage(const Bytes& bytes, const Sizes& sizes, const std::string& message) {
  const auto read = ReadPostFilter(bytes, sizes);
  ASSERT_FALSE(read.ok()) << message;
  EXPECT_EQ(read.status().code(), StatusCode::kDamaged);
  EXPECT_EQ(read.status().message(), "HEAD chunk: post-filter: " + message);
}

/// Any bytes are an error, or coefficients whose bytes they are.
void ExpectOneWayToWrite(const Bytes& bytes, const Sizes& sizes) {
  const auto read = ReadPostFilter(bytes, sizes);
  if (!read.ok()) {
    EXPECT_EQ(read.status().code(), StatusCode::kDamaged);
    return;
  }
  EXPECT_LE(read->values.size(), sizes.size());
  EXPECT_TRUE(read->precision >= 0 && read->precision <= kMaxPostFilterPrecision);
  EXPECT_EQ(WritePostFilter(*read, sizes), bytes);
}

PostFilterCoefficients RandomCoefficients(const Sizes& sizes, std::mt19937& random) {
  PostFilterCoefficients coefficients;
  coefficients.precision = static_cast<int>(random() % 16);
  coefficients.values.resize(random() % (sizes.size() + 1));
  for (size_t k = 0; k < coefficients.values.size(); ++k) {
    // Up to some ten times what is usual.
    const int magnitude = 1 << std::clamp(coefficients.precision + sizes[k] + static_cast<int>(random() % 4), 0, 18);
    coefficients.values[k] = static_cast<int>(random() % (2 * magnitude + 1)) - magnitude;
  }
  if (!coefficients.values.empty() && coefficients.values.back() == 0) coefficients.values.back() = -1;
  return coefficients;
}

Sizes RandomSizes(std::mt19937& random) {
  Sizes sizes(random() % 40);
  for (int8_t& size : sizes) size = static_cast<int8_t>(static_cast<int>(random() % 24) - 16);
  return sizes;
}

TEST(PostFilterCodeTest, RoundTrips) {
  std::mt19937 random(20261122);
  size_t longest = 0;
  for (int i = 0; i < 20000; ++i) {
    const Sizes sizes = RandomSizes(random);
    const PostFilterCoefficients coefficients = RandomCoefficients(sizes, random);
    const Bytes bytes = WritePostFilter(coefficients, sizes);
    const auto read = ReadPostFilter(bytes, sizes);
    ASSERT_TRUE(read.ok()) << read.status().message();
    ASSERT_EQ(read->values, coefficients.values);
    if (!coefficients.values.empty()) {
      ASSERT_EQ(read->precision, coefficients.precision);
    }
    longest = std::max(longest, coefficients.values.size());
  }
  EXPECT_EQ(longest, 39u);
}

TEST(PostFilterCodeTest, WritesTheBitsOfTheFormat) {
  // Precision 3 is 0011. Size 0 leaves 3 bits to a remainder, size -2 one, size -9 none.
  // 5 folds to 9, 1 001; -2 to 4, 2 0; 1 to 1, 1.
  const Sizes sizes = {0, -2, -9};
  EXPECT_EQ(WritePostFilter({3, {5, -2, 1}}, sizes), FromBits("0011 10001"
                                                              "1100 10"));
  EXPECT_EQ(WritePostFilter({3, {0, -2}}, sizes), FromBits("0011 0000 1100"));
  EXPECT_EQ(WritePostFilter({0, {-1}}, sizes), FromBits("0000 110"));
  EXPECT_EQ(WritePostFilter({15, {1 << 15}}, {100}), FromBits("1111 10 111111111111111")) << "15 bits at most";
}

TEST(PostFilterCodeTest, TheBitsOfAValueAreThoseThatItTakes) {
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    const Sizes sizes = RandomSizes(random);
    const PostFilterCoefficients coefficients = RandomCoefficients(sizes, random);
    if (coefficients.values.empty()) continue;
    int bits = 4;
    for (size_t k = 0; k < coefficients.values.size(); ++k) {
      bits += PostFilterValueBits(coefficients.values[k], coefficients.precision, sizes[k]);
    }
    ASSERT_EQ(WritePostFilter(coefficients, sizes).size(), static_cast<size_t>(bits + 7) / 8);
  }
}

TEST(PostFilterCodeTest, WithoutCoefficientsThereAreNoBytes) {
  EXPECT_TRUE(WritePostFilter({7, {}}, {0, 0}).empty());
  const auto read = ReadPostFilter({}, {0, 0});
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->values.empty());
  EXPECT_TRUE(ReadPostFilter({}, {}).ok()) << "a model without components";
}

TEST(PostFilterCodeTest, ThereIsOneWayToWriteCoefficients) {
  std::mt19937 random(99);
  for (int i = 0; i < 300; ++i) {
    const Sizes sizes = RandomSizes(random);
    const Bytes bytes = WritePostFilter(RandomCoefficients(sizes, random), sizes);
    for (size_t size = 0; size < bytes.size(); ++size) {
      ExpectOneWayToWrite(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)), sizes);
    }
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      Bytes flipped = bytes;
      flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      ExpectOneWayToWrite(flipped, sizes);
    }
    Bytes any(random() % 256);
    for (uint8_t& byte : any) byte = static_cast<uint8_t>(i % 2 == 0 ? random() : random() | random());
    ExpectOneWayToWrite(any, sizes);
  }
}

TEST(PostFilterCodeTest, AByteOfPaddingIsDamage) {
  Bytes bytes = FromBits("0000 10 1");  // 1 bit of padding
  const Sizes sizes = {0, 0};
  EXPECT_EQ(ReadPostFilter(bytes, sizes)->values, std::vector<int>{1});
  bytes.push_back(0xFF);
  ExpectDamage(bytes, sizes, "bytes behind the last coefficient");
  bytes = FromBits("0000 1110");  // none
  EXPECT_EQ(ReadPostFilter(bytes, sizes)->values, std::vector<int>{2});
  bytes.push_back(0xFF);
  ExpectDamage(bytes, sizes, "bytes behind the last coefficient");
}

TEST(PostFilterCodeTest, ALastCoefficientOf0IsDamage) {
  ExpectDamage(FromBits("0000 10 0"), {0, 0}, "the last coefficient is 0");
  ExpectDamage(FromBits("0001"), {0}, "the last coefficient is 0");  // as there is none
  ExpectDamage(Bytes(255, 0xFF), {0}, "bytes behind the last coefficient");
}

TEST(PostFilterCodeTest, MoreCoefficientsThanComponentsAreDamage) {
  const Bytes two = FromBits("0000 10 10");
  EXPECT_TRUE(ReadPostFilter(two, {0, 0}).ok());
  ExpectDamage(two, {0}, "more coefficients than the model has components");
  ExpectDamage(two, {}, "more coefficients than the model has components");
}

TEST(PostFilterCodeTest, ARemainderThatIsCutOffIsDamage) {
  ExpectDamage(FromBits("1111 0 000"), {0}, "it ends inside a coefficient");
  ExpectDamage(FromBits("1111 0 000 00000000"), {0}, "it ends inside a coefficient");
}

TEST(PostFilterCodeTest, TheLargestCoefficientsThatFitAreRead) {
  // 255 bytes: 4 bits of precision, a run of ones, a zero and 15 bits.
  const std::string bits = "1111" + std::string(255 * 8 - 4 - 16, '1') + "0" + std::string(15, '1');
  const auto read = ReadPostFilter(FromBits(bits), {0});
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->values, std::vector<int>{(2021 << 14)});  // folded 2020 * 2^15 + 2^15 - 1
  ExpectOneWayToWrite(FromBits(bits), {0});
}

}  // namespace
}  // namespace lichen::bitstream
