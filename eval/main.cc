// SPDX-License-Identifier: Apache-2.0

// lichen-eval: rate-distortion evaluation of image codecs on real files.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <opencv2/core.hpp>
#include <string>
#include <thread>
#include <vector>

#include "eval/custom_codec.h"
#include "eval/evaluation.h"
#include "eval/html_report.h"
#include "eval/picture.h"
#include "eval/plots.h"
#include "eval/process.h"
#include "eval/progress.h"
#include "eval/report.h"
#include "eval/shown_picture.h"
#include "image_io/input_file.h"
#include "image_io/output_file.h"
#include "lichen/codec.h"

namespace lichen::eval {
namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kUsageError = 2;

struct Arguments {
  LichenSettings lichen;
  // Evaluation of several pictures.
  std::vector<std::string> images;
  std::vector<std::string> codecs = {"lichen", "jpeg"};
  std::vector<std::string> qualities;  // "5,20,40" or "jpeg=10,50"
  std::vector<std::string> custom;     // specifications of further codecs
  std::string anchor = "jpeg";
  int timed_pictures = 2;
  int repetitions = 2;
  std::string csv, json, out;
  std::vector<std::string> shown;  // names of the pictures in the viewer; none: the first
  double shown_bpp = 0.4;
  // compare
  std::string original, distorted;
  // match
  std::string photo, lichen_file;
  double quality = 50;
};

int Fail(const std::string& message, int exit_code = kFailure) {
  std::cerr << "lichen-eval: " << message << "\n";
  return exit_code;
}

int Fail(const Status& status) { return Fail(status.message()); }

// The processor's name where the system tells it, and how many threads Lichen may use.
std::string DescribeMachine(int threads) {
  const unsigned available = std::thread::hardware_concurrency();
  const std::string used = std::to_string(threads > 0 ? threads : available) + " threads";
  std::ifstream cpus("/proc/cpuinfo");
  const std::string key = "model name";
  for (std::string line; std::getline(cpus, line);) {
    const size_t colon = line.find(": ");
    if (line.compare(0, key.size(), key) == 0 && colon != std::string::npos)
      return line.substr(colon + 2) + ", " + used;
  }
  return used;
}

Result<std::vector<double>> ParseList(const std::string& text) {
  std::vector<double> numbers;
  for (const std::string& item : CLI::detail::split(text, ',')) {
    double number = 0;
    if (!CLI::detail::lexical_cast(item, number)) {
      return Status(StatusCode::kInvalidArgument, "\"" + item + "\" is no quality; write for example 5,20,40");
    }
    numbers.push_back(number);
  }
  return numbers;
}

// What --qualities asks for, by codec. A list without a codec is Lichen's.
Result<std::map<std::string, std::vector<double>>> ParseQualities(const std::vector<std::string>& arguments,
                                                                  const std::vector<std::string>& codecs) {
  std::map<std::string, std::vector<double>> qualities;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const std::string codec = equals == std::string::npos ? "lichen" : argument.substr(0, equals);
    if (std::find(codecs.begin(), codecs.end(), codec) == codecs.end()) {
      return Status(StatusCode::kInvalidArgument,
                    "--qualities " + argument + ": " + codec + " does not take part; name it in --codecs");
    }
    const std::string list = equals == std::string::npos ? argument : argument.substr(equals + 1);
    LICHEN_ASSIGN_OR_RETURN(qualities[codec], ParseList(list));
  }
  return qualities;
}

// The codecs of --codecs and --custom. With a line on standard error for each that this build lacks.
struct Participants {
  std::vector<std::string> built_in;
  std::vector<CustomSpec> custom;
  std::vector<std::string> names;  // of both
};

Result<Participants> ChooseCodecs(const Arguments& arguments) {
  Participants participants;
  for (const std::string& name : arguments.codecs) {
    const std::string missing = HowToInstall(name);
    if (missing.empty()) {
      participants.built_in.push_back(name);
    } else {
      std::cerr << "lichen-eval: " << missing << " (skipped)\n";
    }
  }
  participants.names = participants.built_in;
  for (const std::string& text : arguments.custom) {
    LICHEN_ASSIGN_OR_RETURN(participants.custom.emplace_back(), ParseCustomSpec(text));
    participants.names.push_back(participants.custom.back().name);
  }
  std::vector<std::string> sorted = participants.names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) return Status(StatusCode::kInvalidArgument, "two codecs are called " + *twice);
  if (sorted.empty()) return Status(StatusCode::kInvalidArgument, "no codec is left to evaluate");
  return participants;
}

