// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluation.h"

#include <chrono>
#include <utility>

#include "eval/pixels.h"

namespace lichen::eval {
namespace {

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The mean of those values that are there.
class OptionalMean {
 public:
  void Add(const std::optional<double>& value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  std::optional<double> Mean() const { return count_ > 0 ? std::optional<double>(sum_ / count_) : std::nullopt; }

 private:
  double sum_ = 0;
  int count_ = 0;
};

std::string Context(const Codec& codec, double quality) { return codec.Name() + " at " + FormatQuality(quality); }

size_t Distance(size_t a, size_t b) { return a > b ? a - b : b - a; }

}  // namespace

Result<Trial> RunTrial(const Codec& codec, double quality, const Image& image) {
  Trial trial;
  trial.quality = quality;
  trial.pixels = uint64_t{image.width} * image.height;

  const Stopwatch encoding;
  const Result<std::vector<uint8_t>> file = codec.Encode(image, quality);
  trial.encode_seconds = encoding.Seconds();
  if (!file.ok()) return file.status().Prefixed(Context(codec, quality));
  trial.bytes = file->size();

  const Stopwatch decoding;
  const Result<Image> decoded = codec.Decode(*file);
  trial.decode_seconds = decoding.Seconds();
  if (!decoded.ok()) return decoded.status().Prefixed(Context(codec, quality));

  const Result<Distortion> distortion = Measure(image, image.channels == 1 ? ToGray(*decoded) : *decoded);
  if (!distortion.ok()) return distortion.status().Prefixed(Context(codec, quality));
  trial.distortion = *distortion;
  return trial;
}

Status AddPicture(const std::string& name, const Image& image, const TrialCallback& on_trial, Evaluation* evaluation) {
  const bool first = evaluation->pictures.empty();
  std::vector<std::vector<Trial>> all_trials;
  for (const Run& run : evaluation->runs) {
    std::vector<Trial>& trials = all_trials.emplace_back();
    for (double quality : run.qualities) {
      on_trial(*run.codec, quality);
      const bool warm_up = first && trials.empty();
      if (warm_up) LICHEN_RETURN_IF_ERROR(RunTrial(*run.codec, quality, image).status());
      LICHEN_ASSIGN_OR_RETURN(trials.emplace_back(), RunTrial(*run.codec, quality, image));
    }
  }
  evaluation->pictures.push_back({name, image.width, image.height});
  for (size_t r = 0; r < all_trials.size(); ++r) {
    Run& run = evaluation->runs[r];
    run.trials.resize(run.qualities.size());
    for (size_t q = 0; q < run.qualities.size(); ++q) run.trials[q].push_back(all_trials[r][q]);
  }
  return Status();
}

Point Average(const std::vector<Trial>& trials) {
  Point point;
  if (trials.empty()) return point;
  point.quality = trials.front().quality;
  OptionalMean bpp, psnr, ssim, ms_ssim;
  double megapixels = 0, encode_seconds = 0, decode_seconds = 0;
  for (const Trial& trial : trials) {
    bpp.Add(trial.BitsPerPixel());
    psnr.Add(trial.distortion.psnr);
    ssim.Add(trial.distortion.ssim);
    ms_ssim.Add(trial.distortion.ms_ssim);
    megapixels += static_cast<double>(trial.pixels) / 1e6;
    encode_seconds += trial.encode_seconds;
    decode_seconds += trial.decode_seconds;
  }
  point.bpp = *bpp.Mean();
  point.psnr = *psnr.Mean();
  point.ssim = ssim.Mean();
  point.ms_ssim = ms_ssim.Mean();
  point.encode_speed = megapixels / encode_seconds;
  point.decode_speed = megapixels / decode_seconds;
  return point;
}

std::vector<Point> AverageCurve(const Run& run) {
  std::vector<Point> points;
  for (const std::vector<Trial>& trials : run.trials) points.push_back(Average(trials));
  return points;
}

std::vector<RatePoint> RateCurve(const std::vector<Point>& points, Metric metric) {
  std::vector<RatePoint> curve;
  for (const Point& point : points) {
    if (metric == Metric::kPsnr) {
      curve.push_back({point.bpp, point.psnr});
    } else if (const std::optional<double>& similarity = metric == Metric::kSsim ? point.ssim : point.ms_ssim) {
      curve.push_back({point.bpp, ToDecibels(*similarity)});
    }
  }
  return curve;
}

Comparison Compare(const std::vector<Point>& test, const std::vector<Point>& anchor) {
  const auto bd_rate = [&](Metric metric, const QualityRange& limits) {
    return ComputeBdRate(RateCurve(test, metric), RateCurve(anchor, metric), limits);
  };
  const auto covers = [](const BdRate& result, const QualityRange& wanted, double tolerance) {
    return result.range.low <= wanted.low + tolerance && result.range.high >= wanted.high - tolerance;
  };
  Comparison comparison;
  comparison.psnr = bd_rate(Metric::kPsnr, {});
  comparison.ssim = bd_rate(Metric::kSsim, {});
  comparison.ms_ssim = bd_rate(Metric::kMsSsim, {});
  comparison.overlap_is_short = !comparison.psnr || !covers(*comparison.psnr, kWantedOverlap, 0);
  if (comparison.psnr && covers(*comparison.psnr, kMiddleRange, kMiddleRangeTolerance)) {
    comparison.psnr_middle = bd_rate(Metric::kPsnr, kMiddleRange);
  }
  return comparison;
}

Result<SizeMatch> MatchSize(const Codec& codec, const Image& image, size_t bytes) {
  const std::vector<double> ladder = codec.SizeLadder();
  // The answer lies at the first step whose file is no smaller than `bytes`, or just below it.
  size_t low = 0, high = ladder.size() - 1;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    std::vector<uint8_t> file;
    LICHEN_ASSIGN_OR_RETURN(file, codec.Encode(image, ladder[middle]));
    if (file.size() >= bytes) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  SizeMatch match;
  match.quality = ladder[low];
  LICHEN_ASSIGN_OR_RETURN(match.file, codec.Encode(image, match.quality));
  if (low > 0) {
    std::vector<uint8_t> smaller;
    LICHEN_ASSIGN_OR_RETURN(smaller, codec.Encode(image, ladder[low - 1]));
    if (Distance(smaller.size(), bytes) < Distance(match.file.size(), bytes)) {
      return SizeMatch{ladder[low - 1], smaller};
    }
  }
  return match;
}

}  // namespace lichen::eval
