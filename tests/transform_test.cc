// SPDX-License-Identifier: Apache-2.0
#include "codec/transform.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "codec/fixed_point.h"
#include "codec/tiling.h"
#include "exact_convolution.h"
#include "test_data.h"

namespace lichen {
namespace {

Workers one_thread(1), several(0);

using test::ToyModel;

struct Plane {
  int h, w, c;
  std::vector<float> v;
};

/// The layers in the plainest C++, as the judge of the fast ones.
Plane Convolve(const Plane& x, const FloatConvolutionData& conv) {
  const int s = conv.stride, k = conv.kernel;
  Plane out{(x.h + s - 1) / s, (x.w + s - 1) / s, conv.out, {}};
  for (int y = 0; y < out.h; ++y) {
    for (int u = 0; u < out.w; ++u) {
      for (int o = 0; o < conv.out; ++o) {
        double sum = conv.bias[o];
        for (int ky = 0; ky < k; ++ky) {
          for (int kx = 0; kx < k; ++kx) {
            const int sy = y * s + ky - k / 2, sx = u * s + kx - k / 2;
            if (sy < 0 || sy >= x.h || sx < 0 || sx >= x.w) continue;
            for (int i = 0; i < conv.in; ++i) {
              sum += double(conv.weight[((static_cast<size_t>(o) * conv.in + i) * k + ky) * k + kx]) *
                     x.v[(static_cast<size_t>(sy) * x.w + sx) * x.c + i];
            }
          }
        }
        out.v.push_back(static_cast<float>(conv.relu && sum < 0 ? sum * conv.slope : sum));
      }
    }
  }
  return out;
}

Plane Reference(const std::vector<FloatLayer>& layers, int quality, Plane x) {
  for (const FloatLayer& layer : layers) {
    const int f = layer.factor;
    if (layer.type == FloatLayer::Type::kConvolution) {
      x = Convolve(x, layer.a);
    } else if (layer.type == FloatLayer::Type::kResidual) {
      const Plane branch = Convolve(Convolve(x, layer.a), layer.b);
      for (size_t i = 0; i < x.v.size(); ++i) x.v[i] += branch.v[i];
    } else if (layer.type == FloatLayer::Type::kGain) {
      const std::vector<float> gain = GainsAtQuality(layer.gain, layer.channels, quality);
      for (size_t i = 0; i < x.v.size(); ++i) x.v[i] *= gain[i % x.c];
    } else {
      const bool up = layer.type == FloatLayer::Type::kDepthToSpace;
      Plane out = up ? Plane{x.h * f, x.w * f, x.c / (f * f), {}} : Plane{x.h / f, x.w / f, x.c * f * f, {}};
      out.v.resize(x.v.size());
      const Plane& fine = up ? out : x;
      const Plane& coarse = up ? x : out;
      for (int y = 0; y < fine.h; ++y) {
        for (int u = 0; u < fine.w; ++u) {
          for (int c = 0; c < fine.c; ++c) {
            const size_t a = (static_cast<size_t>(y) * fine.w + u) * fine.c + c;
            const size_t b =
                (static_cast<size_t>(y / f) * coarse.w + u / f) * coarse.c + (y % f * f + u % f) * fine.c + c;
            if (up)
              out.v[a] = x.v[b];
            else
              out.v[b] = x.v[a];
          }
        }
      }
      x = out;
    }
  }
  return x;
}

std::vector<float> Noise(size_t count, float scale) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> v(count);
  for (float& value : v) value = normal(random);
  return v;
}

double RelativeError(const float* got, const std::vector<float>& expected) {
  double error = 0, energy = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    error += (got[i] - expected[i]) * (got[i] - expected[i]);
    energy += expected[i] * expected[i];
  }
  return std::sqrt(error / energy);
}

