// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PROGRESS_H_
#define LICHEN_EVAL_PROGRESS_H_

// How far a long piece of work has come, and how long the rest will take.

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace lichen::eval {

/// Shows one line on standard error, where that is a terminal, and wipes it at the end. May be used from several
/// threads.
class Progress {
 public:
  /// what   "measuring"
  /// total  number of steps
  Progress(std::string what, size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Counts a step. `cached`: it took no time, and says nothing about the steps to come.
  void Step(const std::string& text, bool cached);
  /// Counts steps that will not be done.
  void Skip(size_t steps);
  /// Wipes the line, so that a message can be written.
  void Wipe();

 private:
  void Show(const std::string& text) const;

  const std::string what_;
  const size_t total_;
  const bool visible_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  size_t done_ = 0, worked_ = 0;
};

/// "[12/80] measuring, 2 min left: TEXT". `worked` of the `done` steps took `seconds` in all; the others took none.
std::string DescribeProgress(const std::string& what, size_t done, size_t worked, size_t total, double seconds,
                             const std::string& text);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PROGRESS_H_
