// SPDX-License-Identifier: Apache-2.0
#include "eval/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace lichen::eval {
namespace {

Status CallSafely(const std::function<Status(size_t)>& work, size_t i) {
  try {
    return work(i);
  } catch (const std::exception& error) {  // OpenCV's, and out of memory
    return Status(StatusCode::kInternal, error.what());
  }
}

}  // namespace

Status ParallelFor(size_t count, int workers, const std::function<Status(size_t)>& work) {
  std::vector<Status> results(count);
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto loop = [&] {
    for (size_t i = next++; i < count && !failed; i = next++) {
      results[i] = CallSafely(work, i);
      if (!results[i].ok()) failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, static_cast<size_t>(std::max(1, workers))); ++i) threads.emplace_back(loop);
  loop();
  for (std::thread& thread : threads) thread.join();
  for (const Status& result : results) LICHEN_RETURN_IF_ERROR(result);
  return Status();
}

}  // namespace lichen::eval