TEST(TransformTest, Float32EqualsPlainLoops) {
  const ModelData& model = DataOf(*ToyModel());
  for (const auto& [h, w] : {std::pair{64, 48}, std::pair{16, 16}, std::pair{16, 80}}) {
    const std::vector<float> x = Noise(static_cast<size_t>(h) * w * 3, 0.3f);
    Transform g_a(model.g_a, 300, Precision::kFloat32, one_thread);
    const auto y = g_a.Run(x.data(), h, w);
    ASSERT_TRUE(y.ok());
    const Plane expected = Reference(model.g_a, 300, {h, w, 3, x});
    EXPECT_EQ(expected.h * 16, h);
    EXPECT_LT(RelativeError(*y, expected.v), 1e-5);
    Transform g_s(model.g_s, 300, Precision::kFloat32, one_thread);
    const auto back = g_s.Run(expected.v.data(), expected.h, expected.w);
    ASSERT_TRUE(back.ok());
    EXPECT_LT(RelativeError(*back, Reference(model.g_s, 300, expected).v), 1e-5);
    Transform h_a(model.h_a, 300, Precision::kFloat32, one_thread);
    if (h % 64 != 0 || w % 64 != 0) continue;
    const auto z = h_a.Run(expected.v.data(), expected.h, expected.w);
    ASSERT_TRUE(z.ok());
    EXPECT_LT(RelativeError(*z, Reference(model.h_a, 300, expected).v), 1e-5);
  }
}

TEST(TransformTest, LeakyUnitsEqualPlainLoops) {
  const ModelData& model = DataOf(*ToyModel());
  std::vector<FloatLayer> leaky = model.g_s;
  for (FloatLayer& layer : leaky) {
    if (layer.type == FloatLayer::Type::kResidual) layer.a.slope = 0.25f;
  }
  const std::vector<float> y = Noise(size_t{6} * 4 * model.latent_channels, 1.0f);
  const std::vector<float> expected = Reference(leaky, 300, {6, 4, model.latent_channels, y}).v;
  EXPECT_GT(RelativeError(Reference(model.g_s, 300, {6, 4, model.latent_channels, y}).v.data(), expected), 1e-3);
  Transform exact(leaky, 300, Precision::kFloat32, one_thread), fast(leaky, 300, Precision::kBfloat16, one_thread);
  const auto a = exact.Run(y.data(), 6, 4);
  ASSERT_TRUE(a.ok());
  EXPECT_LT(RelativeError(*a, expected), 1e-5);
  const auto b = fast.Run(y.data(), 6, 4);
  if (!b.ok()) GTEST_SKIP() << "no bfloat16 here: " << b.status().message();
  EXPECT_LT(RelativeError(*b, expected), 0.01);
}

TEST(TransformTest, Bfloat16IsCloseToFloat32) {
  const ModelData& model = DataOf(*ToyModel());
  const std::vector<float> y = Noise(size_t{6} * 4 * model.latent_channels, 1.0f);
  Transform exact(model.g_s, 600, Precision::kFloat32, one_thread),
      fast(model.g_s, 600, Precision::kBfloat16, one_thread);
  const auto a = exact.Run(y.data(), 6, 4);
  const auto b = fast.Run(y.data(), 6, 4);
  if (!b.ok()) GTEST_SKIP() << "no bfloat16 here: " << b.status().message();
  EXPECT_LT(RelativeError(*b, std::vector<float>(*a, *a + 96 * 64 * 3)), 0.01);
}

TEST(TransformTest, TheDefaultModelAtItsFastestKeepsWhatFloat32Gives) {
  const ModelData& model = DataOf(*Model::Default().value());
  const int h = 128, w = 192, m = model.latent_channels;
  const Image image = test::SyntheticImage(w, h);
  std::vector<float> x;
  for (const uint8_t sample : image.pixels) x.push_back(static_cast<float>(sample) / 255 - 0.5f);
  for (const int quality : {0, 500, kMaxQualityIndex}) {
    Transform g_a(model.g_a, quality, Precision::kFloat32, one_thread),
        g_s(model.g_s, quality, Precision::kFloat32, one_thread);
    const auto y = g_a.Run(x.data(), h, w);
    ASSERT_TRUE(y.ok());
    const std::vector<float> exact_y(*y, *y + h / 16 * (w / 16) * m);
    const auto back = g_s.Run(exact_y.data(), h / 16, w / 16);
    ASSERT_TRUE(back.ok());
    Transform fast_g_a(model.g_a, quality, FastestPrecision(), one_thread),
        fast_g_s(model.g_s, quality, SynthesisPrecision(), one_thread);
    const auto fast_y = fast_g_a.Run(x.data(), h, w);
    ASSERT_TRUE(fast_y.ok()) << fast_y.status().message();
    // 0.058 with lichen-9. What that does to rate and distortion is in docs/performance.md.
    EXPECT_LT(RelativeError(*fast_y, exact_y), 0.065) << quality;
    const auto fast_back = fast_g_s.Run(exact_y.data(), h / 16, w / 16);
    ASSERT_TRUE(fast_back.ok());
    double error = 0;
    for (size_t i = 0; i < x.size(); ++i) error += ((*fast_back)[i] - (*back)[i]) * ((*fast_back)[i] - (*back)[i]);
    const double psnr = 10 * std::log10(static_cast<double>(x.size()) / error);
    EXPECT_GT(psnr, 60) << quality;  // 55 is promised
  }
}

