// SPDX-License-Identifier: Apache-2.0
#include "codec/synthesis_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "codec/fixed_point.h"
#include "test_data.h"

namespace lichen {
namespace {

Workers one_thread(1), several(0);

constexpr int kHeight = 3, kWidth = 5, kQuality = 500;

std::vector<float> RandomValues(size_t count, unsigned seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

FloatConvolutionData RandomConvolution(int in, int out, int kernel, unsigned seed) {
  FloatConvolutionData data;
  data.in = in, data.out = out, data.kernel = kernel;
  data.weight = RandomValues(static_cast<size_t>(in) * out * kernel * kernel, seed,
                             1 / std::sqrt(static_cast<float>(in * kernel * kernel)));
  data.bias = RandomValues(out, seed + 1, 0.1f);
  return data;
}

/// A layer of each kind, as g_s has them.
std::vector<FloatLayer> SomeLayers() {
  std::vector<FloatLayer> layers(7);
  layers[0].type = FloatLayer::Type::kResidual;
  layers[0].a = RandomConvolution(16, 24, 3, 1);
  layers[0].a.relu = true;
  layers[0].a.slope = 0.25f;
  layers[0].b = RandomConvolution(24, 16, 3, 3);
  layers[1].type = FloatLayer::Type::kConvolution;
  layers[1].a = RandomConvolution(16, 96, 1, 5);
  layers[2].type = FloatLayer::Type::kDepthToSpace;
  layers[2].factor = 2;
  layers[3].type = FloatLayer::Type::kGain;
  layers[3].channels = 24;
  for (int i = 0; i < 24 * kQualityAnchors; ++i) layers[3].gain.push_back(static_cast<int16_t>(i * 13 % 700 - 300));
  layers[4].type = FloatLayer::Type::kResidual;
  layers[4].a = RandomConvolution(24, 24, 3, 7);
  layers[4].a.relu = true;
  layers[4].b = RandomConvolution(24, 24, 3, 9);
  layers[5].type = FloatLayer::Type::kConvolution;
  layers[5].a = RandomConvolution(24, 12, 3, 11);
  layers[6].type = FloatLayer::Type::kDepthToSpace;
  layers[6].factor = 2;
  return layers;
}

std::vector<float> SomeLatents() { return RandomValues(static_cast<size_t>(kHeight) * kWidth * 16, 20, 1); }
constexpr size_t kOutputs = static_cast<size_t>(kHeight) * 4 * kWidth * 4 * 3;

std::vector<float> Output(SynthesisGradient& g_s, const std::vector<float>& y_hat) {
  const float* x = g_s.Run(y_hat.data(), kHeight, kWidth).value();
  return {x, x + kOutputs};
}

/// Of the sum of outputs times factors, by each latent.
std::vector<float> GradientOf(SynthesisGradient& g_s, const std::vector<float>& y_hat,
                              const std::vector<float>& factors) {
  Output(g_s, y_hat);
  std::copy(factors.begin(), factors.end(), g_s.Gradient());
  const float* gradient = g_s.Back().value();
  return {gradient, gradient + y_hat.size()};
}

double Product(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

TEST(SynthesisGradientTest, ForwardsItIsTheTransform) {
  const std::vector<FloatLayer> layers = SomeLayers();
  for (const TransformPrecision precision : {TransformPrecision(Precision::kFloat32), FastestPrecision()}) {
    SynthesisGradient g_s(layers, kQuality, precision, one_thread);
    Transform transform(layers, kQuality, precision, one_thread);
    const std::vector<float> y_hat = SomeLatents(), x = Output(g_s, y_hat);
    const float* expected = transform.Run(y_hat.data(), kHeight, kWidth).value();
    EXPECT_EQ(x, std::vector<float>(expected, expected + kOutputs));
  }
}

/// The same layers, residual blocks in integers, with steps that leave out little.
std::vector<FloatLayer> RoundedLayers(std::vector<size_t> rounded = {0, 4}) {
  std::vector<FloatLayer> layers = SomeLayers();
  for (const size_t i : rounded) {
    FloatLayer& layer = layers[i];
    layer.a.step.assign(layer.a.in, 6.0f / 127);
    layer.b.step.assign(layer.b.in, 6.0f / 127);
  }
  return layers;
}

TEST(SynthesisGradientTest, RoundedForwardsItIsTheTransformThatDecodes) {
  for (const std::vector<size_t>& rounded : {std::vector<size_t>{0, 4}, {0}, {4}}) {
    const std::vector<FloatLayer> layers = RoundedLayers(rounded);
    SynthesisGradient g_s(layers, kQuality, FastestPrecision(), one_thread);
    Transform transform(layers, kQuality, SynthesisPrecision(), one_thread);
    const std::vector<float> y_hat = SomeLatents(), x = Output(g_s, y_hat);
    const float* expected = transform.Run(y_hat.data(), kHeight, kWidth).value();
    EXPECT_EQ(x, std::vector<float>(expected, expected + kOutputs));
    SynthesisGradient plain(SomeLayers(), kQuality, Precision::kFloat32, one_thread);
    EXPECT_NE(x, Output(plain, y_hat));
  }
}

TEST(SynthesisGradientTest, RoundedBackwardsItPointsAboutWhereItDoesWithoutRounding) {
  const std::vector<float> y_hat = SomeLatents(), factors = RandomValues(kOutputs, 34, 1);
  SynthesisGradient plain(SomeLayers(), kQuality, Precision::kFloat32, one_thread);
  const std::vector<float> a = GradientOf(plain, y_hat, factors);
  for (const TransformPrecision precision : {TransformPrecision(Precision::kFloat32), FastestPrecision()}) {
    for (const std::vector<size_t>& blocks : {std::vector<size_t>{0, 4}, {0}, {4}}) {
      SynthesisGradient rounded(RoundedLayers(blocks), kQuality, precision, one_thread);
      const std::vector<float> b = GradientOf(rounded, y_hat, factors);
      EXPECT_GT(Product(a, b) / std::sqrt(Product(a, a) * Product(b, b)), 0.99);
    }
  }
}

TEST(SynthesisGradientTest, BackwardsItTellsHowOutputsChange) {
  SynthesisGradient g_s(SomeLayers(), kQuality, Precision::kFloat32, one_thread);
  const std::vector<float> y_hat = SomeLatents(), factors = RandomValues(kOutputs, 30, 1);
  const std::vector<float> gradient = GradientOf(g_s, y_hat, factors);
  constexpr float kStep = 4e-4f;
  for (unsigned seed = 40; seed < 60; ++seed) {
    const std::vector<float> direction = RandomValues(y_hat.size(), seed, 1);
    std::vector<float> ahead = y_hat, behind = y_hat;
    for (size_t i = 0; i < y_hat.size(); ++i) {
      ahead[i] += kStep * direction[i];
      behind[i] -= kStep * direction[i];
    }
    const double change = (Product(Output(g_s, ahead), factors) - Product(Output(g_s, behind), factors)) / (2 * kStep);
    // Units that pass 0 in between, and rounding, are the difference.
    EXPECT_NEAR(Product(gradient, direction), change, 0.04 * std::sqrt(Product(gradient, gradient)));
  }
}

TEST(SynthesisGradientTest, EveryLatentHasAGradientOfItsOwn) {
  SynthesisGradient g_s(SomeLayers(), kQuality, Precision::kFloat32, one_thread);
  const std::vector<float> y_hat = SomeLatents(), factors = RandomValues(kOutputs, 31, 1);
  const std::vector<float> gradient = GradientOf(g_s, y_hat, factors);
  constexpr float kStep = 1e-2f;
  for (size_t i = 0; i < y_hat.size(); i += 7) {
    std::vector<float> ahead = y_hat, behind = y_hat;
    ahead[i] += kStep, behind[i] -= kStep;
    const double change = (Product(Output(g_s, ahead), factors) - Product(Output(g_s, behind), factors)) / (2 * kStep);
    EXPECT_NEAR(gradient[i], change, 0.02 + 0.05 * std::fabs(change)) << i;
  }
}

TEST(SynthesisGradientTest, FastArithmeticPointsTheSameWay) {
  const std::vector<float> y_hat = SomeLatents(), factors = RandomValues(kOutputs, 32, 1);
  SynthesisGradient exact(SomeLayers(), kQuality, Precision::kFloat32, one_thread);
  SynthesisGradient fast(SomeLayers(), kQuality, FastestPrecision(), one_thread);
  const std::vector<float> a = GradientOf(exact, y_hat, factors), b = GradientOf(fast, y_hat, factors);
  EXPECT_GT(Product(a, b) / std::sqrt(Product(a, a) * Product(b, b)), 0.999);
}

TEST(SynthesisGradientTest, ThreadsDoNotChangeIt) {
  const std::vector<float> y_hat = SomeLatents(), factors = RandomValues(kOutputs, 33, 1);
  SynthesisGradient one(SomeLayers(), kQuality, FastestPrecision(), one_thread);
  SynthesisGradient many(SomeLayers(), kQuality, FastestPrecision(), several);
  EXPECT_EQ(GradientOf(one, y_hat, factors), GradientOf(many, y_hat, factors));
}

TEST(SynthesisGradientTest, LayersWithoutAGradientAreTold) {
  EXPECT_TRUE(SynthesisGradient::Supports(DataOf(*test::ToyModel()).g_s));
  std::vector<FloatLayer> layers = SomeLayers();
  EXPECT_TRUE(SynthesisGradient::Supports(layers));
  layers[1].a.stride = 2;
  EXPECT_FALSE(SynthesisGradient::Supports(layers));
}

}  // namespace
}  // namespace lichen
