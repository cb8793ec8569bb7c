// SPDX-License-Identifier: Apache-2.0
#include "bitstream/alpha.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace lichen::bitstream {
namespace {

using Bytes = std::vector<uint8_t>;
using Words = std::vector<uint16_t>;
using Plane = std::function<int(int x, int y)>;

Bytes Compressed(uint32_t width, uint32_t height, size_t stride, const Plane& plane) {
  AlphaWriter writer(width, height, 8);
  Bytes row(width * stride, 0x5A);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) row[x * stride] = static_cast<uint8_t>(plane(int(x), int(y)));
    EXPECT_TRUE(writer.AddRow(row.data(), stride).ok());
  }
  if (writer.opaque()) return {};
  return writer.Finish().value();
}

void ExpectPlane(const Bytes& frame, uint32_t width, uint32_t height, const Plane& plane) {
  ASSERT_TRUE(CheckFrame(frame.data(), frame.size(), AlphaContentSize(width, height, 8)).ok());
  AlphaReader reader(frame.data(), frame.size(), width, 8);
  Bytes row(width);
  for (uint32_t y = 0; y < height; ++y) {
    ASSERT_TRUE(reader.ReadRow(row.data()).ok());
    for (uint32_t x = 0; x < width; ++x) {
      ASSERT_EQ(row[x], static_cast<uint8_t>(plane(int(x), int(y)))) << x << ", " << y;
    }
  }
  EXPECT_TRUE(reader.Finish().ok());
}

TEST(AlphaTest, RoundTripsPlanesOfEverySizeAndStride) {
  std::mt19937 random(3);
  Bytes noise(1 << 16);
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
  const Plane planes[] = {
      [&](int x, int y) { return noise[static_cast<size_t>(y * 251 + x) % noise.size()]; },
      [](int x, int y) { return x + y; },
      [](int x, int y) { return (x - 20) * (x - 20) + (y - 9) * (y - 9) < 99 ? 255 : 0; },
      [](int, int) { return 0; },
      [](int x, int y) { return y < 7 ? 255 : int(128 + 100 * std::sin(0.1 * x * y)); },
  };
  for (const Plane& plane : planes) {
    for (const auto& [width, height] : {std::pair<uint32_t, uint32_t>{1, 1}, {1, 9}, {9, 1}, {33, 17}, {300, 200}}) {
      for (const size_t stride : {size_t{1}, size_t{2}, size_t{4}}) {
        const Bytes frame = Compressed(width, height, stride, plane);
        if (!frame.empty()) ExpectPlane(frame, width, height, plane);
      }
    }
  }
}

TEST(AlphaTest, KnowsOpaquePlanes) {
  EXPECT_TRUE(Compressed(40, 30, 4, [](int, int) { return 255; }).empty());
  const Plane last = [](int x, int y) { return x == 39 && y == 29 ? 254 : 255; };
  const Bytes frame = Compressed(40, 30, 4, last);
  ASSERT_FALSE(frame.empty());
  ExpectPlane(frame, 40, 30, last);
}

TEST(AlphaTest, FiltersSmoothPlanesWell) {
  const Plane ramp = [](int x, int y) { return (x * 3 + y * 5) / 16; };
  EXPECT_LT(Compressed(512, 256, 1, ramp).size(), 2000u);  // 131072 samples
}

TEST(AlphaTest, PlanesLargerThanTheWindowRoundTrip) {
  const Plane plane = [](int x, int y) { return x * y / 256 + (x * 7 ^ y * 3) % 5; };
  ExpectPlane(Compressed(4096, 2100, 1, plane), 4096, 2100, plane);  // 8.6 MB
}

TEST(AlphaTest, ReadsEveryFilterByHand) {
  // 3 x 5 samples; each row is 10, 20, 40 under the filter that it names.
  const Bytes rows = {0, 10, 20, 40,  // none
                      1, 10, 10, 20,  // left
                      2, 0,  0,  0,   // up
                      3, 5,  5,  10,  // (left + up) / 2: 5, 15, 30
                      4, 0,  0,  0};  // Paeth: up, up, up
  const Bytes frame = CompressFrame(rows.data(), rows.size()).value();
  AlphaReader reader(frame.data(), frame.size(), 3, 8);
  for (int y = 0; y < 5; ++y) {
    Bytes row(3);
    ASSERT_TRUE(reader.ReadRow(row.data()).ok());
    EXPECT_EQ(row, (Bytes{10, 20, 40})) << y;
  }
  EXPECT_TRUE(reader.Finish().ok());
}

