// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "bitstream/container.h"
#include "bitstream/post_filter_code.h"
#include "codec/dct_decoder.h"
#include "codec/fixed_point.h"
#include "codec/latent_hash.h"
#include "codec/latent_rows.h"
#include "codec/memory_estimate.h"
#include "codec/model_data.h"
#include "codec/picture_writer.h"
#include "codec/post_filter.h"
#include "codec/scaled_synthesis.h"
#include "codec/scratch.h"
#include "codec/tile_row_decoder.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/vectorised.h"
#include "codec/view.h"
#include "codec/workers.h"
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

/// A file whose structure was checked, with the model it needs, if any.
struct Opened {
  bitstream::Container container;
  std::shared_ptr<const Model> model;
};

Status CheckLimits(const bitstream::Container& container, const DecodeOptions& options) {
  const bitstream::Header& header = container.header;
  const uint64_t pixels = uint64_t{header.width} * header.height;
  if (pixels > options.max_pixels) {
    return Status(StatusCode::kLimitExceeded, "the picture has " + std::to_string(header.width) + "x" +
                                                  std::to_string(header.height) + " pixels, at most " +
                                                  std::to_string(options.max_pixels) +
                                                  " are allowed; raise the limit (max pixels)");
  }
  uint64_t metadata = 0;
  for (const bitstream::FrameSpan& span : container.metadata) metadata += span.content_size;
  if (metadata > options.max_metadata_bytes) {
    return Status(StatusCode::kLimitExceeded,
                  "the picture has " + std::to_string(metadata) + " bytes of metadata, at most " +
                      std::to_string(options.max_metadata_bytes) + " are allowed; raise the limit (max metadata)");
  }
  return Status();
}

Result<Opened> Open(const uint8_t* data, size_t size, const DecodeOptions& options) {
  if (options.bit_depth != 0 && options.bit_depth != 8 && options.bit_depth != 16) {
    return Status(StatusCode::kInvalidArgument,
                  "bit depth " + std::to_string(options.bit_depth) + "; 0 (as in the file), 8 or 16 expected");
  }
  Opened opened;
  std::vector<std::string> damage;
  LICHEN_ASSIGN_OR_RETURN(opened.container, bitstream::ParseContainer(data, size, options.salvage ? &damage : nullptr));
  if (options.damage) {
    for (const std::string& message : damage) options.damage({message, {}});
  }
  LICHEN_RETURN_IF_ERROR(CheckLimits(opened.container, options));
  if (opened.container.coding == bitstream::Coding::kDct) return opened;
  opened.model = options.model;
  if (!opened.model) {
    LICHEN_ASSIGN_OR_RETURN(opened.model, DefaultModel(ModelParts::kDecoding));
  }
  const bitstream::Header& header = opened.container.header;
  if (DataOf(*opened.model).id != header.model_id) {
    return Status(StatusCode::kUnknownModel, "the file needs model " + HexOf(header.model_id) + ", this is model " +
                                                 opened.model->Id() + " (" + opened.model->Name() +
                                                 "); give the model file with that id");
  }
  return opened;
}

// Limits below are written out: loops that are compiled for other instruction sets would call std::min for each sample.

/// A NaN, which a broken model could give, becomes 0, as it is not above 0.
LICHEN_VECTORISED
void FloatToBytes(const float* src, size_t count, uint8_t* dst) {
  for (size_t i = 0; i < count; ++i) {
    float v = src[i] * 255.0f + 128.0f;  // g_s gives values around 0: (x + 0.5) * 255 + 0.5
    v = v > 0.0f ? v : 0.0f;
    v = v < 255.0f ? v : 255.0f;
    dst[i] = static_cast<uint8_t>(static_cast<int>(v));
  }
}

/// The same for samples of 16 bits.
LICHEN_VECTORISED
void FloatToWords(const float* src, size_t count, uint8_t* dst) {
  for (size_t i = 0; i < count; ++i) {
    float v = src[i] * 65535.0f + 32768.0f;
    v = v > 0.0f ? v : 0.0f;
    v = v < 65535.0f ? v : 65535.0f;
    const auto sample = static_cast<uint16_t>(static_cast<int>(v));
    std::memcpy(dst + i * sizeof sample, &sample, sizeof sample);
  }
}

/// The mean of R, G and B is what decodes a gray picture best: all three carry it.
LICHEN_VECTORISED
void FloatToGrayBytes(const float* src, size_t pixels, uint8_t* dst) {
  for (size_t i = 0; i < pixels; ++i) {
    float v = (src[3 * i] + src[3 * i + 1] + src[3 * i + 2]) * 85.0f + 128.0f;
    v = v > 0.0f ? v : 0.0f;
    v = v < 255.0f ? v : 255.0f;
    dst[i] = static_cast<uint8_t>(static_cast<int>(v));
  }
}

