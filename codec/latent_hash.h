// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_LATENT_HASH_H_
#define LICHEN_CODEC_LATENT_HASH_H_

// A hash of decoded latents, the same on every machine that decodes them rightly.

#include <cstdint>
#include <memory>
#include <vector>

#include "codec/entropy_model.h"

namespace lichen {

/// XXH64, seed 0, over the tiles in raster order: z_hat, then y_hat, each value as a little-endian 32-bit integer.
class LatentHash {
 public:
  LatentHash();
  ~LatentHash();
  void Add(const Latents& tile);
  /// The quantised coefficients of a tile, for files that hold those instead of latents.
  void Add(const std::vector<int16_t>& coefficients);
  uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_LATENT_HASH_H_