Result<std::vector<Run>> MakeRuns(const Arguments& arguments) {
  Participants participants;
  LICHEN_ASSIGN_OR_RETURN(participants, ChooseCodecs(arguments));
  std::map<std::string, std::vector<double>> qualities;
  LICHEN_ASSIGN_OR_RETURN(qualities, ParseQualities(arguments.qualities, participants.names));
  LichenSettings one_thread = arguments.lichen;
  one_thread.threads = 1;
  std::vector<Run> runs;
  for (const std::string& name : participants.built_in) {
    Run& run = runs.emplace_back();
    LICHEN_ASSIGN_OR_RETURN(run.codec, MakeCodec(name, one_thread));
    LICHEN_ASSIGN_OR_RETURN(run.timed_codec, MakeCodec(name, arguments.lichen));
  }
  for (const CustomSpec& spec : participants.custom) {
    Run& run = runs.emplace_back();
    run.codec = MakeCustomCodec(spec);
    run.timed_codec = MakeCustomCodec(spec);
  }
  for (Run& run : runs) {
    const auto wanted = qualities.find(run.codec->Name());
    run.qualities = wanted == qualities.end() ? run.codec->DefaultQualities() : wanted->second;
    for (double quality : run.qualities) LICHEN_RETURN_IF_ERROR(run.codec->CheckQuality(quality));
  }
  const bool known = std::count(participants.names.begin(), participants.names.end(), arguments.anchor) > 0;
  if (!known && arguments.anchor != Arguments().anchor) {
    return Status(StatusCode::kInvalidArgument, "--anchor " + arguments.anchor + " does not take part");
  }
  return runs;
}

// A text file opened before the work is done and written after it, whole or not at all. No path: nothing happens.
class TextOutput {
 public:
  Status Open(const std::string& path) {
    if (path.empty()) return Status();
    path_ = path;
    Result<std::unique_ptr<image_io::OutputFile>> file = image_io::OutputFile::Open(path);
    if (!file.ok()) return file.status().Prefixed(path);
    file_ = std::move(file).value();
    return Status();
  }
  Status Write(const std::string& text) {
    if (file_ == nullptr) return Status();
    const Status written = file_->Write(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    return (written.ok() ? file_->Finish() : written).Prefixed(path_);
  }

 private:
  std::string path_;
  std::unique_ptr<image_io::OutputFile> file_;
};

// Reads a picture and says on stderr what will not be measured.
Result<Image> ReadAndWarn(const std::string& path, const LichenSettings& settings) {
  std::vector<std::string> dropped;
  Result<Image> image = ReadPicture(path, settings, &dropped);
  if (image.ok() && !dropped.empty()) {
    std::cerr << "lichen-eval: " << path << ": warning: measured without " << CLI::detail::join(dropped, ", ") << "\n";
  }
  return image;
}

size_t TrialsPerPicture(const std::vector<Run>& runs) {
  size_t trials = 0;
  for (const Run& run : runs) trials += run.qualities.size();
  return trials;
}

// `count` of the numbers 0..total-1, evenly spread.
std::vector<size_t> Spread(size_t count, size_t total) {
  std::vector<size_t> chosen;
  count = std::min(count, total);
  for (size_t i = 0; i < count; ++i) chosen.push_back((2 * i + 1) * total / (2 * count));
  return chosen;
}

StepCallback ShowSteps(Progress* progress, const std::string& path) {
  return [progress, path](const Codec& codec, double quality, bool cached) {
    progress->Step(path + ", " + codec.Name() + " at " + FormatQuality(quality), cached);
  };
}

// The timing pass, by picture. What fails here will fail, and be reported, in the pass that follows.
std::map<size_t, PictureTimings> TimePictures(const Arguments& arguments, const std::vector<std::string>& paths,
                                              const std::vector<Run>& runs, Effort effort) {
  const std::vector<size_t> chosen = Spread(static_cast<size_t>(arguments.timed_pictures), paths.size());
  Progress progress("timing", chosen.size() * TrialsPerPicture(runs));
  std::map<size_t, PictureTimings> timings;
  for (size_t i : chosen) {
    std::vector<std::string> dropped;
    const Result<Image> image = ReadPicture(paths[i], arguments.lichen, &dropped);
    if (!image.ok()) continue;
    effort.on_step = ShowSteps(&progress, paths[i]);
    Result<PictureTimings> timed = TimePicture(runs, *image, effort);
    if (timed.ok()) timings[i] = std::move(timed).value();
  }
  return timings;
}

// Adds every picture that can be read and coded; returns how many could not, after a line on each.
size_t AddPictures(const Arguments& arguments, const std::vector<std::string>& paths,
                   const std::map<size_t, PictureTimings>& timings, Effort effort, Evaluation* evaluation) {
  Progress progress("measuring", paths.size() * TrialsPerPicture(evaluation->runs));
  size_t skipped = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    effort.on_step = ShowSteps(&progress, paths[i]);
    const std::string name = std::filesystem::path(paths[i]).filename().string();
    const auto timed = timings.find(i);
    const PictureTimings* picture_timings = timed == timings.end() ? nullptr : &timed->second;
    const Result<Image> image = ReadAndWarn(paths[i], arguments.lichen);
    const Status status =
        image.ok() ? AddPicture(name, *image, picture_timings, effort, evaluation).Prefixed(paths[i]) : image.status();
    if (status.ok()) continue;
    ++skipped;
    progress.Wipe();
    Fail(status.message() + " (skipped)");
  }
  return skipped;
}