TEST(TransformTest, InputAndSharedMemoryChangeNothing) {
  const ModelData& model = DataOf(*ToyModel());
  const int m = model.latent_channels;
  const std::vector<float> x = Noise(size_t{64} * 48 * 3, 0.3f);
  Transform g_a(model.g_a, 300, Precision::kFloat32, one_thread), g_s(model.g_s, 300, Precision::kFloat32, one_thread);
  const auto y = g_a.Run(x.data(), 64, 48);
  ASSERT_TRUE(y.ok());
  const std::vector<float> expected_y(*y, *y + 4 * 3 * m);
  const auto back = g_s.Run(expected_y.data(), 4, 3);
  ASSERT_TRUE(back.ok());
  const std::vector<float> expected_x(*back, *back + x.size());

  const auto memory = std::make_shared<TransformMemory>();
  Transform first(model.g_a, 300, Precision::kFloat32, one_thread, memory),
      second(model.g_s, 300, Precision::kFloat32, one_thread, memory);
  for (int again = 0; again < 2; ++again) {
    first.Begin(48);
    float* input = first.Input(64);
    std::copy(x.begin(), x.end(), input);
    const auto between = first.Next(input, 64, true);
    ASSERT_TRUE(between.ok());
    EXPECT_EQ(std::vector<float>(between->rows, between->rows + expected_y.size()), expected_y);
    const auto end = second.Run(between->rows, 4, 3);
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(std::vector<float>(*end, *end + expected_x.size()), expected_x);
  }
}

/// Layers that fit one after the other, of any kernels, with few channels or more than 64, which may take bfloat16.
std::vector<FloatLayer> RandomLayers(int channels, std::mt19937& random) {
  const auto one_of = [&](std::initializer_list<int> choices) { return choices.begin()[random() % choices.size()]; };
  const auto convolution = [&](int in, int out, int kernel) {
    FloatConvolutionData data;
    data.in = in, data.out = out, data.kernel = kernel;
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(in * kernel * kernel)));
    data.weight.resize(static_cast<size_t>(in) * out * kernel * kernel);
    data.bias.resize(out);
    for (auto* values : {&data.weight, &data.bias}) {
      for (float& value : *values) value = normal(random);
    }
    return data;
  };
  std::vector<FloatLayer> layers;
  const auto add = [&](FloatLayer::Type type) -> FloatLayer& {
    layers.emplace_back();
    layers.back().type = type;
    return layers.back();
  };
  using Type = FloatLayer::Type;
  if (random() % 2 == 0) {
    const int factor = add(Type::kSpaceToDepth).factor = one_of({2, 4});
    channels *= factor * factor;
    add(Type::kConvolution).a = convolution(channels, 16, 3);
    channels = 16;
  }
  for (size_t count = 3 + random() % 6; layers.size() < count;) {
    switch (random() % 4) {
      case 0: {
        FloatLayer& layer = add(Type::kConvolution);
        const int out = one_of({16, 48, 80});
        layer.a = convolution(channels, out, one_of({1, 3, 3, 5}));
        layer.a.stride = one_of({1, 1, 2});
        layer.a.relu = random() % 2 == 0;
        channels = out;
        break;
      }
      case 1: {
        FloatLayer& layer = add(Type::kResidual);
        const int middle = one_of({16, 32});
        layer.a = convolution(channels, middle, one_of({1, 3, 3, 7}));
        layer.a.relu = true;
        layer.b = convolution(middle, channels, one_of({1, 3, 3, 5}));
        break;
      }
      case 2: {
        FloatLayer& layer = add(Type::kGain);
        layer.channels = channels;
        layer.gain.resize(static_cast<size_t>(kQualityAnchors) * channels);
        for (int16_t& gain : layer.gain) gain = static_cast<int16_t>(random() % 2048);
        break;
      }
      default: {
        const int out = one_of({16, 32});
        add(Type::kConvolution).a = convolution(channels, 4 * out, 3);
        add(Type::kDepthToSpace).factor = 2;
        channels = out;
      }
    }
  }
  return layers;
}

