// SPDX-License-Identifier: Apache-2.0
// lichen-dec: .lic files to PNG and JPEG pictures, and facts about .lic files.

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "encoder_cli/cli_common.h"
#include "encoder_cli/many_files.h"
#include "image_io/background.h"
#include "image_io/image_file.h"
#include "image_io/input_file.h"
#include "image_io/output_file.h"
#include "lichen/codec.h"

namespace lichen::cli {
namespace {

constexpr char kHelpHead[] = R"(Usage: lichen-dec [options] INPUT [OUTPUT]
       lichen-dec [options] INPUT... -o FOLDER
       lichen-dec --info | --verify INPUT...
Decompresses .lic files into PNG or JPEG pictures; - is standard input or output. An INPUT can be a folder.

Example: lichen-dec photo.lic photo.png
         lichen-dec --scale 1/8 photo.lic preview.jpg
         lichen-dec --region 1200,800,640,480 photo.lic part.png
         lichen-dec -r --jobs 4 compressed/ -o pictures/
)";

constexpr char kHelpFoot[] =
    R"(ICC profile, EXIF and XMP are written as they were; JPEG cannot hold alpha, and the colours under it are written,
nor 16 bits a sample, which are rounded to 8.
Output must end in .png, .jpg or .jpeg, unless it is -, a device or a pipe, which get PNG; in a folder it is PNG. An
existing file is replaced. Interrupted or failed runs leave no half file behind. Of a folder, its .lic files are taken;
one bad file does not stop the rest. Exit code: 0 success, 1 a file failed, 2 wrong usage, 3 --salvage had to leave parts
of a picture gray, opaque or out.)";

constexpr int kSalvaged = 3;

struct Options : CommonOptions {
  bool info = false;
  bool json = false;
  bool verify = false;
  Region region;  // all of the picture when empty
  int scale = 1;
  bool salvage = false;
  uint64_t max_metadata = DecodeOptions().max_metadata_bytes;
  int bit_depth = 0;
  int jpeg_quality = image_io::WriteOptions().jpeg_quality;
  int png_level = image_io::WriteOptions().png_level;
};

/// "X,Y,W,H" as a region that is not empty.
bool ParseRegion(const std::string& text, Region* region) {
  char end = 0;
  uint64_t numbers[4];
  if (text.find_first_not_of("0123456789,") != std::string::npos ||
      std::sscanf(text.c_str(), "%8" SCNu64 ",%8" SCNu64 ",%8" SCNu64 ",%8" SCNu64 "%c", &numbers[0], &numbers[1],
                  &numbers[2], &numbers[3], &end) != 4) {
    return false;
  }
  *region = {static_cast<uint32_t>(numbers[0]), static_cast<uint32_t>(numbers[1]), static_cast<uint32_t>(numbers[2]),
             static_cast<uint32_t>(numbers[3])};
  return region->width > 0 && region->height > 0;
}

/// Adds the options that choose what of a picture is decoded.
void AddViewOptions(CLI::App* app, Options* options) {
  app->add_option_function<std::string>(
         "--region",
         [options](const std::string& text) {
           if (ParseRegion(text, &options->region)) return;
           throw CLI::ValidationError("--region",
                                      "X,Y,W,H expected: left, top, width and height in pixels, not " + text);
         },
         "Decode only W x H pixels, of which the upper left one is at X,Y")
      ->option_text("X,Y,W,H");
  app->add_option_function<std::string>(
         "--scale",
         [options](const std::string& text) {
           for (const int scale : {1, 2, 4, 8, 16}) {
             if (text == "1/" + std::to_string(scale)) options->scale = scale;
           }
           if (text == "1/" + std::to_string(options->scale)) return;
           throw CLI::ValidationError("--scale", "1/1, 1/2, 1/4, 1/8 or 1/16 expected, not " + text);
         },
         "Decode a smaller picture: 1/2, 1/4, 1/8 or 1/16 a side; from 1/8 on a quick preview")
      ->option_text("1/N");
}

