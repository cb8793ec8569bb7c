// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_THREAD_SCOPE_H_
#define LICHEN_CODEC_THREAD_SCOPE_H_

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace lichen {

/// Limits OpenMP, ours and oneDNN's, to a number of threads while it lives. It changes only the calling thread's
/// setting. The limit is never above the number of processors, so that a large number costs nothing.
class ThreadScope {
 public:
  /// threads: 0 for as many as there are processors
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
    const int available = std::max(1, omp_get_num_procs());
    omp_set_num_threads(threads <= 0 ? available : std::min(threads, available));
  }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

/// Threads that work of this size is worth: waking them for a small window costs more than it brings, above all on a
/// busy machine, where OpenMP's waiting threads spin.
inline int ThreadsFor(int threads, int64_t pixels) { return pixels < (1 << 16) ? 1 : threads; }

}  // namespace lichen

#endif  // LICHEN_CODEC_THREAD_SCOPE_H_