struct Output {
  int h = 0;
  std::vector<float> v;
};

/// What a transform gives for x: [h][w][channels] in strips of those rows. fresh: each as a canvas of its own
Output InStrips(Transform& transform, const std::vector<float>& x, int w, int channels, const std::vector<int>& strips,
                size_t row_size, bool fresh = false) {
  Output output;
  size_t at = 0;
  transform.Begin(w);
  for (const int h : strips) {
    const size_t size = static_cast<size_t>(h) * w * channels;
    if (fresh) transform.Begin(w);
    const float* src = x.data() + at;
    if (strips.size() % 2 == 0) src = std::copy_n(src, size, transform.Input(h)) - size;  // or from where it is
    at += size;
    const auto strip = transform.Next(src, h, fresh || at == x.size());
    EXPECT_TRUE(strip.ok()) << strip.status().message();
    if (!strip.ok()) return {};
    output.v.insert(output.v.end(), strip->rows, strip->rows + strip->h * row_size);
    output.h += strip->h;
  }
  EXPECT_EQ(at, x.size());
  return output;
}

/// The largest difference in a row, over the largest value of all.
double LargestDifference(const Output& a, const Output& b) {
  double most = 1e-6, difference = 0;
  if (a.v.size() != b.v.size()) return INFINITY;
  for (size_t i = 0; i < a.v.size(); ++i) {
    most = std::max<double>(most, std::fabs(a.v[i]));
    difference = std::max<double>(difference, std::fabs(a.v[i] - b.v[i]));
  }
  return difference / most;
}

TEST(TransformTest, StripsEqualTheWhole) {
  std::mt19937 random(42);
  for (int i = 0; i < 60; ++i) {
    const bool half = i % 2 == 1 && FastestPrecision().floats == Precision::kBfloat16;
    const int channels = i % 3 == 0 ? 80 : 3, w = 4 * (1 + static_cast<int>(random() % 9));
    const std::vector<FloatLayer> layers = RandomLayers(channels, random);
    const bool unshuffles = layers[0].type == FloatLayer::Type::kSpaceToDepth;
    const int unit = unshuffles ? layers[0].factor : 1;
    std::vector<int> strips;
    for (size_t count = 1 + random() % 7; strips.size() < count;) {
      strips.push_back(unit * static_cast<int>(random() % (random() % 3 == 0 ? 20 : 4)));
    }
    strips.back() += unit;
    int h = 0;
    for (const int rows : strips) h += rows;
    const std::vector<float> x = Noise(static_cast<size_t>(h) * w * channels, 1.0f);
    Transform transform(layers, 300, half ? Precision::kBfloat16 : Precision::kFloat32,
                        i % 4 < 2 ? one_thread : several);
    const Plane shape = Reference(layers, 300, {h, w, channels, x});
    const size_t row_size = static_cast<size_t>(shape.w) * shape.c;
    const auto run = transform.Run(x.data(), h, w);
    ASSERT_TRUE(run.ok());
    const Output whole = {shape.h, std::vector<float>(*run, *run + shape.h * row_size)};
    EXPECT_LT(LargestDifference(whole, {shape.h, shape.v}), half ? 0.05 : 1e-5) << i;
    const Output output = InStrips(transform, x, w, channels, strips, row_size);
    EXPECT_EQ(output.h, whole.h);
    // In bfloat16 a sum in another order may be rounded to the next value.
    EXPECT_LE(LargestDifference(whole, output), half ? 0.01 : 1e-5) << i << ", " << strips.size() << " strips";
  }
}

