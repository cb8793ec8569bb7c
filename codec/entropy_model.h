// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_ENTROPY_MODEL_H_
#define LICHEN_CODEC_ENTROPY_MODEL_H_

// Latents of a tile <-> bytes: four context steps of z, hyper-synthesis, four context steps of y, and rANS, all in
// exact integers. Scale hyperprior, Balle et al. 2018 (arXiv:1802.01436); context after Li et al., DCVC-DC, CVPR 2023
// (arXiv:2302.14402): channel group g is coded in step k at phase order[(g + k) mod 4] of each 2x2 block.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/rans.h"
#include "codec/fixed_point.h"
#include "codec/integer_network.h"
#include "codec/model_data.h"
#include "codec/rate_distortion.h"
#include "lichen/status.h"

namespace lichen {

/// The quantised latents of one tile, channels-last.
struct Latents {
  int h = 0, w = 0;            // positions of y; z has ceil(h/4) x ceil(w/4)
  std::vector<int32_t> z_hat;  // [ceil(h/4)][ceil(w/4)][Z], sixteenths of a quantisation step
  std::vector<int32_t> y_hat;  // [h][w][M], likewise
};

/// What the entropy model expects of the latents of a tile, channels-last like them.
struct Prediction {
  std::vector<int32_t> mean;   // sixteenths of a quantisation step
  std::vector<uint8_t> index;  // of the CDF table; 0: not coded, the latent is its mean
};

/// The sides at which a tile touches others. What is predicted there has less to go by.
struct SharedSides {
  bool top = false, bottom = false, left = false, right = false;

  bool Touch(int y, int x, int h, int w) const {
    return (top && y == 0) || (bottom && y == h - 1) || (left && x == 0) || (right && x == w - 1);
  }
};

/// Codes tiles of one quality. Not for use by two threads at once: it holds scratch memory.
class EntropyModel {
 public:
  enum class Quantiser { kNearest, kRateDistortion };

  /// Borrows `model`. quantiser: for Encode; sharing: of the networks' work. REQUIRES: 0 <= quality_index <=
  /// kMaxQualityIndex
  EntropyModel(const ModelData& model, int quality_index, IntegerEngine engine,
               Quantiser quantiser = Quantiser::kNearest, const Sharing& sharing = {});

  /// y: [h][w][M] in quantisation steps; z: [ceil(h/4)][ceil(w/4)][Z] likewise. Returns the tile's bytes; `latents` is
  /// set to what a decoder will get from them. shared: along these sides rate-distortion optimised quantisation
  /// spares the picture more
  std::vector<uint8_t> Encode(const float* y, const float* z, int h, int w, Latents* latents, SharedSides shared = {});

  /// The same for the nearest residuals, whatever the constructor's quantiser.
  std::vector<uint8_t> EncodeNearest(const float* y, const float* z, int h, int w, Latents* latents);

  /// What EncodeNearest would code the same latents with, and what they would become. y, z, h, w: as for Encode
  void Predict(const float* y, const float* z, int h, int w, Latents* latents, Prediction* prediction);

  /// errors: kDamaged
  Status Decode(const uint8_t* data, size_t size, int h, int w, Latents* latents);

 private:
  struct Writer;
  struct Reader;
  struct Predictor;
  std::vector<uint8_t> Encode(Writer writer, int h, int w, Latents* latents);
  template <typename Coder>
  void Code(Coder& coder, int h, int w, Latents* latents);
  void ComputeFeatures(const Latents& latents);

  /// What the four steps of y, or of z, go by and leave behind.
  struct Steps {
    int channels = 0;
    int features = 0;                                         // activations before the units in a row of `input`
    std::array<std::vector<IntegerConvolution>, 4> networks;  // without the heads
    std::array<std::vector<IntegerConvolution>, 4> heads;     // [step][group]: means of the group, then scales
    std::array<int, 4> width{};                               // of what the heads take
    std::vector<double> units, mean_of_head;                  // as factors, by channel
    std::vector<int32_t> index_offset;
    std::vector<uint8_t> input;  // [h][w][features + 2 channels]: features, then units, positive and negative parts
    std::vector<int32_t> mean, index, list, residual;  // of a group at one position
  };
  /// offset: of indices, in sixteenths, by channel
  Steps MakeSteps(int channels, int features, const std::array<std::vector<IntegerLayer>, 4>& networks,
                  const std::vector<int>& exponents, std::vector<int32_t> offset, IntegerEngine engine,
                  const IntegerConvolution::Sums& sums, const Sharing& sharing) const;
  const uint8_t* RunContext(Steps& steps, const uint8_t* first, int step, int h, int w);
  /// Codes a step of h x w positions by `code`, a member of Coder. first: what the first step's network sees
  template <typename Coder, typename Method>
  void CodeStep(Coder& coder, Method code, Steps& steps, const uint8_t* first, int step, int h, int w, int32_t* values);

  const ModelData& model_;
  QualityTables tables_;
  std::optional<RateDistortion> rate_distortion_, at_sides_, of_z_;
  std::vector<IntegerConvolution> h_s_;
  Steps of_latents_, of_hyper_latents_;

  std::vector<uint8_t> features_, hidden_, next_, gathered_;
  std::array<std::vector<int32_t>, 4> outputs_;  // of the heads, by group
  bitstream::RansEncoder rans_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_ENTROPY_MODEL_H_
