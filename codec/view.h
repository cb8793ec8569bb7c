// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_VIEW_H_
#define LICHEN_CODEC_VIEW_H_

// Which samples of a picture are wanted, at which scale, and which latents hold them.

#include "bitstream/container.h"
#include "codec/tiling.h"
#include "lichen/codec.h"
#include "lichen/status.h"

namespace lichen {

/// A region at a scale. Samples are those of the scaled picture, which has ceil(width / scale) x ceil(height / scale).
struct View {
  int scale = 1;
  Span columns, rows;  // samples

  /// Latent positions that hold these samples.
  Span LatentColumns() const { return LatentsOf(columns); }
  Span LatentRows() const { return LatentsOf(rows); }
  /// Samples along a side of one latent position.
  int SamplesPerLatent() const { return kLatentPixels / scale; }

 private:
  Span LatentsOf(Span samples) const {
    const int step = SamplesPerLatent();
    return {samples.begin / step, (samples.end + step - 1) / step};
  }
};

/// What two spans have in common; of size 0 or less when that is nothing.
inline Span Common(Span a, Span b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

/// errors: kInvalidArgument
Result<View> MakeView(const bitstream::Header& header, const Region& region, int scale);

}  // namespace lichen

#endif  // LICHEN_CODEC_VIEW_H_
