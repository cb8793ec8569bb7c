// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace lichen::eval {
namespace {

Image MakeImage(uint32_t width, uint32_t height, int channels) {
  Image image;
  image.width = width;
  image.height = height;
  image.channels = channels;
  image.pixels.resize(image.RowBytes() * height);
  return image;
}

int64_t FloorDivide(int64_t a, int64_t b) { return (a >= 0 ? a : a - b + 1) / b; }

// A picture of ramps and checks, and the same with pseudo-random noise, stronger in red than in blue.
std::pair<Image, Image> MakePair(uint32_t width, uint32_t height) {
  Image original = MakeImage(width, height, 3), noisy = original;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const std::array<int64_t, 3> rgb = {(x * 3 + y * 2 + ((x / 8 + y / 8) % 2) * 40) % 256,
                                          (x * x / 16 + y * 5) % 256, ((x ^ y) * 2 + x) % 256};
      const int64_t noise = ((x * 2654435761 + y * 40503 + x * y * 97) % 8191) % 31 - 15;
      for (int64_t c = 0; c < 3; ++c) {
        const size_t at = static_cast<size_t>((y * width + x) * 3 + c);
        original.pixels[at] = static_cast<uint8_t>(rgb[c]);
        noisy.pixels[at] = static_cast<uint8_t>(std::clamp<int64_t>(rgb[c] + FloorDivide(noise, c + 1), 0, 255));
      }
    }
  }
  return {original, noisy};
}

// The definitions again, in plain loops and double precision.

struct Plane {
  int width, height;
  std::vector<double> values;
  double operator()(int x, int y) const { return values[static_cast<size_t>(y) * width + x]; }
};

Plane ChannelOf(const Image& image, const std::array<double, 3>& weights) {
  Plane plane{static_cast<int>(image.width), static_cast<int>(image.height), {}};
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    plane.values.push_back(weights[0] * image.pixels[i] + weights[1] * image.pixels[i + 1] +
                           weights[2] * image.pixels[i + 2]);
  }
  return plane;
}

struct PlainSimilarity {
  double ssim = 0, contrast_structure = 0;
};

PlainSimilarity ComparePlainly(const Plane& a, const Plane& b) {
  std::array<double, 11> gauss;
  double total = 0;
  for (int i = 0; i < 11; ++i) total += gauss[i] = std::exp(-(i - 5) * (i - 5) / (2 * 1.5 * 1.5));
  const double c1 = 6.5025, c2 = 58.5225;
  PlainSimilarity sum;
  for (int y = 0; y + 11 <= a.height; ++y) {
    for (int x = 0; x + 11 <= a.width; ++x) {
      double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
      for (int j = 0; j < 11; ++j) {
        for (int i = 0; i < 11; ++i) {
          const double w = gauss[i] * gauss[j] / (total * total), u = a(x + i, y + j), v = b(x + i, y + j);
          ma += w * u;
          mb += w * v;
          aa += w * u * u;
          bb += w * v * v;
          ab += w * u * v;
        }
      }
      const double cs = (2 * (ab - ma * mb) + c2) / (aa - ma * ma + bb - mb * mb + c2);
      sum.contrast_structure += cs;
      sum.ssim += cs * (2 * ma * mb + c1) / (ma * ma + mb * mb + c1);
    }
  }
  const double windows = double(a.width - 10) * (a.height - 10);
  return {sum.ssim / windows, sum.contrast_structure / windows};
}

// Means of 2x2, where an odd side begins with a row or column of zeros.
Plane HalvePlainly(const Plane& a) {
  const int dx = a.width % 2, dy = a.height % 2;
  const auto at = [&](int x, int y) { return x < 0 || y < 0 ? 0.0 : a(x, y); };
  Plane half{(a.width + dx) / 2, (a.height + dy) / 2, {}};
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      const int u = 2 * x - dx, v = 2 * y - dy;
      half.values.push_back((at(u, v) + at(u + 1, v) + at(u, v + 1) + at(u + 1, v + 1)) / 4);
    }
  }
  return half;
}

double MsSsimPlainly(Plane a, Plane b) {
  const std::array<double, 5> weights = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  double product = 1;
  for (int scale = 0; scale < 5; ++scale) {
    const PlainSimilarity similarity = ComparePlainly(a, b);
    product *= std::pow(std::max(0.0, scale == 4 ? similarity.ssim : similarity.contrast_structure), weights[scale]);
    a = HalvePlainly(a);
    b = HalvePlainly(b);
  }
  return product;
}

TEST(MetricsTest, PsnrAgreesWithPlainLoop) {
  const auto [original, noisy] = MakePair(37, 23);
  double squares = 0;
  for (size_t i = 0; i < original.pixels.size(); ++i) {
    const double difference = double{1} * original.pixels[i] - noisy.pixels[i];
    squares += difference * difference;
  }
  const double expected = 10 * std::log10(255 * 255 / (squares / static_cast<double>(original.pixels.size())));
  EXPECT_NEAR(Measure(original, noisy)->psnr, expected, 1e-9);
}