/// A residual block in integers, in plain loops; what it adds up is exact.
Plane AddRounded(const Plane& x, const test::ExactConvolution& a, const test::ExactConvolution& b) {
  const auto integer = [](double t) { return static_cast<int8_t>(std::clamp(std::nearbyint(t), -127.0, 127.0)); };
  std::vector<int8_t> taken, middle;
  for (size_t i = 0; i < x.v.size(); ++i) taken.push_back(integer(std::ldexp(x.v[i], -a.step[i % x.c])));
  for (size_t i = 0; i < static_cast<size_t>(x.h) * x.w * a.data.out; ++i) {
    const int o = static_cast<int>(i % a.data.out), u = static_cast<int>(i / a.data.out);
    const double sum = a.Sum(taken, x.h, x.w, a.data.kernel / 2, u / x.w, u % x.w, o);
    middle.push_back(integer(std::ldexp(sum < 0 ? sum / 4 : sum, a.scale[o] - a.output_scale[o])));
  }
  Plane out = x;
  for (size_t i = 0; i < x.v.size(); ++i) {
    const int o = static_cast<int>(i % x.c), u = static_cast<int>(i / x.c);
    const int sum = b.Sum(middle, x.h, x.w, b.data.kernel / 2, u / x.w, u % x.w, o);
    out.v[i] += std::ldexp(static_cast<float>(sum), b.scale[o]);
  }
  return out;
}

TEST(TransformTest, RoundedBlocksAreExactInStripsAndOnThreads) {
  std::mt19937 random(7);
  const int h = 40, w = 50, channels = 48;
  Plane expected = {h, w, channels, Noise(static_cast<size_t>(h) * w * channels, 1.0f)};
  for (float& v : expected.v) v = std::round(v * 4096) / 4096;
  const std::vector<float> x = expected.v;
  std::vector<FloatLayer> layers;
  struct Kind {
    int middle, a, b;
  };
  for (const Kind& kind : {Kind{48, 3, 3}, {20, 1, 5}, {64, 3, 1}}) {
    // Inner values stay within what bytes hold, where oneDNN's lower limit would differ from training's.
    const test::ExactConvolution a(channels, kind.middle, kind.a, true, 3, 4, random),
        b(kind.middle, channels, kind.b, false, 0, 0, random, &a);
    FloatLayer layer;
    layer.type = FloatLayer::Type::kResidual;
    layer.a = a.data, layer.b = b.data;
    layers.push_back(layer);
    expected = AddRounded(expected, a, b);
  }
  const Output whole = {h, expected.v};
  std::vector<FloatLayer> plain = layers;
  for (FloatLayer& layer : plain) layer.a.step.clear(), layer.b.step.clear();
  EXPECT_GT(RelativeError(Reference(plain, 0, {h, w, channels, x}).v.data(), expected.v), 1e-3);  // rounding shows

  for (const bool bytes : {false, true}) {
    if (bytes && !FastestPrecision().bytes) continue;
    for (Workers* workers : {&one_thread, &several}) {
      Transform transform(layers, 0, {Precision::kFloat32, bytes}, *workers);
      for (const std::vector<int>& strips : {std::vector<int>{h}, {1, 3, 2, 8, 0, 20, 6}, {16, 16, 8}}) {
        const Output output = InStrips(transform, x, w, channels, strips, static_cast<size_t>(w) * channels);
        EXPECT_EQ(output.h, h);
        EXPECT_EQ(LargestDifference(whole, output), 0)
            << (bytes ? "bytes, " : "floats, ") << strips.size() << " strips";
      }
    }
  }
}

