// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <new>
#include <vector>

#include "bitstream/alpha.h"
#include "bitstream/container.h"
#include "codec/fixed_point.h"
#include "codec/memory_estimate.h"
#include "codec/model_data.h"
#include "codec/scratch.h"
#include "codec/thread_scope.h"
#include "codec/tile_encoder.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/vectorised.h"
#include "lichen/codec.h"

namespace lichen {
namespace {

constexpr uint32_t kMaxSide = 1 << 24;

Status Invalid(const std::string& message) { return Status(StatusCode::kInvalidArgument, message); }

Status CheckPicture(const ImageHeader& picture) {
  if (picture.width < 1 || picture.height < 1 || picture.width > kMaxSide || picture.height > kMaxSide) {
    return Invalid("a picture of " + std::to_string(picture.width) + "x" + std::to_string(picture.height) +
                   " pixels; 1 to 16777216 a side expected");
  }
  if (picture.channels < 1 || picture.channels > 4 || (picture.bit_depth != 8 && picture.bit_depth != 16)) {
    return Invalid("a picture of " + std::to_string(picture.channels) + " channels of " +
                   std::to_string(picture.bit_depth) +
                   " bits; gray or RGB of 8 or 16 bits, with or without alpha, expected");
  }
  return Status();
}

Result<bitstream::Header> MakeHeader(const ImageHeader& picture, const EncodeOptions& options, const ModelData& model) {
  if (!(options.quality >= 0 && options.quality <= 100)) {
    return Invalid("quality " + std::to_string(options.quality) + "; 0 to 100 expected");
  }
  bitstream::Header header;
  header.tile_size_log2 = 0;
  while (header.tile_size_log2 < 31 && 1u << header.tile_size_log2 < options.tile_size) ++header.tile_size_log2;
  if (header.tile_size_log2 < 6 || header.tile_size_log2 > 15 || 1u << header.tile_size_log2 != options.tile_size) {
    return Invalid("tile size " + std::to_string(options.tile_size) + "; 64, 128, 256, ... or 32768 expected");
  }
  header.model_id = model.id;
  header.width = picture.width;
  header.height = picture.height;
  header.colour_type = static_cast<uint32_t>(picture.channels);
  header.bit_depth = static_cast<uint32_t>(picture.bit_depth);
  header.quality_index = static_cast<uint32_t>(std::lround(options.quality * kMaxQualityIndex / 100));
  return header;
}

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

/// The rows of the canvas, as RGB: the picture's, then its last row and column repeated up to multiples of 16. Keeps
/// only the rows that a later window still needs. The alpha of the rows goes to a plane of its own.
class CanvasRows {
 public:
  CanvasRows(RowSource& source, int width, int height)
      : source_(source),
        picture_width_(source.header().width),
        picture_height_(source.header().height),
        channels_(source.header().channels),
        sample_bytes_(static_cast<size_t>(source.header().bit_depth) / 8),
        width_(width),
        height_(height),
        alpha_(picture_width_, picture_height_, static_cast<uint32_t>(source.header().bit_depth)),
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

  /// Whether some pixel so far is not opaque.
  bool has_alpha() const { return !alpha_.opaque(); }
  /// REQUIRES: has_alpha(); all rows were provided
  Result<std::vector<uint8_t>> FinishAlpha() { return alpha_.Finish(); }