Status WriteText(const std::string& path, const std::string& text) {
  TextOutput output;
  LICHEN_RETURN_IF_ERROR(output.Open(path));
  return output.Write(text);
}

// A picture of the report's viewer, through every codec at about one size.
Result<ShownPicture> ShowPicture(const Arguments& arguments, const std::string& name,
                                 const std::vector<std::string>& paths, const Evaluation& evaluation, int workers) {
  for (const std::string& path : paths) {
    if (std::filesystem::path(path).filename().string() != name) continue;
    std::vector<std::string> dropped;
    Image image;
    LICHEN_ASSIGN_OR_RETURN(image, ReadPicture(path, arguments.lichen, &dropped));
    Result<ShownPicture> shown = MakeShownPicture(name, image, evaluation.runs, arguments.shown_bpp, workers);
    if (!shown.ok()) return shown.status().Prefixed(path);
    return shown;
  }
  return Status(StatusCode::kInvalidArgument, "--show " + name + ": no picture of this name takes part");
}

// The files of --out.
Status WriteFolder(const Arguments& arguments, const std::vector<std::string>& paths, const Evaluation& evaluation,
                   const std::string& machine, int workers) {
  const std::string folder = arguments.out + "/";
  LICHEN_RETURN_IF_ERROR(WriteText(folder + "points.csv", ToCsv(evaluation)));
  LICHEN_RETURN_IF_ERROR(WriteText(folder + "results.json", ToJson(evaluation, machine)));
  LICHEN_RETURN_IF_ERROR(WriteText(folder + "summary.md", ToMarkdown(evaluation)));
  LICHEN_RETURN_IF_ERROR(WriteText(folder + "plots.gp", ToGnuplot(evaluation)));
  if (FindProgram("gnuplot").empty()) {
    std::cerr << "lichen-eval: no SVG plots: run apt-get install gnuplot-nox, then gnuplot plots.gp in "
              << arguments.out << "\n";
  } else {
    LICHEN_RETURN_IF_ERROR(RunProgram({"gnuplot", "plots.gp"}, arguments.out));
  }
  std::vector<ShownPicture> shown;
  std::vector<std::string> names = arguments.shown;
  if (names.empty()) names = {evaluation.pictures.front().name};
  for (const std::string& name : names) {
    LICHEN_ASSIGN_OR_RETURN(shown.emplace_back(), ShowPicture(arguments, name, paths, evaluation, workers));
  }
  std::string page;
  LICHEN_ASSIGN_OR_RETURN(page, ToHtml(evaluation, machine, shown));
  LICHEN_RETURN_IF_ERROR(WriteText(folder + "report.html", page));
  std::cout << "\nreport: " << folder << "report.html\n";
  return Status();
}

