// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_PICTURE_ROWS_H_
#define LICHEN_CODEC_PICTURE_ROWS_H_

// What an encoder reads: the rows of the canvas, of which it keeps only those still needed, and on the side what is
// kept as it is, alpha and metadata.

#include <cstdint>
#include <deque>
#include <vector>

#include "bitstream/alpha.h"
#include "bitstream/container.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

/// The canvas is the picture as RGB, its last row and column repeated up to multiples of 16.
class PictureRows {
 public:
  /// source: must outlive this; it is rewound for every pass but the first
  PictureRows(RowSource& source, const bitstream::Header& header);

  /// Call before each pass. errors: those of the source
  Status Begin();
  /// Makes rows begin..end-1 of the canvas available; rows before `begin` are forgotten. errors: those of the source
  Status Provide(int begin, int end);
  /// Samples of row y, R G B interleaved, -0.5 to 0.5, from pixel x on. REQUIRES: provided
  void GetFloats(int y, int x, int pixels, float* samples) const;
  /// The same in 0..65535.
  void GetWords(int y, int x, int pixels, uint16_t* samples) const;
  /// The same in 0..255, less 128. REQUIRES: not deep
  void GetBytes(int y, int x, int pixels, int8_t* samples) const;
  /// Alpha, if there is any, with the colour type that tells of it, and metadata. Call after a pass.
  Result<const bitstream::Attachments*> Attach(bool strip_metadata, uint32_t* colour_type);

  /// Whether samples have 16 bits.
  bool deep() const { return sample_bytes_ > 1; }
  /// Canvas columns.
  int width() const { return width_; }

 private:
  const uint8_t* Samples(int y, int x) const;
  void ForgetRow();
  Status Append();
  Status Read(std::vector<uint8_t>& row);

  RowSource& source_;
  int channels_;
  size_t sample_bytes_;
  int width_, height_;
  int passes_ = 0, first_ = 0;
  bitstream::AlphaWriter alpha_;
  bitstream::Attachments attachments_;
  bool attached_ = false;                    // they are complete
  std::vector<uint8_t> row_, last_;          // as the source has it; the picture's last, for those below it
  std::deque<std::vector<uint8_t>> rows_;    // from first_ on
  std::vector<std::vector<uint8_t>> spare_;  // forgotten ones, to be used again
};

}  // namespace lichen

#endif  // LICHEN_CODEC_PICTURE_ROWS_H_
