// SPDX-License-Identifier: Apache-2.0
#include "codec/scaled_synthesis.h"

#include <numeric>
#include <utility>

#include "codec/post_filter.h"

namespace lichen {
namespace {

/// Averages boxes of `step` x `step` sub-pixels: outputs in the order (dy, dx, c), `factor` along a side, become those
/// of factor / step along a side. values: [out][row]
std::vector<float> AverageSubPixels(const std::vector<float>& values, int out, int factor, int step) {
  const int channels = out / (factor * factor), small = factor / step;
  const size_t row = values.size() / out;
  std::vector<float> means(row * channels * small * small);
  for (int dy = 0; dy < factor; ++dy) {
    for (int dx = 0; dx < factor; ++dx) {
      for (int c = 0; c < channels; ++c) {
        const float* from = values.data() + (static_cast<size_t>(dy * factor + dx) * channels + c) * row;
        float* to = means.data() + (static_cast<size_t>(dy / step * small + dx / step) * channels + c) * row;
        for (size_t i = 0; i < row; ++i) to[i] += from[i] / static_cast<float>(step * step);
      }
    }
  }
  return means;
}

}  // namespace

ScaledSynthesis SynthesisAtScale(const ModelData& model, int scale) {
  const std::vector<FloatLayer>& g_s = model.g_s;
  constexpr int kRoughScale = 8;  // from this one on, residual blocks are left out
  using Type = FloatLayer::Type;
  if (scale == 1 || PostFilterReach(model, scale) > 0) {
    return {std::shared_ptr<const std::vector<FloatLayer>>(std::shared_ptr<void>(), &g_s), scale};
  }
  const auto layers = std::make_shared<std::vector<FloatLayer>>();
  ScaledSynthesis scaled = {layers, scale};
  int pixels = 1;  // a side of one position of this layer
  for (const FloatLayer& layer : g_s) pixels *= layer.type == Type::kDepthToSpace ? layer.factor : 1;
  for (const FloatLayer& layer : g_s) {
    if (layer.type == Type::kDepthToSpace) pixels /= layer.factor;
    if (layer.type == Type::kResidual && scale >= kRoughScale && pixels <= scale) continue;
    layers->push_back(layer);
  }
  if (layers->back().type != Type::kDepthToSpace) return scaled;
  FloatLayer& last = layers->back();
  FloatConvolutionData& before = (*layers)[layers->size() - 2].a;  // a convolution, says the parser
  if (before.relu) return scaled;
  const int step = std::gcd(last.factor, scale);
  before.weight = AverageSubPixels(before.weight, before.out, last.factor, step);
  before.bias = AverageSubPixels(before.bias, before.out, last.factor, step);
  before.out /= step * step;
  last.factor /= step;
  scaled.box = scale / step;
  if (last.factor == 1) layers->pop_back();
  return scaled;
}

}  // namespace lichen
