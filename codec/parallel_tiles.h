// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_PARALLEL_TILES_H_
#define LICHEN_CODEC_PARALLEL_TILES_H_

// Tiles are independent in the entropy layer, so that is where threads share the work: within one tile the layers are
// too small for that.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>

#include "codec/thread_scope.h"

namespace lichen {

/// Threads for `tiles` tiles of `pixels` pixels together. threads: 0 for as many as there are processors
inline int ThreadsForTiles(int threads, int tiles, int64_t pixels) {
  const int available = std::max(1, omp_get_num_procs());
  const int wanted = ThreadsFor(threads, pixels);
  return std::min(tiles, wanted <= 0 ? available : std::min(wanted, available));
}

/// Calls work(thread, i) for i in 0..count-1 on `threads` threads, each of which uses no threads of its own in turn. An
/// exception is passed on once all have ended.
template <typename Work>
void InParallel(int threads, int count, const Work& work) {
  const ThreadScope one(1);
  std::exception_ptr error;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
  for (int i = 0; i < count; ++i) {
    try {
      work(omp_get_thread_num(), i);
    } catch (...) {
#pragma omp critical(lichen_parallel_tiles)
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace lichen

#endif  // LICHEN_CODEC_PARALLEL_TILES_H_
