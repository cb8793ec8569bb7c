// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_REARRANGEMENT_H_
#define LICHEN_CODEC_REARRANGEMENT_H_

// Depth-to-space and space-to-depth on channels-last tensors.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "codec/workers.h"

namespace lichen {

constexpr size_t kLeastElements = 1 << 15;  // that a thread copies or converts at a time

constexpr size_t kFourPixels = 12;  // numbers of a row of a block, which the compiler knows how to move at once

/// Calls work(row) for rows of `size` elements.
template <typename Work>
void ForRows(Workers& workers, int rows, size_t size, const Work& work) {
  workers.ForRanges(rows, kLeastElements / std::max<size_t>(1, size) + 1, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) work(static_cast<int>(row));
  });
}

/// [h][w][f*f*c] in the channel order (dy, dx, c) -> [f*h][f*w][c]
inline void DepthToSpace(const float* src, int h, int w, int factor, int channels, float* dst, Workers& workers) {
  const size_t run = static_cast<size_t>(factor) * channels;  // one row of a block
  ForRows(workers, h * factor, w * run, [&](int row) {
    const int y = row / factor, dy = row % factor;
    float* out = dst + static_cast<size_t>(row) * w * run;
    const float* in = src + (static_cast<size_t>(y) * w * factor + dy) * run;
    const auto move = [&](auto length) {
      for (int x = 0; x < w; ++x, in += factor * run, out += run) std::memcpy(out, in, length * sizeof(float));
    };
    run == kFourPixels ? move(std::integral_constant<size_t, kFourPixels>()) : move(run);
  });
}

/// The inverse: [f*h][f*w][c] -> [h][w][pitch], of which the first f*f*c are written, each value changed by `convert`.
template <typename From, typename To, typename Convert>
void SpaceToDepth(const From* src, int h, int w, int factor, int channels, int pitch, To* dst, Workers& workers,
                  const Convert& convert) {
  const size_t run = static_cast<size_t>(factor) * channels;
  ForRows(workers, h * factor, w * run, [&](int row) {
    const int y = row / factor, dy = row % factor;
    const From* in = src + static_cast<size_t>(row) * w * run;
    To* out = dst + static_cast<size_t>(y) * w * pitch + dy * run;
    const auto move = [&](auto length) {
      for (int x = 0; x < w; ++x, in += run, out += pitch) std::transform(in, in + length, out, convert);
    };
    run == kFourPixels ? move(std::integral_constant<size_t, kFourPixels>()) : move(run);
  });
}

template <typename T>
void SpaceToDepth(const T* src, int h, int w, int factor, int channels, T* dst, Workers& workers) {
  SpaceToDepth(src, h, w, factor, channels, factor * factor * channels, dst, workers, [](T v) { return v; });
}

}  // namespace lichen

#endif  // LICHEN_CODEC_REARRANGEMENT_H_
