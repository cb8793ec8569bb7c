// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/analysis.h"
#include "codec/entropy_model.h"
#include "codec/fixed_point.h"
#include "codec/model_data.h"
#include "codec/target.h"
#include "codec/thread_scope.h"
#include "codec/tiling.h"
#include "codec/transform.h"
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
  LICHEN_RETURN_IF_ERROR(CheckTarget(options));
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

class Encoder {
 public:
  Encoder(Analysis& analysis, const EncodeOptions& options, const bitstream::Header& header, const ModelData& model)
      : analysis_(analysis),
        options_(options),
        header_(header),
        model_(model),
        grid_(header),
        tables_(TablesAtQuality(model, static_cast<int>(header.quality_index))),
        h_a_(model.h_a, static_cast<int>(header.quality_index), FastestPrecision()),
        entropy_model_(model, static_cast<int>(header.quality_index), IntegerEngine::kFast),
        margin_((MarginOf(model.g_a) + kLatentPixels - 1) / kLatentPixels) {
    const std::vector<FloatLayer>& last = analysis.g_a().last;
    if (!last.empty()) g_a_.emplace(last, static_cast<int>(header.quality_index), FastestPrecision());
  }

  Result<std::vector<uint8_t>> Run() {
    LICHEN_RETURN_IF_ERROR(analysis_.Begin());
    std::vector<std::vector<uint8_t>> tiles;
    for (int row = 0; row < grid_.rows(); ++row) {
      LICHEN_RETURN_IF_ERROR(AnalyseBand(grid_.Row(row)));
      for (int column = 0; column < grid_.columns(); ++column) {
        LICHEN_ASSIGN_OR_RETURN(std::vector<uint8_t> tile, EncodeTile(grid_.Row(row), grid_.Column(column)));
        tiles.push_back(std::move(tile));
        coded_ += Area(grid_.Row(row), grid_.Column(column));
        LICHEN_RETURN_IF_ERROR(Report());
      }
    }
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Attachments* attachments,
                            analysis_.Attach(options_.strip_metadata, &header_.colour_type));
    return bitstream::WriteContainer(header_, tiles, *attachments);
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

  /// g_a on a band of tiles, window by window, into band_: [rows][grid width][M].
  Status AnalyseBand(Span rows) {
    const int m = model_.latent_channels;
    band_.resize(static_cast<size_t>(rows.size()) * grid_.width() * m);
    const Span needed = WithMargin(rows, margin_, grid_.height());
    LICHEN_RETURN_IF_ERROR(analysis_.Provide(needed));
    for (int column = 0; column < grid_.columns(); column += grid_.ColumnsPerWindow()) {
      const int last = std::min(column + grid_.ColumnsPerWindow(), grid_.columns()) - 1;
      const Span inner = {grid_.Column(column).begin, grid_.Column(last).end};
      const Span outer = WithMargin(inner, margin_, grid_.width());
      LICHEN_ASSIGN_OR_RETURN(const float* y, Analyse(needed, outer));
      for (int v = rows.begin; v < rows.end; ++v) {
        std::memcpy(band_.data() + (static_cast<size_t>(v - rows.begin) * grid_.width() + inner.begin) * m,
                    y + (static_cast<size_t>(v - needed.begin) * outer.size() + inner.begin - outer.begin) * m,
                    static_cast<size_t>(inner.size()) * m * sizeof(float));
      }
      analysed_ += Area(rows, inner);
      LICHEN_RETURN_IF_ERROR(Report());
    }
    return Status();
  }

  Result<const float*> Analyse(Span rows, Span columns) {
    const ThreadScope threads(
        ThreadsFor(options_.threads, int64_t{rows.size()} * columns.size() * kLatentPixels * kLatentPixels));
    LICHEN_ASSIGN_OR_RETURN(const float* between, analysis_.Window(rows, columns));
    if (!g_a_) return between;
    const int positions = kLatentPixels / analysis_.g_a().stride;
    return g_a_->Run(between, rows.size() * positions, columns.size() * positions);
  }