// lichen-eval IMAGES...
int Evaluate(const Arguments& arguments) {
  Result<std::vector<Run>> runs = MakeRuns(arguments);
  if (!runs.ok()) {
    const bool usage = runs.status().code() == StatusCode::kInvalidArgument;
    return Fail(runs.status().message(), usage ? kUsageError : kFailure);
  }
  Evaluation evaluation;
  evaluation.runs = std::move(runs).value();
  evaluation.anchor = arguments.anchor;
  TextOutput csv, json;
  const Status csv_opened = csv.Open(arguments.csv), json_opened = json.Open(arguments.json);
  if (!csv_opened.ok()) return Fail(csv_opened);
  if (!json_opened.ok()) return Fail(json_opened);

  Effort effort;
  effort.machine = DescribeMachine(arguments.lichen.threads);
  effort.repetitions = arguments.repetitions;
  const int available = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  effort.workers = arguments.lichen.threads > 0 ? std::min(arguments.lichen.threads, available) : available;
  std::unique_ptr<ResultCache> cache;
  if (!arguments.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(arguments.out, error);
    Result<std::unique_ptr<ResultCache>> opened = ResultCache::Open(arguments.out + "/cache.jsonl");
    if (!opened.ok()) return Fail(opened.status());
    cache = std::move(opened).value();
    effort.cache = cache.get();
  }

  const std::vector<std::string> paths = ExpandFolders(arguments.images);
  for (const std::string& name : arguments.shown) {  // now, not after hours
    const auto named = [&name](const std::string& path) { return std::filesystem::path(path).filename() == name; };
    if (std::none_of(paths.begin(), paths.end(), named)) {
      return Fail("--show " + name + ": no picture of this name takes part; give a file name without its folder",
                  kUsageError);
    }
  }
  // First, because it forks and so may not come after the first thread.
  const std::map<size_t, PictureTimings> timings = TimePictures(arguments, paths, evaluation.runs, effort);
  cv::setNumThreads(1);  // trials run side by side
  const size_t skipped = AddPictures(arguments, paths, timings, effort, &evaluation);
  if (evaluation.pictures.empty()) return Fail("none of the pictures could be evaluated");

  PrintTable(evaluation, effort.machine, std::cout);
  std::cout.flush();
  PrintWarnings(evaluation, std::cerr);
  const Status csv_written = csv.Write(ToCsv(evaluation));
  const Status json_written = json.Write(ToJson(evaluation, effort.machine));
  if (!csv_written.ok()) return Fail(csv_written);
  if (!json_written.ok()) return Fail(json_written);
  if (!arguments.out.empty()) {
    const Status written = WriteFolder(arguments, paths, evaluation, effort.machine, effort.workers);
    if (!written.ok()) return Fail(written);
  }
  if (skipped == 0) return kSuccess;
  return Fail(std::to_string(skipped) + " of " + std::to_string(paths.size()) + " pictures skipped");
}

// lichen-eval compare ORIGINAL DISTORTED
int ComparePictures(const Arguments& arguments) {
  const Result<Image> original = ReadAndWarn(arguments.original, arguments.lichen);
  if (!original.ok()) return Fail(original.status());
  const Result<Image> distorted = ReadAndWarn(arguments.distorted, arguments.lichen);
  if (!distorted.ok()) return Fail(distorted.status());
  const Result<Distortion> distortion = Measure(*original, *distorted);
  if (!distortion.ok()) return Fail(distortion.status().Prefixed(arguments.distorted));

  if (distortion->psnr == kIdenticalPsnr) {
    std::printf("PSNR     infinite: the pictures are identical\n");
  } else {
    std::printf("PSNR     %.3f dB (luma %.3f dB)\n", distortion->psnr, distortion->psnr_luma);
  }
  const auto print = [](const char* name, const std::optional<double>& value) {
    if (value) {
      std::printf("%-8s %.6f (%.2f dB)\n", name, *value, ToDecibels(*value));
    } else {
      std::printf("%-8s not defined for a picture this small\n", name);
    }
  };
  print("SSIM", distortion->ssim);
  print("MS-SSIM", distortion->ms_ssim);
  return kSuccess;
}

