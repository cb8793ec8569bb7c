// SPDX-License-Identifier: Apache-2.0
#include "codec/picture_rows.h"

#include <algorithm>
#include <cstring>

#include "codec/tiling.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

LICHEN_VECTORISED
void BytesToFloat(const uint8_t* src, size_t count, float* dst) {
  for (size_t i = 0; i < count; ++i) dst[i] = static_cast<float>(src[i]) * (1.0f / 255.0f) - 0.5f;
}

LICHEN_VECTORISED
void WordsToFloat(const uint8_t* src, size_t count, float* dst) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t sample;
    std::memcpy(&sample, src + i * sizeof sample, sizeof sample);
    dst[i] = static_cast<float>(sample) * (1.0f / 65535.0f) - 0.5f;
  }
}

}  // namespace

PictureRows::PictureRows(RowSource& source, const bitstream::Header& header)
    : source_(source),
      channels_(source.header().channels),
      sample_bytes_(static_cast<size_t>(source.header().bit_depth) / 8),
      width_(TileGrid(header).width() * kLatentPixels),
      height_(TileGrid(header).height() * kLatentPixels),
      alpha_(header.width, header.height, header.bit_depth),
      row_(source.header().RowBytes()) {}

Status PictureRows::Begin() {
  if (passes_++ > 0) LICHEN_RETURN_IF_ERROR(source_.Rewind());
  rows_.clear();
  first_ = 0;
  return Status();
}

Status PictureRows::Provide(int begin, int end) {
  for (; first_ < begin; ++first_) {
    if (rows_.empty()) LICHEN_RETURN_IF_ERROR(Append());
    rows_.pop_front();
  }
  while (first_ + static_cast<int>(rows_.size()) < std::min(end, height_)) LICHEN_RETURN_IF_ERROR(Append());
  return Status();
}

void PictureRows::GetFloats(int y, int x, int pixels, float* samples) const {
  const uint8_t* from = rows_[y - first_].data() + static_cast<size_t>(x) * 3 * sample_bytes_;
  const size_t count = static_cast<size_t>(pixels) * 3;
  sample_bytes_ == 1 ? BytesToFloat(from, count, samples) : WordsToFloat(from, count, samples);
}

Result<const bitstream::Attachments*> PictureRows::Attach(bool strip_metadata, uint32_t* colour_type) {
  const ImageHeader& picture = source_.header();
  *colour_type = picture.channels <= 2 ? 1 : 3;
  const bool has_alpha = picture.channels % 2 == 0 && !alpha_.opaque();
  if (has_alpha) ++*colour_type;
  if (!attached_) {
    attached_ = true;
    if (has_alpha) {
      LICHEN_ASSIGN_OR_RETURN(attachments_.alpha, alpha_.Finish());
    }
    if (!strip_metadata) attachments_.metadata = {picture.icc, picture.exif, picture.xmp};
  }
  return static_cast<const bitstream::Attachments*>(&attachments_);
}

Status PictureRows::Append() {
  const ImageHeader& picture = source_.header();
  const int y = first_ + static_cast<int>(rows_.size());
  if (y < static_cast<int>(picture.height)) {
    LICHEN_RETURN_IF_ERROR(source_.ReadRow(row_.data()));
    const size_t pixel_bytes = channels_ * sample_bytes_;
    if (channels_ % 2 == 0 && passes_ == 1) {
      LICHEN_RETURN_IF_ERROR(alpha_.AddRow(row_.data() + pixel_bytes - sample_bytes_, pixel_bytes));
    }
    last_.resize(static_cast<size_t>(width_) * 3 * sample_bytes_);
    uint8_t* to = last_.data();
    for (int x = 0; x < width_; ++x) {
      const uint8_t* pixel = row_.data() + std::min<size_t>(x, picture.width - 1) * pixel_bytes;
      for (size_t c = 0; c < 3; ++c)
        to = std::copy_n(pixel + (channels_ <= 2 ? 0 : c * sample_bytes_), sample_bytes_, to);
    }
  }
  rows_.push_back(last_);
  return Status();
}

}  // namespace lichen
