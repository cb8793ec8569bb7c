// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_bytes.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace lichen::image_io {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 15;

}  // namespace

PngBytes::PngBytes(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)), buffer_(kBufferBytes) {}

Status PngBytes::Need(size_t least) {
  if (size() >= least) return Status();
  std::memmove(buffer_.data(), data(), size());
  end_ -= start_;
  start_ = 0;
  while (size() < least) {
    LICHEN_ASSIGN_OR_RETURN(const size_t count, bytes_->Read(buffer_.data() + end_, buffer_.size() - end_));
    if (count == 0) {
      return Status(StatusCode::kTruncated, "this PNG file is incomplete: it ends after " +
                                                std::to_string(bytes_read_) +
                                                " bytes, before its end marker; get a complete copy");
    }
    bytes_read_ += count;
    end_ += count;
  }
  return Status();
}

Status PngBytes::Read(uint8_t* to, size_t left) {
  while (left > 0) {
    LICHEN_RETURN_IF_ERROR(Need(1));
    const size_t count = std::min(left, size());
    std::memcpy(to, data(), count);
    Skip(count);
    to += count;
    left -= count;
  }
  return Status();
}

}  // namespace lichen::image_io
