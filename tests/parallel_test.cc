// SPDX-License-Identifier: Apache-2.0
#include "eval/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace lichen::eval {
namespace {

TEST(ParallelTest, DoesEverythingOnce) {
  for (int workers : {0, 1, 3, 100}) {
    std::vector<std::atomic<int>> calls(37);
    EXPECT_TRUE(ParallelFor(calls.size(), workers, [&](size_t i) {
                  ++calls[i];
                  return Status();
                }).ok());
    for (const std::atomic<int>& count : calls) EXPECT_EQ(count, 1);
  }
  EXPECT_TRUE(ParallelFor(0, 4, [](size_t) { return Status(); }).ok());
}

TEST(ParallelTest, GivesTheFirstErrorAndStops) {
  std::atomic<int> calls = 0;
  const Status status = ParallelFor(1000, 2, [&](size_t i) {
    ++calls;
    return i >= 5 ? Status(StatusCode::kDamaged, std::to_string(i)) : Status();
  });
  EXPECT_EQ(status.message(), "5");
  EXPECT_LT(calls, 1000);
}

TEST(ParallelTest, ExceptionsAreErrors) {
  const Status status = ParallelFor(3, 2, [](size_t) -> Status { throw std::runtime_error("thrown"); });
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_EQ(status.message(), "thrown");
}

}  // namespace
}  // namespace lichen::eval
