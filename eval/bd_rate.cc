// SPDX-License-Identifier: Apache-2.0
#include "eval/bd_rate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

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

// The points that no other one beats in both rate and quality, from the cheapest to the dearest.
std::vector<RatePoint> EfficientPoints(std::vector<RatePoint> points) {
  std::sort(points.begin(), points.end(), [](const RatePoint& a, const RatePoint& b) {
    return a.bpp != b.bpp ? a.bpp < b.bpp : a.quality > b.quality;
  });
  std::vector<RatePoint> efficient;
  for (const RatePoint& point : points) {
    if (efficient.empty() || point.quality > efficient.back().quality + 1e-9) efficient.push_back(point);
  }
  return efficient;
}

// A monotone piecewise cubic y(x) through points of increasing x.
class Curve {
 public:
  static Curve LogRateOverQuality(const std::vector<RatePoint>& points) {
    Curve curve;
    for (const RatePoint& point : EfficientPoints(points)) curve.Append(point.quality, std::log(point.bpp));
    return curve.ComputeSlopes();
  }
  static Curve QualityOverLogRate(const std::vector<RatePoint>& points) {
    Curve curve;
    for (const RatePoint& point : EfficientPoints(points)) curve.Append(std::log(point.bpp), point.quality);
    return curve.ComputeSlopes();
  }

  bool Usable() const { return x_.size() >= 2; }
  double Low() const { return x_.front(); }
  double High() const { return x_.back(); }

  // Exact: two-point Gauss-Legendre quadrature on every cubic piece.
  double Integrate(double low, double high) const {
    std::vector<double> cuts = {low};
    for (double x : x_) {
      if (x > low && x < high) cuts.push_back(x);
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
  void Append(double x, double y) {
    x_.push_back(x);
    y_.push_back(y);
  }

  Curve& ComputeSlopes() {
    if (!Usable()) return *this;
    const size_t pieces = x_.size() - 1;
    std::vector<double> h(pieces), secant(pieces);
    for (size_t k = 0; k < pieces; ++k) {
      h[k] = x_[k + 1] - x_[k];
      secant[k] = (y_[k + 1] - y_[k]) / h[k];
    }
    slope_.assign(x_.size(), secant[0]);
    if (pieces == 1) return *this;
    for (size_t k = 1; k < pieces; ++k) {
      const double weight0 = 2 * h[k] + h[k - 1], weight1 = h[k] + 2 * h[k - 1];
      const bool monotone = secant[k - 1] * secant[k] > 0;
      slope_[k] = monotone ? (weight0 + weight1) / (weight0 / secant[k - 1] + weight1 / secant[k]) : 0;
    }
    slope_.front() = EndSlope(h[0], h[1], secant[0], secant[1]);
    slope_.back() = EndSlope(h[pieces - 1], h[pieces - 2], secant[pieces - 1], secant[pieces - 2]);
    return *this;
  }

  double At(double x) const {
    const auto next = std::upper_bound(x_.begin() + 1, x_.end() - 1, x);
    const size_t k = static_cast<size_t>(next - x_.begin()) - 1;
    const double h = x_[k + 1] - x_[k], s = (x - x_[k]) / h, r = 1 - s;
    return (1 + 2 * s) * r * r * y_[k] + s * r * r * h * slope_[k] + s * s * (3 - 2 * s) * y_[k + 1] +
           s * s * (s - 1) * h * slope_[k + 1];
  }

  std::vector<double> x_;      // strictly increasing
  std::vector<double> y_;      // strictly increasing
  std::vector<double> slope_;  // of y over x, at each point
};

// The mean of test - anchor over what both and low..high cover.
struct MeanDifference {
  double value = 0;
  double low = 0, high = 0;
};

std::optional<MeanDifference> Subtract(const Curve& test, const Curve& anchor, double low, double high) {
  if (!test.Usable() || !anchor.Usable()) return std::nullopt;
  low = std::max({test.Low(), anchor.Low(), low});
  high = std::min({test.High(), anchor.High(), high});
  if (high - low < 1e-6) return std::nullopt;
  return MeanDifference{(test.Integrate(low, high) - anchor.Integrate(low, high)) / (high - low), low, high};
}

}  // namespace

std::optional<BdRate> ComputeBdRate(const std::vector<RatePoint>& test, const std::vector<RatePoint>& anchor,
                                    const QualityRange& limits) {
  const std::optional<MeanDifference> log_rate =
      Subtract(Curve::LogRateOverQuality(test), Curve::LogRateOverQuality(anchor), limits.low, limits.high);
  if (!log_rate) return std::nullopt;
  return BdRate{(std::exp(log_rate->value) - 1) * 100, {log_rate->low, log_rate->high}};
}

std::optional<BdGain> ComputeBdGain(const std::vector<RatePoint>& test, const std::vector<RatePoint>& anchor) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::optional<MeanDifference> quality =
      Subtract(Curve::QualityOverLogRate(test), Curve::QualityOverLogRate(anchor), -kInfinity, kInfinity);
  if (!quality) return std::nullopt;
  return BdGain{quality->value, std::exp(quality->low), std::exp(quality->high)};
}

}  // namespace lichen::eval
