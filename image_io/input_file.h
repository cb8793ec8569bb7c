// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_INPUT_FILE_H_
#define LICHEN_IMAGE_IO_INPUT_FILE_H_

// Files, pipes and standard input, read once from front to back.

#include <memory>
#include <string>
#include <vector>

#include "image_io/byte_stream.h"
#include "lichen/status.h"

namespace lichen::image_io {

class InputFile : public ByteSource {
 public:
  /// Opens `path`; "-" is standard input. errors: kIoError, also for a folder
  static Result<std::unique_ptr<InputFile>> Open(const std::string& path);
  ~InputFile() override;

  Result<size_t> Read(uint8_t* data, size_t size) override;
  /// The next bytes, fewer than `size` only at the end, which Read will give again.
  Result<std::vector<uint8_t>> Peek(size_t size);

 private:
  explicit InputFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
  std::vector<uint8_t> ahead_;  // looked at, not yet read
};

/// The whole of a file or of standard input.
Result<std::vector<uint8_t>> ReadFile(const std::string& path);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_INPUT_FILE_H_