TEST(TransformTest, PixelsAreTakenAsTheIntegersTheyAre) {
  std::mt19937 random(9);
  const int h = 48, w = 40;
  std::vector<FloatLayer> layers(3);
  layers[0].type = FloatLayer::Type::kSpaceToDepth;
  layers[0].factor = 4;
  FloatConvolutionData& first = layers[1].a;
  first.in = 48, first.out = 24, first.kernel = 3;
  first.weight.resize(size_t{24} * 48 * 9);
  for (size_t i = 0; i < first.weight.size(); ++i) {
    const int whole = i % (48 * 9) == 5 ? 127 : static_cast<int>(random() % 255) - 127;  // of the scale's size
    first.weight[i] = static_cast<float>(whole) / 1024;
  }
  first.bias = Noise(24, 10.0f);
  layers[2].a.in = 24, layers[2].a.out = 8, layers[2].a.kernel = 3, layers[2].a.stride = 2;
  layers[2].a.weight = Noise(size_t{8} * 24 * 9, 0.1f);
  layers[2].a.bias = Noise(8, 1.0f);
  std::vector<int8_t> pixels(static_cast<size_t>(h) * w * 3);
  for (int8_t& v : pixels) v = static_cast<int8_t>(static_cast<int>(random() % 256) - 128);  // both ends are there
  std::vector<float> samples(pixels.begin(), pixels.end()), around_zero, deep = samples, deep_around_zero;
  for (const float v : samples) around_zero.push_back((v + 0.5f) / 255);
  const Plane expected = Reference(layers, 0, {h, w, 3, samples});  // of integers, not 1/255 of them
  for (float& v : deep) v += static_cast<float>(random() % 128) / 256;
  for (const float v : deep) deep_around_zero.push_back((v + 0.5f) / 255);
  const Plane expected_deep = Reference(layers, 0, {h, w, 3, deep});

  first.pixels = true;
  first.step.assign(48, 1.0f / 255);
  for (float& v : first.weight) v *= 255;
  const size_t row_size = static_cast<size_t>(expected.w) * expected.c;
  for (const bool bytes : {false, true}) {
    if (bytes && !FastestPrecision().bytes) continue;
    for (Workers* workers : {&one_thread, &several}) {
      Transform transform(layers, 0, {Precision::kFloat32, bytes}, *workers);
      for (const std::vector<int>& strips : {std::vector<int>{h}, {4, 0, 12, 20, 8, 4}}) {
        Output output;
        const int8_t* from = pixels.data();
        transform.Begin(w);
        for (const int rows : strips) {
          const size_t size = static_cast<size_t>(rows) * w * 3;
          int8_t* input = transform.PixelInput(rows);
          std::copy_n(from, size, input);
          from += size;
          const auto strip = transform.Next(input, rows, from == pixels.data() + pixels.size());
          ASSERT_TRUE(strip.ok()) << strip.status().message();
          output.v.insert(output.v.end(), strip->rows, strip->rows + strip->h * row_size);
          output.h += strip->h;
        }
        EXPECT_EQ(output.h, expected.h);
        EXPECT_LT(LargestDifference({expected.h, expected.v}, output), 1e-5) << bytes << ", " << strips.size();
        EXPECT_EQ(LargestDifference(output, InStrips(transform, around_zero, w, 3, strips, row_size)), 0) << bytes;
        EXPECT_GT(LargestDifference(output, {expected_deep.h, expected_deep.v}), 1e-4);
        TransformPrecision fractions = {Precision::kFloat32, bytes};
        fractions.fractions = true;
        Transform precise(layers, 0, fractions, *workers);
        EXPECT_LT(LargestDifference({expected_deep.h, expected_deep.v},
                                    InStrips(precise, deep_around_zero, w, 3, strips, row_size)),
                  1e-5);
      }
    }
  }
}

