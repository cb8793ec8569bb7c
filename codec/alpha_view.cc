// SPDX-License-Identifier: Apache-2.0
#include "codec/alpha_view.h"

#include <algorithm>
#include <cstring>

namespace lichen {

AlphaView::AlphaView(const uint8_t* data, const bitstream::Container& container, const View& view, int bit_depth,
                     bool salvage)
    : file_depth_(static_cast<int>(container.header.bit_depth)),
      bit_depth_(bit_depth),
      salvage_(salvage),
      view_(view),
      width_(container.header.width),
      height_(container.header.height),
      next_row_(view.rows.begin),
      bytes_(size_t{width_} * file_depth_ / 8),
      pixels_(width_, Opaque()),
      sums_(view.columns.size()) {
  if (container.alpha.size > 0) reader_.emplace(data + container.alpha.offset, container.alpha.size, width_, container.header.bit_depth);
}

/// The next row of the picture into pixels_.
Status AlphaView::ReadPixels() {
  ++next_pixel_row_;
  if (!reader_) return Status();
  const Status status = reader_->ReadRow(bytes_.data());
  if (status.ok()) {
    if (file_depth_ == 8) {
      std::copy(bytes_.begin(), bytes_.end(), pixels_.begin());
    } else {
      std::memcpy(pixels_.data(), bytes_.data(), bytes_.size());
    }
    return status;
  }
  if (!salvage_) return status;
  damage_ = status;
  reader_.reset();
  std::fill(pixels_.begin(), pixels_.end(), Opaque());
  return Status();
}

uint16_t AlphaView::InOutputDepth(uint32_t sample) const {
  if (file_depth_ > bit_depth_) return static_cast<uint16_t>((sample * 255u + 32767) / 65535);
  return static_cast<uint16_t>(file_depth_ < bit_depth_ ? sample * 257u : sample);
}

Status AlphaView::ReadRow(uint16_t* samples) {
  const auto scale = static_cast<uint32_t>(view_.scale);
  const uint32_t begin = static_cast<uint32_t>(next_row_++) * scale, end = std::min(begin + scale, height_);
  while (next_pixel_row_ < begin) LICHEN_RETURN_IF_ERROR(ReadPixels());
  if (scale == 1) {
    LICHEN_RETURN_IF_ERROR(ReadPixels());
    std::transform(pixels_.begin() + view_.columns.begin, pixels_.begin() + view_.columns.end, samples,
                   [this](uint16_t sample) { return InOutputDepth(sample); });
    return Status();
  }
  std::fill(sums_.begin(), sums_.end(), 0);
  while (next_pixel_row_ < end) {
    LICHEN_RETURN_IF_ERROR(ReadPixels());
    for (size_t i = 0; i < sums_.size(); ++i) {
      const uint32_t left = (static_cast<uint32_t>(view_.columns.begin) + static_cast<uint32_t>(i)) * scale;
      for (uint32_t x = left; x < std::min(left + scale, width_); ++x) sums_[i] += pixels_[x];
    }
  }
  for (size_t i = 0; i < sums_.size(); ++i) {
    const uint32_t left = (static_cast<uint32_t>(view_.columns.begin) + static_cast<uint32_t>(i)) * scale;
    const uint32_t count = (std::min(left + scale, width_) - left) * (end - begin);
    samples[i] = InOutputDepth(static_cast<uint32_t>((sums_[i] + count / 2) / count));
  }
  return Status();
}

Status AlphaView::Finish() {
  if (!reader_ || next_pixel_row_ < height_) return Status();
  const Status status = reader_->Finish();
  if (status.ok() || !salvage_) return status;
  damage_ = status;
  return Status();
}

}  // namespace lichen
