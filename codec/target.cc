// SPDX-License-Identifier: Apache-2.0
#include "codec/target.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "codec/analysis.h"
#include "codec/fixed_point.h"
#include "codec/quality_search.h"

namespace lichen {
namespace {

constexpr double kSizeTolerance = 0.01;  // of the target, below it
constexpr double kPsnrTolerance = 0.05;  // dB, above the target

Status Invalid(const std::string& message) { return Status(StatusCode::kInvalidArgument, message); }

/// Passes everything on.
class BorrowedRows : public RowSource {
 public:
  explicit BorrowedRows(RowSource& source) : source_(source) {}
  const ImageHeader& header() const override { return source_.header(); }
  Status ReadRow(uint8_t* row) override { return source_.ReadRow(row); }
  bool can_rewind() const override { return source_.can_rewind(); }
  Status Rewind() override { return source_.Rewind(); }

 private:
  RowSource& source_;
};

/// Keeps the rows as they are read for the first time.
class KeptRows : public RowSource {
 public:
  explicit KeptRows(RowSource& source) : source_(source) {}
  const ImageHeader& header() const override { return source_.header(); }
  bool can_rewind() const override { return true; }
  Status Rewind() override {
    next_ = 0;
    return Status();
  }
  Status ReadRow(uint8_t* row) override {
    const size_t bytes = header().RowBytes(), at = next_++ * bytes;
    if (at < rows_.size()) {
      std::memcpy(row, rows_.data() + at, bytes);
      return Status();
    }
    LICHEN_RETURN_IF_ERROR(source_.ReadRow(row));
    if (rows_.empty()) rows_.reserve(bytes * header().height);
    rows_.insert(rows_.end(), row, row + bytes);
    return Status();
  }

 private:
  RowSource& source_;
  size_t next_ = 0;
  std::vector<uint8_t> rows_;
};

/// Takes a decoded picture and compares its colours with the original.
class ErrorSink : public RowSink {
 public:
  explicit ErrorSink(RowSource& original) : original_(original), row_(original.header().RowBytes()) {}

  Status Begin(const ImageHeader& header) override {
    channels_ = header.channels;
    return Status();
  }
  Status WriteRow(const uint8_t* row) override {
    LICHEN_RETURN_IF_ERROR(original_.ReadRow(row_.data()));
    squares_ += original_.header().bit_depth == 8 ? Squares<uint8_t>(row) : Squares<uint16_t>(row);
    return Status();
  }

  double Psnr() const {
    const ImageHeader& picture = original_.header();
    const double peak = picture.bit_depth == 8 ? 255 : 65535;
    const double mean = squares_ / (double{1} * picture.width * picture.height * colours());
    constexpr double kExact = 1e-12;  // stands for 0, whose logarithm no search can use: 120 dB
    return -10 * std::log10(std::max(mean / (peak * peak), kExact));
  }

 private:
  int colours() const { return original_.header().channels <= 2 ? 1 : 3; }

  template <typename Sample>
  double Squares(const uint8_t* row) const {
    const ImageHeader& picture = original_.header();
    double sum = 0;
    for (size_t x = 0; x < picture.width; ++x) {
      for (int c = 0; c < colours(); ++c) {
        Sample a, b;
        std::memcpy(&a, row_.data() + (x * picture.channels + c) * sizeof a, sizeof a);
        std::memcpy(&b, row + (x * channels_ + c) * sizeof b, sizeof b);
        sum += (double{1} * a - b) * (double{1} * a - b);
      }
    }
    return sum;
  }

  RowSource& original_;
  std::vector<uint8_t> row_;
  int channels_ = 0;  // of the decoded picture, which lacks an alpha that is all opaque
  double squares_ = 0;
};

/// Means over photographs with the model lichen-8: where a search starts.
struct Expectation {
  int index;
  double bits_per_pixel, psnr;
};
constexpr Expectation kExpectations[] = {{45, 0.079, 26.2},  {179, 0.151, 28.2}, {358, 0.361, 31.5},
                                         {538, 0.756, 35.1}, {717, 1.360, 38.7}, {851, 1.986, 41.2}};
constexpr double kLogRateSlope = 0.0040;  // of the same: natural logarithm per index
constexpr double kPsnrSlope = 0.0185;     // dB per index

/// Where the expectations, as (index, value), pass `aim`; linear between them.
template <typename Value>
int StartIndex(double aim, const Value& value) {
  const Expectation* above = std::begin(kExpectations);
  while (above != std::end(kExpectations) && value(*above) < aim) ++above;
  if (above == std::begin(kExpectations)) return above->index;
  const Expectation* below = above - 1;
  if (above == std::end(kExpectations)) return below->index;
  const double share = (aim - value(*below)) / (value(*above) - value(*below));
  return below->index + static_cast<int>(std::lround(share * (above->index - below->index)));
}

class TargetSearch {
 public:
  TargetSearch(const EncodeOptions& options, RowSource& rows, const TrialEncoder& encode)
      : options_(options),
        rows_(rows),
        encode_(encode),
        pixels_(double{1} * rows.header().width * rows.header().height),
        by_psnr_(options.target_psnr > 0),
        most_bytes_(
            std::max(1.0, std::floor(options.target_bits_per_pixel > 0 ? options.target_bits_per_pixel * pixels_ / 8
                                                                       : static_cast<double>(options.target_bytes)))) {}

