// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_TEST_DATA_H_
#define LICHEN_TESTS_TEST_DATA_H_

// Files of tests/data and synthetic pictures.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "lichen/codec.h"

namespace lichen::test {

inline std::vector<uint8_t> ReadTestFile(const std::string& name) {
  std::ifstream file(std::string(LICHEN_TEST_DATA) + "/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A network of a few channels, untrained: round trips take milliseconds.
inline std::shared_ptr<const Model> ToyModel() {
  static const std::shared_ptr<const Model> model = [] {
    const std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
    auto parsed = Model::Parse(bytes.data(), bytes.size());
    EXPECT_TRUE(parsed.ok()) << parsed.status().message();
    return *parsed;
  }();
  return model;
}

/// Smooth colours with some texture.
inline Image SyntheticImage(uint32_t width, uint32_t height, int channels = 3) {
  Image image;
  image.width = width;
  image.height = height;
  image.channels = channels;
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double v = 128 + 60 * std::sin(0.05 * x + c) + 50 * std::cos(0.07 * y - 0.02 * x * c) +
                         ((x * 2654435761u ^ y * 40503u) >> 7 & 15);
        image.pixels.push_back(static_cast<uint8_t>(std::fmin(255, std::fmax(0, v))));
      }
    }
  }
  return image;
}

/// A picture with an alpha plane and a little of all metadata: tests/data/golden/alpha.lic.
inline Image GoldenAlphaImage() {
  Image image = SyntheticImage(61, 47, 4);
  for (int i = 0; i < 200; ++i) image.icc.push_back(static_cast<uint8_t>(i * i));
  image.exif = {'I', 'I', '*', 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  image.xmp = {'<', 'x', '/', '>'};
  return image;
}

/// An image's rows, counting them.
class ImageRows : public RowSource {
 public:
  explicit ImageRows(const Image& image) : image_(image) {}
  const ImageHeader& header() const override { return image_; }
  Status ReadRow(uint8_t* row) override {
    std::memcpy(row, image_.pixels.data() + next_++ * image_.RowBytes(), image_.RowBytes());
    ++rows_read;
    return Status();
  }
  bool can_rewind() const override { return true; }
  Status Rewind() override {
    next_ = 0;
    return Status();
  }
  size_t rows_read = 0;

 private:
  const Image& image_;
  size_t next_ = 0;
};

inline double Psnr(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / std::fmax(sum, 1e-9));
}

}  // namespace lichen::test

#endif  // LICHEN_TESTS_TEST_DATA_H_
