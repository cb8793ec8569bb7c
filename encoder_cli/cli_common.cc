// SPDX-License-Identifier: Apache-2.0
#include "encoder_cli/cli_common.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <new>
#include <utility>

#include "image_io/input_file.h"
#include "image_io/output_file.h"

namespace lichen::cli {
namespace {

constexpr auto kProgressDelay = std::chrono::seconds(1);
constexpr auto kProgressInterval = std::chrono::milliseconds(100);

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string head) : head_(std::move(head)) { column_width(26); }
  std::string make_usage(const CLI::App*, std::string) const override { return head_; }
  std::string make_positionals(const CLI::App*) const override { return ""; }

 private:
  std::string head_;
};

Status WrongUsageError(const std::string& text) { return Status(StatusCode::kInvalidArgument, text); }

bool IsFolder(const std::string& path) {
  std::error_code error;
  return (!path.empty() && path.back() == '/') || std::filesystem::is_directory(path, error);
}

Status CreateFolder(const std::string& folder) {
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return Status();
  std::filesystem::create_directories(folder, error);
  if (!error) return Status();
  return Status(StatusCode::kIoError,
                folder + ": this folder cannot be created (" + error.message() + "); choose another one");
}

/// "photos/kodim01.png" in the folder "out" becomes "out/kodim01.lic".
std::string NameInFolder(const std::string& folder, const std::string& input, const std::string& extension) {
  return (std::filesystem::path(folder) / std::filesystem::path(input).stem()).string() + extension;
}

}  // namespace

void Console::Error(const std::string& text) const { std::fprintf(stderr, "%s: %s\n", tool_.c_str(), text.c_str()); }

void Console::Warning(const std::string& text) const {
  if (!quiet_) Error(text);
}

void Console::Note(const std::string& text) const {
  if (!quiet_) std::fprintf(stderr, "%s\n", text.c_str());
}

int Console::WrongUsage(const std::string& text) const {
  Error(text + " (see " + tool_ + " --help)");
  return kWrongUsage;
}

int Console::Refuse(const Status& status) const {
  if (status.code() == StatusCode::kInvalidArgument) return WrongUsage(status.message());
  Error(status.message());
  return kFailure;
}

void AddCommonOptions(CLI::App* app, CommonOptions* options) {
  app->add_option("FILES", options->inputs, "Inputs, and the output unless -o gives it");
  app->add_option("-o,--output", options->output,
                  "Output file, or folder for several inputs; then all names are inputs")
      ->option_text("FILE");
  app->add_flag("--no-clobber", options->no_clobber, "Refuse to replace a file that exists");
  app->add_option("--threads", options->threads, "Use at most N threads, 1..1024 (default: as many as the machine has)")
      ->option_text("N")
      ->check(NumberBetween(1, 1024, "the number of threads"));
  app->add_option("--model", options->model_path, "Use the model in FILE instead of the one that is built in")
      ->option_text("FILE");
  app->add_option("--max-pixels", options->max_pixels,
                  "Refuse pictures of more than N pixels (default " + std::to_string(options->max_pixels) + ")")
      ->option_text("N")
      ->check(NumberBetween(1, 1e15, "the number of pixels"));
  app->add_option("--max-memory", options->max_memory,
                  "Refuse pictures that take more memory, for example 500M or 4G (default 2G)")
      ->option_text("SIZE")
      ->transform(CLI::AsSizeValue(false));
  app->add_flag("--quiet", options->quiet, "Print errors only: no result line, warnings or progress");
}

void SetHelpHead(CLI::App* app, const std::string& head) {
  app->formatter(std::make_shared<HelpFormatter>(head));
  app->set_help_flag("-h,--help", "Print this text");
}

CLI::Validator NumberBetween(double least, double most, const std::string& what) {
  return CLI::Validator(
      [least, most, what](const std::string& text) {
        double number = 0;
        // Written so that a NaN is refused too.
        if (CLI::detail::lexical_cast(text, number) && number >= least && number <= most) return std::string();
        char range[64];
        std::snprintf(range, sizeof range, "%.15g to %.15g", least, most);
        return what + " must be from " + range + ", not " + text;
      },
      "");
}

bool ParseCommandLine(CLI::App* app, int argc, char** argv, const Console& console, int* exit_code) {
  try {
    app->parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app->help().c_str());
  } catch (const CLI::CallForVersion& version) {
    std::printf("%s\n", version.what());
  } catch (const CLI::ParseError& error) {
    *exit_code = console.WrongUsage(error.what());
    return false;
  }
  *exit_code = std::fflush(stdout) == 0 ? kSuccess : kFailure;
  return false;
}

