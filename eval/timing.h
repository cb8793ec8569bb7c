// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_TIMING_H_
#define LICHEN_EVAL_TIMING_H_

// What a codec costs: seconds and memory, each measured in a process of its own.

#include <cstdint>

#include "eval/codecs.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::eval {

/// Of one call into a codec. Seconds are those of the fastest repetition.
struct Cost {
  double cpu_seconds = 0;  // user and system, all threads and child processes
  double wall_seconds = 0;
  double peak_bytes = 0;  // resident memory of the process at its largest: picture, codec, model, libraries
};

struct Timing {
  Cost encode, decode;
};

/// Encodes, then decodes, each `repetitions` times in a forked child, so that neither memory nor warm caches of one
/// codec count for another. REQUIRES: no threads have been started in this process, as fork copies only the caller
/// errors: those of the codec; kInternal when the child ends early
Result<Timing> TimeCodec(const Codec& codec, double quality, const Image& image, int repetitions);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_TIMING_H_
