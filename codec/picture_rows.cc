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

LICHEN_VECTORISED
void BytesToWords(const uint8_t* src, size_t count, uint16_t* dst) {
  for (size_t i = 0; i < count; ++i) dst[i] = static_cast<uint16_t>(src[i] * 257);
}

LICHEN_VECTORISED
void BytesToSigned(const uint8_t* src, size_t count, int8_t* dst) {
  for (size_t i = 0; i < count; ++i) dst[i] = static_cast<int8_t>(src[i] ^ 0x80);
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
  while (!rows_.empty()) ForgetRow();
  first_ = 0;
  return Status();
}

Status PictureRows::Provide(int begin, int end) {
  for (; first_ < begin; ++first_) {
    if (rows_.empty()) LICHEN_RETURN_IF_ERROR(Append());
    ForgetRow();
  }
  while (first_ + static_cast<int>(rows_.size()) < std::min(end, height_)) LICHEN_RETURN_IF_ERROR(Append());
  return Status();
}

const uint8_t* PictureRows::Samples(int y, int x) const {
  return rows_[y - first_].data() + static_cast<size_t>(x) * 3 * sample_bytes_;
}

void PictureRows::GetFloats(int y, int x, int pixels, float* samples) const {
  const size_t count = static_cast<size_t>(pixels) * 3;
  sample_bytes_ == 1 ? BytesToFloat(Samples(y, x), count, samples) : WordsToFloat(Samples(y, x), count, samples);
}

void PictureRows::GetWords(int y, int x, int pixels, uint16_t* samples) const {
  const size_t count = static_cast<size_t>(pixels) * 3;
  sample_bytes_ == 1 ? BytesToWords(Samples(y, x), count, samples)
                     : static_cast<void>(std::memcpy(samples, Samples(y, x), count * sizeof *samples));
}

void PictureRows::GetBytes(int y, int x, int pixels, int8_t* samples) const {
  BytesToSigned(Samples(y, x), static_cast<size_t>(pixels) * 3, samples);
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

void PictureRows::ForgetRow() {
  spare_.push_back(std::move(rows_.front()));
  rows_.pop_front();
}

Status PictureRows::Append() {
  std::vector<uint8_t> row;
  if (!spare_.empty()) {
    row = std::move(spare_.back());
    spare_.pop_back();
  }
  const int y = first_ + static_cast<int>(rows_.size()), height = static_cast<int>(source_.header().height);
  if (y < height) {
    row.resize(static_cast<size_t>(width_) * 3 * sample_bytes_);
    LICHEN_RETURN_IF_ERROR(Read(row));
    if (y + 1 == height && height < height_) last_ = row;
  } else {
    row = last_;
  }
  rows_.push_back(std::move(row));
  return Status();
}

/// The picture's next row, as RGB and as wide as the canvas.
Status PictureRows::Read(std::vector<uint8_t>& row) {
  const int width = static_cast<int>(source_.header().width);
  const size_t pixel_bytes = 3 * sample_bytes_, source_bytes = channels_ * sample_bytes_;
  if (channels_ == 3) {
    LICHEN_RETURN_IF_ERROR(source_.ReadRow(row.data()));
  } else {
    LICHEN_RETURN_IF_ERROR(source_.ReadRow(row_.data()));
    if (channels_ % 2 == 0 && passes_ == 1) {
      LICHEN_RETURN_IF_ERROR(alpha_.AddRow(row_.data() + source_bytes - sample_bytes_, source_bytes));
    }
    uint8_t* to = row.data();
    for (const uint8_t* pixel = row_.data(); pixel < row_.data() + row_.size(); pixel += source_bytes) {
      for (size_t c = 0; c < 3; ++c)
        to = std::copy_n(pixel + (channels_ <= 2 ? 0 : c * sample_bytes_), sample_bytes_, to);
    }
  }
  uint8_t* to = row.data() + width * pixel_bytes;
  for (int x = width; x < width_; ++x) to = std::copy_n(row.data() + (width - 1) * pixel_bytes, pixel_bytes, to);
  return Status();
}

}  // namespace lichen
