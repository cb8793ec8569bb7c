// SPDX-License-Identifier: Apache-2.0
#include "image_io/picture.h"

#include <cstring>

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

bool RoundTo8Bits(const uint8_t* samples, size_t count, uint8_t* bytes) {
  bool finer = false;
  for (size_t i = 0; i < count; ++i, samples += 2) {
    finer |= samples[0] != samples[1];  // 257 times an 8-bit value otherwise
    uint16_t value;
    std::memcpy(&value, samples, sizeof value);
    bytes[i] = static_cast<uint8_t>((value * 255u + 32767) / 65535);
  }
  return finer;
}

Status CheckWritable(const ImageHeader& header) {
  const bool depth = header.bit_depth == 8 || header.bit_depth == 16;
  if (header.channels >= 1 && header.channels <= 4 && depth && header.width > 0 && header.height > 0) return Status();
  return Status(StatusCode::kInvalidArgument, "a picture of " + std::to_string(header.channels) + " channels of " +
                                                  std::to_string(header.bit_depth) +
                                                  " bits cannot be written; convert it to gray or RGB of 8 or 16 bits");
}

}  // namespace lichen::image_io
