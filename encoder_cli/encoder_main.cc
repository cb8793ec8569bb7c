// SPDX-License-Identifier: Apache-2.0
// lichen-enc: PNG and JPEG pictures to .lic files.

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "encoder_cli/cli_common.h"
#include "encoder_cli/many_files.h"
#include "image_io/background.h"
#include "image_io/exif.h"
#include "image_io/image_file.h"
#include "image_io/output_file.h"
#include "lichen/codec.h"

namespace lichen::cli {
namespace {

constexpr char kHelpHead[] = R"(Usage: lichen-enc [options] INPUT [OUTPUT]
       lichen-enc [options] INPUT... -o FOLDER
Compresses PNG and JPEG pictures into .lic files; - is standard input or output. An INPUT can be a folder.

Example: lichen-enc -q 60 photo.png photo.lic
         lichen-enc -r --jobs 4 photos/ -o compressed/
)";

struct QualityExpectation {
  double quality;
  double bits_per_pixel;
  double psnr;  // dB, over RGB
};

// Means over the 24 Kodak pictures with the default model.
constexpr QualityExpectation kExpectations[] = {{5, 0.09, 26.9},  {20, 0.17, 29.1}, {40, 0.39, 32.4},
                                                {60, 0.79, 36.0}, {80, 1.38, 39.6}, {95, 1.99, 42.0}};

constexpr char kHelpFoot[] = R"(
With --size, --bpp and --psnr each picture is encoded some two to four times; what is out of reach is an error, which
says what is not. Samples of 8 and 16 bits are taken as they are. Alpha is kept without loss, and left out where all of
it is opaque. ICC profile, EXIF and XMP are kept byte for byte.
Output must end in .lic, unless it is -, a device or a pipe; an existing file is replaced. Interrupted or failed runs
leave no half file behind. Of a folder, its .png, .jpg and .jpeg files are taken; one bad file does not stop the rest.
Exit code: 0 success, 1 a file failed, 2 wrong usage.
The file format is experimental until its version 1: keep the originals.)";

struct Options : CommonOptions {
  double quality = 50;
  uint64_t target_bytes = 0;  // instead of a quality, as the next two
  double target_bits_per_pixel = 0;
  double target_psnr = 0;
  uint32_t tile_size = 1024;
  Coding coding = Coding::kAuto;
  int effort = 1;
  bool strip = false;
};

const std::map<std::string, Coding> kCodings = {
    {"auto", Coding::kAuto}, {"learned", Coding::kLearned}, {"dct", Coding::kDct}};

std::string HelpFoot() {
  std::string text = "What to expect of -q on photographs:\n  quality     ";
  char cell[32];
  for (const QualityExpectation& row : kExpectations)
    text += (std::snprintf(cell, sizeof cell, "%7.0f", row.quality), cell);
  text += "\n  bits/pixel  ";
  for (const QualityExpectation& row : kExpectations)
    text += (std::snprintf(cell, sizeof cell, "%7.2f", row.bits_per_pixel), cell);
  text += "\n  PSNR (dB)   ";
  for (const QualityExpectation& row : kExpectations)
    text += (std::snprintf(cell, sizeof cell, "%7.1f", row.psnr), cell);
  return text + "\n" + kHelpFoot;
}

void AddOptions(CLI::App* app, Options* options) {
  SetHelpHead(app, kHelpHead);
  app->footer(HelpFoot());
  app->set_version_flag("--version", std::string("lichen-enc ") + Version(), "Print the version");
  CLI::Option* quality = app->add_option("-q,--quality", options->quality,
                                         "Quality, 0 (smallest) to 100 (best), decimals allowed (default 50)")
                             ->option_text("Q")
                             ->check(NumberBetween(0, 100, "the quality"));
  CLI::Option* size =
      AddSizeOption(app, "--size", &options->target_bytes,
                    "Instead of -q: at most SIZE bytes a file, and at least 99 % of it: 120k (120000), 1.5M, 100KiB");
  CLI::Option* bpp = app->add_option("--bpp", options->target_bits_per_pixel, "The same, as bits per pixel")
                         ->option_text("B")
                         ->check(NumberBetween(1e-6, 1000, "the bits per pixel"));
  CLI::Option* psnr = app->add_option("--psnr", options->target_psnr,
                                      "Instead of -q: at least a PSNR of D dB, and at most 0.05 dB more")
                          ->option_text("D")
                          ->check(NumberBetween(1, 100, "the PSNR"));
  size->excludes(quality);
  bpp->excludes(quality)->excludes(size);
  psnr->excludes(quality)->excludes(size)->excludes(bpp);
  app->add_flag("--strip", options->strip, "Leave out ICC profile, EXIF and XMP, which are kept otherwise");
  AddCommonOptions(app, options);
  app->add_option("--coding", options->coding,
                  "learned: by the networks; dct: by a block transform, for screen content and the highest qualities; "
                  "auto: whichever costs less at the quality; learned with --model (default auto)")
      ->option_text("METHOD")
      ->transform(CLI::CheckedTransformer(kCodings));
  app->add_option("--effort", options->effort,
                  "0: quick; 1: a longer search for what costs least; 2, 3: better pictures for their size, in 8 "
                  "and 25 times the time at least (default 1)")
      ->option_text("N")
      ->check(CLI::IsMember({"0", "1", "2", "3"}));
  app->add_option("--tile-size", options->tile_size,
                  "Pixels a side of what can be decoded alone: 64, 128, 256, ... 32768 (default 1024)")
      ->option_text("N")
      ->check(CLI::IsMember({"64", "128", "256", "512", "1024", "2048", "4096", "8192", "16384", "32768"}));
}

