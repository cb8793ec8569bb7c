// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_QUALITY_SEARCH_H_
#define LICHEN_CODEC_QUALITY_SEARCH_H_

// Finds the quality index at which something that rises with it, such as the size of the file, meets a goal. A trial
// costs an encoding, so the search tries few.

#include <functional>

#include "lichen/status.h"

namespace lichen {

struct QualityGoal {
  double low = 0, high = 0;  // what is measured is to be within these
  bool at_most = true;  // where the steps of the index are coarser than that: stay under `high`, or else above `low`
  double slope = 1;     // how much an index changes what is measured, about
};

struct QualityTrial {
  int index = 0;
  double measured = 0;
};

struct QualityResult {
  bool in_reach = false;
  QualityTrial trial;  // the one to take; out of reach: the end of the range nearest to the goal
};

/// Tries indices from `start` on, 0 to kMaxQualityIndex. Where two neighbours lie on either side of the goal, some beside
/// them are tried; if none meets it, the neighbour that `at_most` says is taken, so that what does not quite rise with
/// every index does no harm.
/// errors: those of `measure`
Result<QualityResult> SearchQuality(const QualityGoal& goal, int start,
                                    const std::function<Result<double>(int index)>& measure);

}  // namespace lichen

#endif  // LICHEN_CODEC_QUALITY_SEARCH_H_