  Result<std::vector<uint8_t>> Run() {
    QualityGoal goal = {std::log((1 - kSizeTolerance) * most_bytes_), std::log(most_bytes_), true, kLogRateSlope};
    if (by_psnr_) goal = {options_.target_psnr, options_.target_psnr + kPsnrTolerance, false, kPsnrSlope};
    LICHEN_ASSIGN_OR_RETURN(const QualityResult found,
                            SearchQuality(goal, Start(), [this](int index) { return Measure(index); }));
    if (!found.in_reach) return OutOfReach(found.trial);
    if (options_.progress && !options_.progress(1)) return Status(StatusCode::kCancelled, "cancelled");
    return std::move(best_);
  }

 private:
  int Start() const {
    if (by_psnr_) return StartIndex(options_.target_psnr, [](const Expectation& row) { return row.psnr; });
    return StartIndex(std::log(most_bytes_ * 8 / pixels_),
                      [](const Expectation& row) { return std::log(row.bits_per_pixel); });
  }

  /// One trial: the PSNR, or the logarithm of the size. Keeps the file if none so far is nearer to the target on the
  /// right side of it.
  Result<double> Measure(int index) {
    const double before = Share(0), after = Share(1);
    ProgressCallback progress;
    if (options_.progress) {
      progress = [&](double share) { return options_.progress(before + share * (after - before)); };
    }
    LICHEN_ASSIGN_OR_RETURN(std::vector<uint8_t> file, encode_(index, progress));
    ++trials_;
    double measured = std::log(static_cast<double>(file.size()));
    bool better = static_cast<double>(file.size()) <= most_bytes_ && file.size() > best_.size();
    if (by_psnr_) {
      LICHEN_ASSIGN_OR_RETURN(measured, MeasurePsnr(file));
      better = measured >= options_.target_psnr && (best_.empty() || measured < best_psnr_);
      if (better) best_psnr_ = measured;
    }
    if (better) best_ = std::move(file);
    return measured;
  }

  /// The share of the work that this and `more` trials finish: each does half of what is left, for want of knowing how
  /// many there will be.
  double Share(int more) const { return 1 - std::ldexp(1.0, -(trials_ + more)); }

  Result<double> MeasurePsnr(const std::vector<uint8_t>& file) {
    LICHEN_RETURN_IF_ERROR(rows_.Rewind());
    ErrorSink errors(rows_);
    DecodeOptions options;
    options.threads = options_.threads;
    options.max_pixels = UINT64_MAX;
    options.max_memory_bytes = options_.max_memory_bytes;
    options.model = options_.model;
    LICHEN_RETURN_IF_ERROR(Decode(file.data(), file.size(), options, errors));
    return errors.Psnr();
  }

  Status OutOfReach(const QualityTrial& nearest) {
    const Result<double> other = Measure(nearest.index == 0 ? kMaxQualityIndex : 0);
    if (!other.ok()) return other.status();
    const double least = std::min(nearest.measured, *other), most = std::max(nearest.measured, *other);
    char text[256];
    if (by_psnr_) {
      std::snprintf(text, sizeof text,
                    "a PSNR of %g dB is out of reach: from quality 0 to 100 this picture has %.2f to %.2f dB",
                    options_.target_psnr, least, most);
    } else {
      std::snprintf(text, sizeof text,
                    "a file of %.0f bytes (%.4g bits per pixel) is out of reach: from quality 0 to 100 this picture "
                    "takes %.0f to %.0f bytes (%.4g to %.4g bits per pixel)",
                    most_bytes_, most_bytes_ * 8 / pixels_, std::exp(least), std::exp(most),
                    std::exp(least) * 8 / pixels_, std::exp(most) * 8 / pixels_);
    }
    return Invalid(text);
  }

  const EncodeOptions& options_;
  RowSource& rows_;
  const TrialEncoder& encode_;
  double pixels_;
  bool by_psnr_;
  double most_bytes_;
  int trials_ = 0;
  std::vector<uint8_t> best_;
  double best_psnr_ = 0;
};

}  // namespace

bool HasTarget(const EncodeOptions& options) {
  return options.target_bytes > 0 || options.target_bits_per_pixel > 0 || options.target_psnr > 0;
}

Status CheckTarget(const EncodeOptions& options) {
  if (!(options.target_bits_per_pixel >= 0 && options.target_bits_per_pixel <= 1e6)) {
    return Invalid("a target of " + std::to_string(options.target_bits_per_pixel) +
                   " bits per pixel; a number above 0 expected");
  }
  if (!(options.target_psnr >= 0 && options.target_psnr <= 1000)) {
    return Invalid("a target of " + std::to_string(options.target_psnr) + " dB; a number above 0 expected");
  }
  const int targets = (options.target_bytes > 0) + (options.target_bits_per_pixel > 0) + (options.target_psnr > 0);
  if (targets > 1) return Invalid("more than one target; give a size, bits per pixel or a PSNR");
  return Status();
}

Result<std::unique_ptr<RowSource>> MakeRepeatable(RowSource& source, bool rereads) {
  if (!rereads || source.can_rewind()) return std::unique_ptr<RowSource>(new BorrowedRows(source));
  const double bytes = static_cast<double>(source.header().RowBytes()) * source.header().height;
  if (bytes > static_cast<double>(kKeptBytes)) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "this picture has %.0f bytes uncompressed and can be read only once, which a target needs more "
                  "often; up to %zu bytes are kept, so give it as a file, or a quality instead of a target",
                  bytes, kKeptBytes);
    return Status(StatusCode::kLimitExceeded, text);
  }
  return std::unique_ptr<RowSource>(new KeptRows(source));
}

Result<std::vector<uint8_t>> SearchTarget(const EncodeOptions& options, RowSource& rows, const TrialEncoder& encode) {
  return TargetSearch(options, rows, encode).Run();
}

}  // namespace lichen
