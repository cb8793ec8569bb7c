// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_ALPHA_VIEW_H_
#define LICHEN_CODEC_ALPHA_VIEW_H_

// The alpha of a view, row by row.

#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/alpha.h"
#include "bitstream/container.h"
#include "codec/view.h"
#include "lichen/status.h"

namespace lichen {

/// All rows down to the last one of the view are decompressed, since each depends on the one above.
class AlphaView {
 public:
  /// Borrows `data`. container: of colour type 2 or 4; without an alpha plane, which salvage allows, all is opaque
  /// salvage: where the plane is damaged, the rest is opaque
  /// bit_depth: of the output, 8 or 16
  AlphaView(const uint8_t* data, const bitstream::Container& container, const View& view, int bit_depth, bool salvage);

  /// Writes the next row's samples, view.columns.size() of them: means over the pixels of the picture that they cover.
  /// errors: kDamaged, unless salvage
  Status ReadRow(uint16_t* samples);
  /// Call after the last row. errors: as ReadRow
  Status Finish();
  /// What salvage found.
  const Status& damage() const { return damage_; }

 private:
  uint16_t Opaque() const { return file_depth_ == 8 ? 255 : 65535; }
  Status ReadPixels();
  /// A sample of the file, or a mean of such, in the bit depth of the output.
  uint16_t InOutputDepth(uint32_t sample) const;

  std::optional<bitstream::AlphaReader> reader_;
  int file_depth_, bit_depth_;
  bool salvage_;
  Status damage_;
  View view_;
  uint32_t width_, height_;
  uint32_t next_pixel_row_ = 0;
  int next_row_;
  std::vector<uint8_t> bytes_;    // a row of the picture as AlphaReader gives it
  std::vector<uint16_t> pixels_;  // the same
  std::vector<uint64_t> sums_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_ALPHA_VIEW_H_
