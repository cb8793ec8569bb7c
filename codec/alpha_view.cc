// SPDX-License-Identifier: Apache-2.0
#include "codec/alpha_view.h"

#include <algorithm>

namespace lichen {
namespace {

constexpr uint8_t kOpaque = 255;

}  // namespace

AlphaView::AlphaView(const uint8_t* data, const bitstream::Container& container, const View& view, bool salvage)
    : salvage_(salvage),
      view_(view),
      width_(container.header.width),
      height_(container.header.height),
      next_row_(view.rows.begin),
      pixels_(width_, kOpaque),
      sums_(view.columns.size()) {
  if (container.alpha.size > 0) reader_.emplace(data + container.alpha.offset, container.alpha.size, width_);
}

/// The next row of the picture into pixels_.
Status AlphaView::ReadPixels() {
  ++next_pixel_row_;
  if (!reader_) return Status();
  const Status status = reader_->ReadRow(pixels_.data());
  if (status.ok() || !salvage_) return status;
  damage_ = status;
  reader_.reset();
  std::fill(pixels_.begin(), pixels_.end(), kOpaque);
  return Status();
}

Status AlphaView::ReadRow(uint8_t* samples) {
  const auto scale = static_cast<uint32_t>(view_.scale);
  const uint32_t begin = static_cast<uint32_t>(next_row_++) * scale, end = std::min(begin + scale, height_);
  while (next_pixel_row_ < begin) LICHEN_RETURN_IF_ERROR(ReadPixels());
  if (scale == 1) {
    LICHEN_RETURN_IF_ERROR(ReadPixels());
    std::copy_n(pixels_.data() + view_.columns.begin, view_.columns.size(), samples);
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
    samples[i] = static_cast<uint8_t>((sums_[i] + count / 2) / count);
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
