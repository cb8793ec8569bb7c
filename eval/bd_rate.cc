// SPDX-License-Identifier: Apache-2.0
#include "eval/bd_rate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace lichen::eval {
namespace {

// Slope at an end of the curve from its two nearest intervals: three-point formula, limited so that the curve keeps
// the direction of its data. `h0` and `slope0` belong to the outer interval.
double EndSlope(double h0, double h1, double slope0, double slope1) {
  const double slope = ((2 * h0 + h1) * slope0 - h0 * slope1) / (h0 + h1);
  if (slope * slope0 <= 0) return 0;
  if (slope0 * slope1 < 0 && std::abs(slope) > 3 * std::abs(slope0)) return 3 * slope0;
  return slope;
}

// log(bpp) as a function of quality.
class Curve {
 public:
  explicit Curve(std::vector<RatePoint> points) {
    std::sort(points.begin(), points.end(), [](const RatePoint& a, const RatePoint& b) {
      return a.bpp != b.bpp ? a.bpp < b.bpp : a.quality < b.quality;
    });
    for (const RatePoint& point : points) {
      if (!quality_.empty() && point.quality <= quality_.back() + 1e-9) continue;  // costs more, gives no more
      quality_.push_back(point.quality);
      log_rate_.push_back(std::log(point.bpp));
    }
    if (Usable()) ComputeSlopes();
  }

  bool Usable() const { return quality_.size() >= 2; }
  double Low() const { return quality_.front(); }
  double High() const { return quality_.back(); }

  // Exact: two-point Gauss-Legendre quadrature on every cubic piece.
  double Integrate(double low, double high) const {
    std::vector<double> cuts = {low};
    for (double quality : quality_) {
      if (quality > low && quality < high) cuts.push_back(quality);
    }
    cuts.push_back(high);
    double sum = 0;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      const double centre = (cuts[i] + cuts[i + 1]) / 2, radius = (cuts[i + 1] - cuts[i]) / 2;
      const double offset = radius / std::sqrt(3.0);
      sum += radius * (At(centre - offset) + At(centre + offset));
    }
    return sum;
  }

 private:
  void ComputeSlopes() {
    const size_t pieces = quality_.size() - 1;
    std::vector<double> h(pieces), secant(pieces);
    for (size_t k = 0; k < pieces; ++k) {
      h[k] = quality_[k + 1] - quality_[k];
      secant[k] = (log_rate_[k + 1] - log_rate_[k]) / h[k];
    }
    slope_.assign(quality_.size(), secant[0]);
    if (pieces == 1) return;
    for (size_t k = 1; k < pieces; ++k) {
      const double weight0 = 2 * h[k] + h[k - 1], weight1 = h[k] + 2 * h[k - 1];
      const bool monotone = secant[k - 1] * secant[k] > 0;
      slope_[k] = monotone ? (weight0 + weight1) / (weight0 / secant[k - 1] + weight1 / secant[k]) : 0;
    }
    slope_.front() = EndSlope(h[0], h[1], secant[0], secant[1]);
    slope_.back() = EndSlope(h[pieces - 1], h[pieces - 2], secant[pieces - 1], secant[pieces - 2]);
  }

  double At(double quality) const {
    const auto next = std::upper_bound(quality_.begin() + 1, quality_.end() - 1, quality);
    const size_t k = static_cast<size_t>(next - quality_.begin()) - 1;
    const double h = quality_[k + 1] - quality_[k], s = (quality - quality_[k]) / h, r = 1 - s;
    return (1 + 2 * s) * r * r * log_rate_[k] + s * r * r * h * slope_[k] + s * s * (3 - 2 * s) * log_rate_[k + 1] +
           s * s * (s - 1) * h * slope_[k + 1];
  }

  std::vector<double> quality_;   // strictly increasing
  std::vector<double> log_rate_;  // never decreasing
  std::vector<double> slope_;     // of log_rate_ over quality_, at each point
};

}  // namespace

std::optional<BdRate> ComputeBdRate(const std::vector<RatePoint>& test, const std::vector<RatePoint>& anchor,
                                    const QualityRange& limits) {
  const Curve test_curve(test), anchor_curve(anchor);
  if (!test_curve.Usable() || !anchor_curve.Usable()) return std::nullopt;
  const double low = std::max({test_curve.Low(), anchor_curve.Low(), limits.low});
  const double high = std::min({test_curve.High(), anchor_curve.High(), limits.high});
  if (high - low < 1e-6) return std::nullopt;
  const double mean = (test_curve.Integrate(low, high) - anchor_curve.Integrate(low, high)) / (high - low);
  return BdRate{(std::exp(mean) - 1) * 100, {low, high}};
}

}  // namespace lichen::eval
