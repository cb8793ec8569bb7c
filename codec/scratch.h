// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_SCRATCH_H_
#define LICHEN_CODEC_SCRATCH_H_

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace lichen {

/// Memory that is kept from use to use and, unlike a vector's, never written before it is used. Aligned for vectors.
template <typename T>
class Scratch {
 public:
  /// Room for `count` elements. Their contents are undefined when that is more than ever before, and else unchanged.
  T* Reserve(size_t count) {
    if (count > capacity_) {
      memory_.reset();  // first, so that the old and the new do not add up
      memory_.reset(static_cast<T*>(::operator new(count * sizeof(T), kAlignment)));
      capacity_ = count;
    }
    return memory_.get();
  }
  T* data() const { return memory_.get(); }

  void Swap(Scratch& other) {
    memory_.swap(other.memory_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(T* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<T, Delete> memory_;
  size_t capacity_ = 0;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_SCRATCH_H_
