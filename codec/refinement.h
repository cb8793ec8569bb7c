// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_REFINEMENT_H_
#define LICHEN_CODEC_REFINEMENT_H_

// Latents that cost less than those of g_a, for one picture: found by descent on the error that decoding them gives. A
// choice of the encoder: decoders do not know of it.
//
// Each iteration codes the tile, decodes it, and asks how its error changes with each latent. Where y_hat is what was
// coded, g that slope and W the bits that a squared step is worth to the trellis' search, what is coded next aims a part
// of the way from y to
//
//   y_hat - g / 2W
//
// where the error would be least if it were W (y - y_hat)^2 and latents did not overlap. As all of them move at once,
// the part is small; what the trellis rounded away comes back in y bit by bit. The best of all iterations stays. Towards
// the end of many iterations one context step after the other stops moving, at the best so far: what comes after it
// makes up for its errors.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "codec/entropy_model.h"
#include "codec/model_data.h"
#include "codec/post_filter.h"
#include "codec/scratch.h"
#include "codec/synthesis_gradient.h"
#include "codec/tiling.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

/// A picture with its latents, borrowed; the canvas is the picture enlarged to multiples of 16.
struct RefinementCanvas {
  const uint16_t* samples = nullptr;          // [16 height][16 width][3], R G B, 0..65535
  float* y = nullptr;                         // [height][width][M], before quality's gain
  int height = 0, width = 0;                  // latent positions
  int picture_height = 0, picture_width = 0;  // pixels; errors beyond do not count
};

/// A tile of a canvas.
struct RefinementTile {
  Span rows, columns;
  SharedSides shared;
};

/// What a tile was coded as.
struct CodedTile {
  std::vector<uint8_t> bytes;
  Latents latents;
};

class Refinement {
 public:
  /// Borrows `model`, with g_s, and `workers`. REQUIRES: SynthesisGradient::Supports(model.g_s), iterations > 0
  Refinement(const ModelData& model, int quality_index, int iterations, Workers& workers);

  /// From now on errors are those behind a post-filter. weights: of PostFilterWeights
  void UsePostFilter(std::vector<float> weights) { post_filter_.emplace(std::move(weights), workers_); }

  /// Refines a tile.
  ///
  /// entropy_model  of the same model and quality, which searches
  /// y              [rows][columns][M] of the tile, in quantisation steps: what the first iteration aims at; changes
  /// z              of the tile, in quantisation steps
  /// report         called with the share that is done; what it returns ends the work if it is an error; may be empty
  /// usual          the bytes that the tile takes without, and the bits that its error is worth
  ///
  /// Returns what costs less than that, or nothing. errors: kOutOfMemory, kInternal, those of report
  Result<std::optional<CodedTile>> Run(const RefinementCanvas& canvas, const RefinementTile& tile,
                                       EntropyModel& entropy_model, float* y, const float* z,
                                       const std::function<Status(double)>& report, size_t usual_bytes,
                                       double usual_error);

  /// Bits that the error is worth which decoders show in and around a tile.
  /// latents: of the tile; null: those of the canvas. errors: kOutOfMemory, kInternal
  Result<double> ErrorOf(const RefinementCanvas& canvas, const RefinementTile& tile, const Latents* latents);

  /// Bytes for tiles of at most h x w positions.
  static uint64_t Memory(const ModelData& model, int h, int w, TransformPrecision precision);

 private:
  struct Window;

  void ShowSurroundings(const RefinementCanvas& canvas, const Window& window);
  void Show(const Latents& latents, const Window& window);
  const float* Filtered(const float* x_hat, const Window& window);
  double Error(const RefinementCanvas& canvas, const Window& window, const float* shown);
  void ErrorGradient(const RefinementCanvas& canvas, const Window& window, const float* shown, float* gradient);
  int StepOf(int v, int u, int channel) const;
  void Freeze(int step, const float* best, float* y);
  void Move(const float* gradient, const Window& window, float part, int first_moving, float* y);

  const ModelData& model_;
  Workers& workers_;
  int iterations_;
  QualityTables tables_;
  double bits_per_squared_error_;  // of samples from 0 to 1
  SynthesisGradient g_s_;
  std::optional<PostFilter> post_filter_;
  CodedTile coded_;
  Scratch<float> velocity_, best_y_;  // by latent of the tile
  std::vector<uint8_t> index_;  // of the tables of the last coding, by latent of the tile
  Scratch<float> y_hat_;        // of the window, with quantisation steps multiplied in
};

}  // namespace lichen

#endif  // LICHEN_CODEC_REFINEMENT_H_
