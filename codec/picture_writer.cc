// SPDX-License-Identifier: Apache-2.0
#include "codec/picture_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lichen {

PictureWriter::PictureWriter(const uint8_t* data, const bitstream::Container& container, const View& view,
                             const DecodeOptions& options, RowSink& sink)
    : data_(data),
      container_(container),
      view_(view),
      options_(options),
      sink_(sink),
      colours_(container.header.colour_type <= 2 ? 1 : 3),
      bit_depth_(options.bit_depth != 0 ? options.bit_depth : static_cast<int>(container.header.bit_depth)) {}

Status PictureWriter::Begin() {
  ImageHeader picture;
  picture.width = static_cast<uint32_t>(view_.columns.size());
  picture.height = static_cast<uint32_t>(view_.rows.size());
  picture.channels = static_cast<int>(container_.header.colour_type);
  picture.bit_depth = bit_depth_;
  using bitstream::MetadataKind;
  LICHEN_RETURN_IF_ERROR(ReadMetadata(MetadataKind::kIcc, &picture.icc));
  LICHEN_RETURN_IF_ERROR(ReadMetadata(MetadataKind::kExif, &picture.exif));
  LICHEN_RETURN_IF_ERROR(ReadMetadata(MetadataKind::kXmp, &picture.xmp));
  if (picture.channels > colours_) {
    alpha_.emplace(data_, container_, view_, bit_depth_, options_.salvage);
    alpha_row_.resize(picture.width);
    row_.resize(picture.RowBytes());
  }
  return sink_.Begin(picture);
}

Status PictureWriter::ReadMetadata(bitstream::MetadataKind kind, std::vector<uint8_t>* block) const {
  auto content = bitstream::ReadMetadata(container_, data_, kind);
  if (content.ok()) {
    *block = std::move(*content);
  } else if (!options_.salvage) {
    return content.status();
  } else if (options_.damage) {
    options_.damage({content.status().message(), {}});
  }
  return Status();
}

Status PictureWriter::WriteRow(const uint8_t* colours) {
  if (!alpha_) return sink_.WriteRow(colours);
  LICHEN_RETURN_IF_ERROR(alpha_->ReadRow(alpha_row_.data()));
  uint8_t* to = row_.data();
  for (const uint16_t alpha : alpha_row_) {
    to = std::copy_n(colours, PixelBytes(), to);
    colours += PixelBytes();
    if (bit_depth_ == 8) {
      *to = static_cast<uint8_t>(alpha);
    } else {
      std::memcpy(to, &alpha, sizeof alpha);
    }
    to += bit_depth_ / 8;
  }
  return sink_.WriteRow(row_.data());
}

Status PictureWriter::Finish() {
  if (!alpha_) return Status();
  LICHEN_RETURN_IF_ERROR(alpha_->Finish());
  if (!alpha_->damage().ok() && options_.damage) options_.damage({alpha_->damage().message(), {}});
  return Status();
}

}  // namespace lichen