  Result<std::vector<uint8_t>> EncodeTile(Span rows, Span columns) {
    const int m = model_.latent_channels, h = rows.size(), w = columns.size();
    // h_a sees y as g_a gives it, its last row and column repeated up to multiples of 4.
    const int padded_h = (h + 3) / 4 * 4, padded_w = (w + 3) / 4 * 4;
    tile_.resize(static_cast<size_t>(padded_h) * padded_w * m);
    for (int y = 0; y < padded_h; ++y) {
      for (int x = 0; x < padded_w; ++x) {
        const size_t from =
            static_cast<size_t>(std::min(y, h - 1)) * grid_.width() + columns.begin + std::min(x, w - 1);
        std::memcpy(tile_.data() + (static_cast<size_t>(y) * padded_w + x) * m, band_.data() + from * m,
                    m * sizeof(float));
      }
    }
    LICHEN_ASSIGN_OR_RETURN(const float* hyper, h_a_.Run(tile_.data(), padded_h, padded_w));
    const int channels = model_.hyper_channels;
    z_.resize(static_cast<size_t>(padded_h / 4) * (padded_w / 4) * channels);
    for (size_t at = 0; at < z_.size(); ++at) z_[at] = hyper[at] * tables_.z_gain[at % channels];
    y_.resize(static_cast<size_t>(h) * w * m);
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        const float* from = tile_.data() + (static_cast<size_t>(y) * padded_w + x) * m;
        float* to = y_.data() + (static_cast<size_t>(y) * w + x) * m;
        for (int c = 0; c < m; ++c) to[c] = from[c] * tables_.gain_y[c];
      }
    }
    return entropy_model_.Encode(y_.data(), z_.data(), h, w, &latents_);
  }

  Analysis& analysis_;
  const EncodeOptions& options_;
  bitstream::Header header_;
  const ModelData& model_;
  TileGrid grid_;
  QualityTables tables_;
  std::optional<Transform> g_a_;  // from its first gain on
  Transform h_a_;
  EntropyModel entropy_model_;
  int margin_;                       // latent positions
  double analysed_ = 0, coded_ = 0;  // shares of the canvas
  std::vector<float> band_, tile_, y_, z_;
  Latents latents_;
};

/// Encodes at the quality that meets the target of the options.
Result<std::vector<uint8_t>> EncodeToTarget(RowSource& source, const EncodeOptions& options, bitstream::Header header,
                                            const ModelData& model) {
  const bool keep = FitsKeptBytes(SplitTransform(model.g_a), TileGrid(header));
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<RowSource> rows,
                          MakeRepeatable(source, options.target_psnr > 0 || !keep));
  Analysis analysis(*rows, header, model, keep);
  const auto encode = [&](int quality_index, const ProgressCallback& progress) {
    header.quality_index = static_cast<uint32_t>(quality_index);
    EncodeOptions trial = options;
    trial.progress = progress;
    return Encoder(analysis, trial, header, model).Run();
  };
  return SearchTarget(options, *rows, encode);
}

/// An image's rows.
class ImageSource : public RowSource {
 public:
  explicit ImageSource(const Image& image) : image_(image) {}
  const ImageHeader& header() const override { return image_; }
  Status ReadRow(uint8_t* row) override {
    std::memcpy(row, image_.pixels.data() + next_++ * image_.RowBytes(), image_.RowBytes());
    return Status();
  }
  bool can_rewind() const override { return true; }
  Status Rewind() override {
    next_ = 0;
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
      LICHEN_ASSIGN_OR_RETURN(model, Model::Default());
    }
    const ModelData& data = DataOf(*model);
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Header header, MakeHeader(source.header(), options, data));
    const ThreadScope one_thread(1);  // more where a window of g_a is worth it
    if (HasTarget(options)) return EncodeToTarget(source, options, header, data);
    Analysis analysis(source, header, data, false);
    return Encoder(analysis, options, header, data).Run();
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
