// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_PREFETCH_H_
#define LICHEN_CODEC_PREFETCH_H_

#include <cstddef>

namespace lichen {

/// Asks for memory that is used a little later, where its order is too odd for the processor to foresee. write: 1 for
/// what is written, 0 for what is read
template <int write, typename T>
void Prefetch(const T* first, int count) {
  constexpr size_t kLine = 64;
  const char* begin = reinterpret_cast<const char*>(first);
  for (const char* line = begin; line < begin + count * sizeof(T); line += kLine) __builtin_prefetch(line, write);
}

}  // namespace lichen

#endif  // LICHEN_CODEC_PREFETCH_H_
