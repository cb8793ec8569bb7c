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

/// Bytes that the frame of an alpha plane holds: for every row a filter number and its samples.
inline uint64_t AlphaContentSize(uint32_t width, uint32_t height) { return (uint64_t{width} + 1) * height; }

class AlphaWriter {
 public:
  AlphaWriter(uint32_t width, uint32_t height);

  /// Adds the next row, which takes its samples from every `stride` bytes. errors: those of FrameWriter
  Status AddRow(const uint8_t* samples, size_t stride);
  /// Whether all samples so far are 255; then Finish need not be called.
  bool opaque() const { return !frame_; }
  /// The frame. REQUIRES: all rows were added. errors: those of FrameWriter
  Result<std::vector<uint8_t>> Finish();

 private:
  Status Compress();

  uint32_t width_, height_;
  uint32_t opaque_rows_ = 0;          // before the first row that is not
  std::optional<FrameWriter> frame_;  // from that row on
  std::vector<uint8_t> row_, previous_, filtered_, best_;
};

class AlphaReader {
 public:
  /// data, size  the payload of an ALPH chunk, checked by ParseContainer; borrowed, must outlive the reader
  AlphaReader(const uint8_t* data, size_t size, uint32_t width);

  /// Writes the next row's `width` samples. errors: kDamaged; kOutOfMemory
  Status ReadRow(uint8_t* samples);
  /// Call after the last row. errors: kDamaged
  Status Finish() { return frame_.Finish().Prefixed("ALPH chunk"); }

 private:
  FrameReader frame_;
  std::vector<uint8_t> previous_, filtered_;
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_ALPHA_H_
