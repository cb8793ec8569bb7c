// SPDX-License-Identifier: Apache-2.0
#include "codec/coding_choice.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "codec/dct.h"
#include "codec/dct_tile.h"
#include "codec/fixed_point.h"
#include "codec/sampled_error.h"

namespace lichen {
namespace {

constexpr uint32_t kLeastWindow = 256, kMostWindow = 512;  // pixels a side of what is tried
constexpr double kTriedFrom = 65;                          // qualities from which every picture is tried
constexpr int kFlatStep = 10 * kStepsPerLevel;
constexpr double kFlatShare = 0.25;         // of blocks: pictures with more flat ones are tried at every quality
constexpr uint32_t kMostRowsAround = 1024;  // in whose middle the windows are
constexpr uint64_t kMostPixelsOfWhole = 1 << 20;
// Of whole pictures, by experiment (docs/performance.md).
constexpr double kLeastRate = 0.8;       // of the networks, in parts of the block transform's,
constexpr double kLeastError = 1 / 1.5;  // and their error, in parts of what is likely
constexpr double kWorthLooking = 0.001;  // of the cost, that a wrong choice may lose on average without a closer look
constexpr double kDrawDeviation = 0.04;  // of what a single draw tells of the cost, in usual pictures,
constexpr int kUsualDraws = 12;          // which counts for as many draws
constexpr double kRowsDeviation = 0.03;  // of an error that was seen in some rows only, those of the fit
constexpr double kMargin = 0.97;         // of the cost, that must be saved: windows have edges that pictures lack

double SquaredError(const Image& a, const Image& b) {
  double sum = 0;
  const auto add = [&sum](const auto* x, const auto* y, size_t count, double level) {
    for (size_t i = 0; i < count; ++i) {
      const double difference = (double{1} * x[i] - y[i]) / level;
      sum += difference * difference;
    }
    return sum / static_cast<double>(count);
  };
  if (a.bit_depth == 8) return add(a.pixels.data(), b.pixels.data(), a.pixels.size(), 1);
  return add(reinterpret_cast<const uint16_t*>(a.pixels.data()), reinterpret_cast<const uint16_t*>(b.pixels.data()),
             a.pixels.size() / 2, 257);
}

/// The share of blocks of 8x8 without a coefficient worth coding at a high quality. Screen content has many.
double FlatShare(const Image& window) {
  const int columns = static_cast<int>(window.width) / kBlockSide, rows = static_cast<int>(window.height) / kBlockSide;
  int flat = 0;
  const int bytes = window.bit_depth / 8, pixel = window.channels * bytes;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      float samples[kBlockSize], coefficients[kBlockSize];
      for (int i = 0; i < kBlockSize; ++i) {
        const size_t at = (static_cast<size_t>(row) * kBlockSide + i / kBlockSide) * window.RowBytes() +
                          (static_cast<size_t>(column) * kBlockSide + i % kBlockSide) * pixel;
        float sum = 0;
        for (int c = 0; c < window.channels; ++c) {
          uint16_t word = window.pixels[at + static_cast<size_t>(c) * bytes];
          if (bytes == 2) {
            std::memcpy(&word, window.pixels.data() + at + static_cast<size_t>(c) * bytes, sizeof word);
            word /= 257;
          }
          sum += word;
        }
        samples[i] = sum / static_cast<float>(window.channels);
      }
      ForwardDct(samples, coefficients);
      flat += std::all_of(coefficients + 1, coefficients + kBlockSize,
                          [](float c) { return std::abs(c) * kStepsPerLevel < 0.5f * kFlatStep; });
    }
  }
  return static_cast<double>(flat) / std::max(1, columns * rows);
}

double Sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// Bits that a squared level of error is worth, summed over samples as rate is over pixels.
double ErrorWeight(const ImageHeader& picture, int quality_index) {
  return LambdaAtQuality(quality_index) / (picture.channels <= 2 ? 1 : 3);
}

/// What is lost on average by going after the sign of a difference that was measured with a normal error.
double ExpectedLoss(double difference, double deviation) {
  const double z = std::abs(difference) / deviation, pi = std::acos(-1.0);
  return deviation * (std::exp(-z * z / 2) / std::sqrt(2 * pi) - z / 2 * std::erfc(z / std::sqrt(2.0)));
}