/// Adds a row's part of the means over `box` x `box` pixels.
void AddToMeans(const float* src, int box, int width, float* means) {
  const float share = 1.0f / static_cast<float>(box * box);
  for (int x = 0; x < width * box; ++x) {
    for (int c = 0; c < 3; ++c) means[x / box * 3 + c] += src[x * 3 + c] * share;
  }
}

LICHEN_VECTORISED
void FloatToGrayWords(const float* src, size_t pixels, uint8_t* dst) {
  for (size_t i = 0; i < pixels; ++i) {
    float v = (src[3 * i] + src[3 * i + 1] + src[3 * i + 2]) * 21845.0f + 32768.0f;
    v = v > 0.0f ? v : 0.0f;
    v = v < 65535.0f ? v : 65535.0f;
    const auto sample = static_cast<uint16_t>(static_cast<int>(v));
    std::memcpy(dst + i * sizeof sample, &sample, sizeof sample);
  }
}

/// `pixels` pixels of x_hat as samples: `colours` of them a pixel, each of `bit_depth` bits.
void FloatToSamples(const float* src, size_t pixels, int colours, int bit_depth, uint8_t* dst) {
  if (colours == 1) {
    bit_depth == 8 ? FloatToGrayBytes(src, pixels, dst) : FloatToGrayWords(src, pixels, dst);
  } else {
    bit_depth == 8 ? FloatToBytes(src, pixels * 3, dst) : FloatToWords(src, pixels * 3, dst);
  }
}

class Decoder {
 public:
  Decoder(const uint8_t* data, size_t size, const Opened& opened, const View& view, const DecodeOptions& options,
          RowSink& sink)
      : workers_(ThreadsFor(options.threads, int64_t{view.LatentRows().size()} * view.LatentColumns().size() *
                                                 kLatentPixels * kLatentPixels)),
        options_(options),
        model_(DataOf(*opened.model)),
        data_(data),
        size_(size),
        container_(opened.container),
        header_(container_.header),
        view_(view),
        grid_(header_),
        synthesis_(SynthesisAtScale(DataOf(*opened.model), view.scale)),
        g_s_(*synthesis_.layers, static_cast<int>(header_.quality_index), SynthesisPrecision(), workers_),
        margin_(MarginOf(*synthesis_.layers, PostFilterReach(model_, view.scale))),
        rows_(WithMargin(view.LatentRows(), margin_, grid_.height())),
        columns_(WithMargin(view.LatentColumns(), margin_, grid_.width())),
        latent_channels_(DataOf(*opened.model).latent_channels),
        tiles_(data, size, container_, DataOf(*opened.model), workers_),
        latents_(&tiles_, DataOf(*opened.model), header_, columns_, options.salvage,
                 [this](int row, int column, const Status& status) { return OnTile(row, column, status); }),
        writer_(data, container_, view_, options, sink) {}

  Status Run() {
    if (!options_.salvage) LICHEN_RETURN_IF_ERROR(CheckTiles());
    LICHEN_RETURN_IF_ERROR(MakePostFilter());
    LICHEN_RETURN_IF_ERROR(writer_.Begin());
    g_s_.Begin(columns_.size());
    for (const Span strip : Strips(rows_, StripRows(rows_.size(), columns_.size()), margin_)) {
      // In place of damaged tiles LatentRows repeats what is around them: with the tiles below, if they are there.
      const int ahead = options_.salvage ? margin_ : 0;
      LICHEN_RETURN_IF_ERROR(latents_.Provide({strip.begin, std::min(strip.end + ahead, rows_.end)}));
      LICHEN_RETURN_IF_ERROR(SynthesiseStrip(strip));
    }
    return writer_.Finish();
  }

 private:
  /// The checksums of all tiles that will be decoded.
  Status CheckTiles() const {
    const int tile = grid_.tile();
    for (int row = rows_.begin / tile; row * tile < rows_.end; ++row) {
      for (int column = columns_.begin / tile; column * tile < columns_.end; ++column) {
        LICHEN_RETURN_IF_ERROR(
            bitstream::CheckTile(container_, data_, size_, static_cast<size_t>(row) * grid_.columns() + column));
      }
    }
    return Status();
  }

  /// The share of all latents with their margins.
  double Area(Span rows, Span columns) const {
    return static_cast<double>(rows.size()) * columns.size() / (static_cast<double>(rows_.size()) * columns_.size());
  }

  Status Report() const {
    const double done = std::min(1.0, 0.3 * decoded_ + 0.7 * synthesised_);  // sums of shares may round up
    if (options_.progress && !options_.progress(done)) return Status(StatusCode::kCancelled, "cancelled");
    return Status();
  }