void PrintMatchRow(const std::string& name, double quality, const std::vector<uint8_t>& file, const Image& photo,
                   const Distortion& distortion) {
  const double pixels = double{1} * photo.width * photo.height;
  // Three digits: a .lic file stores its quality in steps of about 0.1.
  std::printf("%-10s %7.3g %10zu %8.4f %8.3f ", name.c_str(), quality, file.size(),
              8.0 * static_cast<double>(file.size()) / pixels, distortion.psnr);
  if (distortion.ssim) {
    std::printf("%9.5f\n", *distortion.ssim);
  } else {
    std::printf("%9s\n", "-");
  }
}

// The .lic file to judge: the one given, or a new one of the quality asked for.
Result<std::vector<uint8_t>> LichenFile(const Arguments& arguments, const Codec& lichen, const Image& photo) {
  if (arguments.lichen_file.empty()) return lichen.Encode(photo, arguments.quality);
  Result<std::vector<uint8_t>> file = image_io::ReadFile(arguments.lichen_file);
  if (!file.ok()) return file.status().Prefixed(arguments.lichen_file);
  return file;
}

// lichen-eval match PHOTO [FILE.lic]
Status MatchPhoto(const Arguments& arguments) {
  const Result<Image> photo = ReadAndWarn(arguments.photo, arguments.lichen);
  if (!photo.ok()) return photo.status();
  std::unique_ptr<Codec> lichen;
  LICHEN_ASSIGN_OR_RETURN(lichen, MakeLichenCodec(arguments.lichen));
  const std::unique_ptr<Codec> jpeg = MakeJpegCodec(ChromaSampling::k420);

  const std::string& lichen_name = arguments.lichen_file.empty() ? arguments.photo : arguments.lichen_file;
  std::vector<uint8_t> file;
  LICHEN_ASSIGN_OR_RETURN(file, LichenFile(arguments, *lichen, *photo));
  const Result<Info> info = Inspect(file.data(), file.size());
  if (!info.ok()) return info.status().Prefixed(lichen_name);
  const Result<Image> decoded = lichen->Decode(file);
  if (!decoded.ok()) return decoded.status().Prefixed(lichen_name);
  const Result<Distortion> lichen_distortion = Measure(*photo, *decoded);
  if (!lichen_distortion.ok()) return lichen_distortion.status().Prefixed(lichen_name);

  Result<SizeMatch> match = MatchSize(*jpeg, *photo, file.size());
  if (!match.ok()) return match.status().Prefixed(arguments.photo);
  Image jpeg_decoded;
  LICHEN_ASSIGN_OR_RETURN(jpeg_decoded, jpeg->Decode(match->file));
  Distortion jpeg_distortion;
  LICHEN_ASSIGN_OR_RETURN(jpeg_distortion, Measure(*photo, jpeg_decoded));

  std::printf("%s, %ux%u, beside the JPEG of the nearest size (%s)\n\n", arguments.photo.c_str(), photo->width,
              photo->height, jpeg->Version().c_str());
  std::printf("%-10s %7s %10s %8s %8s %9s\n", "codec", "quality", "bytes", "bpp", "PSNR dB", "SSIM");
  PrintMatchRow("lichen", info->quality, file, *photo, *lichen_distortion);
  PrintMatchRow("jpeg", match->quality, match->file, *photo, jpeg_distortion);
  return Status();
}

