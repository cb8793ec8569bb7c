// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_SHARING_H_
#define LICHEN_CODEC_SHARING_H_

#include "codec/integer_network.h"
#include "codec/workers.h"

namespace lichen {

/// All workers share the work on one tile, where there are fewer tiles in a row than workers; else each has a
/// tile of its own. Borrows `workers`.
inline Sharing SharingOf(Workers& workers, int tiles) {
  if (tiles >= workers.threads()) return {};
  return {workers.threads(), [&workers](int count, const Sharing::Work& work) { workers.ForEach(count, work); }};
}

}  // namespace lichen

#endif  // LICHEN_CODEC_SHARING_H_