TEST(TransformTest, TheToyModelGivesTheSameInStripsOfAnyHeight) {
  const ModelData& model = DataOf(*ToyModel());
  const int m = model.latent_channels;
  Transform g_a(model.g_a, 300, Precision::kFloat32, one_thread), g_s(model.g_s, 300, Precision::kFloat32, one_thread);
  for (const auto& [h, w] : {std::pair{1, 1}, {2, 3}, {9, 1}, {17, 2}, {30, 5}, {41, 3}}) {
    const std::vector<float> y = Noise(static_cast<size_t>(h) * w * m, 1.0f);
    const auto x = g_s.Run(y.data(), h, w);
    ASSERT_TRUE(x.ok());
    const Output whole = {h * 16, std::vector<float>(*x, *x + static_cast<size_t>(h) * w * 768)};
    const auto latents = g_a.Run(whole.v.data(), h * 16, w * 16);
    ASSERT_TRUE(latents.ok());
    const Output whole_y = {h, std::vector<float>(*latents, *latents + y.size())};
    for (const int step : {1, 2, 4, 8, 16, 64}) {
      for (const int margin : {0, MarginOf(model.g_s)}) {
        std::vector<int> rows, pixel_rows;
        for (const Span strip : Strips({0, h}, step, margin)) {
          rows.push_back(strip.size());
          pixel_rows.push_back(strip.size() * 16);
        }
        EXPECT_LE(LargestDifference(whole, InStrips(g_s, y, w, m, rows, size_t(w) * 48)), 1e-5) << h << "x" << w;
        EXPECT_LE(LargestDifference(whole_y, InStrips(g_a, whole.v, w * 16, 3, pixel_rows, size_t(w) * m)), 1e-5)
            << h << "x" << w << " in strips of " << step;
      }
    }
    // What is kept matters: strips that each end with zeros give something else.
    if (h < 2) continue;
    const Output torn = InStrips(g_s, y, w, m, std::vector<int>(h, 1), size_t(w) * 48, true);
    EXPECT_EQ(torn.h, whole.h);
    EXPECT_GT(LargestDifference(whole, torn), 1e-3);
  }
}

TEST(TransformTest, AfterTheFirstStripAllOfAHeightAreAlike) {
  const ModelData& model = DataOf(*Model::Default().value());
  const int margin = MarginOf(model.g_s), w = 2;
  const std::vector<float> y = Noise(static_cast<size_t>(40) * w * model.latent_channels, 1.0f);
  Transform g_s(model.g_s, 300, Precision::kFloat32, one_thread);
  g_s.Begin(w);
  int complete = 0;
  for (const Span rows : Strips({0, 40}, 4, margin)) {
    const auto strip = g_s.Next(y.data() + rows.begin * w * size_t(model.latent_channels), rows.size(), rows.end == 40);
    ASSERT_TRUE(strip.ok());
    EXPECT_GT(strip->h, 0);
    complete += strip->h;
    if (rows.begin > 0 && rows.end < 40) {
      EXPECT_EQ(strip->h, 4 * 16);
    }
    EXPECT_GE(complete, (rows.end - margin) * 16);
  }
  EXPECT_EQ(complete, 40 * 16);
}

TEST(TransformTest, WindowsWithMarginEqualTheWhole) {
  const ModelData& model = DataOf(*ToyModel());
  const int h = 40, w = 36, m = model.latent_channels, margin = MarginOf(model.g_s);
  const std::vector<float> y = Noise(static_cast<size_t>(h) * w * m, 1.0f);
  Transform g_s(model.g_s, 300, Precision::kFloat32, one_thread);
  const auto run = g_s.Run(y.data(), h, w);
  ASSERT_TRUE(run.ok());
  const std::vector<float> whole(*run, *run + static_cast<size_t>(h) * w * 768);
  const int top = 12, left = 9, size = 10;  // the inner window
  std::vector<float> window;
  for (int v = top - margin; v < top + size + margin; ++v) {
    const float* row = y.data() + (static_cast<size_t>(v) * w + left - margin) * m;
    window.insert(window.end(), row, row + static_cast<size_t>(size + 2 * margin) * m);
  }
  const auto part = g_s.Run(window.data(), size + 2 * margin, size + 2 * margin);
  ASSERT_TRUE(part.ok());
  const int wide = (size + 2 * margin) * 16;
  float worst = 0;
  for (int v = 0; v < size * 16; ++v) {
    for (int u = 0; u < size * 48; ++u) {
      const float a = (*part)[(static_cast<size_t>(v + margin * 16) * wide + margin * 16) * 3 + u];
      const float b = whole[(static_cast<size_t>(v + top * 16) * w * 16 + left * 16) * 3 + u];
      worst = std::fmax(worst, std::fabs(a - b));
    }
  }
  EXPECT_LT(worst, 1e-5f);
  // One position less, and the border comes in.
  EXPECT_GT(margin, 2);
}

}  // namespace
}  // namespace lichen