Status CheckOutputName(const std::string& output) {
  if (IsLichenName(output) || image_io::IsDirectOutput(output)) return Status();
  return Status(StatusCode::kInvalidArgument,
                "the output of lichen-enc must end in .lic; for several inputs use -o FOLDER");
}

Result<std::vector<uint8_t>> Compress(image_io::PictureSource& source, const Options& options,
                                      const std::shared_ptr<const Model>& model, const Job& job,
                                      const Console& console) {
  ProgressMeter meter(console, InputName(job.input));
  EncodeOptions encode_options;
  encode_options.quality = options.quality;
  encode_options.target_bytes = options.target_bytes;
  encode_options.target_bits_per_pixel = options.target_bits_per_pixel;
  encode_options.target_psnr = options.target_psnr;
  encode_options.threads = options.threads;
  encode_options.tile_size = options.tile_size;
  encode_options.coding = options.coding;
  encode_options.effort = options.effort;
  encode_options.strip_metadata = options.strip;
  encode_options.max_memory_bytes = options.max_memory;
  encode_options.model = model;
  encode_options.progress = meter.Callback();
  return Encode(source, encode_options);
}

void Report(const ImageHeader& header, const std::vector<uint8_t>& file, bool searched, const std::string& output,
            const Console& console) {
  const double bits_per_pixel = 8.0 * static_cast<double>(file.size()) / (double{1} * header.width * header.height);
  char facts[96], quality[32] = "";
  std::snprintf(facts, sizeof facts, ": %ux%u, %zu bytes, %.3f bpp", header.width, header.height, file.size(),
                bits_per_pixel);
  if (const auto info = Inspect(file.data(), file.size()); searched && info.ok()) {
    std::snprintf(quality, sizeof quality, ", quality %.4g", info->quality);
  }
  console.Note(OutputName(output) + facts + quality);
}

/// Without its EXIF data a picture that a camera took upright may lie on its side.
void WarnOfTurning(const ImageHeader& header, const Options& options, const std::string& input,
                   const Console& console) {
  const int orientation = image_io::ExifOrientation(header.exif.data(), header.exif.size());
  if (!options.strip || orientation == 1) return;
  console.Warning(input + ": --strip left out EXIF orientation " + std::to_string(orientation) +
                  ", so the picture will be shown as it is stored; turn it first");
}

Status EncodeFile(const Job& job, const Options& options, const std::shared_ptr<const Model>& model,
                  const Console& console) {
  LICHEN_RETURN_IF_ERROR(CheckPair(job));
  const std::string input = InputName(job.input), output = OutputName(job.output);
  image_io::ReadOptions read_options;
  read_options.max_pixels = options.max_pixels;
  read_options.max_memory = options.max_memory;
  auto opened = image_io::OpenPicture(job.input, read_options);
  if (!opened.ok()) {
    const std::string hint = IsLichenName(job.input) ? " (lichen-dec decompresses .lic files)" : "";
    return Status(opened.status().code(), input + ": " + opened.status().message() + hint);
  }
  const auto file = image_io::OutputFile::Open(job.output, options.no_clobber);
  if (!file.ok()) return file.status().Prefixed(output);

  // Behind the checks above, since it starts to read at once.
  std::unique_ptr<image_io::PictureSource> source = std::move(opened).value();
  // A search may read the picture again.
  const bool searched = options.target_bytes > 0 || options.target_bits_per_pixel > 0 || options.target_psnr > 0;
  if (options.threads != 1 && !searched) source = image_io::ReadInBackground(std::move(source));
  const auto bytes = Compress(*source, options, model, job, console);
  if (!bytes.ok()) return bytes.status().Prefixed(input);
  LICHEN_RETURN_IF_ERROR(file.value()->Write(bytes->data(), bytes->size()).Prefixed(output));
  LICHEN_RETURN_IF_ERROR(file.value()->Finish().Prefixed(output));

  WarnOfTurning(source->header(), options, input, console);
  const std::vector<std::string> dropped = source->dropped();
  if (!dropped.empty()) console.Warning(input + ": " + Listed(dropped) + " not kept by this version");
  Report(source->header(), *bytes, searched, job.output, console);
  return Status();
}

int Main(int argc, char** argv, Console& console) {
  Options options;
  CLI::App app;
  AddOptions(&app, &options);
  int exit_code = kSuccess;
  if (!ParseCommandLine(&app, argc, argv, console, &exit_code)) return exit_code;
  console.SetQuiet(options.quiet);

  const FileKinds kinds = {"PNG or JPEG pictures (.png, .jpg, .jpeg)",
                           [](const std::string& name) { return image_io::TypeOfName(name).has_value(); }, ".lic",
                           CheckOutputName};
  const auto plan = MakePlan(options, kinds);
  if (!plan.ok()) return console.Refuse(plan.status());
  const auto model = LoadModel(options.model_path);
  if (!model.ok()) return console.Refuse(model.status());
  return RunPlan(*plan, options, console, [&](const Job& job, int threads, const Console& job_console) {
    Options job_options = options;
    job_options.threads = threads;
    return EncodeFile(job, job_options, *model, job_console);
  });
}

}  // namespace
}  // namespace lichen::cli

int main(int argc, char** argv) {
  lichen::cli::Console console("lichen-enc");
  return lichen::cli::RunTool(console, [&] { return lichen::cli::Main(argc, argv, console); });
}
