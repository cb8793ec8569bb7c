// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_PICTURE_WRITER_H_
#define LICHEN_CODEC_PICTURE_WRITER_H_

// What a decoder writes: rows of colours, joined with what the file keeps as it is, alpha and metadata.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/alpha_view.h"
#include "codec/view.h"
#include "lichen/codec.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

class PictureWriter {
 public:
  /// Borrows everything. data: the file that `container` was parsed from
  PictureWriter(const uint8_t* data, const bitstream::Container& container, const View& view,
                const DecodeOptions& options, RowSink& sink);

  /// Channels without alpha, and bits a sample, of the output.
  int colours() const { return colours_; }
  int bit_depth() const { return bit_depth_; }
  /// Bytes of a pixel without its alpha.
  size_t PixelBytes() const { return static_cast<size_t>(colours_) * bit_depth_ / 8; }

  /// Tells the sink what comes, metadata included. errors: kDamaged, unless salvage; those of the sink
  Status Begin();
  /// Passes a row of colours on, with its alpha where there is one. errors: as Begin
  Status WriteRow(const uint8_t* colours);
  /// Call after the last row. errors: kDamaged, unless salvage
  Status Finish();

 private:
  Status ReadMetadata(bitstream::MetadataKind kind, std::vector<uint8_t>* block) const;

  const uint8_t* data_;
  const bitstream::Container& container_;
  const View& view_;
  const DecodeOptions& options_;
  RowSink& sink_;
  int colours_, bit_depth_;
  std::optional<AlphaView> alpha_;
  std::vector<uint16_t> alpha_row_;
  std::vector<uint8_t> row_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_PICTURE_WRITER_H_
