// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "bitstream/post_filter_code.h"
#include "codec/analysis.h"
#include "codec/coding_choice.h"
#include "codec/dct_encoder.h"
#include "codec/fixed_point.h"
#include "codec/half_float.h"
#include "codec/memory_estimate.h"
#include "codec/model_data.h"
#include "codec/picture_rows.h"
#include "codec/post_filter.h"
#include "codec/post_filter_fit.h"
#include "codec/refined_tiles.h"
#include "codec/sample_windows.h"
#include "codec/sampled_error.h"
#include "codec/scratch.h"
#include "codec/target.h"
#include "codec/tile_encoder.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/workers.h"
#include "lichen/codec.h"

namespace lichen {
namespace {

constexpr uint32_t kMaxSide = 1 << 24;
constexpr std::array<int, kMaxEffort + 1> kIterations = {0, 0, 12, 50};      // of refinement, by effort
constexpr std::array<uint32_t, kMaxEffort + 1> kTrellisBits = {6, 7, 8, 8};  // likewise

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

/// The header, without a model.
Result<bitstream::Header> MakeHeader(const ImageHeader& picture, const EncodeOptions& options) {
  if (!(options.quality >= 0 && options.quality <= 100)) {
    return Invalid("quality " + std::to_string(options.quality) + "; 0 to 100 expected");
  }
  if (options.effort < 0 || options.effort > kMaxEffort) {
    return Invalid("effort " + std::to_string(options.effort) + "; 0 to " + std::to_string(kMaxEffort) + " expected");
  }
  LICHEN_RETURN_IF_ERROR(CheckTarget(options));
  bitstream::Header header;
  header.tile_size_log2 = 0;
  while (header.tile_size_log2 < 31 && 1u << header.tile_size_log2 < options.tile_size) ++header.tile_size_log2;
  if (header.tile_size_log2 < 6 || header.tile_size_log2 > 15 || 1u << header.tile_size_log2 != options.tile_size) {
    return Invalid("tile size " + std::to_string(options.tile_size) + "; 64, 128, 256, ... or 32768 expected");
  }
  header.width = picture.width;
  header.height = picture.height;
  header.colour_type = static_cast<uint32_t>(picture.channels);
  header.bit_depth = static_cast<uint32_t>(picture.bit_depth);
  header.quality_index = static_cast<uint32_t>(QualityIndexOf(options.quality));
  header.trellis_bits = kTrellisBits[options.effort];
  return header;
}

bool Refines(const EncodeOptions& options) { return kIterations[options.effort] > 0; }

bool FitsPostFilter(const EncodeOptions& options, const ModelData& model, const bitstream::Header& header) {
  return options.effort > 0 && !model.g_s.empty() && IsWorthAPostFilter(model, header);
}

/// What of the default model an encoder needs.
ModelParts PartsFor(const EncodeOptions& options) {
  return options.effort > 0 ? ModelParts::kAll : ModelParts::kEncoding;
}

/// For the post-filter; null where none will be fitted.
std::unique_ptr<SampleWindows> WindowsFor(const EncodeOptions& options, const bitstream::Header& header,
                                          const ModelData& model) {
  if (!FitsPostFilter(options, model, header)) return nullptr;
  const bool quick = !Refines(options) && !FastestPrecision().bytes;
  return std::make_unique<SampleWindows>(TileGrid(header), model.latent_channels, quick);
}

class Encoder {
 public:
  /// Borrows everything. windows: null, or what `analysis` gives its pixels to: then a post-filter is fitted
  Encoder(Analysis& analysis, const EncodeOptions& options, const bitstream::Header& header, const ModelData& model,
          Workers& workers, SampleWindows* windows)
      : analysis_(analysis),
        workers_(workers),
        options_(options),
        header_(header),
        model_(model),
        grid_(header),
        windows_(windows),
        tiles_(model, grid_, header, workers, windows),
        margin_((MarginOf(model.g_a) + kLatentPixels - 1) / kLatentPixels) {
    const Layers last = analysis.g_a().last;
    if (!last.empty()) {
      g_a_.emplace(last, static_cast<int>(header.quality_index), FastestPrecision(), workers, analysis.memory());
    }
  }

