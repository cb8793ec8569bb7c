// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_ALPHA_H_
#define LICHEN_BITSTREAM_ALPHA_H_

// The alpha plane, lossless: rows filtered as in PNG, then one zstd frame, row by row in both directions so that only
// its compressed bytes are ever held. FORMAT.md, ALPH.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/zstd_frame.h"
#include "lichen/status.h"

namespace lichen::bitstream {

/// Bytes that the frame of an alpha plane holds: for every row a filter number and its samples of 8 or 16 bits.
inline uint64_t AlphaContentSize(uint32_t width, uint32_t height, uint32_t bit_depth) {
  return (uint64_t{width} * (bit_depth / 8) + 1) * height;
}

class AlphaWriter {
 public:
  /// bit_depth  8, or 16: two bytes a sample, in the byte order of the machine
  AlphaWriter(uint32_t width, uint32_t height, uint32_t bit_depth);

  /// Adds the next row, which takes its samples from every `stride` bytes. errors: those of FrameWriter
  Status AddRow(const uint8_t* samples, size_t stride);
  /// Whether all samples so far are 255, or 65535 of 16 bits; then Finish need not be called.
  bool opaque() const { return !frame_; }
  /// The frame. REQUIRES: all rows were added. errors: those of FrameWriter
  Result<std::vector<uint8_t>> Finish();

 private:
  Status Compress();

  uint32_t width_, height_, bit_depth_;
  uint32_t opaque_rows_ = 0;          // before the first row that is not
  std::optional<FrameWriter> frame_;  // from that row on
  std::vector<uint16_t> row_, previous_;
  std::vector<uint8_t> filtered_, best_;
};

class AlphaReader {
 public:
  /// data, size  the payload of an ALPH chunk, checked by ParseContainer; borrowed, must outlive the reader
  /// bit_depth   of the samples, as for AlphaWriter
  AlphaReader(const uint8_t* data, size_t size, uint32_t width, uint32_t bit_depth);

  /// Writes the next row's `width` samples, of one byte or two. errors: kDamaged; kOutOfMemory
  Status ReadRow(uint8_t* samples);
  /// Call after the last row. errors: kDamaged
  Status Finish() { return frame_.Finish().Prefixed("ALPH chunk"); }

 private:
  FrameReader frame_;
  uint32_t bit_depth_;
  std::vector<uint16_t> previous_;
  std::vector<uint8_t> filtered_;
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_ALPHA_H_
