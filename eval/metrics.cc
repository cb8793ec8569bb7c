// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

namespace lichen::eval {
namespace {

constexpr int kWindow = 11;
constexpr double kSigma = 1.5;
constexpr double kC1 = (0.01 * 255) * (0.01 * 255);
constexpr double kC2 = (0.03 * 255) * (0.03 * 255);
// Exponents of the five scales, from the finest to the coarsest.
constexpr std::array<double, 5> kScaleWeights = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
constexpr int kMinMsSsimSide = 161;

std::string Describe(const Image& image) {
  return std::to_string(image.width) + "x" + std::to_string(image.height) + ", " + std::to_string(image.channels) +
         " channels of " + std::to_string(image.bit_depth) + " bits";
}

Status CheckPair(const Image& original, const Image& distorted) {
  const bool measurable = original.bit_depth == 8 && (original.channels == 1 || original.channels == 3) &&
                          original.width > 0 && original.height > 0;
  if (!measurable) {
    return Status(StatusCode::kInvalidArgument,
                  "the picture is " + Describe(original) + "; metrics are defined for 1 or 3 channels of 8 bits");
  }
  if (original.width != distorted.width || original.height != distorted.height ||
      original.channels != distorted.channels || original.bit_depth != distorted.bit_depth) {
    return Status(StatusCode::kInvalidArgument, "the pictures differ in kind: " + Describe(original) + ", and " +
                                                    Describe(distorted) + "; compare pictures of one size and kind");
  }
  return Status();
}

// The samples of `image` without a copy; only for reading.
cv::Mat View(const Image& image) {
  return cv::Mat(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC(image.channels),
                 const_cast<uint8_t*>(image.pixels.data()));
}

cv::Mat Luma(const cv::Mat& samples) {
  cv::Mat real, luma;
  samples.convertTo(real, CV_32F);
  if (real.channels() == 1) return real;
  cv::cvtColor(real, luma, cv::COLOR_RGB2GRAY);  // 0.299 R + 0.587 G + 0.114 B
  return luma;
}

// Gaussian-weighted local mean where the whole window lies inside the picture.
cv::Mat Blur(const cv::Mat& x) {
  static const cv::Mat kernel = cv::getGaussianKernel(kWindow, kSigma, CV_32F);
  cv::Mat blurred;
  cv::sepFilter2D(x, blurred, CV_32F, kernel, kernel);
  const int margin = kWindow / 2;
  return blurred(cv::Rect(margin, margin, x.cols - 2 * margin, x.rows - 2 * margin));
}

// Means of the SSIM map and of its contrast-structure factor.
struct Similarity {
  double ssim;
  double contrast_structure;
};

Similarity Compare(const cv::Mat& x, const cv::Mat& y) {
  const cv::Mat mean_x = Blur(x), mean_y = Blur(y);
  const cv::Mat mean_xx = mean_x.mul(mean_x), mean_yy = mean_y.mul(mean_y), mean_xy = mean_x.mul(mean_y);
  const cv::Mat variances = Blur(x.mul(x)) + Blur(y.mul(y)) - mean_xx - mean_yy;
  const cv::Mat covariance = Blur(x.mul(y)) - mean_xy;
  const cv::Mat contrast_structure = (2 * covariance + kC2) / (variances + kC2);
  const cv::Mat luminance = (2 * mean_xy + kC1) / (mean_xx + mean_yy + kC1);
  return {cv::mean(luminance.mul(contrast_structure))[0], cv::mean(contrast_structure)[0]};
}

cv::Mat Halve(const cv::Mat& x) {
  cv::Mat padded, half;
  cv::copyMakeBorder(x, padded, x.rows % 2, 0, x.cols % 2, 0, cv::BORDER_CONSTANT, cv::Scalar::all(0));
  cv::resize(padded, half, cv::Size(padded.cols / 2, padded.rows / 2), 0, 0, cv::INTER_AREA);  // means of 2x2
  return half;
}

double MsSsimOfChannel(cv::Mat x, cv::Mat y) {
  double product = 1;
  for (size_t scale = 0; scale < kScaleWeights.size(); ++scale) {
    const bool coarsest = scale + 1 == kScaleWeights.size();
    const Similarity similarity = Compare(x, y);
    const double factor = coarsest ? similarity.ssim : similarity.contrast_structure;
    product *= std::pow(std::max(0.0, factor), kScaleWeights[scale]);
    if (!coarsest) {
      x = Halve(x);
      y = Halve(y);
    }
  }
  return product;
}

double MsSsim(const cv::Mat& original, const cv::Mat& distorted) {
  double sum = 0;
  for (int channel = 0; channel < original.channels(); ++channel) {
    cv::Mat x, y;
    cv::extractChannel(original, x, channel);
    cv::extractChannel(distorted, y, channel);
    x.convertTo(x, CV_32F);
    y.convertTo(y, CV_32F);
    sum += MsSsimOfChannel(x, y);
  }
  return sum / original.channels();
}

double Psnr(const cv::Mat& original, const cv::Mat& distorted) {
  const double squared_error = cv::norm(original, distorted, cv::NORM_L2SQR);
  if (squared_error == 0) return kIdenticalPsnr;
  const double samples = static_cast<double>(original.total()) * original.channels();
  return 10 * std::log10(255.0 * 255.0 * samples / squared_error);
}

}  // namespace

Result<Distortion> Measure(const Image& original, const Image& distorted) {
  LICHEN_RETURN_IF_ERROR(CheckPair(original, distorted));
  const cv::Mat x = View(original), y = View(distorted);
  const int side = std::min(x.rows, x.cols);
  Distortion distortion;
  distortion.psnr = Psnr(x, y);
  const cv::Mat luma_x = Luma(x), luma_y = Luma(y);
  distortion.psnr_luma = Psnr(luma_x, luma_y);
  if (side >= kWindow) distortion.ssim = Compare(luma_x, luma_y).ssim;
  if (side >= kMinMsSsimSide) distortion.ms_ssim = MsSsim(x, y);
  return distortion;
}

double ToDecibels(double similarity) { return -10 * std::log10(std::max(1e-9, 1 - similarity)); }

}  // namespace lichen::eval