  Result<std::vector<uint8_t>> Run() {
    const int step = StripRows(grid_.height(), grid_.width()), most = grid_.Row(0).size() + step + 2 * margin_;
    LICHEN_RETURN_IF_ERROR(analysis_.Begin());
    if (g_a_) g_a_->Begin(grid_.width() * (kLatentPixels / analysis_.g_a().stride));
    strips_ = Strips({0, grid_.height()}, step, margin_);
    const bool refine = Refines(options_);
    band_size_ = std::min(most, grid_.height()) * BandRow();
    if (refine) {
      y_.Reserve(grid_.height() * BandRow());
    } else {
      band_.Reserve(band_size_);
    }
    std::vector<std::vector<uint8_t>> tiles;
    if (refine) {
      LICHEN_ASSIGN_OR_RETURN(tiles, EncodeRefined());
    } else {
      LICHEN_ASSIGN_OR_RETURN(tiles, EncodeRows());
    }
    if (windows_) {
      LICHEN_ASSIGN_OR_RETURN(fitted_, FitPostFilter(model_, header_, *windows_, workers_, analysis_.memory()));
      header_.post_filter = fitted_->bytes;
      LICHEN_RETURN_IF_ERROR(Report(coded_));
    }
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Attachments* attachments,
                            analysis_.Attach(options_.strip_metadata, &header_.colour_type));
    return bitstream::WriteContainer(header_, tiles, *attachments);
  }

  /// Of a picture of one tile, after Run.
  const Latents& latents() const { return refined_ ? refined_->latents() : tiles_.latents(); }
  /// Of the file, after Run.
  const bitstream::Header& header() const { return header_; }
  /// After Run; where the fit of a post-filter tells it.
  std::optional<PictureError> error() const { return fitted_ ? fitted_->error : std::nullopt; }

 private:
  /// Row of tiles by row, as the latents come: while one is coded, g_a works on the next.
  Result<std::vector<std::vector<uint8_t>>> EncodeRows() {
    std::vector<std::vector<uint8_t>> tiles;
    LICHEN_RETURN_IF_ERROR(FillBand(grid_.Row(0).size()));
    for (int row = 0; row < grid_.rows(); ++row) {
      const int h = grid_.Row(row).size();
      coded_band_.Swap(band_);
      band_rows_ -= h;
      if (row + 1 < grid_.rows()) {
        std::memcpy(band_.Reserve(band_size_), coded_band_.data() + h * BandRow(),
                    band_rows_ * BandRow() * sizeof(*band_.data()));
      }
      Status coded, filled;
      workers_.Both(
          [&] {
            coded = tiles_.Encode(coded_band_.data(), row, [&](int, std::vector<uint8_t> tile) {
              tiles.push_back(std::move(tile));
              return Status();
            });
          },
          [&] {
            if (row + 1 < grid_.rows()) filled = FillBand(grid_.Row(row + 1).size());
          });
      LICHEN_RETURN_IF_ERROR(filled);
      LICHEN_RETURN_IF_ERROR(coded);
      coded_ += Area(grid_.Row(row), {0, grid_.width()});
      LICHEN_RETURN_IF_ERROR(Report(coded_));
    }
    return tiles;
  }

  Status FillBand(int rows) {
    while (band_rows_ < rows) LICHEN_RETURN_IF_ERROR(AnalyseStrip(strips_[next_strip_++]));
    return Status();
  }

  /// Once all latents are there: what is around a tile is seen, too.
  Result<std::vector<std::vector<uint8_t>>> EncodeRefined() {
    LICHEN_RETURN_IF_ERROR(FillBand(grid_.height()));
    const RefinementCanvas picture = {analysis_.samples(),
                                      y_.data(),
                                      grid_.height(),
                                      grid_.width(),
                                      static_cast<int>(header_.height),
                                      static_cast<int>(header_.width)};
    refined_ = std::make_unique<RefinedTiles>(model_, grid_, header_, kIterations[options_.effort], workers_);
    LICHEN_RETURN_IF_ERROR(refined_->EncodeUsual(picture));
    const std::vector<float> gain = TablesAtQuality(model_, static_cast<int>(header_.quality_index)).gain_y;
    if (!model_.post_filter.mean.empty()) {
      bitstream::PostFilterCoefficients coefficients;  // those of before suit what is refined nearly as well
      if (windows_) {
        windows_->TakeLatents(y_.data(), gain);
        LICHEN_ASSIGN_OR_RETURN(const FittedPostFilter fitted,
                                FitPostFilter(model_, header_, *windows_, workers_, analysis_.memory()));
        LICHEN_ASSIGN_OR_RETURN(coefficients, bitstream::ReadPostFilter(fitted.bytes, model_.post_filter.sizes));
      }
      refined_->UsePostFilter(
          PostFilterWeights(model_.post_filter, static_cast<int>(header_.quality_index), coefficients));
    }
    LICHEN_ASSIGN_OR_RETURN(auto tiles, refined_->Encode(picture, [&](double coded) { return Report(coded); }));
    if (windows_) windows_->TakeLatents(y_.data(), gain);
    return tiles;
  }

