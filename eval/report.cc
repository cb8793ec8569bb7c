// SPDX-License-Identifier: Apache-2.0
#include "eval/report.h"

#include <algorithm>
#include <cstdio>
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

const Run* FindAnchor(const Evaluation& evaluation) {
  for (const Run& run : evaluation.runs) {
    if (run.codec->Name() == kAnchorName) return &run;
  }
  return nullptr;
}

void PrintPoints(const Evaluation& evaluation, std::ostream& out) {
  out << "codec     quality     bpp  PSNR dB  SSIM dB  MS-SSIM dB  encode MP/s  decode MP/s\n";
  for (const Run& run : evaluation.runs) {
    for (const Point& point : AverageCurve(run)) {
      out << Left(run.codec->Name(), 10) << Right(FormatQuality(point.quality), 7) << Right(Fixed(point.bpp, 4), 8)
          << Right(Fixed(point.psnr, 3), 9) << Right(OptionalDecibels(point.ssim), 9)
          << Right(OptionalDecibels(point.ms_ssim), 12) << Right(Fixed(point.encode_speed, 2), 13)
          << Right(Fixed(point.decode_speed, 2), 13) << "\n";
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

void PrintComparison(const std::string& name, const Comparison& comparison, std::ostream& out) {
  const char* no_overlap = "no overlap";
  out << "\nBD-rate of " << name << " against " << kAnchorName << " (below 0: fewer bits for the same quality)\n";
  PrintBdRate("PSNR", comparison.psnr, no_overlap, out);
  PrintBdRate("PSNR, 29-37 dB only", comparison.psnr_middle, "the curves do not cover it", out);
  PrintBdRate("SSIM in dB", comparison.ssim, no_overlap, out);
  PrintBdRate("MS-SSIM in dB", comparison.ms_ssim, no_overlap, out);
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

Json PointsToJson(const Run& run) {
  Json points = Json::array();
  for (const Point& point : AverageCurve(run)) {
    points.push_back({{"quality", point.quality},
                      {"bpp", point.bpp},
                      {"psnr", point.psnr},
                      {"ssim", OptionalNumber(point.ssim)},
                      {"ms_ssim", OptionalNumber(point.ms_ssim)},
                      {"enc_mp_per_s", point.encode_speed},
                      {"dec_mp_per_s", point.decode_speed}});
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
                                                 {"ssim", OptionalNumber(trial.distortion.ssim)},
                                                 {"ms_ssim", OptionalNumber(trial.distortion.ms_ssim)},
                                                 {"enc_wall_s", trial.encode_seconds},
                                                 {"dec_wall_s", trial.decode_seconds}};
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

}  // namespace

void PrintTable(const Evaluation& evaluation, const std::string& machine, std::ostream& out) {
  out << "lichen-eval " << Version() << ": " << evaluation.pictures.size()
      << (evaluation.pictures.size() == 1 ? " picture, " : " pictures, ") << Fixed(Megapixels(evaluation), 2)
      << " megapixels; " << machine << "\n";
  for (const Run& run : evaluation.runs) out << Left(run.codec->Name(), 10) << run.codec->Version() << "\n";
  out << "\n";
  PrintPoints(evaluation, out);
  ForEachComparison(evaluation, [&](const Run& run, const Comparison& comparison) {
    PrintComparison(run.codec->Name(), comparison, out);
  });
}

void PrintWarnings(const Evaluation& evaluation, std::ostream& messages) {
  ForEachComparison(evaluation, [&](const Run& run, const Comparison& comparison) {
    if (!comparison.overlap_is_short) return;
    messages << "lichen-eval: warning: the PSNR curves of " << run.codec->Name() << " and " << kAnchorName
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
  out << "codec,quality,picture,width,height,bytes,bpp,psnr,ssim,ssim_db,ms_ssim,ms_ssim_db,encode_s,decode_s\n";
  for (const Run& run : evaluation.runs) {
    for (const std::vector<Trial>& trials : run.trials) {
      for (size_t i = 0; i < trials.size(); ++i) {
        const Trial& trial = trials[i];
        const Picture& picture = evaluation.pictures[i];
        out << run.codec->Name() << ',' << FormatQuality(trial.quality) << ',' << CsvField(picture.name) << ','
            << picture.width << ',' << picture.height << ',' << trial.bytes << ',' << Fixed(trial.BitsPerPixel(), 6)
            << ',' << Fixed(trial.distortion.psnr, 4) << ',' << optional(trial.distortion.ssim) << ','
            << decibels(trial.distortion.ssim) << ',' << optional(trial.distortion.ms_ssim) << ','
            << decibels(trial.distortion.ms_ssim) << ',' << Fixed(trial.encode_seconds, 6) << ','
            << Fixed(trial.decode_seconds, 6) << '\n';
      }
    }
  }
  return out.str();
}

std::string ToJson(const Evaluation& evaluation, const std::string& machine) {
  Json root = Json::object();
  for (const Run& run : evaluation.runs) {
    root[run.codec->Name()] = {{"version", run.codec->Version()},
                               {"machine", machine},
                               {"images", evaluation.pictures.size()},
                               {"megapixels", Megapixels(evaluation)},
                               {"points", PointsToJson(run)}};
  }
  ForEachComparison(evaluation, [&](const Run& run, const Comparison& comparison) {
    root[run.codec->Name()]["bd_rate"] = {{"anchor", kAnchorName},
                                          {"psnr", BdRateToJson(comparison.psnr)},
                                          {"psnr_29_37", BdRateToJson(comparison.psnr_middle)},
                                          {"ssim_db", BdRateToJson(comparison.ssim)},
                                          {"ms_ssim_db", BdRateToJson(comparison.ms_ssim)}};
  });
  for (const Run& run : evaluation.runs) root[run.codec->Name()]["per_image"] = TrialsToJson(evaluation, run);
  // Names of files may hold bytes that are no UTF-8.
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lichen::eval
