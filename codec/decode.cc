// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <deque>
#include <new>
#include <optional>
#include <vector>

#include "bitstream/alpha.h"
#include "bitstream/container.h"
#include "codec/fixed_point.h"
#include "codec/latent_hash.h"
#include "codec/model_data.h"
#include "codec/thread_scope.h"
#include "codec/tile_row_decoder.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/vectorised.h"
#include "lichen/codec.h"

namespace lichen {
namespace {

std::string HexOf(const std::array<uint8_t, 8>& id) {
  std::string text;
  for (uint8_t byte : id) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// A file that was checked as a whole, with the model it needs.
struct Opened {
  bitstream::Container container;
  std::shared_ptr<const Model> model;
};

Result<Opened> Open(const uint8_t* data, size_t size, const DecodeOptions& options) {
  Opened opened;
  LICHEN_ASSIGN_OR_RETURN(opened.container, bitstream::ParseContainer(data, size));
  const bitstream::Header& header = opened.container.header;
  const uint64_t pixels = uint64_t{header.width} * header.height;
  if (pixels > options.max_pixels) {
    return Status(StatusCode::kLimitExceeded, "the picture has " + std::to_string(header.width) + "x" +
                                                  std::to_string(header.height) + " pixels, at most " +
                                                  std::to_string(options.max_pixels) + " are allowed; raise the limit");
  }
  opened.model = options.model;
  if (!opened.model) {
    LICHEN_ASSIGN_OR_RETURN(opened.model, DefaultModel(ModelParts::kDecoding));
  }
  if (DataOf(*opened.model).id != header.model_id) {
    return Status(StatusCode::kUnknownModel, "the file needs model " + HexOf(header.model_id) + ", this is model " +
                                                 opened.model->Id() + " (" + opened.model->Name() +
                                                 "); give the model file with that id");
  }
  LICHEN_RETURN_IF_ERROR(bitstream::CheckAllTiles(opened.container, data, size));
  return opened;
}

/// A NaN, which a broken model could give, becomes 0: std::max gives its first argument then.
LICHEN_VECTORISED
void FloatToSamples(const float* src, size_t count, uint8_t* dst) {
  for (size_t i = 0; i < count; ++i) {
    const float v = src[i] * 255.0f + 128.0f;  // g_s gives values around 0: (x + 0.5) * 255 + 0.5
    dst[i] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(0.0f, v), 255.0f)));
  }
}

/// The mean of R, G and B is what decodes a gray picture best: all three carry it.
LICHEN_VECTORISED
void FloatToGray(const float* src, size_t pixels, uint8_t* dst) {
  for (size_t i = 0; i < pixels; ++i) {
    const float v = (src[3 * i] + src[3 * i + 1] + src[3 * i + 2]) * 85.0f + 128.0f;
    dst[i] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(0.0f, v), 255.0f)));
  }
}

class Decoder {
 public:
  Decoder(const uint8_t* data, const Opened& opened, const DecodeOptions& options, RowSink& sink)
      : options_(options),
        data_(data),
        container_(opened.container),
        header_(container_.header),
        colours_(header_.colour_type <= 2 ? 1 : 3),
        model_(DataOf(*opened.model)),
        grid_(header_),
        tiles_(data, container_, model_, options.threads),
        tables_(TablesAtQuality(model_, static_cast<int>(header_.quality_index))),
        g_s_(model_.g_s, static_cast<int>(header_.quality_index), FastestPrecision()),
        margin_(MarginOf(model_.g_s)),
        sink_(sink) {}

  Status Run() {
    LICHEN_RETURN_IF_ERROR(Begin());
    int decoded = 0;
    for (int row = 0; row < grid_.rows(); ++row) {
      // The margin of a band reaches into the next ones.
      const Span needed = WithMargin(grid_.Row(row), margin_, grid_.height());
      for (; decoded < grid_.rows() && grid_.Row(decoded).begin < needed.end; ++decoded) {
        LICHEN_RETURN_IF_ERROR(DecodeTileRow(decoded));
      }
      for (; first_latent_row_ < needed.begin; ++first_latent_row_) latent_rows_.pop_front();
      LICHEN_RETURN_IF_ERROR(SynthesiseBand(grid_.Row(row), needed));
    }
    return alpha_ ? alpha_->Finish() : Status();
  }