/// Bits and weighed squared error per pixel.
Result<double> Cost(const Image& window, Coding coding, const EncodeOptions& options) {
  EncodeOptions trial;
  trial.quality = options.quality;
  trial.effort = options.effort;
  trial.threads = options.threads;
  trial.max_memory_bytes = options.max_memory_bytes;
  trial.coding = coding;
  if (options.progress) {
    trial.progress = [&options](double) { return options.progress(0); };
  }
  LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> file, Encode(window, trial));
  DecodeOptions decode;
  decode.threads = options.threads;
  decode.max_memory_bytes = options.max_memory_bytes;
  LICHEN_ASSIGN_OR_RETURN(const Image decoded, Decode(file.data(), file.size(), decode));
  const double lambda = LambdaAtQuality(QualityIndexOf(options.quality));
  constexpr double kFixedBytes = 70;  // of a file and its stream: a larger picture hardly has more
  const double bits = 8 * std::max(0.0, static_cast<double>(file.size()) - kFixedBytes);
  return bits / (double{1} * window.width * window.height) + lambda * SquaredError(window, decoded);
}

/// The top rows of a picture in whose middle it is tried: as many as a head may be.
uint32_t RowsAroundWindows(const ImageHeader& picture) {
  constexpr uint64_t kMostBytes = uint64_t{64} << 20;
  const uint64_t rows = std::clamp<uint64_t>(kMostBytes / picture.RowBytes(), 1, kMostRowsAround);
  return static_cast<uint32_t>(std::min<uint64_t>(rows, picture.height));
}

/// A quarter of a small picture; of large ones two windows, which are little of them. Pixels a side, at most.
uint32_t WindowSide(const ImageHeader& picture) {
  const double quarter = std::sqrt(double{1} * picture.width * RowsAroundWindows(picture)) / 2;
  return std::clamp(static_cast<uint32_t>(quarter) / 16 * 16, kLeastWindow, kMostWindow);
}

std::vector<Image> TrialWindows(const HeadRows& head) {
  const ImageHeader& picture = head.header();
  const uint32_t side = WindowSide(picture), rows = RowsAroundWindows(picture);
  const uint32_t width = std::min(picture.width, side), height = std::min(rows, side);
  std::vector<Image> windows;
  const uint32_t spare = picture.width - width, y = (rows - height) / 2;
  if (spare > width) {  // two, at a quarter and at three quarters
    windows.push_back(head.Window(spare / 4, y, width, height));
    windows.push_back(head.Window(spare - spare / 4, y, width, height));
  } else {
    windows.push_back(head.Window(spare / 2, y, width, height));
  }
  return windows;
}

}  // namespace

Status HeadRows::ReadHead() {
  rows_ = HeadHeight(header());
  head_.resize(rows_);
  for (std::vector<uint8_t>& row : head_) {
    row.resize(header().RowBytes());
    LICHEN_RETURN_IF_ERROR(source_.ReadRow(row.data()));
  }
  next_ = 0;
  return Status();
}

Image HeadRows::Window(uint32_t x, uint32_t y, uint32_t width, uint32_t height) const {
  Image window;
  window.width = width;
  window.height = height;
  window.bit_depth = header().bit_depth;
  window.channels = header().channels <= 2 ? 1 : 3;
  const size_t sample = static_cast<size_t>(window.bit_depth) / 8;
  const size_t from_pixel = header().channels * sample, to_pixel = window.channels * sample;
  window.pixels.resize(window.RowBytes() * height);
  uint8_t* to = window.pixels.data();
  for (uint32_t v = 0; v < height; ++v) {
    const uint8_t* from = head_[y + v].data() + x * from_pixel;
    for (uint32_t u = 0; u < width; ++u, from += from_pixel) to = std::copy_n(from, to_pixel, to);
  }
  return window;
}

Status HeadRows::ReadRow(uint8_t* row) {
  if (next_ >= head_.size()) return source_.ReadRow(row);
  std::copy(head_[next_].begin(), head_[next_].end(), row);
  std::vector<uint8_t>().swap(head_[next_++]);
  return Status();
}

