// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TILING_H_
#define LICHEN_CODEC_TILING_H_

// How a picture is cut up. Tiles exist only in the entropy layer; the transforms run on windows of any size plus a
// margin, so that no seam shows.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bitstream/container.h"

namespace lichen {

inline constexpr int kLatentPixels = 16;    // pixels a side of one position of y
inline constexpr int kWindowColumns = 128;  // latent positions: windows are at most 2048 pixels wide
inline constexpr int kWindowRows = 64;      // and 1024 pixels high

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

/// `span` in pieces that end at multiples of `step`.
inline std::vector<Span> Cut(Span span, int step) {
  std::vector<Span> pieces;
  for (int begin = span.begin; begin < span.end;) {
    const int end = std::min((begin / step + 1) * step, span.end);
    pieces.push_back({begin, end});
    begin = end;
  }
  return pieces;
}

/// `span` in pieces that end, with a margin after them, at multiples of `step` or at the end of the canvas of `size`
/// positions: a piece with
/// its margin then needs no tiles below the ones that it ends in
inline std::vector<Span> CutBeforeMargin(Span span, int step, int margin, int size) {
  std::vector<Span> pieces;
  for (int begin = span.begin; begin < span.end;) {
    const int reach = ((begin + margin) / step + 1) * step;
    const int end = reach < size ? std::min(reach - margin, span.end) : span.end;
    pieces.push_back({begin, end});
    begin = end;
  }
  return pieces;
}

}  // namespace lichen

#endif  // LICHEN_CODEC_TILING_H_