  Status OnTile(int row, int column, const Status& status) {
    if (!status.ok() && options_.damage) {
      const auto region = [](Span x, Span y) {
        return x.size() <= 0 || y.size() <= 0
                   ? Region{}
                   : Region{static_cast<uint32_t>(x.begin), static_cast<uint32_t>(y.begin),
                            static_cast<uint32_t>(x.size()), static_cast<uint32_t>(y.size())};
      };
      const auto pixels = [](Span latents, Span samples, int scale, uint32_t size) {
        const Span all = {samples.begin * scale, std::min(samples.end * scale, static_cast<int>(size))};
        return Common({latents.begin * kLatentPixels, latents.end * kLatentPixels}, all);
      };
      options_.damage({status.message(), region(pixels(grid_.Column(column), view_.columns, view_.scale, header_.width),
                                                pixels(grid_.Row(row), view_.rows, view_.scale, header_.height))});
    }
    decoded_ += Area(Common(grid_.Row(row), rows_), Common(grid_.Column(column), columns_));
    return Report();
  }

  Status MakePostFilter() {
    const PostFilterData& filter = model_.post_filter;
    LICHEN_ASSIGN_OR_RETURN(const bitstream::PostFilterCoefficients coefficients,
                            bitstream::ReadPostFilter(header_.post_filter, filter.sizes));
    if (filter.mean.empty()) return Status();
    std::vector<float> weights = PostFilterWeights(filter, static_cast<int>(header_.quality_index), coefficients);
    if (PostFilterReach(model_, view_.scale) == 0) DropNeighbours(&weights);
    post_filter_.emplace(std::move(weights), workers_);
    post_filter_->Begin(columns_.size() * view_.SamplesPerLatent() * synthesis_.box);
    return Status();
  }

  /// g_s on the next rows of latents; what is complete then is written.
  Status SynthesiseStrip(Span strip) {
    LICHEN_ASSIGN_OR_RETURN(Strip x_hat, Synthesise(strip));
    if (post_filter_) x_hat = post_filter_->Next(x_hat, strip.end == rows_.end);
    LICHEN_RETURN_IF_ERROR(WriteRows(x_hat));
    synthesised_ += static_cast<double>(strip.size()) / rows_.size();
    return Report();
  }

  /// Writes what of the next rows of g_s' output is in the view.
  Status WriteRows(const Strip& x_hat) {
    const int step = view_.SamplesPerLatent(), box = synthesis_.box, width = view_.columns.size();
    const size_t row = static_cast<size_t>(columns_.size()) * step * box * 3;
    const float* left = x_hat.rows + static_cast<size_t>(view_.columns.begin - columns_.begin * step) * box * 3;
    const int begin = rows_.begin * step + x_rows_ / box, end = rows_.begin * step + (x_rows_ + x_hat.h) / box;
    const Span band = Common({begin, end}, view_.rows);
    const size_t row_bytes = width * writer_.PixelBytes();
    band_.Reserve(row_bytes * std::max(0, band.size()));
    const auto take = [&](const float* from, int sample) {
      if (sample < band.begin || sample >= band.end) return;
      FloatToSamples(from, width, writer_.colours(), writer_.bit_depth(),
                     band_.data() + (sample - band.begin) * row_bytes);
    };
    if (box == 1) {
      workers_.ForRanges(x_hat.h, (1 << 14) / width + 1, [&](size_t first, size_t last) {
        for (size_t v = first; v < last; ++v) take(left + v * row, begin + static_cast<int>(v));
      });
    } else {
      for (int v = 0; v < x_hat.h; ++v) {
        const int within = (x_rows_ + v) % box;
        if (within == 0) means_.assign(static_cast<size_t>(width) * 3, 0.0f);
        AddToMeans(left + v * row, box, width, means_.data());
        if (within == box - 1) take(means_.data(), rows_.begin * step + (x_rows_ + v) / box);
      }
    }
    x_rows_ += x_hat.h;
    if (options_.salvage) GrayDamage(band);
    for (int v = 0; v < band.size(); ++v) LICHEN_RETURN_IF_ERROR(writer_.WriteRow(band_.data() + v * row_bytes));
    return Status();
  }

  /// Makes the samples of damaged tiles gray: what was synthesised there only served those around.
  void GrayDamage(Span band) {
    constexpr uint8_t kGray = 128;  // twice, of 16 bits: 128 * 257
    const int tile = grid_.tile(), step = view_.SamplesPerLatent();
    const Span columns = view_.LatentColumns();
    for (int row = band.begin / (tile * step); row * tile * step < band.end; ++row) {
      for (int column = columns.begin / tile; column * tile < columns.end; ++column) {
        if (!latents_.IsDamaged(row, column)) continue;
        const Span y = Common({grid_.Row(row).begin * step, grid_.Row(row).end * step}, band);
        const Span x = Common({grid_.Column(column).begin * step, grid_.Column(column).end * step}, view_.columns);
        for (int v = y.begin; v < y.end; ++v) {
          const size_t at = static_cast<size_t>(v - band.begin) * view_.columns.size() + x.begin - view_.columns.begin;
          std::fill_n(band_.data() + at * writer_.PixelBytes(), std::max(0, x.size()) * writer_.PixelBytes(), kGray);
        }
      }
    }
  }

