// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_SHARING_H_
#define LICHEN_CODEC_SHARING_H_

#include "codec/integer_network.h"
#include "codec/workers.h"

namespace lichen {

/// Workers that have no tile of their own share the work on others. Borrows `workers`.
inline Sharing SharingOf(Workers& workers) {
  if (workers.threads() == 1) return {};
  return {workers.threads(), [&workers](int count, const Sharing::Work& work) {
            if (workers.AnyIsIdle()) return workers.ForEach(count, work);
            for (int i = 0; i < count; ++i) work(0, i);
          }};
}

}  // namespace lichen

#endif  // LICHEN_CODEC_SHARING_H_