void AddOptions(CLI::App* app, Options* options) {
  SetHelpHead(app, kHelpHead);
  app->footer(kHelpFoot);
  app->set_version_flag("--version", std::string("lichen-dec ") + Version(), "Print the version");
  AddCommonOptions(app, options);
  app->add_option("--depth", options->bit_depth,
                  "Bits a sample of the output, 8 or 16 (default: as before compression)")
      ->option_text("N")
      ->check(CLI::IsMember({"8", "16"}));
  AddSizeOption(app, "--max-metadata", &options->max_metadata,
                "Refuse pictures with more bytes of ICC profile, EXIF and XMP (default 192MiB)");
  AddViewOptions(app, options);
  app->add_flag("--salvage", options->salvage,
                "Decode what is intact of a damaged file; damaged tiles become gray and are named");
  app->add_option("--jpeg-quality", options->jpeg_quality,
                  "Quality of JPEG output, 1..100 (default 95), without subsampling")
      ->option_text("Q")
      ->check(NumberBetween(1, 100, "the JPEG quality"));
  app->add_option("--png-level", options->png_level, "Compression effort of PNG output, 0..9 (default 1: fast)")
      ->option_text("N")
      ->check(NumberBetween(0, 9, "the PNG level"));
  app->add_flag("--info", options->info, "Print facts about the files instead of decompressing them");
  app->add_flag("--json", options->json, "With --info: as JSON");
  app->add_flag("--verify", options->verify, "Print a hash of the decoded latents, the same on every machine");
}

Status CheckOutputName(const std::string& output) {
  if (image_io::IsDirectOutput(output)) return Status();
  if (IsLichenName(output)) {
    return Status(StatusCode::kInvalidArgument,
                  "the output of lichen-dec is a picture and cannot end in .lic; for several inputs use -o FOLDER");
  }
  if (image_io::TypeOfName(output)) return Status();
  return Status(StatusCode::kInvalidArgument,
                "lichen-dec writes PNG and JPEG; let the output end in .png, .jpg or .jpeg");
}

/// The bytes of a .lic file; people mix up the tools, so a PNG or JPEG is told as such.
Result<std::vector<uint8_t>> ReadLichenFile(const std::string& path) {
  auto bytes = image_io::ReadFile(path);
  if (!bytes.ok()) return bytes.status().Prefixed(InputName(path));
  const auto refuse = [&path](const std::string& text) {
    return Status(StatusCode::kInvalidArgument, InputName(path) + ": " + text);
  };
  if (bytes->empty()) return refuse("this file is empty; give a .lic file");
  const auto picture = image_io::TypeOfContent(*bytes);
  if (!picture) return bytes;
  const std::string type = *picture == image_io::PictureType::kPng ? "PNG" : "JPEG";
  return refuse("this is a " + type + " picture, not a .lic file; lichen-enc compresses pictures");
}

/// An error of the library about `path`, with what to do about it at this command line.
Status Explained(const Status& status, const std::string& path) {
  std::string advice;
  if (status.code() == StatusCode::kTruncated) advice = "; get a complete copy of the file, or try --salvage";
  if (status.code() == StatusCode::kDamaged) advice = "; get a good copy of the file, or try --salvage";
  if (status.code() == StatusCode::kUnknownModel) advice = " (--model FILE)";
  if (status.code() == StatusCode::kLimitExceeded) advice = " (--max-pixels, --max-memory, --max-metadata)";
  return status.ok() ? status : Status(status.code(), InputName(path) + ": " + status.message() + advice);
}

const char* ColoursOf(int channels) {
  constexpr const char* kNames[] = {"gray", "gray and alpha", "RGB", "RGB and alpha"};
  return kNames[channels - 1];
}

DecodeOptions DecodeOptionsFrom(const Options& options, const std::shared_ptr<const Model>& model) {
  DecodeOptions decode_options;
  decode_options.threads = options.threads;
  decode_options.max_pixels = options.max_pixels;
  decode_options.max_memory_bytes = options.max_memory;
  decode_options.max_metadata_bytes = options.max_metadata;
  decode_options.bit_depth = options.bit_depth;
  decode_options.model = model;
  return decode_options;
}

/// Passes rows on, and remembers errors of the output, so that they are not blamed on the input.
class WatchedSink : public RowSink {
 public:
  explicit WatchedSink(image_io::PictureSink* sink) : sink_(sink) {}

  Status Begin(const ImageHeader& header) override {
    size_ = {header.width, header.height};
    channels_ = header.channels;
    return status_ = sink_->Begin(header);
  }
  Status WriteRow(const uint8_t* row) override { return status_ = sink_->WriteRow(row); }

