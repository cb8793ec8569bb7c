// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_SAMPLE_WINDOWS_H_
#define LICHEN_CODEC_SAMPLE_WINDOWS_H_

// Parts of a picture, kept while it is encoded, that tell what decoders will get: its pixels there and its latents. All
// of a small picture, and of a large one windows that are spread evenly.

#include <cstdint>
#include <vector>

#include "codec/entropy_model.h"
#include "codec/picture_rows.h"
#include "codec/tiling.h"

namespace lichen {

class SampleWindows {
 public:
  static constexpr int kSide = 12;  // of a window, latent positions, where they are not all of the canvas

  struct Window {
    Span rows, columns;             // latent positions
    std::vector<uint16_t> samples;  // [rows * 16][columns * 16][3]
    std::vector<float> y_hat;       // [rows][columns][M], quantisation steps
  };

  /// quick: little of a small picture, too. For processors on which g_s takes long
  SampleWindows(const TileGrid& grid, int latent_channels, bool quick = false);

  const std::vector<Window>& windows() const { return windows_; }
  /// Whether they are all of the canvas.
  bool whole() const { return whole_; }

  /// Of rows of latents. REQUIRES: their pixels are provided
  void TakePixels(const PictureRows& picture, Span rows);
  /// Which of a tile's rows it takes latents of.
  std::vector<bool> RowsWanted(Span rows, Span columns) const;
  /// Of a tile. Several tiles can be taken at once.
  void TakeLatents(Span rows, Span columns, const Latents& latents);
  /// Of the whole canvas. y: [grid height][grid width][M]; scale: [M], quantisation steps for 1 of y
  void TakeLatents(const float* y, const std::vector<float>& scale);

  /// Whether they will be all of a canvas.
  static bool AreWhole(const TileGrid& grid, bool quick = false);
  /// Bytes that they take, at most.
  static uint64_t Memory(const TileGrid& grid, int latent_channels);

 private:
  int height_, width_, channels_;
  bool whole_;
  std::vector<Window> windows_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_SAMPLE_WINDOWS_H_
