// SPDX-License-Identifier: Apache-2.0
#include "codec/analysis.h"

#include <algorithm>

namespace lichen {

SplitTransform::SplitTransform(Layers g_a) {
  const auto gain = std::find_if(g_a.begin(), g_a.end(),
                                 [](const FloatLayer& layer) { return layer.type == FloatLayer::Type::kGain; });
  first = {g_a.begin(), gain};
  last = {gain, g_a.end()};
  for (const FloatLayer& layer : first) {
    if (layer.type == FloatLayer::Type::kSpaceToDepth) stride *= layer.factor;
    if (layer.type == FloatLayer::Type::kConvolution) {
      stride *= layer.a.stride;
      channels = layer.a.out;
    }
  }
}

size_t SplitTransform::ElementsBetween(int rows, int columns) const {
  const size_t positions = static_cast<size_t>(kLatentPixels / stride);
  return static_cast<size_t>(rows) * columns * positions * positions * channels;
}

bool FitsKeptBytes(const SplitTransform& g_a, const TileGrid& grid) {
  return g_a.ElementsBetween(grid.height(), grid.width()) <= kKeptBytes / sizeof(float);
}

Analysis::Analysis(RowSource& source, const bitstream::Header& header, const ModelData& model, bool keep)
    : rows_(source, header), grid_(header), g_a_(model.g_a), memory_(std::make_shared<TransformMemory>()), keep_(keep) {
  if (!g_a_.first.empty()) first_.emplace(g_a_.first, 0, FastestPrecision(), memory_);
}

Status Analysis::Begin() {
  ++passes_;
  next_window_ = 0;
  return passes_ > 1 && keep_ ? Status() : rows_.Begin();
}

Status Analysis::Provide(Span rows) {
  if (passes_ > 1 && keep_) return Status();
  return rows_.Provide(rows.begin * kLatentPixels, rows.end * kLatentPixels);
}

Result<const float*> Analysis::Window(Span rows, Span columns) {
  if (passes_ > 1 && keep_) return static_cast<const float*>(windows_[next_window_++].data());
  const int h = rows.size() * kLatentPixels, w = columns.size() * kLatentPixels;
  float* pixels = memory_->x.Reserve(static_cast<size_t>(h) * w * 3);
#pragma omp parallel for
  for (int y = 0; y < h; ++y) {
    rows_.GetFloats(rows.begin * kLatentPixels + y, columns.begin * kLatentPixels, w,
                    pixels + static_cast<size_t>(y) * w * 3);
  }
  const float* output = pixels;
  if (first_) {
    LICHEN_ASSIGN_OR_RETURN(output, first_->Run(pixels, h, w));
  }
  if (keep_) windows_.emplace_back(output, output + g_a_.ElementsBetween(rows.size(), columns.size()));
  return output;
}

Result<const bitstream::Attachments*> Analysis::Attach(bool strip_metadata, uint32_t* colour_type) {
  return rows_.Attach(strip_metadata, colour_type);
}

}  // namespace lichen