  /// "768x512, RGB"
  std::string Description() const {
    return std::to_string(size_.first) + "x" + std::to_string(size_.second) + ", " + ColoursOf(channels_);
  }
  const Status& status() const { return status_; }

 private:
  image_io::PictureSink* sink_;
  std::pair<uint32_t, uint32_t> size_;
  int channels_ = 1;
  Status status_;
};

/// damaged: set when --salvage had to replace a part of the picture
Status DecodeFile(const Job& job, const Options& options, const std::shared_ptr<const Model>& model,
                  const Console& console, std::atomic<bool>* damaged) {
  LICHEN_RETURN_IF_ERROR(CheckPair(job));
  const std::string input = InputName(job.input), output = OutputName(job.output);
  LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadLichenFile(job.input));

  image_io::WriteOptions write_options;
  write_options.jpeg_quality = options.jpeg_quality;
  write_options.png_level = options.png_level;
  write_options.no_clobber = options.no_clobber;
  auto created = image_io::CreatePicture(job.output, write_options);
  if (!created.ok()) return created.status().Prefixed(output);
  std::unique_ptr<image_io::PictureSink> picture = std::move(created).value();
  if (options.threads != 1) picture = image_io::WriteInBackground(std::move(picture));

  WatchedSink sink(picture.get());
  {
    ProgressMeter meter(console, input);
    DecodeOptions decode_options = DecodeOptionsFrom(options, model);
    decode_options.progress = meter.Callback();
    decode_options.region = options.region;
    decode_options.scale = options.scale;
    decode_options.salvage = options.salvage;
    decode_options.damage = [&](const Damage& damage) {
      *damaged = true;
      console.Error(input + ": " + damage.message + (damage.pixels.width > 0 ? "; it is gray in the output" : ""));
    };
    const Status status = Decode(bytes.data(), bytes.size(), decode_options, sink);
    LICHEN_RETURN_IF_ERROR(sink.status().Prefixed(output));
    LICHEN_RETURN_IF_ERROR(Explained(status, job.input));
  }
  LICHEN_RETURN_IF_ERROR(picture->Finish().Prefixed(output));
  const std::vector<std::string> dropped = picture->dropped();
  if (!dropped.empty()) {
    console.Warning(output + ": " + Listed(dropped) + " not kept, which a JPEG file cannot hold; PNG can");
  }
  console.Note(output + ": " + sink.Description());
  return Status();
}

double BitsPerPixel(const Info& info) {
  return 8.0 * static_cast<double>(info.file_bytes) / (double{1} * info.width * info.height);
}

nlohmann::ordered_json JsonOf(const std::string& path, const Info& info) {
  return {{"file", path},
          {"format_version", info.format_version},
          {"coding", info.coding == Coding::kLearned ? "learned" : "dct"},
          {"model_id", info.model_id},
          {"width", info.width},
          {"height", info.height},
          {"channels", info.channels},
          {"bit_depth", info.bit_depth},
          {"quality", info.quality},
          {"tile_size", info.tile_size},
          {"tiles", info.tiles},
          {"bytes", info.file_bytes},
          {"bits_per_pixel", BitsPerPixel(info)},
          {"alpha_bytes", info.alpha_bytes},
          {"icc_bytes", info.icc_bytes},
          {"exif_bytes", info.exif_bytes},
          {"xmp_bytes", info.xmp_bytes}};
}

/// "ICC profile (3144 bytes), EXIF data (812 bytes)"; empty when there is none.
std::string MetadataOf(const Info& info) {
  std::vector<std::string> blocks;
  if (info.icc_bytes > 0) blocks.push_back(image_io::DescribeBlock("ICC profile", info.icc_bytes));
  if (info.exif_bytes > 0) blocks.push_back(image_io::DescribeBlock("EXIF data", info.exif_bytes));
  if (info.xmp_bytes > 0) blocks.push_back(image_io::DescribeBlock("XMP data", info.xmp_bytes));
  return Listed(blocks);
}