Status HeadRows::Rewind() {
  LICHEN_RETURN_IF_ERROR(source_.Rewind());
  head_.clear();
  return Status();
}

Status HeadReader::ReadRow(uint8_t* row) {
  const std::vector<uint8_t>& from = head_.Row(next_++);
  std::copy(from.begin(), from.end(), row);
  return Status();
}

Status HeadReader::Rewind() {
  next_ = 0;
  return Status();
}

bool IsWorthATrial(const HeadRows& head, double quality) {
  if (quality >= kTriedFrom) return true;
  const std::vector<Image> windows = TrialWindows(head);
  return std::any_of(windows.begin(), windows.end(), [](const Image& w) { return FlatShare(w) >= kFlatShare; });
}

Result<Coding> ChooseCoding(const HeadRows& head, const EncodeOptions& options) {
  double learned = 0, dct = 0;
  for (const Image& window : TrialWindows(head)) {
    LICHEN_ASSIGN_OR_RETURN(const double by_networks, Cost(window, Coding::kLearned, options));
    LICHEN_ASSIGN_OR_RETURN(const double by_blocks, Cost(window, Coding::kDct, options));
    learned += by_networks;
    dct += by_blocks;
  }
  return dct < kMargin * learned ? Coding::kDct : Coding::kLearned;
}

bool IsChosenWhole(const bitstream::Header& picture) {
  const uint32_t side = 1u << picture.tile_size_log2;
  return picture.bit_depth == 8 && picture.width <= side && picture.height <= side &&
         uint64_t{picture.width} * picture.height <= kMostPixelsOfWhole && picture.height <= kMostRowsAround;
}

bool IsSurelyDct(const ImageHeader& picture, int quality_index, const CodedInBlocks& blocks) {
  const double bits = 8 * static_cast<double>(blocks.bytes), weight = ErrorWeight(picture, quality_index);
  return bits + weight * Sum(blocks.errors.dct) < kLeastRate * bits + weight * kLeastError * Sum(blocks.errors.learned);
}

Result<Coding> ChooseCodingOfWhole(const HeadRows& head, const ModelData& model, const CodedInBlocks& blocks,
                                   const CodedByNetworks& networks) {
  const auto quality_index = static_cast<int>(networks.header.quality_index);
  const double weight = ErrorWeight(head.header(), quality_index);
  const double dct_cost = 8 * static_cast<double>(blocks.bytes) + weight * Sum(blocks.errors.dct);
  if (networks.error) {
    const double error = weight * networks.error->squared,
                 deviation = networks.error->is_exact ? 0 : kRowsDeviation * error;
    const double more = 8 * static_cast<double>(networks.bytes) + error - dct_cost;
    if (deviation == 0 || ExpectedLoss(more, deviation) < kWorthLooking * dct_cost) {
      return more > 0 ? Coding::kDct : Coding::kLearned;
    }
  }
  SampledError learned(head, model, networks.header, networks.latents, blocks.errors);
  double more = 0;  // that the learned coding costs
  for (int draws = SampledError::kFewest; draws <= SampledError::kMost; draws *= 2) {
    LICHEN_ASSIGN_OR_RETURN(const SampledError::Estimate error, learned.Measure(draws));
    more = 8 * static_cast<double>(networks.bytes) + weight * error.sum - dct_cost;
    if (error.draws == 0) break;
    // A few draws may happen to be alike.
    const double usual = kDrawDeviation * dct_cost, seen = weight * weight * error.variance;
    const double variance = ((draws - 1) * seen + kUsualDraws * usual * usual) / (draws - 1 + kUsualDraws);
    if (ExpectedLoss(more, std::sqrt(variance / draws)) < kWorthLooking * dct_cost) break;
  }
  return more > 0 ? Coding::kDct : Coding::kLearned;
}

uint32_t HeadHeight(const ImageHeader& picture) {
  const uint32_t rows = RowsAroundWindows(picture), height = std::min(rows, WindowSide(picture));
  return rows == picture.height ? rows : (rows - height) / 2 + height;  // those below the windows can wait
}

uint64_t HeadMemory(const ImageHeader& picture) { return picture.RowBytes() * HeadHeight(picture); }

}  // namespace lichen
