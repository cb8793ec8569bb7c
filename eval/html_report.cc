// SPDX-License-Identifier: Apache-2.0
#include "eval/html_report.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "eval/base64.h"
#include "eval/page_assets.h"
#include "image_io/png_file.h"
#include "lichen/codec.h"

namespace lichen::eval {
namespace {

using Json = nlohmann::ordered_json;

Result<std::string> ToPngUri(const Image& image) {
  std::vector<uint8_t> bytes;
  const std::unique_ptr<image_io::PictureSink> png =
      image_io::CreatePng(std::make_unique<image_io::MemorySink>(&bytes), image_io::WriteOptions());
  LICHEN_RETURN_IF_ERROR(png->Begin(image));
  for (uint32_t y = 0; y < image.height; ++y) {
    LICHEN_RETURN_IF_ERROR(png->WriteRow(image.pixels.data() + y * image.RowBytes()));
  }
  LICHEN_RETURN_IF_ERROR(png->Finish());
  return "data:image/png;base64," + ToBase64(bytes);
}

Json Decibels(const std::optional<double>& similarity) {
  return similarity ? Json(ToDecibels(*similarity)) : Json(nullptr);
}

Json SpeedToJson(const std::optional<Speed>& speed) {
  if (!speed) return nullptr;
  return {{"encode", speed->encode_cpu},
          {"decode", speed->decode_cpu},
          {"encode_wall", speed->encode_wall},
          {"decode_wall", speed->decode_wall},
          {"encode_mb", speed->encode_peak_bytes / 1e6},
          {"decode_mb", speed->decode_peak_bytes / 1e6}};
}

Json CodecToJson(const Run& run) {
  Json points = Json::array();
  for (const Point& point : AverageCurve(run)) {
    points.push_back({{"quality", FormatQuality(point.quality)},
                      {"bpp", point.bpp},
                      {"psnr", point.psnr},
                      {"ssim", Decibels(point.ssim)},
                      {"ms_ssim", Decibels(point.ms_ssim)},
                      {"speed", SpeedToJson(point.speed)}});
  }
  return {{"name", run.codec->Name()},
          {"version", run.codec->Version()},
          {"points", points},
          {"speed", SpeedToJson(AverageSpeed(run))}};
}

Json RateToJson(const std::optional<BdRate>& rate) {
  if (!rate) return nullptr;
  return {{"value", rate->percent}, {"low", rate->range.low}, {"high", rate->range.high}};
}

Json GainToJson(const std::optional<BdGain>& gain) {
  if (!gain) return nullptr;
  return {{"value", gain->decibels}, {"low", gain->low_bpp}, {"high", gain->high_bpp}};
}

Json ComparisonsToJson(const Evaluation& evaluation) {
  const Run* anchor = FindAnchor(evaluation);
  Json comparisons = Json::array();
  for (const Run& run : evaluation.runs) {
    if (anchor == nullptr || &run == anchor) continue;
    const Comparison comparison = Compare(AverageCurve(run), AverageCurve(*anchor));
    comparisons.push_back({{"codec", run.codec->Name()},
                           {"psnr", RateToJson(comparison.psnr)},
                           {"psnr_middle", RateToJson(comparison.psnr_middle)},
                           {"ssim", RateToJson(comparison.ssim)},
                           {"ms_ssim", RateToJson(comparison.ms_ssim)},
                           {"gain", GainToJson(comparison.psnr_gain)},
                           {"short", comparison.overlap_is_short}});
  }
  return comparisons;
}

Result<Json> ShownToJson(const ShownPicture& shown) {
  std::string original;
  LICHEN_ASSIGN_OR_RETURN(original, ToPngUri(shown.original));
  Json versions = Json::array();
  versions.push_back({{"codec", "original"}, {"image", original}});
  const double pixels = double{1} * shown.original.width * shown.original.height;
  for (const ShownVersion& version : shown.versions) {
    std::string image;
    LICHEN_ASSIGN_OR_RETURN(image, ToPngUri(version.decoded));
    versions.push_back({{"codec", version.codec},
                        {"quality", FormatQuality(version.quality)},
                        {"bytes", version.bytes},
                        {"bpp", 8.0 * static_cast<double>(version.bytes) / pixels},
                        {"psnr", version.distortion.psnr},
                        {"ms_ssim", Decibels(version.distortion.ms_ssim)},
                        {"image", image}});
  }
  return Json{
      {"name", shown.name}, {"width", shown.original.width}, {"height", shown.original.height}, {"versions", versions}};
}

// As it may stand in a script element: no "</script>" can begin in it.
std::string ToScriptText(const Json& json) {
  std::string text;
  for (char c : json.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  }
  return text;
}

// Every {{name}} of the page replaced by its text, in which nothing is replaced.
std::string FillPage(std::string_view page, const std::map<std::string_view, std::string_view>& texts) {
  std::string filled;
  while (!page.empty()) {
    const size_t open = page.find("{{"), close = page.find("}}", open);
    filled += page.substr(0, open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    filled += texts.at(page.substr(open + 2, close - open - 2));
    page.remove_prefix(close + 2);
  }
  return filled;
}

}  // namespace

Result<std::string> ToHtml(const Evaluation& evaluation, const std::string& machine,
                           const std::vector<ShownPicture>& shown) {
  Json data = {{"tool", std::string("lichen-eval ") + Version()},
               {"machine", machine},
               {"pictures", evaluation.pictures.size()},
               {"anchor", evaluation.anchor},
               {"codecs", Json::array()},
               {"comparisons", ComparisonsToJson(evaluation)},
               {"shown", Json::array()}};
  for (const Run& run : evaluation.runs) data["codecs"].push_back(CodecToJson(run));
  for (const ShownPicture& picture : shown) {
    Json json;
    LICHEN_ASSIGN_OR_RETURN(json, ShownToJson(picture));
    data["shown"].push_back(std::move(json));
  }
  const PageAssets& assets = GetPageAssets();
  const std::string text = ToScriptText(data);
  return FillPage(assets.html, {{"style", assets.style},
                                {"script", assets.script},
                                {"chart_style", assets.chart_style},
                                {"chart_script", assets.chart_script},
                                {"data", text}});
}

}  // namespace lichen::eval