  Result<Strip> Synthesise(Span strip) {
    const size_t row = static_cast<size_t>(columns_.size()) * latent_channels_;
    float* y_hat = g_s_.Input(strip.size());
    workers_.ForEach(strip.size(), [&](int, int v) {
      std::memcpy(y_hat + v * row, latents_.Row(strip.begin + v), row * sizeof(float));
    });
    return g_s_.Next(y_hat, strip.size(), strip.end == rows_.end);
  }

  Workers workers_;
  const DecodeOptions& options_;
  const ModelData& model_;
  const uint8_t* data_;
  size_t size_;
  const bitstream::Container& container_;
  bitstream::Header header_;
  View view_;
  TileGrid grid_;
  ScaledSynthesis synthesis_;
  Transform g_s_;
  int margin_;           // latent positions
  Span rows_, columns_;  // latents that the view needs, margins included
  int latent_channels_;
  TileRowDecoder tiles_;
  LatentRows latents_;
  std::optional<PostFilter> post_filter_;
  PictureWriter writer_;
  double decoded_ = 0, synthesised_ = 0;  // shares of the view
  int x_rows_ = 0;                        // of g_s' output, so far
  std::vector<float> means_;              // of a row of samples that is not complete
  Scratch<uint8_t> band_;                 // colours only
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
    const bitstream::Header& header = opened.container.header;
    LICHEN_ASSIGN_OR_RETURN(const View view, MakeView(header, options.region, options.scale));
    const bool learned = opened.container.coding == bitstream::Coding::kLearned;
    const uint64_t memory =
        learned ? DecodeMemory(DataOf(*opened.model), header, view, SynthesisPrecision(), options.threads)
                : DctDecodeMemory(header, view, options.threads);
    LICHEN_RETURN_IF_ERROR(CheckMemory(memory, options.max_memory_bytes, "decoding"));
    if (!learned) return DecodeDct(data, size, opened.container, view, options, sink);
    return Decoder(data, size, opened, view, options, sink).Run();
  });
}

Result<Image> Decode(const uint8_t* data, size_t size, const DecodeOptions& options) {
  ImageSink sink;
  LICHEN_RETURN_IF_ERROR(Decode(data, size, options, sink));
  return std::move(sink.image);
}

Result<uint64_t> HashLatents(const uint8_t* data, size_t size, const DecodeOptions& options) {
  return Guarded<Result<uint64_t>>([&]() -> Result<uint64_t> {
    DecodeOptions whole = options;
    whole.salvage = false;
    LICHEN_ASSIGN_OR_RETURN(const Opened opened, Open(data, size, whole));
    const bitstream::Header& header = opened.container.header;
    if (opened.container.coding == bitstream::Coding::kDct) {
      LICHEN_RETURN_IF_ERROR(CheckMemory(DctHashMemory(header, options.threads), options.max_memory_bytes, "decoding"));
      LICHEN_RETURN_IF_ERROR(bitstream::CheckAllTiles(opened.container, data, size));
      return HashDct(data, opened.container, options.threads);
    }
    const ModelData& model = DataOf(*opened.model);
    LICHEN_RETURN_IF_ERROR(
        CheckMemory(HashMemory(model, header, options.threads), options.max_memory_bytes, "decoding"));
    LICHEN_RETURN_IF_ERROR(bitstream::CheckAllTiles(opened.container, data, size));
    Workers workers(ThreadsFor(options.threads, int64_t{header.width} * header.height));
    TileRowDecoder tiles(data, size, opened.container, model, workers);
    const TileGrid grid(header);
    LatentHash hash;
    for (int row = 0; row < grid.rows(); ++row) {
      for (int first = 0; first < grid.columns(); first += workers.threads()) {  // as many as are kept at a time
        const int end = std::min(first + workers.threads(), grid.columns());
        std::vector<Latents> decoded(end - first);
        const auto take = [&](int column, const Latents& latents) { decoded[column - first] = latents; };
        for (const Status& status : tiles.Decode(row, first, end, take)) LICHEN_RETURN_IF_ERROR(status);
        for (const Latents& latents : decoded) hash.Add(latents);
      }
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
    info.coding = container.coding == bitstream::Coding::kLearned ? Coding::kLearned : Coding::kDct;
    if (info.coding == Coding::kLearned) info.model_id = HexOf(header.model_id);
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
