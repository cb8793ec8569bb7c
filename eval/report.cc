// SPDX-License-Identifier: Apache-2.0
#include "eval/report.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

#include "lichen/codec.h"

namespace lichen::eval {
namespace {

using Json = nlohmann::ordered_json;

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Signed(double value, int digits) { return (value < 0 ? "" : "+") + Fixed(value, digits); }

std::string OptionalDecibels(const std::optional<double>& similarity) {
  return similarity ? Fixed(ToDecibels(*similarity), 2) : "-";
}

std::string Left(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string Right(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

double Megapixels(const Evaluation& evaluation) {
  double pixels = 0;
  for (const Picture& picture : evaluation.pictures) pixels += double{1} * picture.width * picture.height;
  return pixels / 1e6;
}

size_t NameWidth(const Evaluation& evaluation) {
  size_t width = 10;
  for (const Run& run : evaluation.runs) width = std::max(width, run.codec->Name().size() + 2);
  return width;
}

void PrintSpeeds(const Evaluation& evaluation, std::ostream& out) {
  size_t timed = 0;
  const std::vector<Trial>& trials = evaluation.runs.front().trials.front();
  for (const Trial& trial : trials) timed += trial.timing.has_value() ? 1 : 0;
  if (timed == 0) return;
  const size_t width = NameWidth(evaluation);
  out << "\nspeed over all qualities, " << timed << (timed == 1 ? " picture" : " pictures")
      << ", and the largest memory of a process\n"
      << Left("codec", width) << "encode MP/s  per CPU s  memory MB  decode MP/s  per CPU s  memory MB\n";
  for (const Run& run : evaluation.runs) {
    const std::optional<Speed> speed = AverageSpeed(run);
    if (!speed) continue;
    out << Left(run.codec->Name(), width) << Right(Fixed(speed->encode_wall, 2), 11)
        << Right(Fixed(speed->encode_cpu, 2), 11) << Right(Fixed(speed->encode_peak_bytes / 1e6, 0), 11)
        << Right(Fixed(speed->decode_wall, 2), 13) << Right(Fixed(speed->decode_cpu, 2), 11)
        << Right(Fixed(speed->decode_peak_bytes / 1e6, 0), 11) << "\n";
  }
}

void PrintPoints(const Evaluation& evaluation, std::ostream& out) {
  const size_t width = NameWidth(evaluation);
  out << Left("codec", width) << "quality     bpp  PSNR dB  SSIM dB  MS-SSIM dB  encode MP/s  decode MP/s\n";
  for (const Run& run : evaluation.runs) {
    for (const Point& point : AverageCurve(run)) {
      out << Left(run.codec->Name(), width) << Right(FormatQuality(point.quality), 7) << Right(Fixed(point.bpp, 4), 8)
          << Right(Fixed(point.psnr, 3), 9) << Right(OptionalDecibels(point.ssim), 9)
          << Right(OptionalDecibels(point.ms_ssim), 12)
          << Right(point.speed ? Fixed(point.speed->encode_wall, 2) : "-", 13)
          << Right(point.speed ? Fixed(point.speed->decode_wall, 2) : "-", 13) << "\n";
    }
  }
}

void PrintBdRate(const char* metric, const std::optional<BdRate>& result, const char* otherwise, std::ostream& out) {
  out << "  " << Left(metric, 22);
  if (!result) {
    out << otherwise << "\n";
    return;
  }
  out << Right(Signed(result->percent, 2), 8) << " %   over " << Fixed(result->range.low, 2) << " .. "
      << Fixed(result->range.high, 2) << " dB\n";
}

void PrintBdGain(const char* metric, const std::optional<BdGain>& result, std::ostream& out) {
  if (!result) return;
  out << "  " << Left(metric, 22) << Right(Signed(result->decibels, 2), 8) << " dB  over " << Fixed(result->low_bpp, 3)
      << " .. " << Fixed(result->high_bpp, 3) << " bpp\n";
}

void PrintComparison(const std::string& name, const std::string& anchor, const Comparison& comparison,
                     std::ostream& out) {
  const char* no_overlap = "no overlap";
  out << "\nBD-rate of " << name << " against " << anchor << " (below 0: fewer bits for the same quality)\n";
  PrintBdRate("PSNR", comparison.psnr, no_overlap, out);
  PrintBdRate("PSNR, 29-37 dB only", comparison.psnr_middle, "the curves do not cover it", out);
  PrintBdRate("SSIM in dB", comparison.ssim, no_overlap, out);
  PrintBdRate("MS-SSIM in dB", comparison.ms_ssim, no_overlap, out);
  PrintBdGain("BD-PSNR", comparison.psnr_gain, out);
}

// Calls visit(run, comparison) for every codec but the anchor, if the anchor takes part.
template <typename Visitor>
void ForEachComparison(const Evaluation& evaluation, const Visitor& visit) {
  const Run* anchor = FindAnchor(evaluation);
  if (anchor == nullptr) return;
  const std::vector<Point> anchor_points = AverageCurve(*anchor);
  for (const Run& run : evaluation.runs) {
    if (&run != anchor) visit(run, Compare(AverageCurve(run), anchor_points));
  }
}

Json OptionalNumber(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json BdRateToJson(const std::optional<BdRate>& result) {
  if (!result) return nullptr;
  return {{"percent", result->percent}, {"low_db", result->range.low}, {"high_db", result->range.high}};
}

Json BdGainToJson(const std::optional<BdGain>& result) {
  if (!result) return nullptr;
  return {{"db", result->decibels}, {"low_bpp", result->low_bpp}, {"high_bpp", result->high_bpp}};
}

Json SpeedToJson(const std::optional<Speed>& speed) {
  if (!speed) return nullptr;
  return {{"enc_mp_per_wall_s", speed->encode_wall},    {"enc_mp_per_cpu_s", speed->encode_cpu},
          {"dec_mp_per_wall_s", speed->decode_wall},    {"dec_mp_per_cpu_s", speed->decode_cpu},
          {"enc_peak_bytes", speed->encode_peak_bytes}, {"dec_peak_bytes", speed->decode_peak_bytes}};
}

Json CostToJson(const Cost& cost) {
  return {{"cpu_s", cost.cpu_seconds}, {"wall_s", cost.wall_seconds}, {"peak_bytes", cost.peak_bytes}};
}

Json TimingToJson(const std::optional<Timing>& timing) {
  if (!timing) return nullptr;
  return {{"enc", CostToJson(timing->encode)}, {"dec", CostToJson(timing->decode)}};
}

Json PointsToJson(const Run& run) {
  Json points = Json::array();
  for (const Point& point : AverageCurve(run)) {
    points.push_back({{"quality", point.quality},
                      {"bpp", point.bpp},
                      {"psnr", point.psnr},
                      {"psnr_luma", point.psnr_luma},
                      {"ssim", OptionalNumber(point.ssim)},
                      {"ms_ssim", OptionalNumber(point.ms_ssim)},
                      {"speed", SpeedToJson(point.speed)}});
  }
  return points;
}

Json TrialsToJson(const Evaluation& evaluation, const Run& run) {
  Json by_quality = Json::object();
  for (const std::vector<Trial>& trials : run.trials) {
    Json& by_picture = by_quality[FormatQuality(trials.front().quality)];
    for (size_t i = 0; i < trials.size(); ++i) {
      const Trial& trial = trials[i];
      by_picture[evaluation.pictures[i].name] = {{"bytes", trial.bytes},
                                                 {"bpp", trial.BitsPerPixel()},
                                                 {"psnr", trial.distortion.psnr},
                                                 {"psnr_luma", trial.distortion.psnr_luma},
                                                 {"ssim", OptionalNumber(trial.distortion.ssim)},
                                                 {"ms_ssim", OptionalNumber(trial.distortion.ms_ssim)},
                                                 {"timing", TimingToJson(trial.timing)}};
    }
  }
  return by_quality;
}

// Quoted where a comma, a quote or a line break asks for it (RFC 4180).
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Six fields, each after a comma.
std::string CsvTiming(const std::optional<Timing>& timing) {
  if (!timing) return ",,,,,,";
  std::string fields;
  for (const Cost* cost : {&timing->encode, &timing->decode}) {
    fields +=
        "," + Fixed(cost->wall_seconds, 6) + "," + Fixed(cost->cpu_seconds, 6) + "," + Fixed(cost->peak_bytes / 1e6, 1);
  }
  return fields;
}

}  // namespace

void PrintTable(const Evaluation& evaluation, const std::string& machine, std::ostream& out) {
  out << "lichen-eval " << Version() << ": " << evaluation.pictures.size()
      << (evaluation.pictures.size() == 1 ? " picture, " : " pictures, ") << Fixed(Megapixels(evaluation), 2)
      << " megapixels; " << machine << "\n";
  for (const Run& run : evaluation.runs)
    out << Left(run.codec->Name(), NameWidth(evaluation)) << run.codec->Version() << "\n";
  out << "\n";
  PrintPoints(evaluation, out);
  PrintSpeeds(evaluation, out);
  ForEachComparison(evaluation, [&](const Run& run, const Comparison& comparison) {
    PrintComparison(run.codec->Name(), evaluation.anchor, comparison, out);
  });
}

void PrintWarnings(const Evaluation& evaluation, std::ostream& messages) {
  ForEachComparison(evaluation, [&](const Run& run, const Comparison& comparison) {
    if (!comparison.overlap_is_short) return;
    messages << "lichen-eval: warning: the PSNR curves of " << run.codec->Name() << " and " << evaluation.anchor
             << " do not share all of " << kWantedOverlap.low << " .. " << kWantedOverlap.high
             << " dB, so their BD-rate is not comparable with published ones; add qualities or pictures\n";
  });
}

std::string ToCsv(const Evaluation& evaluation) {
  std::ostringstream out;
  const auto optional = [](const std::optional<double>& value) { return value ? Fixed(*value, 6) : std::string(); };
  const auto decibels = [](const std::optional<double>& value) {
    return value ? Fixed(ToDecibels(*value), 4) : std::string();
  };
  out << "codec,quality,picture,width,height,bytes,bpp,psnr,psnr_luma,ssim,ssim_db,ms_ssim,ms_ssim_db,"
         "encode_wall_s,encode_cpu_s,encode_peak_mb,decode_wall_s,decode_cpu_s,decode_peak_mb\n";
  for (const Run& run : evaluation.runs) {
    for (const std::vector<Trial>& trials : run.trials) {
      for (size_t i = 0; i < trials.size(); ++i) {
        const Trial& trial = trials[i];
        const Picture& picture = evaluation.pictures[i];
        out << run.codec->Name() << ',' << FormatQuality(trial.quality) << ',' << CsvField(picture.name) << ','
            << picture.width << ',' << picture.height << ',' << trial.bytes << ',' << Fixed(trial.BitsPerPixel(), 6)
            << ',' << Fixed(trial.distortion.psnr, 4) << ',' << Fixed(trial.distortion.psnr_luma, 4) << ','
            << optional(trial.distortion.ssim) << ',' << decibels(trial.distortion.ssim) << ','
            << optional(trial.distortion.ms_ssim) << ',' << decibels(trial.distortion.ms_ssim)
            << CsvTiming(trial.timing) << '\n';
      }
    }
  }
  return out.str();
}

std::string ToJson(const Evaluation& evaluation, const std::string& machine) {
  Json root = Json::object();
  for (const Run& run : evaluation.runs) {
    root[run.codec->Name()] = {{"version", run.codec->Version()},      {"machine", machine},
                               {"images", evaluation.pictures.size()}, {"megapixels", Megapixels(evaluation)},
                               {"points", PointsToJson(run)},          {"speed", SpeedToJson(AverageSpeed(run))}};
  }
  ForEachComparison(evaluation, [&](const Run& run, const Comparison& comparison) {
    root[run.codec->Name()]["bd_rate"] = {{"anchor", evaluation.anchor},
                                          {"psnr", BdRateToJson(comparison.psnr)},
                                          {"psnr_29_37", BdRateToJson(comparison.psnr_middle)},
                                          {"ssim_db", BdRateToJson(comparison.ssim)},
                                          {"ms_ssim_db", BdRateToJson(comparison.ms_ssim)}};
    root[run.codec->Name()]["bd_psnr"] = {{"anchor", evaluation.anchor},
                                          {"psnr", BdGainToJson(comparison.psnr_gain)},
                                          {"ssim_db", BdGainToJson(comparison.ssim_gain)},
                                          {"ms_ssim_db", BdGainToJson(comparison.ms_ssim_gain)}};
  });
  for (const Run& run : evaluation.runs) root[run.codec->Name()]["per_image"] = TrialsToJson(evaluation, run);
  // Names of files may hold bytes that are no UTF-8.
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToMarkdown(const Evaluation& evaluation) {
  const auto percent = [](const std::optional<BdRate>& rate) { return rate ? Signed(rate->percent, 1) + " %" : "-"; };
  std::map<const Run*, Comparison> comparisons;
  ForEachComparison(evaluation, [&comparisons](const Run& run, const Comparison& c) { comparisons.emplace(&run, c); });
  std::string text =
      "| codec | BD-rate, PSNR | 29-37 dB only | SSIM | MS-SSIM | encode MP/s | decode MP/s "
      "|\n|---|--:|--:|--:|--:|--:|--:|\n";
  for (const Run& run : evaluation.runs) {
    text += "| " + run.codec->Name() + " |";
    const auto found = comparisons.find(&run);
    if (found == comparisons.end()) {
      text += " 0 | 0 | 0 | 0 |";
    } else {
      const Comparison& c = found->second;
      for (const auto& rate : {c.psnr, c.psnr_middle, c.ssim, c.ms_ssim}) text += " " + percent(rate) + " |";
    }
    const std::optional<Speed> speed = AverageSpeed(run);
    text += speed ? " " + Fixed(speed->encode_wall, 1) + " | " + Fixed(speed->decode_wall, 1) + " |\n" : " - | - |\n";
  }
  return text;
}

}  // namespace lichen::eval
