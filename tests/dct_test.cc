// SPDX-License-Identifier: Apache-2.0
#include "codec/dct.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

namespace lichen {
namespace {

TEST(DctTest, ForwardIsTheOrthonormalCosineTransformWithinAPercent) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    float samples[64], coefficients[64];
    for (float& s : samples) s = static_cast<float>(random() % 256) - 128;
    ForwardDct(samples, coefficients);
    double length = 0;
    for (const float s : samples) length += double{s} * s;
    length = std::sqrt(length);
    for (int v = 0; v < 8; ++v) {
      for (int u = 0; u < 8; ++u) {
        double sum = 0;
        for (int y = 0; y < 8; ++y) {
          for (int x = 0; x < 8; ++x) {
            sum += samples[8 * y + x] * std::cos((2 * y + 1) * v * M_PI / 16) * std::cos((2 * x + 1) * u * M_PI / 16);
          }
        }
        const double expected = sum * (v == 0 ? std::sqrt(0.125) : 0.5) * (u == 0 ? std::sqrt(0.125) : 0.5);
        EXPECT_NEAR(coefficients[8 * v + u], expected, 0.01 * length) << v << " " << u;
      }
    }
  }
}

TEST(DctTest, TheInverseGivesSamplesBack) {
  std::mt19937 random(2);
  double worst = 0;
  for (int round = 0; round < 200; ++round) {
    float samples[64], coefficients[64];
    for (float& s : samples) s = static_cast<float>(random() % 256) - 128;
    ForwardDct(samples, coefficients);
    int16_t quantised[64], decoded[64];
    constexpr int kStep = 32;  // half a level
    for (int i = 0; i < 64; ++i) quantised[i] = static_cast<int16_t>(std::lround(coefficients[i] * 64 / kStep));
    InverseDct(quantised, kStep, decoded);
    for (int i = 0; i < 64; ++i) worst = std::max(worst, std::abs(decoded[i] / 64.0 - samples[i]));
  }
  EXPECT_LT(worst, 1.0);  // levels
}

TEST(DctTest, AMeanAloneIsFlatAndExact) {
  for (const int level : {-300, -1, 0, 1, 7, 440}) {
    int16_t quantised[64] = {}, samples[64];
    quantised[0] = static_cast<int16_t>(level);
    InverseDct(quantised, 8 * kStepsPerLevel, samples);  // coefficient 8 * level, samples level
    for (const int16_t s : samples) EXPECT_EQ(s, level * 64);
  }
}

// The same integers as FORMAT.md says, computed the plain way.
TEST(DctTest, TheInverseIsTheArithmeticOfTheFormat) {
  constexpr int kRows[8][8] = {{64, 64, 64, 64, 64, 64, 64, 64},     {89, 75, 50, 18, -18, -50, -75, -89},
                               {83, 36, -36, -83, -83, -36, 36, 83}, {75, -18, -89, -50, 50, 89, 18, -75},
                               {64, -64, -64, 64, 64, -64, -64, 64}, {50, -89, 18, 75, -75, -18, 89, -50},
                               {36, -83, 83, -36, -36, 83, -83, 36}, {18, -50, 75, -89, 89, -75, 50, -18}};
  const auto saturated = [](int64_t v) { return std::clamp<int64_t>(v, -32768, 32767); };
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    int16_t quantised[64] = {}, samples[64];
    const int range = 1 << static_cast<int>(random() % 16), step = static_cast<int>(1 + random() % 65535);
    for (int16_t& q : quantised) {
      if (random() % 3 == 0)
        q = static_cast<int16_t>(std::max(-32767, static_cast<int>(random() % (2 * range)) - range));
    }
    InverseDct(quantised, step, samples);
    int64_t c[64], t[64];
    for (int i = 0; i < 64; ++i) {
      const int64_t magnitude = std::min<int64_t>((int64_t{std::abs(quantised[i])} * step + 4) >> 3, 32767);
      c[i] = quantised[i] < 0 ? -magnitude : magnitude;
    }
    for (int y = 0; y < 8; ++y) {
      for (int u = 0; u < 8; ++u) {
        int64_t sum = 32;
        for (int v = 0; v < 8; ++v) sum += kRows[v][y] * c[8 * v + u];
        t[8 * y + u] = saturated(sum >> 6);
      }
    }
    for (int y = 0; y < 8; ++y) {
      for (int x = 0; x < 8; ++x) {
        int64_t sum = 32;
        for (int u = 0; u < 8; ++u) sum += kRows[u][x] * t[8 * y + u];
        ASSERT_EQ(samples[8 * y + x], saturated(sum >> 6)) << round;
      }
    }
  }
}

TEST(DctTest, ColoursComeBack) {
  std::mt19937 random(4);
  constexpr int kCount = 1000;
  float rgb[3 * kCount], planes[3 * kCount];
  for (float& v : rgb) v = static_cast<float>(random() % 256) / 255 - 0.5f;
  RotateColours(rgb, kCount, kCount, planes);
  int16_t fixed[3 * kCount];
  for (int i = 0; i < 3 * kCount; ++i) fixed[i] = static_cast<int16_t>(std::lround(planes[i] * 64));
  int32_t back[3 * kCount];
  RotateBack(fixed, fixed + kCount, fixed + 2 * kCount, kCount, back);
  for (int i = 0; i < 3 * kCount; ++i) {
    EXPECT_NEAR(back[i] / 1048576.0, (rgb[i] + 0.5) * 255, 0.05);
  }
  int32_t gray[3];
  const int16_t values[3] = {-32768, 64, 32767};
  ClampGray(values, 3, gray);
  EXPECT_EQ(gray[0], 0);
  EXPECT_EQ(gray[1], 129 << 20);
  EXPECT_EQ(gray[2], 255 << 20);
}

}  // namespace
}  // namespace lichen
