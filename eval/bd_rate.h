// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_BD_RATE_H_
#define LICHEN_EVAL_BD_RATE_H_

// Bjontegaard delta rate: how many more or fewer bits one codec needs than another for the same quality.

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

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_BD_RATE_H_
