// SPDX-License-Identifier: Apache-2.0
#include "codec/post_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "codec/fixed_point.h"

namespace lichen {
namespace {

constexpr int kWeights = kPostFilterFeatures * 3;
constexpr int kPixels = PostFilterRows::kPixels;

/// x_hat of a canvas, [h][w][3], some of it beyond white and black.
struct Canvas {
  int w, h;
  std::vector<float> x_hat;

  Canvas(int width, int height, unsigned seed = 1) : w(width), h(height) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> noise(-0.04f, 0.04f);
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        for (int c = 0; c < 3; ++c) {
          x_hat.push_back(
              0.55f * std::sin(0.11f * static_cast<float>(x) + 0.07f * static_cast<float>(y) + static_cast<float>(c)) +
              noise(random));
        }
      }
    }
  }

  const float* Row(int y) const { return x_hat.data() + static_cast<size_t>(y) * w * 3; }
  /// Edges repeated.
  double At(int x, int y, int c) const { return Row(std::clamp(y, 0, h - 1))[std::clamp(x, 0, w - 1) * 3 + c]; }
};

/// Y, U or V, as training/post_filter.py has it.
double Plane(const Canvas& canvas, int x, int y, int plane) {
  constexpr double kYuv[3][3] = {{0.299, 0.587, 0.114}, {-0.168736, -0.331264, 0.5}, {0.5, -0.418688, -0.081312}};
  double sum = 0;
  for (int c = 0; c < 3; ++c) sum += kYuv[plane][c] * std::clamp(canvas.At(x, y, c), -0.5, 0.5);
  return sum;
}

/// The features of a pixel, as training/post_filter.py has them.
std::vector<double> FeaturesOf(const Canvas& canvas, int x, int y_of_pixel) {
  const double y = Plane(canvas, x, y_of_pixel, 0), u = Plane(canvas, x, y_of_pixel, 1),
               v = Plane(canvas, x, y_of_pixel, 2);
  std::vector<double> features = {1,         y,         u,         v,         y * y,     y * u,     y * v,
                                  u * u,     u * v,     v * v,     y * y * y, y * y * u, y * y * v, y * u * u,
                                  y * u * v, y * v * v, u * u * u, u * u * v, u * v * v, v * v * v};
  constexpr double kClip = 0.01;
  constexpr int kDirections[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};  // dy, dx
  std::vector<double> second, clipped;
  double activity = 0;
  for (int c = 0; c < 3; ++c) {
    const double here = Plane(canvas, x, y_of_pixel, c);
    for (const auto& [dy, dx] : kDirections) {
      const double a = Plane(canvas, x + dx, y_of_pixel + dy, c) - here;
      const double b = Plane(canvas, x - dx, y_of_pixel - dy, c) - here;
      second.push_back(a + b);
      clipped.push_back(std::clamp(a, -kClip, kClip) + std::clamp(b, -kClip, kClip));
      if (c == 0) activity += std::fabs(a) + std::fabs(b);
    }
  }
  const double laplacian = second[0] + second[1] + second[2] + second[3];
  features.insert(features.end(), second.begin(), second.end());
  features.insert(features.end(), clipped.begin(), clipped.end());
  for (const double mixed : {y * laplacian, activity, activity * u, activity * v, u * laplacian, v * laplacian}) {
    features.push_back(mixed);
  }
  return features;
}

PostFilterData RandomFilter(int components, unsigned seed = 2) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> weight(-0.2f, 0.2f);
  PostFilterData filter;
  for (int i = 0; i < kQualityAnchors * kWeights; ++i) filter.mean.push_back(weight(random));
  for (int i = 0; i < components * kWeights; ++i) filter.components.push_back(weight(random));
  for (int i = 0; i < kQualityAnchors; ++i) filter.amplitude.push_back(static_cast<int16_t>(-2048 * i));
  filter.sizes.assign(components, 0);
  return filter;
}

std::vector<float> RandomWeights() { return PostFilterWeights(RandomFilter(0), 200, {}); }

