// SPDX-License-Identifier: Apache-2.0
// With the address sanitizer by its hooks, else by functions that stand in front of glibc's, which its manual allows
// ("Replacing malloc").
#include "allocation_counter.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LICHEN_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define LICHEN_ADDRESS_SANITIZER 1
#endif

#ifdef LICHEN_ADDRESS_SANITIZER
// Of <sanitizer/allocator_interface.h>, which Debian's GCC lacks though its libasan has the functions.
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                              void (*on_free)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void* block);
}
#endif

namespace lichen::test {
namespace {

std::atomic<size_t> held{0}, peak{0}, largest{0};

void RaiseTo(std::atomic<size_t>& maximum, size_t value) {
  size_t known = maximum.load(std::memory_order_relaxed);
  while (known < value && !maximum.compare_exchange_weak(known, value)) {
  }
}

void Requested(size_t size) { RaiseTo(largest, size); }
void Took(size_t size) { RaiseTo(peak, held.fetch_add(size) + size); }
void Gave(size_t size) { held.fetch_sub(size); }

}  // namespace

AllocationCounter::AllocationCounter() : before_(held.load()) {
  peak = before_;
  largest = 0;
}

size_t AllocationCounter::Peak() const { return peak.load() - before_; }
size_t AllocationCounter::Largest() const { return largest.load(); }

}  // namespace lichen::test

using lichen::test::Gave;
using lichen::test::Requested;
using lichen::test::Took;

#ifdef LICHEN_ADDRESS_SANITIZER

namespace {

void OnMalloc(const volatile void* block, size_t size) {
  Requested(size);
  if (block != nullptr) Took(size);
}
void OnFree(const volatile void* block) {
  if (block != nullptr) Gave(__sanitizer_get_allocated_size(block));
}
// From the first one on: what is given back must have been counted.
[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree);

}  // namespace

#else

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

static void* Counted(void* block, size_t size) {
  Requested(size);
  if (block != nullptr) Took(malloc_usable_size(block));
  return block;
}

void* malloc(size_t size) { return Counted(__libc_malloc(size), size); }
void* calloc(size_t count, size_t size) { return Counted(__libc_calloc(count, size), count * size); }
void* memalign(size_t alignment, size_t size) { return Counted(__libc_memalign(alignment, size), size); }
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}
void* realloc(void* block, size_t size) {
  const size_t before = block == nullptr ? 0 : malloc_usable_size(block);
  void* const moved = __libc_realloc(block, size);
  if (moved != nullptr || size == 0) Gave(before);
  return Counted(moved, size);
}
void free(void* block) {
  if (block != nullptr) Gave(malloc_usable_size(block));
  __libc_free(block);
}

}  // extern "C"

#endif