  /// The share of the canvas that rows x columns cover.
  double Area(Span rows, Span columns) const {
    return static_cast<double>(rows.size()) * columns.size() / (static_cast<double>(grid_.height()) * grid_.width());
  }

  /// coded: the share of the canvas
  Status Report(double coded) const {
    const double analysis = Refines(options_) ? 0.02 : 0.7, left = !windows_ || fitted_ ? 0
                                                                   : Refines(options_)  ? 0.01
                                                                                        : 0.1;
    // Sums of shares may round up.
    const double done = (1 - left) * std::min(1.0, analysis * analysed_ + (1 - analysis) * coded);
    if (options_.progress && !options_.progress(done)) return Status(StatusCode::kCancelled, "cancelled");
    return Status();
  }

  size_t BandRow() const { return static_cast<size_t>(grid_.width()) * model_.latent_channels; }

  /// g_a on the pixels of the next rows; the latents that are complete then go into band_, or y_.
  Status AnalyseStrip(Span strip) {
    LICHEN_ASSIGN_OR_RETURN(Strip y, analysis_.Next(strip));
    if (g_a_) {
      LICHEN_ASSIGN_OR_RETURN(y, g_a_->Next(y.rows, y.h, strip.end == grid_.height()));
    }
    workers_.ForEach(y.h, [&](int, int v) {
      const float* from = y.rows + v * BandRow();
      const size_t to = (band_rows_ + v) * BandRow();
      if (Refines(options_)) {
        std::copy_n(from, BandRow(), y_.data() + to);
      } else {
        FloatsToHalves(from, BandRow(), band_.data() + to);
      }
    });
    band_rows_ += y.h;
    analysed_ += Area(strip, {0, grid_.width()});
    return Report(coded_);
  }

  Analysis& analysis_;
  Workers& workers_;
  const EncodeOptions& options_;
  bitstream::Header header_;
  const ModelData& model_;
  TileGrid grid_;
  std::optional<Transform> g_a_;  // from its first gain on
  SampleWindows* windows_;
  TileRowEncoder tiles_;
  std::unique_ptr<RefinedTiles> refined_;
  int margin_;                       // latent positions
  double analysed_ = 0, coded_ = 0;  // shares of the canvas
  std::optional<FittedPostFilter> fitted_;
  std::vector<Span> strips_;
  size_t next_strip_ = 0;
  Scratch<uint16_t> band_,
      coded_band_;    // [band_rows_][grid width][M], halves, from the next row of tiles on; that being coded
  Scratch<float> y_;  // [grid height][grid width][M], where it is refined
  size_t band_size_ = 0;
  int band_rows_ = 0;
};

int EncodingThreads(const EncodeOptions& options, const bitstream::Header& header) {
  return ThreadsFor(options.threads, int64_t{header.width} * header.height);
}

/// Encodes at the quality that meets the target of the options.
Result<std::vector<uint8_t>> EncodeLearnedToTarget(RowSource& source, const EncodeOptions& options,
                                                   bitstream::Header header, const ModelData& model) {
  const bool keep = FitsKeptBytes(SplitTransform(model.g_a), TileGrid(header));
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<RowSource> rows,
                          MakeRepeatable(source, options.target_psnr > 0 || !keep));
  Workers workers(EncodingThreads(options, header));
  const std::unique_ptr<SampleWindows> windows = WindowsFor(options, header, model);
  Analysis analysis(*rows, header, model, workers, keep, Refines(options), windows.get());
  const auto encode = [&](int quality_index, const ProgressCallback& progress) {
    header.quality_index = static_cast<uint32_t>(quality_index);
    EncodeOptions trial = options;
    trial.progress = progress;
    return Encoder(analysis, trial, header, model, workers, windows.get()).Run();
  };
  return SearchTarget(options, *rows, encode);
}

