// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_OUTPUT_FILE_H_
#define LICHEN_IMAGE_IO_OUTPUT_FILE_H_

// Output files that appear whole or not at all.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "image_io/byte_stream.h"
#include "lichen/status.h"

namespace lichen::image_io {

/// Bytes go to a temporary name in the folder of the output, and Finish renames it; without Finish nothing is left.
/// A symbolic link keeps pointing to its target, which is replaced and keeps its permissions. Devices, pipes and
/// standard output ("-") are written directly.
class OutputFile : public ByteSink {
 public:
  /// no_clobber: refuse a file that exists. errors: kIoError
  static Result<std::unique_ptr<OutputFile>> Open(const std::string& path, bool no_clobber = false);
  ~OutputFile() override;

  Status Write(const uint8_t* data, size_t size) override;
  Status Finish() override;
  uint64_t bytes() const { return bytes_; }

 private:
  OutputFile() = default;
  Status OpenTemporary(const std::string& target, bool exists, unsigned mode);
  Status Flush();

  int descriptor_ = -1;
  int slot_ = -1;          // among the names that a signal removes
  std::string temporary_;  // empty when written directly
  std::string target_;     // what the temporary file will be renamed to
  bool no_clobber_ = false;
  std::vector<uint8_t> buffer_;
  uint64_t bytes_ = 0;
};

/// True when both paths lead to one regular file; "-" is standard input for `input`, standard output for `output`.
bool IsSameFile(const std::string& input, const std::string& output);

/// True for standard output ("-"), devices and pipes: what has no name to judge by, and is written directly.
bool IsDirectOutput(const std::string& path);

/// From now on SIGINT, SIGTERM and SIGHUP remove the temporary files of this process before they end it.
void RemoveTemporaryFilesOnSignals();

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_OUTPUT_FILE_H_
