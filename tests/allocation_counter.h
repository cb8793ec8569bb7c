// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_ALLOCATION_COUNTER_H_
#define LICHEN_TESTS_ALLOCATION_COUNTER_H_

// Counts the memory that the process takes through malloc and its relatives, whoever asks: operator new, zstd, oneDNN.

#include <cstddef>

namespace lichen::test {

/// From its making on. One at a time.
class AllocationCounter {
 public:
  AllocationCounter();

  /// The most bytes held at once beyond those held at the start.
  size_t Peak() const;
  /// The largest single request, granted or not.
  size_t Largest() const;

 private:
  size_t before_;
};

}  // namespace lichen::test

#endif  // LICHEN_TESTS_ALLOCATION_COUNTER_H_
