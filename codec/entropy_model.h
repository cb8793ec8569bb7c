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
#include "codec/scratch.h"
#include "codec/trellis.h"
#include "lichen/status.h"

namespace lichen {

/// The quantised latents of one tile, channels-last.
struct Latents {
  int h = 0, w = 0;            // positions of y; z has ceil(h/4) x ceil(w/4)
  std::vector<int32_t> z_hat;  // [ceil(h/4)][ceil(w/4)][Z], sixteenths of a quantisation step
  std::vector<int32_t> y_hat;  // [h][w][M], likewise
};

/// The sides at which a tile touches others. What is predicted there has less to go by.
struct SharedSides {
  bool top = false, bottom = false, left = false, right = false;

  bool Touch(int y, int x, int h, int w) const {
    return (top && y == 0) || (bottom && y == h - 1) || (left && x == 0) || (right && x == w - 1);
  }
};

/// Where an encoder's y comes from. Several threads ask at once.
class LatentSource {
 public:
  virtual ~LatentSource() = default;
  /// The `count` channels of a position from channel c on, in quantisation steps.
  virtual void Get(int y, int x, int c, int count, float* values) const = 0;
  /// They will be asked for soon.
  virtual void Prefetch(int y, int x, int c, int count) const = 0;
  /// Whether what becomes of that row is wanted (Latents::y_hat), which is much to write.
  virtual bool WantsCoded(int) const { return true; }
};

/// Codes tiles of one quality. Not for use by two threads at once: it holds scratch memory.
class EntropyModel {
 public:
  /// kNearest: of y the nearest level that the trellis leaves open, symbol by symbol, for tests; kRateDistortion: the
  /// best path through it, and z by its rate, too.
  enum class Quantiser { kNearest, kRateDistortion };

  /// Borrows `model`. trellis_bits: of HEAD; quantiser: for Encode; sharing: of the work on a tile, on which nothing
  /// that is coded depends. REQUIRES: 0 <= quality_index <= kMaxQualityIndex, kLeastTrellisBits <= trellis_bits <=
  /// kMostTrellisBits
  EntropyModel(const ModelData& model, int quality_index, int trellis_bits, IntegerEngine engine,
               Quantiser quantiser = Quantiser::kNearest, const Sharing& sharing = {});

  /// y: [h][w][M]; z: [ceil(h/4)][ceil(w/4)][Z] in quantisation steps. Returns the tile's bytes; `latents` is
  /// set to what a decoder will get from them, where it is wanted of y. shared: along these sides the search spares the
  /// picture more; index: null, or takes the index of each latent's table, 0 where it is not coded
  std::vector<uint8_t> Encode(const LatentSource& y, const float* z, int h, int w, Latents* latents,
                              SharedSides shared = {}, std::vector<uint8_t>* index = nullptr);
  /// The same of y in quantisation steps.
  std::vector<uint8_t> Encode(const float* y, const float* z, int h, int w, Latents* latents, SharedSides shared = {},
                              std::vector<uint8_t>* index = nullptr);

  /// Bits that one squared quantisation step of y's error is worth to the search from now on.
  void SetWeight(double bits_per_squared_step);

  /// errors: kDamaged
  Status Decode(const uint8_t* data, size_t size, int h, int w, Latents* latents);

 private:
  struct Writer;
  struct Reader;
  template <typename Coder>
  void Code(Coder& coder, int h, int w, Latents* latents);
  const bitstream::CdfTable* TablesOfY() const { return model_.tables.data() + kScaleTables; }
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
    int32_t unit = 0;            // of residuals: sixteenths
  };
  /// A group at one position.
  struct Group {
    std::vector<float> y, exact;
    std::vector<int32_t> mean, index, list, residual, rounded, unwanted;
  };
  /// Rows of a tile that one thread works on, begin..end-1; where what a step codes of them begins, first with room for
  /// all of the rows above and then right behind theirs (symbol); and how much it is.
  struct Band {
    int begin = 0, end = 0;
    size_t first = 0, symbol = 0, coded = 0;
  };
  /// offset: of indices, in sixteenths, by channel
  Steps MakeSteps(int channels, int features, const std::array<std::vector<IntegerLayer>, 4>& networks,
                  const std::vector<int>& exponents, std::vector<int32_t> offset, IntegerEngine engine,
                  const IntegerConvolution::Sums& sums) const;
  const uint8_t* RunContext(Steps& steps, const uint8_t* first, int step, int h, int w);
  void RunHeads(Steps& steps, const uint8_t* first, int step, int h, int w);
  using Groups = std::array<int, 4>;  // by phase
  Groups GroupsAt(int step) const;
  /// Visits positions of a step in raster order, those of rows begin..end-1: visit(y, x, c), c being the first channel
  /// of the group that the step codes there. The group's means are where means() then points to, its indices in
  /// `group`. REQUIRES: RunHeads
  template <typename Means, typename Visit>
  void ForPositions(const Steps& steps, int step, int begin, int end, int w, Group& group, const Means& means,
                    const Visit& visit) const;
  /// Codes a step of h x w positions by `code`, a member of Coder.
  template <typename Coder, typename Method>
  void CodeStep(Coder& coder, Method code, Steps& steps, const uint8_t* first, int step, int h, int w, int32_t* values);
  void CodeStepOfY(Reader& reader, int step, int h, int w, int32_t* values);
  void CodeStepOfY(Writer& writer, int step, int h, int w, int32_t* values);
  std::vector<Band> BandsOf(int h, int w) const;
  static void Finish(Steps& steps, const Group& group, const int32_t* means, size_t pixel, int c, int32_t* values);

  const ModelData& model_;
  QualityTables tables_;
  Sharing sharing_;
  TrellisCode code_;
  std::optional<TrellisSearch> search_;
  std::optional<RateDistortion> of_z_;
  std::vector<IntegerConvolution> h_s_;
  Steps of_latents_, of_hyper_latents_;
  std::vector<Group> groups_;  // by lane

  Scratch<uint8_t> features_, hidden_, next_, gathered_;
  std::array<Scratch<int32_t>, 4> outputs_;  // of the heads, by group
  // Of an encoder, of a step of y: what is coded, and words that tell which elements, by position.
  Scratch<float> exact_;
  Scratch<int16_t> symbols_;
  Scratch<int32_t> means_;
  Scratch<uint16_t> coded_;
  Scratch<uint8_t> marks_;
  bitstream::RansEncoder rans_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_ENTROPY_MODEL_H_
