// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_EVALUATION_H_
#define LICHEN_EVAL_EVALUATION_H_

// Pictures through codecs: what every file costs, and how close it comes to its original.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/bd_rate.h"
#include "eval/codecs.h"
#include "eval/metrics.h"
#include "eval/result_cache.h"
#include "eval/timing.h"

namespace lichen::eval {

/// One picture through one codec at one quality.
struct Trial {
  double quality = 0;
  size_t bytes = 0;  // of the whole file
  uint64_t pixels = 0;
  Distortion distortion;
  std::optional<Timing> timing;  // only for pictures of the timing pass

  double BitsPerPixel() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(pixels); }
};

/// Encodes, decodes and measures. errors: those of the codec and of Measure
Result<Trial> RunTrial(const Codec& codec, double quality, const Image& image);

struct Picture {
  std::string name;
  uint32_t width = 0, height = 0;
};

/// A codec with the qualities it is asked for, and what came of it.
struct Run {
  std::unique_ptr<Codec> codec;        // of one thread, because trials run side by side
  std::unique_ptr<Codec> timed_codec;  // the same with all threads, for the timing pass; null where there is none
  std::vector<double> qualities;
  std::vector<std::vector<Trial>> trials;  // [quality][picture]
};

/// Pictures evaluated so far, in the order in which they were added.
struct Evaluation {
  std::string anchor = "jpeg";  // the codec that the others are compared with, where it takes part
  std::vector<Picture> pictures;
  std::vector<Run> runs;
};

/// Called after each trial, from several threads; `cached`: its result was known.
using StepCallback = std::function<void(const Codec&, double quality, bool cached)>;

/// The run of the anchor, or null when it does not take part.
const Run* FindAnchor(const Evaluation& evaluation);

/// How the work is done.
struct Effort {
  int workers = 1;               // trials that run side by side
  int repetitions = 2;           // of each timed call, the fastest of which counts
  std::string machine;           // what timings of an earlier run must have been made on to count
  ResultCache* cache = nullptr;  // may be null
  StepCallback on_step = [](const Codec&, double, bool) {};
};

using PictureTimings = std::vector<std::vector<Timing>>;  // [run][quality]

/// Times every codec at every quality on `image`, one after another, the codecs taking turns, so that a machine that
/// becomes slower or faster does so for all. REQUIRES: as TimeCodec. errors: those of the codecs
Result<PictureTimings> TimePicture(const std::vector<Run>& runs, const Image& image, const Effort& effort);

/// Runs every codec of `evaluation` at every quality on `image` and adds the trials, or adds nothing on error, so that
/// all codecs are judged by the same pictures. `timings` may be null.
Status AddPicture(const std::string& name, const Image& image, const PictureTimings* timings, const Effort& effort,
                  Evaluation* evaluation);

/// Megapixels per second, over all pixels and the sum of times; the largest memory of any call.
struct Speed {
  double encode_wall = 0, encode_cpu = 0, decode_wall = 0, decode_cpu = 0;
  double encode_peak_bytes = 0, decode_peak_bytes = 0;
};

/// Over the trials that were timed; empty when none was.
std::optional<Speed> AverageSpeed(const std::vector<Trial>& trials);
/// Over all qualities.
std::optional<Speed> AverageSpeed(const Run& run);

/// Trials at one quality, averaged over pictures.
struct Point {
  double quality = 0;
  double bpp = 0, psnr = 0, psnr_luma = 0;  // means of the pictures' figures
  std::optional<double> ssim, ms_ssim;      // likewise; empty when no picture has one
  std::optional<Speed> speed;
};

Point Average(const std::vector<Trial>& trials);
std::vector<Point> AverageCurve(const Run& run);

enum class Metric { kPsnr, kSsim, kMsSsim };

/// Points as a rate-distortion curve; SSIM and MS-SSIM in dB. Points without the metric are left out.
std::vector<RatePoint> RateCurve(const std::vector<Point>& points, Metric metric);

/// The PSNR interval that two curves must share for their BD-rate over the whole overlap to mean much.
inline constexpr QualityRange kWantedOverlap = {27.5, 39};
/// The interval over which codecs are best compared: a wider one gives as much weight to 26 dB as to 38 dB.
inline constexpr QualityRange kMiddleRange = {29, 37};
/// How far from its ends curves may stop for the middle range to count as covered, in dB.
inline constexpr double kMiddleRangeTolerance = 0.6;

/// Bjontegaard deltas of one codec against another; empty where the curves do not overlap.
struct Comparison {
  std::optional<BdRate> psnr;
  std::optional<BdRate> psnr_middle;  // over kMiddleRange; empty when the curves do not cover it
  std::optional<BdRate> ssim, ms_ssim;
  std::optional<BdGain> psnr_gain, ssim_gain, ms_ssim_gain;
  bool overlap_is_short = false;  // the PSNR curves do not share kWantedOverlap
};

Comparison Compare(const std::vector<Point>& test, const std::vector<Point>& anchor);

/// The codec's file whose size is nearest to a wish.
struct SizeMatch {
  double quality = 0;
  std::vector<uint8_t> file;
};

/// Searches the codec's SizeLadder, taking for granted that files grow along it. errors: those of the codec
Result<SizeMatch> MatchSize(const Codec& codec, const Image& image, size_t bytes);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_EVALUATION_H_