 private:
  /// Tells the sink what comes, metadata included.
  Status Begin() {
    ImageHeader picture;
    picture.width = header_.width;
    picture.height = header_.height;
    picture.channels = static_cast<int>(header_.colour_type);
    using bitstream::MetadataKind;
    LICHEN_ASSIGN_OR_RETURN(picture.icc, bitstream::ReadMetadata(container_, data_, MetadataKind::kIcc));
    LICHEN_ASSIGN_OR_RETURN(picture.exif, bitstream::ReadMetadata(container_, data_, MetadataKind::kExif));
    LICHEN_ASSIGN_OR_RETURN(picture.xmp, bitstream::ReadMetadata(container_, data_, MetadataKind::kXmp));
    if (picture.channels > colours_) {
      alpha_.emplace(data_ + container_.alpha.offset, container_.alpha.size, header_.width);
      alpha_row_.resize(header_.width);
      row_.resize(picture.RowBytes());
    }
    return sink_.Begin(picture);
  }

  double Area(Span rows, Span columns) const {
    return static_cast<double>(rows.size()) * columns.size() / (static_cast<double>(grid_.height()) * grid_.width());
  }

  Status Report() const {
    const double done = std::min(1.0, 0.3 * decoded_ + 0.7 * synthesised_);  // sums of shares may round up
    if (options_.progress && !options_.progress(done)) return Status(StatusCode::kCancelled, "cancelled");
    return Status();
  }

  /// Appends a row of tiles to latent_rows_, de-quantised: the input of g_s.
  Status DecodeTileRow(int row) {
    const int m = model_.latent_channels, height = grid_.Row(row).size();
    const size_t first = latent_rows_.size();
    latent_rows_.resize(first + height);
    return tiles_.Decode(row, 0, grid_.columns(), [&](int column, const Result<const Latents*>& tile) -> Status {
      LICHEN_ASSIGN_OR_RETURN(const Latents* latents, tile);
      const Span columns = grid_.Column(column);
      for (int v = 0; v < height; ++v) {
        latent_rows_[first + v].resize(static_cast<size_t>(grid_.width()) * m);  // only once a tile was sound
        const int32_t* from = latents->y_hat.data() + static_cast<size_t>(v) * latents->w * m;
        float* to = latent_rows_[first + v].data() + static_cast<size_t>(columns.begin) * m;
        for (int x = 0; x < latents->w; ++x, from += m, to += m) {
          for (int c = 0; c < m; ++c) {
            to[c] = static_cast<float>(from[c]) * (1.0f / (1 << kSixteenthBits)) * tables_.inverse_gain_y[c];
          }
        }
      }
      decoded_ += Area(grid_.Row(row), columns);
      return Report();
    });
  }

  /// g_s on a band of tiles, window by window; `needed` is the band with its margin.
  Status SynthesiseBand(Span rows, Span needed) {
    const int top = rows.begin * kLatentPixels;
    const int height = std::min(rows.end * kLatentPixels, static_cast<int>(header_.height)) - top;
    const size_t row_bytes = size_t{header_.width} * colours_;
    band_.resize(row_bytes * height);
    for (int column = 0; column < grid_.columns(); column += grid_.ColumnsPerWindow()) {
      const int last = std::min(column + grid_.ColumnsPerWindow(), grid_.columns()) - 1;
      const Span inner = {grid_.Column(column).begin, grid_.Column(last).end};
      const Span outer = WithMargin(inner, margin_, grid_.width());
      const ThreadScope threads(
          ThreadsFor(options_.threads, int64_t{needed.size()} * outer.size() * kLatentPixels * kLatentPixels));
      LICHEN_ASSIGN_OR_RETURN(const float* x, Synthesise(needed, outer));
      const int left = inner.begin * kLatentPixels;
      const int width = std::min(inner.end * kLatentPixels, static_cast<int>(header_.width)) - left;
#pragma omp parallel for
      for (int v = 0; v < height; ++v) {
        const size_t at = static_cast<size_t>(top + v - needed.begin * kLatentPixels) * outer.size() * kLatentPixels +
                          (inner.begin - outer.begin) * kLatentPixels;
        uint8_t* to = band_.data() + v * row_bytes + static_cast<size_t>(left) * colours_;
        if (colours_ == 1) {
          FloatToGray(x + at * 3, width, to);
        } else {
          FloatToSamples(x + at * 3, static_cast<size_t>(width) * 3, to);
        }
      }
      synthesised_ += Area(rows, inner);
      LICHEN_RETURN_IF_ERROR(Report());
    }
    for (int v = 0; v < height; ++v) LICHEN_RETURN_IF_ERROR(WriteRow(band_.data() + v * row_bytes));
    return Status();
  }

  /// Passes a row of colours on, with its alpha where there is one.
  Status WriteRow(const uint8_t* colours) {
    if (!alpha_) return sink_.WriteRow(colours);
    LICHEN_RETURN_IF_ERROR(alpha_->ReadRow(alpha_row_.data()));
    uint8_t* to = row_.data();
    for (const uint8_t alpha : alpha_row_) {
      to = std::copy_n(colours, colours_, to);
      colours += colours_;
      *to++ = alpha;
    }
    return sink_.WriteRow(row_.data());
  }