/// Filters in strips of the heights given, the last as often as is needed.
std::vector<float> Filtered(const Canvas& canvas, const std::vector<float>& weights, const std::vector<int>& heights,
                            int threads = 1) {
  Workers workers(threads);
  PostFilter filter(weights, workers);
  filter.Begin(canvas.w);
  std::vector<float> out;
  size_t next = 0;
  for (int y = 0; y < canvas.h;) {
    const int h = std::min(heights[std::min(next++, heights.size() - 1)], canvas.h - y);
    const Strip strip = filter.Next({canvas.Row(y), h}, y + h == canvas.h);
    out.insert(out.end(), strip.rows, strip.rows + static_cast<size_t>(strip.h) * canvas.w * 3);
    y += h;
    EXPECT_EQ(out.size(), static_cast<size_t>(y == canvas.h ? y : std::max(0, y - 1)) * canvas.w * 3);
  }
  return out;
}

TEST(PostFilterTest, FeaturesAreThoseOfTheTraining) {
  const Canvas canvas(150, 5);
  PostFilterRows rows;
  std::vector<float> features(kPostFilterFeatures * kPixels);
  for (int y = 0; y < canvas.h; ++y) {
    const float* below = canvas.Row(std::min(y + 1, canvas.h - 1));
    if (y == 0) rows.Begin(canvas.Row(0), canvas.Row(0), below, canvas.w);
    if (y > 0) rows.Next(below);
    for (const auto& [x, pixels] : {std::pair{0, 64}, {64, 64}, {128, 22}, {3, 1}, {149, 1}}) {
      rows.Features(x, pixels, features.data());
      for (int i = 0; i < pixels; ++i) {
        const std::vector<double> expected = FeaturesOf(canvas, x + i, y);
        ASSERT_EQ(expected.size(), size_t{kPostFilterFeatures});
        for (int f = 0; f < kPostFilterFeatures; ++f) {
          ASSERT_NEAR(features[f * kPixels + i], expected[f], 2e-6) << f << " at " << x + i << "," << y;
        }
      }
    }
  }
}

TEST(PostFilterTest, AddsWeightedFeatures) {
  const std::vector<float> weights = RandomWeights();
  for (const auto& [w, h] : {std::pair{1, 1}, {1, 7}, {70, 1}, {64, 2}, {130, 9}}) {
    const Canvas canvas(w, h);
    const std::vector<float> filtered = Filtered(canvas, weights, {h});
    ASSERT_EQ(filtered.size(), canvas.x_hat.size());
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        const std::vector<double> features = FeaturesOf(canvas, x, y);
        for (int c = 0; c < 3; ++c) {
          double sum = canvas.At(x, y, c);  // what is beyond white and black is not limited here
          for (int f = 0; f < kPostFilterFeatures; ++f) sum += weights[3 * f + c] * features[f];
          ASSERT_NEAR(filtered[(static_cast<size_t>(y) * w + x) * 3 + c], sum, 5e-6) << x << "," << y << "," << c;
        }
      }
    }
  }
}

TEST(PostFilterTest, StripsGiveWhatOneGives) {
  const std::vector<float> weights = RandomWeights();
  for (const auto& [w, h] : {std::pair{1, 1}, {17, 2}, {100, 3}, {67, 40}}) {
    const Canvas canvas(w, h);
    const std::vector<float> whole = Filtered(canvas, weights, {h});
    for (const std::vector<int>& heights :
         std::vector<std::vector<int>>{{1}, {2}, {1, 1, 5}, {3, 1, 2, 1, 16}, {16}, {h - 1, 1}, {39, 1}, {1, 39}}) {
      if (heights[0] == 0) continue;
      EXPECT_EQ(Filtered(canvas, weights, heights), whole) << w << "x" << h;
    }
  }
}

TEST(PostFilterTest, StripsOfNoRowsAreNothing) {
  const std::vector<float> weights = RandomWeights();
  const Canvas canvas(20, 6);
  const std::vector<float> whole = Filtered(canvas, weights, {6});
  Workers workers(1);
  PostFilter filter(weights, workers);
  filter.Begin(canvas.w);
  EXPECT_EQ(filter.Next({canvas.Row(0), 0}, false).h, 0);
  std::vector<float> out;
  for (const auto& [y, h, last] :
       {std::tuple{0, 1, false}, {1, 0, false}, {1, 4, false}, {5, 0, false}, {5, 1, false}, {6, 0, true}}) {
    const Strip strip = filter.Next({canvas.x_hat.data() + static_cast<size_t>(y) * canvas.w * 3, h}, last);
    out.insert(out.end(), strip.rows, strip.rows + static_cast<size_t>(strip.h) * canvas.w * 3);
  }
  EXPECT_EQ(out, whole);
}

