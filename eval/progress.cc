// SPDX-License-Identifier: Apache-2.0
#include "eval/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

namespace lichen::eval {
namespace {

std::string FormatDuration(double seconds) {
  if (seconds < 60) return std::to_string(std::lround(seconds)) + " s";
  if (seconds < 3600) return std::to_string(std::lround(seconds / 60)) + " min";
  return std::to_string(static_cast<long>(seconds / 3600)) + " h " + std::to_string(std::lround(seconds / 60) % 60) +
         " min";
}

}  // namespace

Progress::Progress(std::string what, size_t total)
    : what_(std::move(what)), total_(total), visible_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() { Wipe(); }

void Progress::Step(const std::string& text, bool cached) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++done_;
  if (!cached) ++worked_;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  Show(DescribeProgress(what_, done_, worked_, total_, seconds, text));
}

void Progress::Skip(size_t steps) {
  const std::lock_guard<std::mutex> lock(mutex_);
  done_ += steps;
}

void Progress::Wipe() { Show(""); }

void Progress::Show(const std::string& text) const {
  if (visible_) std::fprintf(stderr, "\r\033[K%s", text.c_str());
}

std::string DescribeProgress(const std::string& what, size_t done, size_t worked, size_t total, double seconds,
                             const std::string& text) {
  std::string line = "[" + std::to_string(done) + "/" + std::to_string(total) + "] " + what;
  if (worked > 0 && done < total) {
    const double each = seconds / static_cast<double>(worked);
    line += ", " + FormatDuration(each * static_cast<double>(total - done)) + " left";
  }
  return line + ": " + text;
}

}  // namespace lichen::eval
