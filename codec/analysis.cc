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

Analysis::Analysis(RowSource& source, const bitstream::Header& header, const ModelData& model, Workers& workers,
                   bool keep, bool keep_samples, SampleWindows* windows)
    : rows_(source, header),
      workers_(workers),
      grid_(header),
      g_a_(model.g_a),
      memory_(std::make_shared<TransformMemory>()),
      keep_(keep),
      keep_samples_(keep_samples),
      windows_(windows) {
  TransformPrecision precision = FastestPrecision();
  precision.fractions = rows_.deep();
  if (!g_a_.first.empty()) first_.emplace(g_a_.first, 0, precision, workers, memory_);
}

Status Analysis::Begin() {
  ++passes_;
  next_strip_ = 0;
  if (UsesKept()) return Status();
  if (first_) first_->Begin(rows_.width());
  return rows_.Begin();
}

Result<Strip> Analysis::Next(Span rows) {
  if (UsesKept()) {
    const KeptStrip& kept = strips_[next_strip_++];
    return Strip{kept.rows.data(), kept.h};
  }
  const int top = rows.begin * kLatentPixels, h = rows.size() * kLatentPixels, w = rows_.width();
  LICHEN_RETURN_IF_ERROR(rows_.Provide(top, top + h));
  const auto for_rows = [&](const auto& work) {
    workers_.ForRanges(h, (1 << 14) / w + 1, [&](size_t begin, size_t end) {
      for (size_t y = begin; y < end; ++y) work(top + static_cast<int>(y), y * w * 3);
    });
  };
  if (keep_samples_) {
    samples_.resize(static_cast<size_t>(grid_.height()) * kLatentPixels * w * 3);
    for_rows([&](int y, size_t) { rows_.GetWords(y, 0, w, samples_.data() + static_cast<size_t>(y) * w * 3); });
  }
  if (windows_ && passes_ == 1) windows_->TakePixels(rows_, rows);
  const bool last = rows.end == grid_.height();
  Strip strip;
  if (TakesPixels(g_a_.first) && !rows_.deep()) {
    int8_t* pixels = first_->PixelInput(h);
    for_rows([&](int y, size_t at) { rows_.GetBytes(y, 0, w, pixels + at); });
    LICHEN_ASSIGN_OR_RETURN(strip, first_->Next(pixels, h, last));
  } else {
    float* pixels = first_ ? first_->Input(h) : memory_->x.Reserve(static_cast<size_t>(h) * w * 3);
    for_rows([&](int y, size_t at) { rows_.GetFloats(y, 0, w, pixels + at); });
    strip = {pixels, h};
    if (first_) {
      LICHEN_ASSIGN_OR_RETURN(strip, first_->Next(pixels, h, last));
    }
  }
  if (keep_) {
    const size_t row = static_cast<size_t>(w / g_a_.stride) * g_a_.channels;
    strips_.push_back({std::vector<float>(strip.rows, strip.rows + strip.h * row), strip.h});
  }
  return strip;
}

Result<const bitstream::Attachments*> Analysis::Attach(bool strip_metadata, uint32_t* colour_type) {
  return rows_.Attach(strip_metadata, colour_type);
}

}  // namespace lichen