/// Latents of the networks, at the quality or target of the options. kept: bytes that the source holds
Result<std::vector<uint8_t>> EncodeLearned(RowSource& source, const EncodeOptions& options, bitstream::Header header,
                                           const ModelData& model, uint64_t kept = 0) {
  header.model_id = model.id;
  if (Refines(options) && !SynthesisGradient::Supports(model.g_s)) {
    return Invalid("an effort of " + std::to_string(options.effort) +
                   " does not work with this model: its synthesis transform has layers without a gradient");
  }
  uint64_t memory = kept + EncodeMemory(model, header, FastestPrecision(), options.threads, Refines(options),
                                        FitsPostFilter(options, model, header));
  if (HasTarget(options)) {
    const TileGrid grid(header);
    memory +=
        std::min(SplitTransform(model.g_a).ElementsBetween(grid.height(), grid.width()) * sizeof(float), kKeptBytes);
  }
  LICHEN_RETURN_IF_ERROR(CheckMemory(memory, options.max_memory_bytes, "encoding"));
  if (HasTarget(options)) return EncodeLearnedToTarget(source, options, header, model);
  Workers workers(EncodingThreads(options, header));
  const std::unique_ptr<SampleWindows> windows = WindowsFor(options, header, model);
  Analysis analysis(source, header, model, workers, false, Refines(options), windows.get());
  return Encoder(analysis, options, header, model, workers, windows.get()).Run();
}

/// Coefficients of a block transform, at the quality or target of the options. kept: as above; block_errors: as for
/// EncodeDct, without a target
Result<std::vector<uint8_t>> EncodeBlocks(RowSource& source, const EncodeOptions& options, bitstream::Header header,
                                          uint64_t kept = 0, BlockErrors* block_errors = nullptr) {
  const uint64_t memory = kept + DctEncodeMemory(header, options.threads);
  LICHEN_RETURN_IF_ERROR(CheckMemory(memory, options.max_memory_bytes, "encoding"));
  if (!HasTarget(options)) {
    PictureRows rows(source, header);
    return EncodeDct(rows, header, options, block_errors);
  }
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<RowSource> repeatable, MakeRepeatable(source, true));
  PictureRows rows(*repeatable, header);
  return SearchTarget(options, *repeatable, [&](int quality_index, const ProgressCallback& progress) {
    header.quality_index = static_cast<uint32_t>(quality_index);
    EncodeOptions trial = options;
    trial.progress = progress;
    return EncodeDct(rows, header, trial);
  });
}

/// Progress that covers a part of the whole, from `begin` to `end`.
ProgressCallback PartOf(const ProgressCallback& whole, double begin, double end) {
  if (!whole) return whole;
  return [&whole, begin, end](double share) { return whole(begin + share * (end - begin)); };
}

/// Meets the target with the networks, and then with the block transform where that is the better at their quality, or
/// where the target is out of their reach.
Result<std::vector<uint8_t>> EncodeEitherToTarget(RowSource& source, const EncodeOptions& options,
                                                  const bitstream::Header& header, const ModelData& model) {
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<RowSource> rows, MakeRepeatable(source, true));
  EncodeOptions part = options;
  part.progress = PartOf(options.progress, 0, 0.8);
  Result<std::vector<uint8_t>> learned = EncodeLearned(*rows, part, header, model);
  if (!learned.ok() && learned.status().code() != StatusCode::kInvalidArgument) return learned;
  LICHEN_RETURN_IF_ERROR(rows->Rewind());
  part.progress = PartOf(options.progress, 0.8, 1);
  if (learned.ok()) {
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Header found, bitstream::ParseHeader(learned->data(), learned->size()));
    LICHEN_RETURN_IF_ERROR(CheckMemory(HeadMemory(source.header()), options.max_memory_bytes, "encoding"));
    HeadRows head(*rows);
    LICHEN_RETURN_IF_ERROR(head.ReadHead());
    EncodeOptions at_quality = options;
    at_quality.quality = found.quality_index * 100.0 / kMaxQualityIndex;
    at_quality.progress = PartOf(options.progress, 0.8, 1);
    Coding coding = Coding::kLearned;
    if (IsWorthATrial(head, at_quality.quality)) {
      LICHEN_ASSIGN_OR_RETURN(coding, ChooseCoding(head, at_quality));
    }
    if (coding == Coding::kLearned) {
      if (options.progress && !options.progress(1)) return Status(StatusCode::kCancelled, "cancelled");
      return learned;
    }
    LICHEN_RETURN_IF_ERROR(rows->Rewind());
  }
  Result<std::vector<uint8_t>> blocks = EncodeBlocks(*rows, part, header);
  // Of two ranges that the target is out of, that of the networks reaches farther down, that of the blocks farther up.
  const bool tell_of_blocks = !learned.ok() && options.target_psnr > 0;
  return blocks.ok() || tell_of_blocks || blocks.status().code() == StatusCode::kCancelled ? blocks : learned;
}

