// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_REFINED_TILES_H_
#define LICHEN_CODEC_REFINED_TILES_H_

// The tiles of a picture with refined latents. All tiles are coded as without refinement first; then one after the
// other is refined where it is, among latents as decoders get them, and the refined ones stay where the picture costs
// less with them. So refinement makes no picture cost more, however little there is to code.

#include <cstdint>
#include <functional>
#include <vector>

#include "codec/refinement.h"
#include "codec/scratch.h"
#include "codec/tile_encoder.h"
#include "codec/tiling.h"

namespace lichen {

class RefinedTiles {
 public:
  /// Borrows everything. REQUIRES: as Refinement
  RefinedTiles(const ModelData& model, const TileGrid& grid, const bitstream::Header& header, int iterations,
               Workers& workers);

  /// First, what the search gives without. picture: y: [grid height][grid width][M], as g_a gives them; what decoders get
  /// replaces them. errors: kOutOfMemory, kInternal
  Status EncodeUsual(const RefinementCanvas& picture);
  /// Then, the post-filter that decoders have, if they do. weights: of PostFilterWeights
  void UsePostFilter(std::vector<float> weights) { refinement_.UsePostFilter(std::move(weights)); }
  /// Last, the bytes of each tile.
  ///
  /// picture  as above
  /// report   called with the share of the canvas that is done; what it returns ends the work if it is an error
  ///
  /// errors: kOutOfMemory, kInternal, those of report
  Result<std::vector<std::vector<uint8_t>>> Encode(const RefinementCanvas& picture,
                                                   const std::function<Status(double)>& report);

  /// What a decoder will get from the last tile, of a picture of one tile.
  const Latents& latents() const { return last_is_refined_ ? latents_ : encoder_.latents(); }

  /// Bytes that it takes beside y, samples and one TileEncoder.
  static uint64_t Memory(const ModelData& model, const TileGrid& grid, TransformPrecision precision);

 private:
  struct Usual {
    std::vector<uint8_t> bytes;
    std::vector<int32_t> z_hat;
  };

  RefinementTile Tile(int row, int column) const;
  /// Calls row(v, at) for each row of a tile, `at` being where it begins in the picture's y.
  template <typename Row>
  void ForRows(const RefinementTile& tile, const Row& row) const;
  Result<Usual> EncodeUsualTile(const RefinementCanvas& picture, const RefinementTile& tile);
  Result<std::vector<uint8_t>> Refine(const RefinementCanvas& picture, const RefinementTile& tile, const Usual& usual,
                                      const std::function<Status(double)>& report);
  void Show(const Latents& latents, const RefinementCanvas& picture, const RefinementTile& tile) const;

  const TileGrid& grid_;
  int channels_;
  std::vector<float> gain_;  // of y
  TileEncoder encoder_;
  Refinement refinement_;
  Scratch<int8_t> deviations_;  // of y from what decoders get, [grid height][grid width][M]
  Scratch<float> y_;            // of a tile, in quantisation steps
  std::vector<float> z_;        // likewise
  Latents latents_;             // refined
  std::vector<Usual> usual_;    // of the tiles
  bool last_is_refined_ = false;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_REFINED_TILES_H_