TEST(PostFilterTest, AnotherCanvasStartsAnew) {
  const std::vector<float> weights = RandomWeights();
  const Canvas first(30, 8, 5), second(41, 8, 6);
  Workers workers(1);
  PostFilter filter(weights, workers);
  filter.Begin(first.w);
  filter.Next({first.Row(0), 5}, false);
  filter.Begin(second.w);
  const Strip strip = filter.Next({second.Row(0), 8}, true);
  EXPECT_EQ(std::vector<float>(strip.rows, strip.rows + second.x_hat.size()), Filtered(second, weights, {8}));
}

TEST(PostFilterTest, ThreadsGiveTheSame) {
  const std::vector<float> weights = RandomWeights();
  const Canvas canvas(700, 300);
  EXPECT_EQ(Filtered(canvas, weights, {64}, 2), Filtered(canvas, weights, {64}, 1));
  EXPECT_EQ(Filtered(canvas, weights, {300}, 0), Filtered(canvas, weights, {64}, 1));
}

TEST(PostFilterTest, WeightsOf0ChangeNothing) {
  const Canvas canvas(83, 20);
  EXPECT_EQ(Filtered(canvas, std::vector<float>(kWeights), {7}), canvas.x_hat);
}

TEST(PostFilterTest, WhatIsNoNumberStaysWhereItIs) {  // a broken model gives it
  const std::vector<float> weights = RandomWeights();
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Canvas canvas(40, 5);
    canvas.x_hat[(2 * 40 + 20) * 3 + 1] = value;
    const std::vector<float> filtered = Filtered(canvas, weights, {5});
    int others = 0;
    for (const float x : filtered) others += !std::isfinite(x);
    EXPECT_EQ(others, 1);
  }
}

TEST(PostFilterTest, WeightsLieBetweenThoseOfTheAnchors) {
  const PostFilterData filter = RandomFilter(2);
  for (const int index : {0, 1, 64, 127, 128, 300, 767, 768, 895, 896}) {
    const std::vector<float> weights = PostFilterWeights(filter, index, {});
    ASSERT_EQ(weights.size(), size_t{kWeights});
    const int below = index / 128, above = std::min(below + 1, 7);
    const double share = index % 128 / 128.0;
    for (int i = 0; i < kWeights; ++i) {
      const double expected =
          (1 - share) * filter.mean[below * kWeights + i] + share * filter.mean[above * kWeights + i];
      ASSERT_NEAR(weights[i], expected, 1e-7) << index;
    }
  }
}

TEST(PostFilterTest, CoefficientsAddComponents) {
  const PostFilterData filter = RandomFilter(3);
  const bitstream::PostFilterCoefficients coefficients = {5, {-7, 40}};
  for (const int index : {0, 200, 896}) {
    const std::vector<float> mean = PostFilterWeights(filter, index, {});
    const std::vector<float> weights = PostFilterWeights(filter, index, coefficients);
    const double amplitude = std::exp2(-index / 128.0);  // an octave less at each anchor
    for (int i = 0; i < kWeights; ++i) {
      const double sum = -7 / 32.0 * filter.components[i] + 40 / 32.0 * filter.components[kWeights + i];
      ASSERT_NEAR(weights[i], mean[i] + amplitude * sum, 1e-6) << index;
    }
  }
}

TEST(PostFilterTest, QuickPreviewsDoWithoutNeighbours) {
  ModelData model;
  EXPECT_EQ(PostFilterReach(model, 1), 0);
  model.post_filter = RandomFilter(0);
  for (const int scale : {1, 2, 4}) EXPECT_EQ(PostFilterReach(model, scale), 1);
  for (const int scale : {8, 16}) EXPECT_EQ(PostFilterReach(model, scale), 0);
  std::vector<float> weights = PostFilterWeights(model.post_filter, 300, {});
  DropNeighbours(&weights);
  Workers workers(1);
  const auto filtered = [&](float neighbour) {
    const float rows[3][9] = {{0, 0, 0, neighbour, 0, 0, 0, 0, 0}, {0, neighbour, 0, 0.1f, 0.2f, -0.3f, 0, 0, 0}, {}};
    PostFilter filter(weights, workers);
    filter.Begin(3);
    const Strip out = filter.Next({rows[0], 3}, true);
    return std::vector<float>(out.rows + 12, out.rows + 15);
  };
  EXPECT_EQ(filtered(0.4f), filtered(-0.4f));
  EXPECT_NE(filtered(0.4f), (std::vector<float>{0.1f, 0.2f, -0.3f}));
}

}  // namespace
}  // namespace lichen