 private:
  Status Append() {
    const int y = first_ + static_cast<int>(rows_.size());
    if (y < static_cast<int>(picture_height_)) {
      LICHEN_RETURN_IF_ERROR(source_.ReadRow(row_.data()));
      const size_t pixel_bytes = channels_ * sample_bytes_;
      if (channels_ % 2 == 0) {
        LICHEN_RETURN_IF_ERROR(alpha_.AddRow(row_.data() + pixel_bytes - sample_bytes_, pixel_bytes));
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
  bitstream::AlphaWriter alpha_;
  std::vector<uint8_t> row_, last_;
  std::deque<std::vector<uint8_t>> rows_;
};

class Encoder {
 public:
  Encoder(RowSource& source, const EncodeOptions& options, const bitstream::Header& header, const ModelData& model)
      : source_(source),
        options_(options),
        header_(header),
        model_(model),
        grid_(header),
        canvas_(source, grid_.width() * kLatentPixels, grid_.height() * kLatentPixels),
        g_a_(model.g_a, static_cast<int>(header.quality_index), FastestPrecision()),
        tiles_(model, grid_, static_cast<int>(header.quality_index), options.threads),
        margin_((MarginOf(model.g_a) + kLatentPixels - 1) / kLatentPixels) {}

  Result<std::vector<uint8_t>> Run() {
    std::vector<std::vector<uint8_t>> tiles;
    for (int row = 0; row < grid_.rows(); ++row) {
      LICHEN_RETURN_IF_ERROR(AnalyseBand(grid_.Row(row)));
      LICHEN_RETURN_IF_ERROR(tiles_.Encode(band_.data(), row, [&](int column, std::vector<uint8_t> tile) {
        tiles.push_back(std::move(tile));
        coded_ += Area(grid_.Row(row), grid_.Column(column));
        return Report();
      }));
    }
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Attachments attachments, Attach());
    return bitstream::WriteContainer(header_, tiles, attachments);
  }

 private:
  /// The share of the canvas that rows x columns cover.
  double Area(Span rows, Span columns) const {
    return static_cast<double>(rows.size()) * columns.size() / (static_cast<double>(grid_.height()) * grid_.width());
  }

  Status Report() const {
    const double done = std::min(1.0, 0.7 * analysed_ + 0.3 * coded_);  // sums of shares may round up
    if (options_.progress && !options_.progress(done)) return Status(StatusCode::kCancelled, "cancelled");
    return Status();
  }

  /// Alpha, if there is any, with the colour type that tells of it, and metadata.
  Result<bitstream::Attachments> Attach() {
    const ImageHeader& picture = source_.header();
    bitstream::Attachments attachments;
    header_.colour_type = picture.channels <= 2 ? 1 : 3;
    if (canvas_.has_alpha()) {
      ++header_.colour_type;
      LICHEN_ASSIGN_OR_RETURN(attachments.alpha, canvas_.FinishAlpha());
    }
    if (!options_.strip_metadata) attachments.metadata = {picture.icc, picture.exif, picture.xmp};
    return attachments;
  }

  /// g_a on a band of tiles, window by window, into band_: [rows][grid width][M].
  Status AnalyseBand(Span tile_row) {
    const int m = model_.latent_channels;
    band_.Reserve(static_cast<size_t>(tile_row.size()) * grid_.width() * m);
    for (const Span rows : Cut(tile_row, kWindowRows)) {
      const Span needed = WithMargin(rows, margin_, grid_.height());
      LICHEN_RETURN_IF_ERROR(canvas_.Provide(needed.begin * kLatentPixels, needed.end * kLatentPixels));
      for (const Span inner : Cut({0, grid_.width()}, kWindowColumns)) {
        const Span outer = WithMargin(inner, margin_, grid_.width());
        LICHEN_ASSIGN_OR_RETURN(const float* y, Analyse(needed, outer));
        for (int v = rows.begin; v < rows.end; ++v) {
          std::memcpy(band_.data() + (static_cast<size_t>(v - tile_row.begin) * grid_.width() + inner.begin) * m,
                      y + (static_cast<size_t>(v - needed.begin) * outer.size() + inner.begin - outer.begin) * m,
                      static_cast<size_t>(inner.size()) * m * sizeof(float));
        }
        analysed_ += Area(rows, inner);
        LICHEN_RETURN_IF_ERROR(Report());
      }
    }
    return Status();
  }

  Result<const float*> Analyse(Span rows, Span columns) {
    const int h = rows.size() * kLatentPixels, w = columns.size() * kLatentPixels;
    const ThreadScope threads(ThreadsFor(options_.threads, int64_t{h} * w));
    window_.Reserve(static_cast<size_t>(h) * w * 3);
#pragma omp parallel for
    for (int y = 0; y < h; ++y) {
      canvas_.GetFloats(rows.begin * kLatentPixels + y, columns.begin * kLatentPixels, w,
                        window_.data() + static_cast<size_t>(y) * w * 3);
    }
    return g_a_.Run(window_.data(), h, w);
  }

  const RowSource& source_;
  const EncodeOptions& options_;
  bitstream::Header header_;
  const ModelData& model_;
  TileGrid grid_;
  CanvasRows canvas_;
  Transform g_a_;
  TileRowEncoder tiles_;
  int margin_;                       // latent positions
  double analysed_ = 0, coded_ = 0;  // shares of the canvas
  Scratch<float> window_, band_;
};

/// An image's rows.
class ImageSource : public RowSource {
 public:
  explicit ImageSource(const Image& image) : image_(image) {}
  const ImageHeader& header() const override { return image_; }
  Status ReadRow(uint8_t* row) override {
    std::memcpy(row, image_.pixels.data() + next_++ * image_.RowBytes(), image_.RowBytes());
    return Status();
  }

 private:
  const Image& image_;
  size_t next_ = 0;
};

}  // namespace

Result<std::vector<uint8_t>> Encode(RowSource& source, const EncodeOptions& options) {
  try {
    LICHEN_RETURN_IF_ERROR(CheckPicture(source.header()));
    std::shared_ptr<const Model> model = options.model;
    if (!model) {
      LICHEN_ASSIGN_OR_RETURN(model, DefaultModel(ModelParts::kEncoding));
    }
    const ModelData& data = DataOf(*model);
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Header header, MakeHeader(source.header(), options, data));
    LICHEN_RETURN_IF_ERROR(
        CheckMemory(EncodeMemory(data, header, FastestPrecision(), options.threads), options.max_memory_bytes, "encoding"));
    const ThreadScope one_thread(1);  // more where a window of g_a is worth it
    return Encoder(source, options, header, data).Run();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to encode this picture");
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, error.what());
  }
}

Result<std::vector<uint8_t>> Encode(const Image& image, const EncodeOptions& options) {
  LICHEN_RETURN_IF_ERROR(CheckPicture(image));
  if (image.pixels.size() != image.RowBytes() * image.height) {
    return Invalid("an image of " + std::to_string(image.pixels.size()) + " bytes; " +
                   std::to_string(image.RowBytes() * image.height) + " expected for its size");
  }
  ImageSource source(image);
  return Encode(source, options);
}

}  // namespace lichen
