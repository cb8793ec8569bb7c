// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_RESULT_CACHE_H_
#define LICHEN_EVAL_RESULT_CACHE_H_

// Results that outlive a run, so that one that was stopped goes on where it was.

#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::eval {

/// Figures in the order that their owner defines; empty ones were not defined for the picture.
using Record = std::vector<std::optional<double>>;

/// A file of one JSON object per line, {"key": [figures]}, appended to as results come. A last line that was cut short
/// is left out. May be used from several threads.
class ResultCache {
 public:
  /// Reads the file, or creates it. errors: kIoError
  static Result<std::unique_ptr<ResultCache>> Open(const std::string& path);

  std::optional<Record> Find(const std::string& key) const;
  void Add(const std::string& key, const Record& record);

 private:
  ResultCache() = default;

  mutable std::mutex mutex_;
  std::map<std::string, Record> records_;
  std::ofstream file_;
};

/// A hash (XXH3, 128 bits) of size, kind and samples, in hexadecimal.
std::string HashPicture(const Image& image);

/// A hash (XXH3, 128 bits) of bytes, in hexadecimal.
std::string HashBytes(const std::vector<uint8_t>& bytes);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_RESULT_CACHE_H_
