// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_BD_RATE_H_
#define LICHEN_EVAL_BD_RATE_H_

// Bjontegaard deltas: how many more or fewer bits one codec needs than another for the same quality, and how much
// better or worse it is at the same rate. G. Bjontegaard, "Calculation of average PSNR differences between RD-curves",
// VCEG-M33, 2001.

#include <limits>
#include <optional>
#include <vector>

namespace lichen::eval {

/// One point of a rate-distortion curve.
struct RatePoint {
  double bpp = 0;      // bits per pixel, above 0
  double quality = 0;  // dB
};

/// Qualities in dB outside which curves are not compared.
struct QualityRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// The mean difference in rate, and the interval of quality over which it was taken.
struct BdRate {
  double percent = 0;  // below 0: the test curve needs fewer bits
  QualityRange range;
};

/// Averages the difference of log(bpp) as a function of quality over the qualities that both curves and `limits` cover.
/// Each curve is a monotone piecewise cubic (PCHIP: Fritsch and Butland 1984) through its efficient points: one that
/// another beats in rate and quality is left out. Points may come in any order.
/// returns nothing when a curve has fewer than two efficient points or when no interval is left
std::optional<BdRate> ComputeBdRate(const std::vector<RatePoint>& test, const std::vector<RatePoint>& anchor,
                                    const QualityRange& limits = {});

/// The mean difference in quality, and the interval of rate over which it was taken.
struct BdGain {
  double decibels = 0;  // above 0: the test curve is better
  double low_bpp = 0, high_bpp = 0;
};

/// BD-PSNR, likewise for SSIM in dB: averages the difference of quality as a function of log(bpp) over the rates that
/// both curves cover. Curves are those of ComputeBdRate with the axes exchanged.
/// returns nothing in the same cases
std::optional<BdGain> ComputeBdGain(const std::vector<RatePoint>& test, const std::vector<RatePoint>& anchor);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_BD_RATE_H_