void PrintInfo(const std::string& path, const Info& info) {
  std::printf("%s\n", path.c_str());
  std::printf("  picture         %ux%u, %s, %d bits a sample\n", info.width, info.height, ColoursOf(info.channels),
              info.bit_depth);
  std::printf("  size            %" PRIu64 " bytes, %.3f bits per pixel\n", info.file_bytes, BitsPerPixel(info));
  if (info.alpha_bytes > 0) std::printf("  alpha           %" PRIu64 " bytes\n", info.alpha_bytes);
  const std::string metadata = MetadataOf(info);
  if (!metadata.empty()) std::printf("  metadata        %s\n", metadata.c_str());
  std::printf("  quality         %.4g\n", info.quality);
  std::printf("  tiles           %u of %u pixels a side\n", info.tiles, info.tile_size);
  const bool learned = info.coding == Coding::kLearned;
  std::printf("  coding          %s\n", learned ? "learned" : "block transform");
  if (learned) std::printf("  model           %s\n", info.model_id.c_str());
  std::printf("  format version  %d%s\n", info.format_version, info.format_version == 0 ? " (experimental)" : "");
}

/// Every input, without output: for --info and --verify.
Result<Plan> PlanToRead(const Options& options, const FileKinds& kinds) {
  if (!options.output.empty() || options.skip_existing || options.jobs > 1) {
    return Status(StatusCode::kInvalidArgument,
                  "--info and --verify write no file, one after the other; leave out -o, --skip-existing and --jobs");
  }
  return PlanInputs(options, kinds);
}

/// What was printed to standard output has to have arrived there.
int FlushResults(int exit_code, const Console& console) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  console.Error("standard output: writing failed; check where it goes");
  return kFailure;
}

int ShowInfo(const Plan& plan, const Options& options, const Console& console) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  const int exit_code = RunPlan(plan, options, console, [&](const Job& job, int, const Console&) {
    LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadLichenFile(job.input));
    const auto info = Inspect(bytes.data(), bytes.size());
    if (!info.ok()) return Explained(info.status(), job.input);
    list.push_back(JsonOf(job.input, *info));
    if (!options.json) PrintInfo(InputName(job.input), *info);
    return Status();
  });
  if (options.json && !list.empty()) {
    const nlohmann::ordered_json& result = plan.jobs.size() == 1 ? list[0] : list;
    std::printf("%s\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  }
  return FlushResults(exit_code, console);
}

int Verify(const Plan& plan, const Options& options, const std::shared_ptr<const Model>& model,
           const Console& console) {
  const int exit_code = RunPlan(plan, options, console, [&](const Job& job, int, const Console&) {
    LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadLichenFile(job.input));
    const auto hash = HashLatents(bytes.data(), bytes.size(), DecodeOptionsFrom(options, model));
    if (!hash.ok()) return Explained(hash.status(), job.input);
    std::printf("%016" PRIx64, *hash);
    if (plan.jobs.size() > 1) std::printf("  %s", job.input.c_str());
    std::printf("\n");
    return Status();
  });
  return FlushResults(exit_code, console);
}

int Main(int argc, char** argv, Console& console) {
  Options options;
  CLI::App app;
  AddOptions(&app, &options);
  int exit_code = kSuccess;
  if (!ParseCommandLine(&app, argc, argv, console, &exit_code)) return exit_code;
  console.SetQuiet(options.quiet);

  if (options.info && options.verify) return console.WrongUsage("--info and --verify cannot be combined");
  if ((options.info || options.verify) && (options.region.width > 0 || options.scale > 1 || options.salvage)) {
    return console.WrongUsage("--region, --scale and --salvage write a picture; leave out --info and --verify");
  }
  if (options.json && !options.info) return console.WrongUsage("--json needs --info");
  const FileKinds kinds = {".lic files", IsLichenName, ".png", CheckOutputName};
  const auto plan = options.info || options.verify ? PlanToRead(options, kinds) : MakePlan(options, kinds);
  if (!plan.ok()) return console.Refuse(plan.status());
  if (options.info) return ShowInfo(*plan, options, console);

  const auto model = LoadModel(options.model_path);
  if (!model.ok()) return console.Refuse(model.status());
  if (options.verify) return Verify(*plan, options, *model, console);
  std::atomic<bool> damaged = false;
  exit_code = RunPlan(*plan, options, console, [&](const Job& job, int threads, const Console& job_console) {
    Options job_options = options;
    job_options.threads = threads;
    return DecodeFile(job, job_options, *model, job_console, &damaged);
  });
  return exit_code == kSuccess && damaged ? kSalvaged : exit_code;
}

}  // namespace
}  // namespace lichen::cli

int main(int argc, char** argv) {
  lichen::cli::Console console("lichen-dec");
  return lichen::cli::RunTool(console, [&] { return lichen::cli::Main(argc, argv, console); });
}
