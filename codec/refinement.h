// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_REFINEMENT_H_
#define LICHEN_CODEC_REFINEMENT_H_

// Latents that cost less than those of g_a, for one picture: found by descent on the rate and the error that decoding
// them gives. A choice of the encoder: decoders do not know of it.
//
// Stochastic Gumbel annealing, Yang, Bamler, Mandt, "Improving Inference for Neural Image Compression", NeurIPS 2020
// (arXiv:2006.04240). A latent lies between two values that can be coded; descent moves the probability of the upper
// one, g_s gets a random mix of both, and the mix becomes a choice as the temperature falls. Here the rate of a mix is
// the mix of the rates of both by the CDF tables, and means and scales, which latents predict for each other, are found
// anew every few iterations and count as fixed in between.

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

class Refinement {
 public:
  /// Borrows `model`, with g_s, and `workers`. REQUIRES: SynthesisGradient::Supports(model.g_s), iterations > 0
  Refinement(const ModelData& model, int quality_index, int iterations, Workers& workers);

  /// From now on errors are those behind a post-filter. weights: of PostFilterWeights
  void UsePostFilter(std::vector<float> weights) { post_filter_.emplace(std::move(weights), workers_); }

  /// Refines the latents of a tile, for which the nearest residuals will be coded.
  ///
  /// entropy_model  of the same model and quality
  /// y              [rows][columns][M] of the tile, in quantisation steps: taken, as what it begins at, and given
  /// z              of the tile, in quantisation steps; remains as it is
  /// report         called with the share that is done; what it returns ends the work if it is an error; may be empty
  ///
  /// errors: kOutOfMemory, kInternal, those of report
  Status Run(const RefinementCanvas& canvas, const RefinementTile& tile, EntropyModel& entropy_model, float* y,
             const float* z, const std::function<Status(double)>& report);

  /// Bits that the error is worth which decoders show in and around a tile.
  /// latents: of the tile; null: those of the canvas. errors: kOutOfMemory, kInternal
  Result<double> ErrorOf(const RefinementCanvas& canvas, const RefinementTile& tile, const Latents* latents);

  /// Bytes for tiles of at most h x w positions.
  static uint64_t Memory(const ModelData& model, int h, int w, TransformPrecision precision);

 private:
  /// A latent that is coded, and its state of descent.
  struct Coded {
    uint32_t at;         // of the tile's latents
    uint32_t in_window;  // of the window's
    float mean;          // quantisation steps
    float rate_weight;
    uint8_t index;     // of the table
    float slope;       // of the mix by y
    float rate_slope;  // bits from the lower value to the upper
  };
  struct Window;

  void ShowSurroundings(const RefinementCanvas& canvas, const Window& window);
  void Predict(EntropyModel& entropy_model, const float* y, const float* z, const Window& window);
  void Mix(const float* y, int iteration, double temperature);
  void Descend(const float* gradient, int iteration, double rate, float* y);
  const float* Filtered(const float* x_hat, const Window& window);
  void ErrorGradient(const RefinementCanvas& canvas, const Window& window, const float* shown, float* gradient);
  float Bits(int table, int residual) const;

  const ModelData& model_;
  Workers& workers_;
  int iterations_;
  QualityTables tables_;
  double bits_per_squared_error_;  // of samples from 0 to 1
  SynthesisGradient g_s_;
  std::optional<PostFilter> post_filter_;
  std::vector<float> bits_;  // [table][magnitude 0..kLargest]
  Latents latents_;
  Prediction prediction_;
  std::vector<Coded> coded_;
  std::vector<float> momentum_, square_;  // by latent of the tile
  Scratch<float> y_hat_;                  // of the window, with quantisation steps multiplied in
};

}  // namespace lichen

#endif  // LICHEN_CODEC_REFINEMENT_H_