using LoadedModel = std::future<Result<std::shared_ptr<const Model>>>;

/// A picture for which IsChosenWhole, encoded both ways.
class WholeEncoder {
 public:
  /// head: holds all rows; kept: bytes that it holds. Borrows everything
  WholeEncoder(const HeadRows& head, const EncodeOptions& options, const bitstream::Header& header, uint64_t kept)
      : head_(head), options_(options), header_(header), kept_(kept), workers_(EncodingThreads(options, header)) {}

  /// loading: of all parts
  Result<std::vector<uint8_t>> Run(LoadedModel loading) {
    if (workers_.threads() > 1) {
      // A tile of blocks keeps one thread busy; the networks have the others, and all of them afterwards.
      Status in_blocks, by_networks;
      workers_.Both([&] { in_blocks = EncodeInBlocks({}); },
                    [&] { by_networks = EncodeByNetworks(loading, options_.progress, true); });
      LICHEN_RETURN_IF_ERROR(in_blocks);
      if (!is_surely_dct_ || is_cancelled_) LICHEN_RETURN_IF_ERROR(by_networks);
    } else {
      LICHEN_RETURN_IF_ERROR(EncodeInBlocks(PartOf(options_.progress, 0, 0.2)));
    }
    if (is_surely_dct_) return Blocks();
    if (!encoder_) {
      LICHEN_RETURN_IF_ERROR(EncodeByNetworks(loading, PartOf(options_.progress, 0.2, 1), false));
      if (learned_.empty()) return EncodeInLittleMemory();
    }
    const CodedByNetworks networks = {learned_.size(), encoder_->header(), encoder_->latents(), encoder_->error()};
    LICHEN_ASSIGN_OR_RETURN(const Coding coding, ChooseCodingOfWhole(head_, DataOf(*model_), coded_, networks));
    return coding == Coding::kDct ? std::move(blocks_) : std::move(learned_);
  }

 private:
  Status EncodeInBlocks(const ProgressCallback& progress) {
    EncodeOptions part = options_;
    part.progress = progress;
    BlockErrors errors;
    errors.weights = LostDetail();
    HeadReader reader(head_);
    LICHEN_ASSIGN_OR_RETURN(blocks_, EncodeBlocks(reader, part, header_, kept_, &errors));
    coded_ = {blocks_.size(), MapErrors(errors, head_.header())};
    is_surely_dct_ = IsSurelyDct(head_.header(), static_cast<int>(header_.quality_index), coded_);
    return Status();
  }

  /// Does nothing where there is no memory for it. at_once: with the other
  Status EncodeByNetworks(LoadedModel& loading, const ProgressCallback& progress, bool at_once) {
    if (!model_) {
      LICHEN_ASSIGN_OR_RETURN(model_, loading.get());
    }
    const ModelData& model = DataOf(*model_);
    const uint64_t blocks = at_once ? DctEncodeMemory(header_, options_.threads) : blocks_.size();
    memory_ = kept_ + blocks +
              EncodeMemory(model, header_, FastestPrecision(), options_.threads, Refines(options_),
                           FitsPostFilter(options_, model, header_));
    if (memory_ + SampledError::Memory(model) > options_.max_memory_bytes) return Status();
    part_ = options_;
    part_.progress = [this, progress](double share) {
      if (is_surely_dct_) return false;
      is_cancelled_ = progress && !progress(share);
      return !is_cancelled_;
    };
    learned_header_ = header_;
    learned_header_.model_id = model.id;
    reader_.emplace(head_);
    windows_ = WindowsFor(options_, header_, model);
    analysis_.emplace(*reader_, learned_header_, model, workers_, false, Refines(options_), windows_.get());
    encoder_.emplace(*analysis_, part_, learned_header_, model, workers_, windows_.get());
    LICHEN_ASSIGN_OR_RETURN(learned_, encoder_->Run());
    return Status();
  }

