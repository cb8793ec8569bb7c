// SPDX-License-Identifier: Apache-2.0
#include "codec/error_map.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "codec/dct.h"

namespace lichen {
namespace {

// By regression of lichen-5's errors on 145 pictures at six qualities (docs/performance.md): shares of the block
// transform's error in a square and on average, and of the energy of planes at frequencies u + v of up to 2, 5, 8, 14.
constexpr double kOfError = 0.7, kOfMeanError = 0.1;
constexpr float kOfEnergy[3][4] = {{0, 0, 0.02f, 0.03f}, {0, 0.07f, 0.7f, 0.2f}, {0, 0.17f, 1.4f, 1.5f}};

using Weights = std::array<float, 3 * kBlockSize>;

Weights MakeWeights() {
  Weights weights;
  for (int i = 0; i < 3 * kBlockSize; ++i) {
    const int frequency = i % 8 + i / 8 % 8;
    weights[i] = kOfEnergy[i / kBlockSize][frequency <= 2 ? 0 : frequency <= 5 ? 1 : frequency <= 8 ? 2 : 3];
  }
  return weights;
}

}  // namespace

const float* LostDetail() {
  static const Weights weights = MakeWeights();
  return weights.data();
}

ErrorMap MapErrors(const BlockErrors& errors, const ImageHeader& picture) {
  const auto width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
  const int columns = BlocksAlong(width), blocks = kErrorSide / kBlockSide;
  ErrorMap map;
  map.columns = (width + kErrorSide - 1) / kErrorSide;
  map.rows = (height + kErrorSide - 1) / kErrorSide;
  map.dct.resize(static_cast<size_t>(map.rows) * map.columns);
  map.learned.resize(map.dct.size());
  for (size_t i = 0; i < errors.squared.size(); ++i) {
    const int row = static_cast<int>(i) / columns, column = static_cast<int>(i) % columns;
    const int inside =
        std::min(kBlockSide, height - row * kBlockSide) * std::min(kBlockSide, width - column * kBlockSide);
    const size_t square = static_cast<size_t>(row / blocks) * map.columns + column / blocks;
    map.dct[square] += double{1} * errors.squared[i] * inside / kBlockSize;
    map.learned[square] += double{1} * errors.weighed[i] * inside / kBlockSize;
  }
  const double mean = std::accumulate(map.dct.begin(), map.dct.end(), 0.0) / static_cast<double>(map.dct.size());
  for (size_t i = 0; i < map.dct.size(); ++i) map.learned[i] += kOfError * map.dct[i] + kOfMeanError * mean;
  return map;
}

}  // namespace lichen
