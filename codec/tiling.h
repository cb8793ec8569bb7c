// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TILING_H_
#define LICHEN_CODEC_TILING_H_

// How a picture is cut up. Tiles exist only in the entropy layer; the transforms run on strips of rows, from top to
// bottom, and see across them, so that no seam shows.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bitstream/container.h"

namespace lichen {

inline constexpr int kLatentPixels = 16;  // pixels a side of one position of y

/// A range of latent positions [begin, end).
struct Span {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
};

/// The canvas, which is the picture enlarged to multiples of 16, in latent positions.
class TileGrid {
 public:
  explicit TileGrid(const bitstream::Header& header)
      : tile_((1 << header.tile_size_log2) / kLatentPixels),
        columns_(static_cast<int>(bitstream::TileColumns(header))),
        rows_(static_cast<int>(bitstream::TileRows(header))),
        width_(static_cast<int>((header.width + kLatentPixels - 1) / kLatentPixels)),
        height_(static_cast<int>((header.height + kLatentPixels - 1) / kLatentPixels)) {}

  int columns() const { return columns_; }
  int rows() const { return rows_; }
  int width() const { return width_; }
  int height() const { return height_; }
  Span Column(int i) const { return {i * tile_, std::min((i + 1) * tile_, width_)}; }
  Span Row(int i) const { return {i * tile_, std::min((i + 1) * tile_, height_)}; }
  /// Positions a side of a tile that the picture's edge does not cut.
  int tile() const { return tile_; }

 private:
  int tile_, columns_, rows_, width_, height_;
};

/// `span` with a margin on each side, clipped to the canvas of `size` positions.
inline Span WithMargin(Span span, int margin, int size) {
  return {std::max(0, span.begin - margin), std::min(size, span.end + margin)};
}

/// How many rows of a canvas of latents the transforms take at a time: few, so that what lies between layers stays in
/// the processor's caches, but all of a small canvas, since each height takes a primitive of its own for each
/// convolution. By experiment (docs/performance.md).
inline int StripRows(int rows, int columns) {
  constexpr int64_t kWhole = 2048, kPositions = 1024;
  constexpr int kLeast = 4;
  if (int64_t{rows} * columns <= kWhole) return rows;
  int strip = kLeast;
  while (int64_t{strip} * 2 * columns <= kPositions) strip *= 2;
  return strip;
}

/// `rows` in strips that end at multiples of `step`; in one if they are no more. The first has more where that is
/// needed to get through all layers, whose outputs lag behind by `margin` rows: all others but the last are then alike.
inline std::vector<Span> Strips(Span rows, int step, int margin) {
  if (rows.size() <= step) return {rows};
  std::vector<Span> strips;
  for (int begin = rows.begin; begin < rows.end;) {
    const int least = strips.empty() ? margin + 1 : 1;
    const int end = std::min((begin + least + step - 1) / step * step, rows.end);
    strips.push_back({begin, end});
    begin = end;
  }
  return strips;
}

}  // namespace lichen

#endif  // LICHEN_CODEC_TILING_H_