Result<Plan> MakePlan(const CommonOptions& options, const std::string& extension,
                      const std::function<Status(const std::string&)>& check_name) {
  std::vector<std::string> inputs = options.inputs;
  std::string output = options.output;
  if (inputs.empty()) return WrongUsageError("an input file is missing; give its name, or - for standard input");
  if (output.empty() && inputs.size() == 1) {
    return WrongUsageError("an output file is missing; give its name, or - for standard output");
  }
  if (output.empty() && inputs.size() > 2) return WrongUsageError("more than one input needs a folder after -o");
  if (output.empty()) {
    output = inputs.back();
    inputs.pop_back();
  }
  if (inputs.size() == 1 && !IsFolder(output)) {
    LICHEN_RETURN_IF_ERROR(check_name(output).Prefixed(output));
    return Plan{{{inputs[0], output}}, ""};
  }
  if (std::error_code error; !IsFolder(output) && std::filesystem::exists(output, error)) {
    return WrongUsageError(output + ": this is a file; more than one input needs a folder after -o");
  }
  Plan plan{{}, output};
  std::map<std::string, std::string> input_of;
  for (const std::string& input : inputs) {
    if (input == "-") return WrongUsageError("standard input has no name for a file in a folder; give -o a file");
    const std::string name = NameInFolder(output, input, extension);
    const auto [previous, is_new] = input_of.emplace(name, input);
    if (!is_new) return WrongUsageError(previous->second + " and " + input + " would both become " + name);
    plan.jobs.push_back({input, name});
  }
  return plan;
}

int RunPlan(const Plan& plan, const Console& console, const std::function<Status(const Job&)>& work) {
  if (const Status status = CreateFolder(plan.folder); !status.ok()) return console.Refuse(status);
  int exit_code = kSuccess;
  for (const Job& job : plan.jobs) {
    Status status;
    try {
      status = work(job);
    } catch (const std::bad_alloc&) {
      status = Status(StatusCode::kOutOfMemory, InputName(job.input) + ": there is not enough memory for this file");
    }
    if (status.ok()) continue;
    console.Error(status.message());
    exit_code = kFailure;
  }
  return exit_code;
}

Status CheckPair(const Job& job) {
  if (image_io::IsSameFile(job.input, job.output)) {
    return Status(StatusCode::kInvalidArgument,
                  OutputName(job.output) + ": input and output are the same file; give the output another name");
  }
  if (job.output == "-" && isatty(STDOUT_FILENO) != 0) {
    return Status(StatusCode::kInvalidArgument, "standard output is a terminal; send it to a file or a program");
  }
  return Status();
}

Result<std::shared_ptr<const Model>> LoadModel(const std::string& path) {
  if (path.empty()) return std::shared_ptr<const Model>();
  const Result<std::vector<uint8_t>> bytes = image_io::ReadFile(path);
  if (!bytes.ok()) return bytes.status().Prefixed(path);
  Result<std::shared_ptr<const Model>> model = Model::Parse(bytes->data(), bytes->size());
  if (!model.ok()) return model.status().Prefixed(path);
  return model;
}

bool IsLichenName(const std::string& path) {
  constexpr char kExtension[] = ".lic";
  constexpr size_t kLength = 4;
  return path.size() > kLength && std::equal(path.end() - kLength, path.end(), kExtension,
                                             [](unsigned char a, char b) { return std::tolower(a) == b; });
}

std::string InputName(const std::string& path) { return path == "-" ? "standard input" : path; }
std::string OutputName(const std::string& path) { return path == "-" ? "standard output" : path; }

std::string Listed(const std::vector<std::string>& things) {
  std::string text;
  for (const std::string& thing : things) text += (text.empty() ? "" : ", ") + thing;
  return text;
}

ProgressMeter::ProgressMeter(const Console& console, std::string name)
    : name_(std::move(name)),
      wanted_(!console.quiet() && isatty(STDERR_FILENO) != 0),
      next_(std::chrono::steady_clock::now() + kProgressDelay) {}

ProgressMeter::~ProgressMeter() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
}

ProgressCallback ProgressMeter::Callback() {
  if (!wanted_) return nullptr;
  return [this](double share) { return Show(share); };
}

bool ProgressMeter::Show(double share) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_) {
    std::fprintf(stderr, "\r%s: %3.0f %%\033[K", name_.c_str(), share * 100);
    shown_ = true;
    next_ = now + kProgressInterval;
  }
  return true;
}

int RunTool(const Console& console, const std::function<int()>& tool) {
  std::signal(SIGPIPE, SIG_IGN);  // a broken pipe becomes a write error
#ifdef SIGXFSZ
  std::signal(SIGXFSZ, SIG_IGN);  // and so does the limit of ulimit -f
#endif
  image_io::RemoveTemporaryFilesOnSignals();
  try {
    return tool();
  } catch (const std::exception& error) {
    console.Error(std::string("unexpected error: ") + error.what() + "; please report it");
  }
  return kFailure;
}

}  // namespace lichen::cli
