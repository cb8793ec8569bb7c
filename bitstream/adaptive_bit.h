// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_ADAPTIVE_BIT_H_
#define LICHEN_BITSTREAM_ADAPTIVE_BIT_H_

#include <cstdint>

#include "bitstream/cdf.h"

namespace lichen::bitstream {

/// The probability of a bit, learnt from the bits coded with it so far: fast at first, then as a moving average over
/// about 64. Encoder and decoder update it alike, in integers.
class AdaptiveBit {
 public:
  /// Slots, of 2^15, that a 1 owns: 31 to 32736.
  uint32_t SlotsOfOne() const { return probability_ >> 1; }

  void Update(uint32_t bit) {
    const int shift = kShift[count_];
    if (bit != 0) {
      probability_ = static_cast<uint16_t>(probability_ + ((65535 - probability_) >> shift));
    } else {
      probability_ = static_cast<uint16_t>(probability_ - (probability_ >> shift));
    }
    if (count_ < kLearning) ++count_;
  }

 private:
  static constexpr uint8_t kLearning = 24;  // bits until the rate is constant
  static constexpr uint8_t kShift[kLearning + 1] = {1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5,
                                                    5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6};

  uint16_t probability_ = 1 << 15;  // of a 1, in units of 2^-16
  uint8_t count_ = 0;
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_ADAPTIVE_BIT_H_
