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

#include "eval/evaluation.h"
#include "eval/picture.h"
#include "eval/report.h"
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
  std::string csv, json;
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

// What is being done, in one line on a terminal, wiped when it ends.
class ProgressLine {
 public:
  ~ProgressLine() { Show(""); }
  void Show(const std::string& text) {
    if (visible_) std::fprintf(stderr, "\r\033[K%s", text.c_str());
  }

 private:
  const bool visible_ = isatty(STDERR_FILENO) != 0;
};

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

Result<std::vector<Run>> MakeRuns(const Arguments& arguments) {
  std::map<std::string, std::vector<double>> qualities;
  LICHEN_ASSIGN_OR_RETURN(qualities, ParseQualities(arguments.qualities, arguments.codecs));
  std::vector<Run> runs;
  for (const std::string& name : arguments.codecs) {
    const std::string missing = HowToInstall(name);
    if (!missing.empty()) {
      std::cerr << "lichen-eval: " << missing << " (skipped)\n";
      continue;
    }
    Run& run = runs.emplace_back();
    LICHEN_ASSIGN_OR_RETURN(run.codec, MakeCodec(name, arguments.lichen));
    const auto wanted = qualities.find(name);
    run.qualities = wanted == qualities.end() ? run.codec->DefaultQualities() : wanted->second;
    for (double quality : run.qualities) LICHEN_RETURN_IF_ERROR(run.codec->CheckQuality(quality));
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

Status AddWithProgress(const std::string& path, const std::string& counter, const Image& image,
                       Evaluation* evaluation) {
  ProgressLine progress;
  const auto show = [&](const Codec& codec, double quality) {
    progress.Show(counter + path + ": " + codec.Name() + " at " + FormatQuality(quality));
  };
  const std::string name = std::filesystem::path(path).filename().string();
  return AddPicture(name, image, show, evaluation).Prefixed(path);
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
  TextOutput csv, json;
  const Status csv_opened = csv.Open(arguments.csv), json_opened = json.Open(arguments.json);
  if (!csv_opened.ok()) return Fail(csv_opened);
  if (!json_opened.ok()) return Fail(json_opened);

  const std::vector<std::string> paths = ExpandFolders(arguments.images);
  size_t skipped = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string counter = "[" + std::to_string(i + 1) + "/" + std::to_string(paths.size()) + "] ";
    const Result<Image> image = ReadAndWarn(paths[i], arguments.lichen);
    const Status status = image.ok() ? AddWithProgress(paths[i], counter, *image, &evaluation) : image.status();
    if (status.ok()) continue;
    ++skipped;
    Fail(status.message() + " (skipped)");
  }
  if (evaluation.pictures.empty()) return Fail("none of the pictures could be evaluated");

  const std::string machine = DescribeMachine(arguments.lichen.threads);
  PrintTable(evaluation, machine, std::cout);
  std::cout.flush();
  PrintWarnings(evaluation, std::cerr);
  const Status csv_written = csv.Write(ToCsv(evaluation)), json_written = json.Write(ToJson(evaluation, machine));
  if (!csv_written.ok()) return Fail(csv_written);
  if (!json_written.ok()) return Fail(json_written);
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
    std::printf("PSNR     %.3f dB\n", distortion->psnr);
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
                  "Let Lichen use at most N threads, 1..1024 (default: as many as the machine has)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
}

int Main(int argc, char** argv) {
  image_io::RemoveTemporaryFilesOnSignals();
  Arguments arguments;
  CLI::App app(
      "Measures what image codecs make of pictures: size, PSNR, SSIM, MS-SSIM, speed and BD-rate.\n"
      "Example: lichen-eval photos/ --qualities 5,20,40,60,80,95 --csv points.csv\n"
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
                 "5,20,40,60,80,95 and jpeg=5,10,20,35,50,65,80,90,94)")
      ->type_name("[CODEC=]LIST")
      ->allow_extra_args(false);
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
