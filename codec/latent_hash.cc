// SPDX-License-Identifier: Apache-2.0
#include "codec/latent_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <vector>

namespace lichen {

struct LatentHash::State {
  XXH64_state_t xxh;

  void Add(const std::vector<int32_t>& values) {
    std::vector<uint8_t> bytes;
    bytes.reserve(values.size() * 4);
    for (int32_t value : values) {
      for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(static_cast<uint32_t>(value) >> 8 * i));
    }
    XXH64_update(&xxh, bytes.data(), bytes.size());
  }
};

LatentHash::LatentHash() : state_(std::make_unique<State>()) { XXH64_reset(&state_->xxh, 0); }
LatentHash::~LatentHash() = default;

void LatentHash::Add(const Latents& tile) {
  state_->Add(tile.z_hat);
  state_->Add(tile.y_hat);
}

void LatentHash::Add(const std::vector<int16_t>& coefficients) {
  state_->Add(std::vector<int32_t>(coefficients.begin(), coefficients.end()));
}

uint64_t LatentHash::Digest() const { return XXH64_digest(&state_->xxh); }

}  // namespace lichen
