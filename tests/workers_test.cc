// SPDX-License-Identifier: Apache-2.0
#include "codec/workers.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace lichen {
namespace {

TEST(WorkersTest, EveryPieceIsWorkedOnOnce) {
  for (const int threads : {1, 2, 0}) {
    Workers workers(threads);
    for (const int count : {0, 1, 2, 3, 1000}) {
      std::vector<std::atomic<int>> calls(count);
      workers.ForEach(count, [&](int lane, int i) {
        ++calls[i];
        EXPECT_GE(lane, 0);
        EXPECT_LT(lane, workers.threads());
      });
      for (const auto& c : calls) EXPECT_EQ(c, 1);
    }
  }
}

TEST(WorkersTest, RangesCoverAll) {
  for (const int threads : {1, 0}) {
    Workers workers(threads);
    for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{100000}}) {
      std::vector<std::atomic<int>> calls(size);
      workers.ForRanges(size, 3, [&](size_t begin, size_t end) {
        for (; begin < end; ++begin) ++calls[begin];
      });
      for (const auto& c : calls) EXPECT_EQ(c, 1);
    }
  }
}

/// Calls at the same time have different lanes, also where a thread waits for a loop inside its piece.
TEST(WorkersTest, APieceHasItsLaneToItself) {
  Workers workers(0);
  std::vector<std::atomic<bool>> busy(workers.threads());
  workers.ForEach(200, [&](int lane, int) {
    EXPECT_FALSE(busy[lane].exchange(true));
    std::atomic<int> inner{0};
    workers.ForEach(8, [&](int, int) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      ++inner;
    });
    EXPECT_EQ(inner, 8);
    busy[lane] = false;
  });
}

TEST(WorkersTest, AThreadThatIsHeldUpLeavesItsShareToTheOthers) {
  Workers workers(2);
  if (workers.threads() < 2) GTEST_SKIP() << "one processor";
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> done{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  workers.ForEach(100, [&](int, int) {
    std::unique_lock<std::mutex> lock(mutex);
    const bool first = threads.insert(std::this_thread::get_id()).second && threads.size() == 1;
    lock.unlock();
    // The first thread is held up until all other pieces are done, which then another has done.
    while (first && done < 99 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ++done;
  });
  EXPECT_EQ(done, 100);
  EXPECT_EQ(threads.size(), 2u);
  EXPECT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST(WorkersTest, TheFirstErrorInOrderIsGiven) {
  for (const int threads : {1, 0}) {
    Workers workers(threads);
    const Status status = workers.TryEach(
        50, [](int, int i) { return i >= 20 ? Status(StatusCode::kDamaged, "piece " + std::to_string(i)) : Status(); });
    EXPECT_EQ(status.message(), "piece 20");
    EXPECT_TRUE(workers.TryEach(50, [](int, int) { return Status(); }).ok());
  }
}

TEST(WorkersTest, ExceptionsArePassedOn) {
  for (const int threads : {1, 0}) {
    Workers workers(threads);
    EXPECT_THROW(workers.ForEach(10, [](int, int i) { i == 7 ? throw std::runtime_error("seven") : void(); }),
                 std::runtime_error);
  }
}

TEST(WorkersTest, OpenMpHasOneThreadInsideAndTheSameAsBeforeOutside) {
  const int before = omp_get_max_threads();
  for (const int threads : {1, 0}) {
    Workers workers(threads);
    std::atomic<int> most{0};
    workers.ForEach(20, [&](int, int) { most = std::max<int>(most, omp_get_max_threads()); });
    EXPECT_EQ(most, 1);
  }
  EXPECT_EQ(omp_get_max_threads(), before);
}

}  // namespace
}  // namespace lichen
