// SPDX-License-Identifier: Apache-2.0
#include "codec/rate_distortion.h"

#include <algorithm>

namespace lichen {
RateDistortion::RateDistortion(const std::vector<bitstream::CdfTable>& tables, double bits_per_squared_step) {
  constexpr float kNever = -1;
  thresholds_.assign(tables.size() * kLargest, kNever);
  for (size_t t = 0; t < tables.size(); ++t) {
    for (int32_t r = 1; r <= std::min(kLargest, tables[t].radius()); ++r) {
      // A value r + d, coded as r - 1, has a squared error of (1 + d)^2 in place of d^2: 1 + 2 d more.
      const double saved = bitstream::BitsOf(tables[t], r) - bitstream::BitsOf(tables[t], r - 1);
      thresholds_[t * kLargest + r - 1] = static_cast<float>((saved / bits_per_squared_step - 1) / 2);
    }
  }
}

}  // namespace lichen