TEST(MetricsTest, LumaPsnrAgreesWithPlainLoop) {
  const auto [original, noisy] = MakePair(37, 23);
  const std::array<double, 3> luma = {0.299, 0.587, 0.114};
  const Plane a = ChannelOf(original, luma), b = ChannelOf(noisy, luma);
  double squares = 0;
  for (size_t i = 0; i < a.values.size(); ++i) squares += (a.values[i] - b.values[i]) * (a.values[i] - b.values[i]);
  const double expected = 10 * std::log10(255 * 255 / (squares / static_cast<double>(a.values.size())));
  EXPECT_NEAR(Measure(original, noisy)->psnr_luma, expected, 1e-4);
}

TEST(MetricsTest, SsimAgreesWithPlainLoops) {
  const auto [original, noisy] = MakePair(61, 40);
  const std::array<double, 3> luma = {0.299, 0.587, 0.114};
  EXPECT_NEAR(*Measure(original, noisy)->ssim, ComparePlainly(ChannelOf(original, luma), ChannelOf(noisy, luma)).ssim,
              2e-6);
}

TEST(MetricsTest, MsSsimAgreesWithPlainLoopsForOddSides) {
  const auto [original, noisy] = MakePair(179, 161);
  double expected = 0;
  for (int c = 0; c < 3; ++c) {
    std::array<double, 3> weights = {0, 0, 0};
    weights[c] = 1;
    expected += MsSsimPlainly(ChannelOf(original, weights), ChannelOf(noisy, weights)) / 3;
  }
  EXPECT_NEAR(*Measure(original, noisy)->ms_ssim, expected, 2e-6);
}

// From an implementation in PyTorch that agrees with pytorch_msssim to 1e-6.
TEST(MetricsTest, AgreesWithReferenceFigures) {
  struct Case {
    uint32_t width, height;
    double psnr, ssim, ms_ssim;
  };
  for (const Case& c :
       {Case{200, 181, 32.635591, 0.9528193, 0.9954664}, Case{176, 161, 32.646231, 0.9495172, 0.9954395},
        Case{320, 240, 32.648877, 0.9673847, 0.9959880}}) {
    SCOPED_TRACE(c.width);
    const auto [original, noisy] = MakePair(c.width, c.height);
    const Result<Distortion> distortion = Measure(original, noisy);
    ASSERT_TRUE(distortion.ok());
    EXPECT_NEAR(distortion->psnr, c.psnr, 1e-6);
    EXPECT_NEAR(*distortion->ssim, c.ssim, 2e-6);
    EXPECT_NEAR(*distortion->ms_ssim, c.ms_ssim, 2e-6);
  }
}

TEST(MetricsTest, IdenticalPicturesAreAtTheTop) {
  const auto [original, noisy] = MakePair(170, 165);
  const Result<Distortion> distortion = Measure(original, original);
  ASSERT_TRUE(distortion.ok());
  EXPECT_EQ(distortion->psnr, kIdenticalPsnr);
  EXPECT_NEAR(*distortion->ssim, 1, 1e-6);
  EXPECT_NEAR(*distortion->ms_ssim, 1, 1e-6);
}

TEST(MetricsTest, GrayMeasuresAsItsRgbEqual) {
  const auto [original, noisy] = MakePair(170, 165);
  const auto gray = [](const Image& image) {
    Image result = MakeImage(image.width, image.height, 1);
    for (size_t i = 0; i < result.pixels.size(); ++i) result.pixels[i] = image.pixels[3 * i];
    return result;
  };
  const auto spread = [](const Image& image) {
    Image result = MakeImage(image.width, image.height, 3);
    for (size_t i = 0; i < result.pixels.size(); ++i) result.pixels[i] = image.pixels[i / 3];
    return result;
  };
  const Image a = gray(original), b = gray(noisy);
  const Result<Distortion> one = Measure(a, b), three = Measure(spread(a), spread(b));
  ASSERT_TRUE(one.ok() && three.ok());
  EXPECT_NEAR(one->psnr, three->psnr, 1e-9);
  EXPECT_NEAR(*one->ssim, *three->ssim, 2e-6);
  EXPECT_NEAR(*one->ms_ssim, *three->ms_ssim, 2e-6);
}

TEST(MetricsTest, SmallPicturesHaveNoSsim) {
  const auto [narrow, narrow_noisy] = MakePair(200, 10);
  EXPECT_FALSE(Measure(narrow, narrow_noisy)->ssim.has_value());
  const auto [small, small_noisy] = MakePair(200, 160);
  EXPECT_TRUE(Measure(small, small_noisy)->ssim.has_value());
  EXPECT_FALSE(Measure(small, small_noisy)->ms_ssim.has_value());
  const auto [smallest, smallest_noisy] = MakePair(64, 11);
  EXPECT_NEAR(*Measure(smallest, smallest_noisy)->ssim, 0.8755573, 2e-6);
}

TEST(MetricsTest, RefusesPicturesThatCannotBeCompared) {
  EXPECT_EQ(Measure(MakeImage(20, 20, 3), MakeImage(20, 21, 3)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Measure(MakeImage(20, 20, 3), MakeImage(20, 20, 1)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Measure(MakeImage(20, 20, 4), MakeImage(20, 20, 4)).status().code(), StatusCode::kInvalidArgument);
}

TEST(MetricsTest, DecibelsOfSimilarity) {
  EXPECT_NEAR(ToDecibels(0.9), 10, 1e-9);
  EXPECT_NEAR(ToDecibels(0.99), 20, 1e-9);
  EXPECT_NEAR(ToDecibels(1), 90, 1e-9);
}

}  // namespace
}  // namespace lichen::eval
