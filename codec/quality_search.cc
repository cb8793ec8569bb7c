// SPDX-License-Identifier: Apache-2.0
#include "codec/quality_search.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "codec/fixed_point.h"

namespace lichen {
namespace {

constexpr int kSecantTrials = 8;  // then by halves, which ends whatever the curve is like

/// Where the line through two trials, or through one with the goal's slope, meets the middle of the goal.
double Interpolated(const QualityGoal& goal, const QualityTrial& a, const std::optional<QualityTrial>& b) {
  double slope = goal.slope;
  if (b && b->index != a.index) {
    const double measured = (b->measured - a.measured) / (b->index - a.index);
    if (measured > 0) slope = measured;
  }
  return a.index + ((goal.low + goal.high) / 2 - a.measured) / slope;
}

}  // namespace

Result<QualityResult> SearchQuality(const QualityGoal& goal, int start,
                                    const std::function<Result<double>(int index)>& measure) {
  std::optional<QualityTrial> under, over;     // the nearest trials on either side of the goal
  std::optional<QualityTrial> latest, before;  // the last two
  int lowest = 0, highest = kMaxQualityIndex;  // what is left between them
  int index = std::clamp(start, lowest, highest);
  for (int trials = 1;; ++trials) {
    LICHEN_ASSIGN_OR_RETURN(const double measured, measure(index));
    before = latest;
    latest = QualityTrial{index, measured};
    if (measured >= goal.low && measured <= goal.high) return QualityResult{true, *latest};
    if (measured < goal.low) {
      under = latest;
      lowest = index + 1;
    } else {
      over = latest;
      highest = index - 1;
    }
    if (lowest > highest) break;
    // Between two trials the line through them; beyond one, the line through the last two.
    const double guess = under && over ? Interpolated(goal, *under, over) : Interpolated(goal, *latest, before);
    const double by_halves = trials > kSecantTrials ? (lowest + highest) / 2 : guess;
    index = static_cast<int>(std::lround(std::clamp<double>(by_halves, lowest, highest)));
  }
  if (!under || !over) return QualityResult{false, under ? *under : *over};
  // Small pictures' curves have steps, where what is sent with the latents comes and goes: one beside may do.
  constexpr int kNeighbours = 4;
  for (int distance = 1; distance <= kNeighbours; ++distance) {
    for (const int neighbour : {under->index - distance, over->index + distance}) {
      if (neighbour < 0 || neighbour > kMaxQualityIndex) continue;
      LICHEN_ASSIGN_OR_RETURN(const double measured, measure(neighbour));
      if (measured >= goal.low && measured <= goal.high) return QualityResult{true, {neighbour, measured}};
    }
  }
  return QualityResult{true, goal.at_most ? *under : *over};
}

}  // namespace lichen
