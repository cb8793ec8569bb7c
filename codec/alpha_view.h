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
  AlphaView(const uint8_t* data, const bitstream::Container& container, const View& view, bool salvage);

  /// Writes the next row's samples, view.columns.size() of them: means over the pixels of the picture that they cover.
  /// errors: kDamaged, unless salvage
  Status ReadRow(uint8_t* samples);
  /// Call after the last row. errors: as ReadRow
  Status Finish();
  /// What salvage found.
  const Status& damage() const { return damage_; }

 private:
  Status ReadPixels();

  std::optional<bitstream::AlphaReader> reader_;
  bool salvage_;
  Status damage_;
  View view_;
  uint32_t width_, height_;
  uint32_t next_pixel_row_ = 0;
  int next_row_;
  std::vector<uint8_t> pixels_;  // a row of the picture
  std::vector<uint32_t> sums_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_ALPHA_VIEW_H_