TEST(AlphaTest, RoundTripsPlanesOf16Bits) {
  std::mt19937 random(4);
  Words noise(1 << 16);
  for (uint16_t& word : noise) word = static_cast<uint16_t>(random());
  const Plane planes[] = {
      [&](int x, int y) { return noise[static_cast<size_t>(y * 251 + x) % noise.size()]; },
      [](int x, int y) { return 257 * ((x + y) & 255); },
      [](int x, int y) { return y < 2 ? 65535 : x * y; },
      [](int x, int y) { return x == 6 && y == 3 ? 65534 : 65535; },
  };
  for (const Plane& plane : planes) {
    for (const auto& [width, height] : {std::pair<uint32_t, uint32_t>{7, 4}, {33, 17}, {300, 200}}) {
      for (const size_t channels : {size_t{1}, size_t{2}, size_t{4}}) {
        AlphaWriter writer(width, height, 16);
        Words rows;
        for (uint32_t y = 0; y < height; ++y) {
          Words row(width * channels, 0x5A5A);
          for (uint32_t x = 0; x < width; ++x) {
            row[(x + 1) * channels - 1] = static_cast<uint16_t>(plane(int(x), int(y)));
            rows.push_back(row[(x + 1) * channels - 1]);
          }
          const auto* last = reinterpret_cast<const uint8_t*>(row.data() + channels - 1);
          ASSERT_TRUE(writer.AddRow(last, channels * 2).ok());
        }
        ASSERT_FALSE(writer.opaque());
        const Bytes frame = writer.Finish().value();
        ASSERT_TRUE(CheckFrame(frame.data(), frame.size(), AlphaContentSize(width, height, 16)).ok());
        AlphaReader reader(frame.data(), frame.size(), width, 16);
        Words back(rows.size());
        for (uint32_t y = 0; y < height; ++y) {
          ASSERT_TRUE(reader.ReadRow(reinterpret_cast<uint8_t*>(back.data() + y * width)).ok());
        }
        EXPECT_TRUE(reader.Finish().ok());
        EXPECT_EQ(back, rows);
      }
    }
  }
}

TEST(AlphaTest, KnowsOpaquePlanesOf16Bits) {
  AlphaWriter writer(5, 1, 16);
  ASSERT_TRUE(writer.AddRow(Bytes(10, 255).data(), 2).ok());
  EXPECT_TRUE(writer.opaque());
}

TEST(AlphaTest, ReadsEveryFilterOf16BitsByHand) {
  // Each row is 1000, 2000, 40000 under the filter that it names; high bytes, then low ones.
  const Bytes rows = {0, 0x03, 0x07, 0x9C, 0xE8, 0xD0, 0x40,  // none
                      1, 0x03, 0x03, 0x94, 0xE8, 0xE8, 0x70,  // left: 1000, 1000, 38000
                      2, 0,    0,    0,    0,    0,    0,     // up
                      3, 0x01, 0x01, 0x4A, 0xF4, 0xF4, 0x38,  // (left + up) / 2: 500, 1500, 21000
                      4, 0,    0,    0,    0,    0,    0};    // Paeth: up, up, up
  const Bytes frame = CompressFrame(rows.data(), rows.size()).value();
  AlphaReader reader(frame.data(), frame.size(), 3, 16);
  for (int y = 0; y < 5; ++y) {
    Words row(3);
    ASSERT_TRUE(reader.ReadRow(reinterpret_cast<uint8_t*>(row.data())).ok());
    EXPECT_EQ(row, (Words{1000, 2000, 40000})) << y;
  }
  EXPECT_TRUE(reader.Finish().ok());
}

TEST(AlphaTest, RefusesUnknownFilters) {
  const Bytes row = {5, 0, 0, 0};
  const Bytes frame = CompressFrame(row.data(), row.size()).value();
  Bytes samples(3);
  const Status status = AlphaReader(frame.data(), frame.size(), 3, 8).ReadRow(samples.data());
  EXPECT_EQ(status.code(), StatusCode::kDamaged);
  EXPECT_EQ(status.message(), "ALPH chunk: filter 5, 0 to 4 expected");
}

}  // namespace
}  // namespace lichen::bitstream
