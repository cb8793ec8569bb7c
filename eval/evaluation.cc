// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluation.h"

#include <algorithm>
#include <utility>

#include "eval/parallel.h"
#include "eval/pixels.h"

namespace lichen::eval {
namespace {

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

// Names a result; the number in front changes whenever figures are defined anew.
std::string CacheKey(const std::string& picture_hash, const Codec& codec, double quality) {
  return "1 " + picture_hash + " " + FormatQuality(quality) + " " + codec.Identity();
}

Record ToRecord(const Trial& trial) {
  const Distortion& distortion = trial.distortion;
  return {static_cast<double>(trial.bytes), distortion.psnr, distortion.psnr_luma, distortion.ssim, distortion.ms_ssim};
}

std::optional<Trial> TrialFromRecord(const std::optional<Record>& record, double quality, const Image& image) {
  if (!record || record->size() != 5) return std::nullopt;
  const Record& figures = *record;
  if (!figures[0] || !figures[1] || !figures[2]) return std::nullopt;
  Trial trial;
  trial.quality = quality;
  trial.bytes = static_cast<size_t>(*figures[0]);
  trial.pixels = uint64_t{image.width} * image.height;
  trial.distortion = {*figures[1], *figures[2], figures[3], figures[4]};
  return trial;
}

Record ToRecord(const Timing& timing) {
  const Cost &encode = timing.encode, &decode = timing.decode;
  return {encode.cpu_seconds, encode.wall_seconds, encode.peak_bytes,
          decode.cpu_seconds, decode.wall_seconds, decode.peak_bytes};
}

std::optional<Timing> TimingFromRecord(const std::optional<Record>& record) {
  if (!record || record->size() != 6) return std::nullopt;
  if (!std::all_of(record->begin(), record->end(), [](const auto& figure) { return figure.has_value(); })) {
    return std::nullopt;
  }
  const Record& figures = *record;
  return Timing{{*figures[0], *figures[1], *figures[2]}, {*figures[3], *figures[4], *figures[5]}};
}

// The trial from the cache, or run and put there.
Result<Trial> FindOrRunTrial(const Codec& codec, double quality, const Image& image, const std::string& picture_hash,
                             const Effort& effort) {
  const std::string key = effort.cache == nullptr ? "" : CacheKey(picture_hash, codec, quality);
  if (effort.cache != nullptr) {
    if (const std::optional<Trial> known = TrialFromRecord(effort.cache->Find(key), quality, image)) {
      effort.on_step(codec, quality, true);
      return *known;
    }
  }
  Result<Trial> trial = RunTrial(codec, quality, image);
  if (trial.ok() && effort.cache != nullptr) effort.cache->Add(key, ToRecord(*trial));
  effort.on_step(codec, quality, false);
  return trial;
}

Result<Timing> FindOrTime(const Codec& codec, double quality, const Image& image, const std::string& picture_hash,
                          const Effort& effort) {
  const std::string key =
      effort.cache == nullptr ? "" : CacheKey(picture_hash, codec, quality) + " on " + effort.machine;
  if (effort.cache != nullptr) {
    if (const std::optional<Timing> known = TimingFromRecord(effort.cache->Find(key))) {
      effort.on_step(codec, quality, true);
      return *known;
    }
  }
  Result<Timing> timing = TimeCodec(codec, quality, image, effort.repetitions);
  if (!timing.ok()) return timing.status().Prefixed(Context(codec, quality));
  if (effort.cache != nullptr) effort.cache->Add(key, ToRecord(*timing));
  effort.on_step(codec, quality, false);
  return timing;
}

size_t Distance(size_t a, size_t b) { return a > b ? a - b : b - a; }

}  // namespace

Result<Trial> RunTrial(const Codec& codec, double quality, const Image& image) {
  Trial trial;
  trial.quality = quality;
  trial.pixels = uint64_t{image.width} * image.height;

  const Result<std::vector<uint8_t>> file = codec.Encode(image, quality);
  if (!file.ok()) return file.status().Prefixed(Context(codec, quality));
  trial.bytes = file->size();
  const Result<Image> decoded = codec.Decode(*file);
  if (!decoded.ok()) return decoded.status().Prefixed(Context(codec, quality));

  const Result<Distortion> distortion = Measure(image, image.channels == 1 ? ToGray(*decoded) : *decoded);
  if (!distortion.ok()) return distortion.status().Prefixed(Context(codec, quality));
  trial.distortion = *distortion;
  return trial;
}

const Run* FindAnchor(const Evaluation& evaluation) {
  for (const Run& run : evaluation.runs) {
    if (run.codec->Name() == evaluation.anchor) return &run;
  }
  return nullptr;
}

Result<PictureTimings> TimePicture(const std::vector<Run>& runs, const Image& image, const Effort& effort) {
  const std::string picture_hash = HashPicture(image);
  PictureTimings timings(runs.size());
  size_t steps = 0;
  for (const Run& run : runs) steps = std::max(steps, run.qualities.size());
  for (size_t step = 0; step < steps; ++step) {
    for (size_t r = 0; r < runs.size(); ++r) {
      if (step >= runs[r].qualities.size()) continue;
      const Codec& codec = *runs[r].timed_codec;
      LICHEN_ASSIGN_OR_RETURN(timings[r].emplace_back(),
                              FindOrTime(codec, runs[r].qualities[step], image, picture_hash, effort));
    }
  }
  return timings;
}

Status AddPicture(const std::string& name, const Image& image, const PictureTimings* timings, const Effort& effort,
                  Evaluation* evaluation) {
  const std::string picture_hash = effort.cache == nullptr ? "" : HashPicture(image);
  struct Task {
    size_t run, quality;
  };
  std::vector<Task> tasks;
  for (size_t r = 0; r < evaluation->runs.size(); ++r) {
    for (size_t q = 0; q < evaluation->runs[r].qualities.size(); ++q) tasks.push_back({r, q});
  }
  std::vector<Trial> trials(tasks.size());
  LICHEN_RETURN_IF_ERROR(ParallelFor(tasks.size(), effort.workers, [&](size_t i) -> Status {
    const Run& run = evaluation->runs[tasks[i].run];
    LICHEN_ASSIGN_OR_RETURN(trials[i],
                            FindOrRunTrial(*run.codec, run.qualities[tasks[i].quality], image, picture_hash, effort));
    if (timings != nullptr) trials[i].timing = (*timings)[tasks[i].run][tasks[i].quality];
    return Status();
  }));
  evaluation->pictures.push_back({name, image.width, image.height});
  for (size_t i = 0; i < tasks.size(); ++i) {
    Run& run = evaluation->runs[tasks[i].run];
    run.trials.resize(run.qualities.size());
    run.trials[tasks[i].quality].push_back(trials[i]);
  }
  return Status();
}

std::optional<Speed> AverageSpeed(const std::vector<Trial>& trials) {
  Speed speed;
  double megapixels = 0;
  Cost encode, decode;
  for (const Trial& trial : trials) {
    if (!trial.timing) continue;
    megapixels += static_cast<double>(trial.pixels) / 1e6;
    encode.wall_seconds += trial.timing->encode.wall_seconds;
    encode.cpu_seconds += trial.timing->encode.cpu_seconds;
    decode.wall_seconds += trial.timing->decode.wall_seconds;
    decode.cpu_seconds += trial.timing->decode.cpu_seconds;
    speed.encode_peak_bytes = std::max(speed.encode_peak_bytes, trial.timing->encode.peak_bytes);
    speed.decode_peak_bytes = std::max(speed.decode_peak_bytes, trial.timing->decode.peak_bytes);
  }
  if (megapixels == 0) return std::nullopt;
  constexpr double kClockStep = 1e-6;  // of the kernel's CPU times: a call may seem to take none
  speed.encode_wall = megapixels / std::max(kClockStep, encode.wall_seconds);
  speed.encode_cpu = megapixels / std::max(kClockStep, encode.cpu_seconds);
  speed.decode_wall = megapixels / std::max(kClockStep, decode.wall_seconds);
  speed.decode_cpu = megapixels / std::max(kClockStep, decode.cpu_seconds);
  return speed;
}

std::optional<Speed> AverageSpeed(const Run& run) {
  std::vector<Trial> all;
  for (const std::vector<Trial>& trials : run.trials) all.insert(all.end(), trials.begin(), trials.end());
  return AverageSpeed(all);
}

Point Average(const std::vector<Trial>& trials) {
  Point point;
  if (trials.empty()) return point;
  point.quality = trials.front().quality;
  OptionalMean bpp, psnr, psnr_luma, ssim, ms_ssim;
  for (const Trial& trial : trials) {
    bpp.Add(trial.BitsPerPixel());
    psnr.Add(trial.distortion.psnr);
    psnr_luma.Add(trial.distortion.psnr_luma);
    ssim.Add(trial.distortion.ssim);
    ms_ssim.Add(trial.distortion.ms_ssim);
  }
  point.bpp = *bpp.Mean();
  point.psnr = *psnr.Mean();
  point.psnr_luma = *psnr_luma.Mean();
  point.ssim = ssim.Mean();
  point.ms_ssim = ms_ssim.Mean();
  point.speed = AverageSpeed(trials);
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
  const auto bd_gain = [&](Metric metric) { return ComputeBdGain(RateCurve(test, metric), RateCurve(anchor, metric)); };
  comparison.psnr_gain = bd_gain(Metric::kPsnr);
  comparison.ssim_gain = bd_gain(Metric::kSsim);
  comparison.ms_ssim_gain = bd_gain(Metric::kMsSsim);
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