  Result<std::vector<uint8_t>> Blocks() {
    if (options_.progress && !options_.progress(1)) return Status(StatusCode::kCancelled, "cancelled");
    return std::move(blocks_);
  }

  /// By the networks if at all: parts of the picture may fit.
  Result<std::vector<uint8_t>> EncodeInLittleMemory() {
    if (memory_ > options_.max_memory_bytes) return std::move(blocks_);
    LICHEN_ASSIGN_OR_RETURN(const Coding coding, ChooseCoding(head_, options_));
    if (coding == Coding::kDct) return std::move(blocks_);
    EncodeOptions part = options_;
    part.progress = PartOf(options_.progress, 0.2, 1);
    HeadReader reader(head_);
    return EncodeLearned(reader, part, header_, DataOf(*model_), kept_);
  }

  const HeadRows& head_;
  const EncodeOptions& options_;
  const bitstream::Header& header_;
  uint64_t kept_;
  Workers workers_;
  std::vector<uint8_t> blocks_, learned_;  // files
  CodedInBlocks coded_{};
  std::atomic<bool> is_surely_dct_ = false;
  bool is_cancelled_ = false;
  // Of the networks.
  std::shared_ptr<const Model> model_;
  uint64_t memory_ = 0;  // with the file of blocks
  EncodeOptions part_;
  bitstream::Header learned_header_;
  std::optional<HeadReader> reader_;
  std::unique_ptr<SampleWindows> windows_;
  std::optional<Analysis> analysis_;
  std::optional<Encoder> encoder_;
};

Result<std::vector<uint8_t>> EncodeEither(RowSource& source, const EncodeOptions& options,
                                          const bitstream::Header& header) {
  const uint64_t kept = HeadMemory(source.header());
  LICHEN_RETURN_IF_ERROR(CheckMemory(kept, options.max_memory_bytes, "encoding"));
  // Loading a model takes one thread, and so do reading rows and one tile of blocks. Both codings may be made of a
  // whole.
  const ModelParts parts = IsChosenWhole(header) ? ModelParts::kAll : PartsFor(options);
  LoadedModel loading = std::async(options.threads == 1 ? std::launch::deferred : std::launch::async,
                                   [parts] { return DefaultModel(parts); });
  HeadRows head(source);
  LICHEN_RETURN_IF_ERROR(head.ReadHead());
  Coding coding = Coding::kLearned;
  if (IsWorthATrial(head, options.quality)) {
    if (IsChosenWhole(header)) return WholeEncoder(head, options, header, kept).Run(std::move(loading));
    LICHEN_ASSIGN_OR_RETURN(coding, ChooseCoding(head, options));
  }
  if (coding == Coding::kDct) return EncodeBlocks(head, options, header, kept);
  LICHEN_ASSIGN_OR_RETURN(const std::shared_ptr<const Model> model, loading.get());
  return EncodeLearned(head, options, header, DataOf(*model), kept);
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
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Header header, MakeHeader(source.header(), options));
    if (options.coding == Coding::kDct) return EncodeBlocks(source, options, header);
    // Where 16 bits matter, in smooth gradients, the blocks of the transform would show before the networks' error
    // does.
    const bool either = options.coding == Coding::kAuto && !options.model && source.header().bit_depth == 8;
    if (either && !HasTarget(options)) return EncodeEither(source, options, header);
    std::shared_ptr<const Model> model = options.model;
    if (!model) {
      LICHEN_ASSIGN_OR_RETURN(model, DefaultModel(PartsFor(options)));
    }
    if (either) return EncodeEitherToTarget(source, options, header, DataOf(*model));
    return EncodeLearned(source, options, header, DataOf(*model));
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
