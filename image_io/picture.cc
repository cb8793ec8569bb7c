// SPDX-License-Identifier: Apache-2.0
#include "image_io/picture.h"

namespace lichen::image_io {

std::string DescribeBlock(const std::string& name, size_t size) {
  return name + " (" + std::to_string(size) + " bytes)";
}

Status CheckSize(uint32_t width, uint32_t height, const ReadOptions& options) {
  const std::string size = "the picture declares " + std::to_string(width) + "x" + std::to_string(height) + " pixels";
  if (width > kMaxSide || height > kMaxSide) {
    return Status(StatusCode::kLimitExceeded,
                  size + ", a side may have at most " + std::to_string(kMaxSide) + "; cut it into pieces");
  }
  if (uint64_t{width} * height > options.max_pixels) {
    return Status(StatusCode::kLimitExceeded, size + ", more than the limit of " + std::to_string(options.max_pixels) +
                                                  "; raise the limit (max pixels) if it is meant to be so large");
  }
  return Status();
}

Status CheckMemory(uint64_t bytes, const ReadOptions& options, const std::string& kind, const std::string& remedy) {
  if (bytes <= options.max_memory) return Status();
  const auto mib = [](uint64_t count) { return std::to_string((count + (1 << 20) - 1) >> 20) + " MiB"; };
  return Status(StatusCode::kLimitExceeded, "this is " + kind + ", which cannot be read row by row and takes " +
                                                mib(bytes) + " of memory, more than the limit of " +
                                                mib(options.max_memory) + "; raise the limit (max memory), or " +
                                                remedy);
}

Status CheckWritable(const ImageHeader& header) {
  if (header.channels >= 1 && header.channels <= 4 && header.bit_depth == 8 && header.width > 0 && header.height > 0) {
    return Status();
  }
  return Status(StatusCode::kInvalidArgument, "a picture of " + std::to_string(header.channels) + " channels of " +
                                                  std::to_string(header.bit_depth) +
                                                  " bits cannot be written; convert it to gray or RGB of 8 bits");
}

}  // namespace lichen::image_io
