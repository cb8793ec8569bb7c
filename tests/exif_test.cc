// SPDX-License-Identifier: Apache-2.0
#include "image_io/exif.h"

#include <gtest/gtest.h>

#include <string>

namespace lichen::image_io {
namespace {

int OrientationOf(const std::string& bytes) {
  return ExifOrientation(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

TEST(ExifTest, ReadsOrientationInBothByteOrders) {
  const std::string big("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26);
  const std::string little("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0", 26);
  EXPECT_EQ(OrientationOf(big), 6);
  EXPECT_EQ(OrientationOf(little), 8);
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(OrientationOf(big.substr(0, size)), 1) << size;
  for (size_t i = 0; i < big.size(); ++i) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string damaged = big;
      damaged[i] = value;
      EXPECT_GE(OrientationOf(damaged), 1);
    }
  }
  EXPECT_EQ(ExifOrientation(nullptr, 0), 1);
}

}  // namespace
}  // namespace lichen::image_io