void AddLichenOptions(CLI::App* app, LichenSettings* settings) {
  app->add_option("--model", settings->model, "Let Lichen use the model in FILE instead of the one that is built in")
      ->type_name("FILE");
  app->add_option("--threads", settings->threads,
                  "Use at most N threads, 1..1024 (default: as many as the machine has)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
}

int Main(int argc, char** argv) {
  image_io::RemoveTemporaryFilesOnSignals();
  Arguments arguments;
  CLI::App app(
      "Measures what image codecs make of pictures: size, PSNR, SSIM, MS-SSIM, speed and BD-rate.\n"
      "Example: lichen-eval photos/ --codecs lichen,jpeg,webp,jxl,avif --out report\n"
      "         lichen-eval compare photo.png photo.lic",
      "lichen-eval");
  app.get_formatter()->column_width(28);
  app.set_version_flag("--version", std::string("lichen-eval ") + Version());
  app.add_option("images", arguments.images, "PNG or JPEG pictures, or folders of them")->type_name("IMAGES");
  app.add_option("--codecs", arguments.codecs, "Any of " + CodecNames() + " (default lichen,jpeg)")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--qualities", arguments.qualities,
                 "Qualities of Lichen, 0..100, or of another codec: jpeg=10,50,90 (may be repeated; default "
                 "5,20,40,60,80,95); of jxl distances, of avif cq-levels, both the smaller the better")
      ->type_name("[CODEC=]LIST")
      ->allow_extra_args(false);
  app.add_option("--custom", arguments.custom,
                 "Any other codec: \"NAME: enc {in} {out} -q {q}; dec {in} {out}; q=10,30,50\", commands that read and "
                 "write PNG, run without a shell; qualities from the smallest file to the largest; \"; ext=abc\" "
                 "names the compressed file (may be repeated)")
      ->type_name("SPEC")
      ->allow_extra_args(false);
  app.add_option("--anchor", arguments.anchor, "Codec that the others are compared with (default jpeg)")
      ->type_name("CODEC");
  app.add_option("--timing", arguments.timed_pictures,
                 "Measure speed and memory on N pictures, spread over all (default 2; 0: not at all)")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000).description(""));
  app.add_option("--repeat", arguments.repetitions, "Time each call N times and take the fastest (default 2)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000).description(""));
  app.add_option("--out", arguments.out,
                 "Write report.html, points.csv, results.json and SVG plots; a run that was stopped goes on there")
      ->type_name("FOLDER");
  app.add_option("--show", arguments.shown,
                 "File name of a picture to compare in the report (may be repeated; default: the first)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("--show-bpp", arguments.shown_bpp, "Bits per pixel of those pictures' files (default 0.4)")
      ->type_name("BPP")
      ->check(CLI::Range(0.001, 100.0).description(""));
  app.add_option("--csv", arguments.csv, "Write every point of every picture")->type_name("FILE");
  app.add_option("--json", arguments.json, "Write means, BD-rates and every point of every picture")->type_name("FILE");
  AddLichenOptions(&app, &arguments.lichen);

  CLI::App* compare = app.add_subcommand("compare", "Print how far one picture (PNG, JPEG, .lic) is from another");
  compare->add_option("original", arguments.original, "What it should look like")->required();
  compare->add_option("distorted", arguments.distorted, "What it does look like")->required();
  AddLichenOptions(compare, &arguments.lichen);

  CLI::App* match = app.add_subcommand("match", "Set a photograph's .lic file beside a JPEG of the same size");
  match->add_option("photo", arguments.photo, "PNG or JPEG")->required();
  CLI::Option* file = match->add_option("file", arguments.lichen_file, "Its .lic file (default: made here)");
  match->add_option("-q,--quality", arguments.quality, "Quality of the .lic file made here, 0..100 (default 50)")
      ->type_name("Q")
      ->check(CLI::Range(0.0, 100.0).description(""))
      ->excludes(file);
  AddLichenOptions(match, &arguments.lichen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsageError;
  }
  if (arguments.lichen.threads > 0) cv::setNumThreads(arguments.lichen.threads);
  if (compare->parsed()) return ComparePictures(arguments);
  if (match->parsed()) {
    const Status status = MatchPhoto(arguments);
    return status.ok() ? kSuccess : Fail(status);
  }
  if (arguments.images.empty()) return Fail("no pictures given; try lichen-eval --help", kUsageError);
  return Evaluate(arguments);
}

}  // namespace
}  // namespace lichen::eval

int main(int argc, char** argv) {
  try {
    return lichen::eval::Main(argc, argv);
  } catch (const std::exception& error) {  // OpenCV's, and out of memory
    std::cerr << "lichen-eval: " << error.what() << "\n";
    return 1;
  }
}
