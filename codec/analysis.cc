// SPDX-License-Identifier: Apache-2.0
#include "codec/analysis.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "codec/vectorised.h"

namespace lichen {
namespace {

LICHEN_VECTORISED
void BytesToFloat(const uint8_t* src, size_t count, float* dst) {
  for (size_t i = 0; i < count; ++i) dst[i] = static_cast<float>(src[i]) * (1.0f / 255.0f) - 0.5f;
}

LICHEN_VECTORISED
void WordsToFloat(const uint8_t* src, size_t count, float* dst) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t sample;
    std::memcpy(&sample, src + i * sizeof sample, sizeof sample);
    dst[i] = static_cast<float>(sample) * (1.0f / 65535.0f) - 0.5f;
  }
}

}  // namespace

/// The rows of the canvas, as RGB: the picture's, then its last row and column repeated up to multiples of 16. Keeps
/// only the rows that a later window still needs. The alpha of the rows goes to
/// `alpha`, unless that is null.
class Analysis::CanvasRows {
 public:
  CanvasRows(RowSource& source, int width, int height, bitstream::AlphaWriter* alpha)
      : source_(source),
        picture_width_(source.header().width),
        picture_height_(source.header().height),
        channels_(source.header().channels),
        sample_bytes_(static_cast<size_t>(source.header().bit_depth) / 8),
        width_(width),
        height_(height),
        alpha_(channels_ % 2 == 0 ? alpha : nullptr),
        row_(source.header().RowBytes()) {}

  /// Makes rows begin..end-1 available; rows before `begin` are forgotten.
  Status Provide(int begin, int end) {
    for (; first_ < begin; ++first_) {
      if (rows_.empty()) LICHEN_RETURN_IF_ERROR(Append());
      rows_.pop_front();
    }
    while (first_ + static_cast<int>(rows_.size()) < std::min(end, height_)) LICHEN_RETURN_IF_ERROR(Append());
    return Status();
  }

  /// Samples of row y, R G B interleaved, from pixel x on. REQUIRES: provided
  void GetFloats(int y, int x, int pixels, float* samples) const {
    const uint8_t* from = rows_[y - first_].data() + static_cast<size_t>(x) * 3 * sample_bytes_;
    const size_t count = static_cast<size_t>(pixels) * 3;
    sample_bytes_ == 1 ? BytesToFloat(from, count, samples) : WordsToFloat(from, count, samples);
  }

 private:
  Status Append() {
    const int y = first_ + static_cast<int>(rows_.size());
    if (y < static_cast<int>(picture_height_)) {
      LICHEN_RETURN_IF_ERROR(source_.ReadRow(row_.data()));
      const size_t pixel_bytes = channels_ * sample_bytes_;
      if (alpha_) {
        LICHEN_RETURN_IF_ERROR(alpha_->AddRow(row_.data() + pixel_bytes - sample_bytes_, pixel_bytes));
      }
      last_.resize(static_cast<size_t>(width_) * 3 * sample_bytes_);
      uint8_t* to = last_.data();
      for (int x = 0; x < width_; ++x) {
        const uint8_t* pixel = row_.data() + std::min<size_t>(x, picture_width_ - 1) * pixel_bytes;
        for (size_t c = 0; c < 3; ++c)
          to = std::copy_n(pixel + (channels_ <= 2 ? 0 : c * sample_bytes_), sample_bytes_, to);
      }
    }
    rows_.push_back(last_);
    return Status();
  }

  RowSource& source_;
  uint32_t picture_width_, picture_height_;
  int channels_;
  size_t sample_bytes_;
  int width_, height_, first_ = 0;
  bitstream::AlphaWriter* alpha_;
  std::vector<uint8_t> row_, last_;
  std::deque<std::vector<uint8_t>> rows_;
};

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
    : source_(source),
      grid_(header),
      g_a_(model.g_a),
      memory_(std::make_shared<TransformMemory>()),
      keep_(keep),
      alpha_(header.width, header.height, header.bit_depth) {
  if (!g_a_.first.empty()) first_.emplace(g_a_.first, 0, FastestPrecision(), memory_);
}

Analysis::~Analysis() = default;

Status Analysis::Begin() {
  ++passes_;
  next_window_ = 0;
  if (passes_ > 1 && keep_) return Status();
  if (passes_ > 1) LICHEN_RETURN_IF_ERROR(source_.Rewind());
  canvas_ = std::make_unique<CanvasRows>(source_, grid_.width() * kLatentPixels, grid_.height() * kLatentPixels,
                                         passes_ == 1 ? &alpha_ : nullptr);
  return Status();
}

Status Analysis::Provide(Span rows) {
  if (passes_ > 1 && keep_) return Status();
  return canvas_->Provide(rows.begin * kLatentPixels, rows.end * kLatentPixels);
}

Result<const float*> Analysis::Window(Span rows, Span columns) {
  if (passes_ > 1 && keep_) return static_cast<const float*>(windows_[next_window_++].data());
  const int h = rows.size() * kLatentPixels, w = columns.size() * kLatentPixels;
  float* pixels = memory_->x.Reserve(static_cast<size_t>(h) * w * 3);
#pragma omp parallel for
  for (int y = 0; y < h; ++y) {
    canvas_->GetFloats(rows.begin * kLatentPixels + y, columns.begin * kLatentPixels, w,
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
  const ImageHeader& picture = source_.header();
  *colour_type = picture.channels <= 2 ? 1 : 3;
  const bool has_alpha = picture.channels % 2 == 0 && !alpha_.opaque();
  if (has_alpha) ++*colour_type;
  if (passes_ == 1) {
    if (has_alpha) {
      LICHEN_ASSIGN_OR_RETURN(attachments_.alpha, alpha_.Finish());
    }
    if (!strip_metadata) attachments_.metadata = {picture.icc, picture.exif, picture.xmp};
  }
  return static_cast<const bitstream::Attachments*>(&attachments_);
}

}  // namespace lichen
