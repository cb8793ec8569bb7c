// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_METRICS_H_
#define LICHEN_EVAL_METRICS_H_

// How far a decoded picture is from its original.

#include <optional>

#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::eval {

/// Distances between two pictures; larger is closer.
struct Distortion {
  /// 10 log10(255^2 / MSE) in dB, MSE over all channels; kIdenticalPsnr when no sample differs.
  double psnr = 0;
  /// The same for BT.601 luma, 0.299 R + 0.587 G + 0.114 B, not rounded.
  double psnr_luma = 0;
  /// Mean of the SSIM map of BT.601 luma (not rounded): 11x11 Gaussian of sigma 1.5, valid region, K1 0.01, K2 0.03.
  /// Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
  /// Empty for a side below 11 pixels, which the window does not fit into.
  std::optional<double> ssim;
  /// MS-SSIM of each channel over five scales, then the mean over channels; as pytorch_msssim computes it, which pads
  /// an odd side with a zero before halving. Wang et al., "Multiscale Structural Similarity", 2003.
  /// Empty for a side of 160 pixels or less: the window would not fit into the fifth scale.
  std::optional<double> ms_ssim;
};

/// Stands for infinity, so that a mean over pictures remains a number.
inline constexpr double kIdenticalPsnr = 99.0;

/// Measures `distorted` against `original`, gray or RGB of 8 bits a sample.
/// errors: kInvalidArgument when sizes or channels differ, or for other kinds of picture
Result<Distortion> Measure(const Image& original, const Image& distorted);

/// A similarity s of 0..1 in dB, -10 log10(1 - s), at most 90; a rate-distortion curve is straighter in it.
double ToDecibels(double similarity);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_METRICS_H_
