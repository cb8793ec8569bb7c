// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_WORKERS_H_
#define LICHEN_CODEC_WORKERS_H_

// Threads that share out loops, by oneTBB: each takes the next piece when it is done with one, so that a thread that is
// held up, by a busy machine or by one that writes a PNG beside it, leaves its share to the others.

#include <omp.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "lichen/status.h"

namespace lichen {

/// Keeps oneDNN's calls on the calling thread, while it lives, to that thread: they are the pieces that are shared out.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Processors that are there, or `threads` if that is less. threads: 0 for as many as there are
inline int AvailableThreads(int threads) {
  const int available = std::max(1, omp_get_num_procs());
  return threads <= 0 ? available : std::min(threads, available);
}

/// Threads that work of this size is worth: waking them for a small picture costs more than it brings.
inline int ThreadsFor(int threads, int64_t pixels) { return pixels < (1 << 16) ? 1 : AvailableThreads(threads); }

/// Threads for `tiles` tiles of `pixels` pixels together.
inline int ThreadsForTiles(int threads, int tiles, int64_t pixels) {
  return std::min(tiles, ThreadsFor(threads, pixels));
}

class Workers {
 public:
  /// threads: with the calling one, at most as many as there are processors; 0 for so many
  explicit Workers(int threads) : threads_(AvailableThreads(threads)), arena_(threads_) {}

  int threads() const { return threads_; }

  /// Calls work(lane, i) for i in 0..count-1, several at once. lane: 0..threads()-1, of which calls at the same time
  /// have different ones, for what a thread keeps for itself. Loops may be nested; a thread that waits for the inner
  /// one takes no piece of the outer. An exception is passed on once all have ended.
  template <typename Work>
  void ForEach(int count, const Work& work) {
    if (RunAlone(count, work)) return;
    arena_.execute([&] { tbb::this_task_arena::isolate([&] { Share(count, work); }); });
  }

  /// The same for a loop that is inside of no other, with pieces that keep a thread busy for long: one that waits for
  /// the rest helps with loops inside of their pieces.
  template <typename Work>
  void ForEachOutermost(int count, const Work& work) {
    const auto busy_work = [&](int lane, int i) {
      const Busy busy(*this);
      work(lane, i);
    };
    if (RunAlone(count, busy_work)) return;
    arena_.execute([&] { Share(count, busy_work); });
  }

  /// Whether a thread has none of those pieces, nor what Both calls, so that sharing a loop inside of one pays.
  bool AnyIsIdle() const { return busy_ < threads_; }

  /// The same for work that can fail. errors: that of the first that failed, in order
  template <typename Work>
  Status TryEach(int count, const Work& work) {
    std::vector<Status> statuses(count);
    ForEach(count, [&](int lane, int i) { statuses[i] = work(lane, i); });
    for (const Status& status : statuses) LICHEN_RETURN_IF_ERROR(status);
    return Status();
  }

  /// Calls both, here() by the calling thread and, if there are more, beside() by another meanwhile. Each may share out
  /// loops; whoever is done helps the other. An exception is passed on once both have ended.
  template <typename Beside, typename Here>
  void Both(const Beside& beside, const Here& here) {
    if (threads_ == 1) {
      here();
      beside();
      return;
    }
    tbb::task_group group;
    arena_.execute([&] { group.run([&] { beside(); }); });
    const auto wait = [&] { arena_.execute([&] { group.wait(); }); };
    try {
      const Busy busy(*this);
      here();
    } catch (...) {
      wait();
      throw;
    }
    wait();
  }

  /// Calls work(begin, end) for the parts of 0..size-1, each of about `least` elements or more.
  template <typename Work>
  void ForRanges(size_t size, size_t least, const Work& work) {
    const size_t most = threads_ == 1 ? 1 : 4 * static_cast<size_t>(threads_);
    const size_t parts = std::clamp<size_t>(size / std::max<size_t>(1, least), 1, most);
    ForEach(static_cast<int>(parts), [&](int, int i) { work(size * i / parts, size * (i + 1) / parts); });
  }

 private:
  class Busy {
   public:
    explicit Busy(Workers& workers) : workers_(workers) { ++workers_.busy_; }
    ~Busy() { --workers_.busy_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    Workers& workers_;
  };

  template <typename Work>
  bool RunAlone(int count, const Work& work) {
    if (threads_ > 1 && count > 1) return false;
    const OneThread one;
    for (int i = 0; i < count; ++i) work(0, i);
    return true;
  }

  template <typename Work>
  static void Share(int count, const Work& work) {
    tbb::parallel_for(
        tbb::blocked_range<int>(0, count, 1),
        [&](const tbb::blocked_range<int>& range) {
          const OneThread one;
          const int lane = tbb::this_task_arena::current_thread_index();
          for (int i = range.begin(); i < range.end(); ++i) work(lane, i);
        },
        tbb::simple_partitioner());
  }

  int threads_;
  std::atomic<int> busy_ = 0;
  tbb::task_arena arena_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_WORKERS_H_
