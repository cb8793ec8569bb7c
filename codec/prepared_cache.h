// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_PREPARED_CACHE_H_
#define LICHEN_CODEC_PREPARED_CACHE_H_

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace lichen {

/// What a library made of a layer's weights, kept with the layer for the next picture, from Keep() on: which says that
/// the layer will not be changed any more. A copy of a layer may be, and keeps nothing.
class PreparedCache {
 public:
  using Key = std::vector<int>;

  PreparedCache() = default;
  PreparedCache(const PreparedCache&) {}
  PreparedCache& operator=(const PreparedCache&) {
    kept_.reset();
    return *this;
  }
  PreparedCache(PreparedCache&&) = default;
  PreparedCache& operator=(PreparedCache&&) = default;

  void Keep() { kept_ = std::make_unique<Kept>(); }

  /// What `make`, which gives a shared pointer, gave for the key the first time. By any number of threads.
  template <typename T, typename Make>
  std::shared_ptr<T> Get(const Key& key, const Make& make) const {
    if (!kept_) return make();
    const std::lock_guard<std::mutex> lock(kept_->mutex);
    std::shared_ptr<void>& part = kept_->parts[key];
    if (!part) part = make();
    return std::static_pointer_cast<T>(part);
  }

 private:
  struct Kept {
    std::mutex mutex;
    std::map<Key, std::shared_ptr<void>> parts;
  };
  std::unique_ptr<Kept> kept_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_PREPARED_CACHE_H_
