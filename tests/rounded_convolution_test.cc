// SPDX-License-Identifier: Apache-2.0
#include "codec/rounded_convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "codec/convolution.h"
#include "exact_convolution.h"

namespace lichen {
namespace {

using test::ExactConvolution;

Workers one(1), several(0);

/// What cannot be carried by bytes here, the processor lacking the instructions, is carried by floats alone.
std::vector<Precision> Carriers() {
  std::vector<Precision> carriers = {Precision::kFloat32};
  if (FastestPrecision().bytes) carriers.push_back(Precision::kInt8);
  return carriers;
}

TEST(RoundedConvolutionTest, ActivationsAreRoundedToEvenAndLimited) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> step = {1.0f, 0.25f, 8.0f};
  const std::vector<float> src = {0.5f,   0.375f, 12.0f,  1.5f,      -0.625f, 1015.9f,  -2.5f, 100.0f,
                                  -4.01f, 127.6f, -31.9f, -infinity, -200.0f, infinity, 3.0f};
  const std::vector<int8_t> expected = {0, 2, 2, 2, -2, 127, -2, 127, -1, 127, -127, -127, -127, 127, 0};
  std::vector<int8_t> bytes(src.size());
  std::vector<float> floats(src.size());
  RoundToSteps(src.data(), 5, Inverses(step), 3, bytes.data(), one);
  RoundToSteps(src.data(), 5, Inverses(step), floats.data(), one);
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(floats, std::vector<float>(expected.begin(), expected.end()));
}

TEST(RoundedConvolutionTest, ManyActivationsAreThoseOfTheLibrary) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 40);
  const size_t pixels = 501;
  for (const int channels : {1, 7, 16, 48, 65, 128}) {
    std::vector<float> src(pixels * channels), inverse_step(channels);
    for (float& v : src) v = normal(random);
    for (float& v : inverse_step) v = std::exp2(normal(random) / 20);
    std::vector<int8_t> bytes(src.size());
    std::vector<float> floats(src.size());
    RoundToSteps(src.data(), pixels, inverse_step, channels, bytes.data(), several);
    RoundToSteps(src.data(), pixels, inverse_step, floats.data(), several);
    for (size_t i = 0; i < src.size(); ++i) {
      const float t = std::clamp(std::nearbyint(src[i] * inverse_step[i % channels]), -127.0f, 127.0f);
      ASSERT_EQ(bytes[i], t) << src[i];
      ASSERT_EQ(floats[i], t) << src[i];
    }
    FloatConvolutionData next;  // what takes them
    next.in = channels, next.out = 16, next.kernel = 3;
    const size_t pitch = PitchFor(next, Precision::kInt8);
    std::vector<int8_t> apart(pixels * pitch, 77);
    RoundToSteps(src.data(), pixels, inverse_step, static_cast<int>(pitch), apart.data(), several);
    for (size_t i = 0; i < apart.size(); ++i) {
      const size_t pixel = i / pitch, c = i % pitch;
      ASSERT_EQ(apart[i], c < static_cast<size_t>(channels) ? bytes[pixel * channels + c] : 77) << pixel << ", " << c;
    }
  }
}

TEST(RoundedConvolutionTest, TheLargestWeightOfAnOutputBecomes127) {
  FloatConvolutionData data;
  data.in = 2, data.out = 3, data.kernel = 1;
  data.step = {0.5f, 2.0f};
  data.weight = {1.0f, 0.125f, 0.0f, 0.0f, 254.0f, -127.0f};  // times steps: 0.5, 0.25; 0, 0; 127, -254
  const RoundedWeights rounded = RoundWeights(data);
  EXPECT_EQ(rounded.weight, (std::vector<int8_t>{127, 64, 0, 0, 64, -127}));  // 63.5 is rounded up
  EXPECT_FLOAT_EQ(rounded.scale[0], 0.5f / 127);
  EXPECT_EQ(rounded.scale[1], 1.0f);
  EXPECT_FLOAT_EQ(rounded.scale[2], 2.0f);
}

TEST(RoundedConvolutionTest, EqualsPlainLoopsOfIntegersExactly) {
  std::mt19937 random(5);
  struct Size {
    int in, out, kernel, h, w, top, bottom;
  };
  // The default model's channels, and any.
  for (const Size& size : {Size{128, 128, 3, 5, 33, 1, 1},
                           {128, 64, 3, 4, 20, 1, 0},
                           {64, 128, 3, 3, 29, 0, 1},
                           {48, 48, 3, 6, 61, 0, 0},
                           {512, 48, 3, 3, 17, 1, 1},
                           {48, 512, 3, 2, 18, 1, 1},
                           {16, 8, 3, 7, 5, 1, 1},
                           {3, 5, 5, 4, 9, 2, 2},
                           {20, 17, 1, 3, 8, 0, 0},
                           {33, 40, 7, 4, 4, 3, 3}}) {
    for (const bool inner : {true, false}) {  // the first of a block, and the second
      const ExactConvolution exact(size.in, size.out, size.kernel, inner, 5, 7, random);
      std::vector<int8_t> t(static_cast<size_t>(size.h) * size.w * size.in);
      for (int8_t& v : t) v = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
      const int rows = size.top + size.h + size.bottom - size.kernel + 1;
      const size_t count = static_cast<size_t>(rows) * size.w * size.out;
      std::vector<double> expected;  // in output steps, or as they are, added to 1
      for (size_t i = 0; i < count; ++i) {
        const int o = static_cast<int>(i % size.out), x = static_cast<int>(i / size.out % size.w);
        const int sum = exact.Sum(t, size.h, size.w, size.top, static_cast<int>(i / size.out / size.w), x, o);
        const double value = std::ldexp(sum, exact.scale[o]);
        expected.push_back(inner ? std::ldexp(value < 0 ? value / 4 : value, -exact.output_scale[o]) : value + 1);
      }
      for (const Precision carrier : Carriers()) {
        const bool bytes = carrier == Precision::kInt8;
        FloatConvolution::Options options;
        options.precision = carrier;
        options.accumulate = !inner;
        if (inner) options.output_step = exact.output_step;
        FloatConvolution convolution(exact.data, options);
        const std::vector<float> floats(t.begin(), t.end());
        const void* src = bytes ? static_cast<const void*>(t.data()) : floats.data();
        for (Workers* workers : {&one, &several}) {
          std::vector<float> dst(count, 1.0f);
          std::vector<int8_t> narrow(count);
          void* to = bytes && inner ? static_cast<void*>(narrow.data()) : dst.data();
          const Status status = convolution.Run(src, {size.h, size.top, size.bottom}, size.w, to, *workers);
          ASSERT_TRUE(status.ok()) << status.message();
          int limited = 0;
          for (size_t i = 0; i < count; ++i) {
            // oneDNN limits bytes to what they hold. That differs from training by one step, of values that are cut
            // off.
            const double low = bytes ? -128 : -127;
            const double value = inner ? std::clamp(std::nearbyint(expected[i]), low, 127.0) : expected[i];
            limited += inner && value != std::nearbyint(expected[i]) ? 1 : 0;
            ASSERT_EQ(bytes && inner ? narrow[i] : dst[i], static_cast<float>(value))
                << size.in << " to " << size.out << ", element " << i << (bytes ? " of bytes" : " of floats");
          }
          if (inner && count > 100) {
            EXPECT_GT(limited, 0);
            EXPECT_LT(limited, static_cast<int>(count) * 3 / 4);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lichen