  Result<const float*> Synthesise(Span rows, Span columns) {
    const size_t row = static_cast<size_t>(columns.size()) * model_.latent_channels;
    window_.resize(rows.size() * row);
    for (int v = rows.begin; v < rows.end; ++v) {
      std::memcpy(
          window_.data() + (v - rows.begin) * row,
          latent_rows_[v - first_latent_row_].data() + static_cast<size_t>(columns.begin) * model_.latent_channels,
          row * sizeof(float));
    }
    return g_s_.Run(window_.data(), rows.size(), columns.size());
  }

  const DecodeOptions& options_;
  const uint8_t* data_;
  const bitstream::Container& container_;
  bitstream::Header header_;
  int colours_;  // channels without alpha
  const ModelData& model_;
  TileGrid grid_;
  TileRowDecoder tiles_;
  QualityTables tables_;
  Transform g_s_;
  int margin_;  // latent positions
  RowSink& sink_;
  std::deque<std::vector<float>> latent_rows_;  // from first_latent_row_ on
  int first_latent_row_ = 0;
  double decoded_ = 0, synthesised_ = 0;  // shares of the canvas
  std::vector<float> window_;
  std::vector<uint8_t> band_;  // colours only
  std::optional<bitstream::AlphaReader> alpha_;
  std::vector<uint8_t> alpha_row_, row_;
};

/// Collects rows into an image.
class ImageSink : public RowSink {
 public:
  Status Begin(const ImageHeader& header) override {
    static_cast<ImageHeader&>(image) = header;
    image.pixels.reserve(header.RowBytes() * header.height);
    return Status();
  }
  Status WriteRow(const uint8_t* row) override {
    image.pixels.insert(image.pixels.end(), row, row + image.RowBytes());
    return Status();
  }

  Image image;
};

/// Turns exceptions of the libraries below into errors.
template <typename T, typename Function>
T Guarded(Function function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to decode this picture");
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, error.what());
  }
}

}  // namespace

Status Decode(const uint8_t* data, size_t size, const DecodeOptions& options, RowSink& sink) {
  return Guarded<Status>([&]() -> Status {
    LICHEN_ASSIGN_OR_RETURN(const Opened opened, Open(data, size, options));
    const ThreadScope one_thread(1);  // more where a window of g_s is worth it
    return Decoder(data, opened, options, sink).Run();
  });
}

Result<Image> Decode(const uint8_t* data, size_t size, const DecodeOptions& options) {
  ImageSink sink;
  LICHEN_RETURN_IF_ERROR(Decode(data, size, options, sink));
  return std::move(sink.image);
}

Result<uint64_t> HashLatents(const uint8_t* data, size_t size, const DecodeOptions& options) {
  return Guarded<Result<uint64_t>>([&]() -> Result<uint64_t> {
    LICHEN_ASSIGN_OR_RETURN(const Opened opened, Open(data, size, options));
    const ThreadScope one_thread(1);
    const TileGrid grid(opened.container.header);
    TileRowDecoder tiles(data, opened.container, DataOf(*opened.model), options.threads);
    LatentHash hash;
    for (int row = 0; row < grid.rows(); ++row) {
      LICHEN_RETURN_IF_ERROR(tiles.Decode(row, 0, grid.columns(), [&](int, const Result<const Latents*>& latents) {
        if (!latents.ok()) return latents.status();
        hash.Add(**latents);
        return Status();
      }));
    }
    return hash.Digest();
  });
}

Result<Info> Inspect(const uint8_t* data, size_t size) {
  return Guarded<Result<Info>>([&]() -> Result<Info> {
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Container container, bitstream::ParseContainer(data, size));
    const bitstream::Header& header = container.header;
    Info info;
    info.format_version = static_cast<int>(header.format_version);
    info.model_id = HexOf(header.model_id);
    info.width = header.width;
    info.height = header.height;
    info.channels = static_cast<int>(header.colour_type);
    info.bit_depth = static_cast<int>(header.bit_depth);
    info.quality = header.quality_index * 100.0 / kMaxQualityIndex;
    info.tile_size = 1u << header.tile_size_log2;
    info.tiles = static_cast<uint32_t>(container.tiles.size());
    info.file_bytes = size;
    info.alpha_bytes = container.alpha.size;
    const auto metadata_bytes = [&container](bitstream::MetadataKind kind) {
      return container.metadata[static_cast<size_t>(kind)].content_size;
    };
    info.icc_bytes = metadata_bytes(bitstream::MetadataKind::kIcc);
    info.exif_bytes = metadata_bytes(bitstream::MetadataKind::kExif);
    info.xmp_bytes = metadata_bytes(bitstream::MetadataKind::kXmp);
    return info;
  });
}

}  // namespace lichen
