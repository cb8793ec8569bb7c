// SPDX-License-Identifier: Apache-2.0
#include "eval/plots.h"

#include <functional>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

namespace lichen::eval {
namespace {

using Coordinates = std::optional<std::pair<double, double>>;
using ToCoordinates = std::function<Coordinates(const Point&)>;

struct Plot {
  const char* file;
  const char* x_label;
  const char* y_label;
  const char* settings;
  ToCoordinates coordinates;
};

Coordinates OverRate(const Point& point, const std::optional<double>& similarity) {
  if (!similarity) return std::nullopt;
  return std::pair(point.bpp, ToDecibels(*similarity));
}

const std::vector<Plot>& Plots() {
  static const std::vector<Plot> plots = {
      {"psnr.svg", "bits per pixel", "PSNR (dB)", "set logscale x 2",
       [](const Point& point) { return Coordinates(std::pair(point.bpp, point.psnr)); }},
      {"ssim.svg", "bits per pixel", "SSIM (dB)", "set logscale x 2",
       [](const Point& point) { return OverRate(point, point.ssim); }},
      {"ms_ssim.svg", "bits per pixel", "MS-SSIM (dB)", "set logscale x 2",
       [](const Point& point) { return OverRate(point, point.ms_ssim); }},
      {"speed.svg", "bits per pixel", "megapixels per CPU second to encode", "set logscale x 2; set logscale y",
       [](const Point& point) {
         return point.speed ? Coordinates(std::pair(point.bpp, point.speed->encode_cpu)) : std::nullopt;
       }},
  };
  return plots;
}

// The curve's points, one per line; empty when there are none.
std::string DataOf(const Run& run, const ToCoordinates& coordinates) {
  std::ostringstream data;
  for (const Point& point : AverageCurve(run)) {
    if (const Coordinates at = coordinates(point)) data << at->first << " " << at->second << "\n";
  }
  return data.str();
}

void AppendPlot(const Evaluation& evaluation, const Plot& plot, std::ostream& script) {
  std::string curves;
  for (size_t i = 0; i < evaluation.runs.size(); ++i) {
    const std::string data = DataOf(evaluation.runs[i], plot.coordinates);
    if (data.empty()) continue;
    const std::string name = "$data" + std::to_string(i);
    script << name << " << EOD\n" << data << "EOD\n";
    curves +=
        (curves.empty() ? "plot " : ", ") + name + " with linespoints title '" + evaluation.runs[i].codec->Name() + "'";
  }
  if (curves.empty()) return;
  script << "set output '" << plot.file << "'\nset xlabel '" << plot.x_label << "'\nset ylabel '" << plot.y_label
         << "'\nunset logscale; " << plot.settings << "\n"
         << curves << "\nunset output\n";
}

}  // namespace

std::string ToGnuplot(const Evaluation& evaluation) {
  std::ostringstream script;
  script << "# Written by lichen-eval; run gnuplot in this folder to draw the plots again.\n"
            "set terminal svg size 800,560 dynamic background rgb 'white' font 'sans-serif,14' noenhanced\n"
            "set grid\nset key bottom right\n";
  for (const Plot& plot : Plots()) AppendPlot(evaluation, plot, script);
  return script.str();
}

}  // namespace lichen::eval
