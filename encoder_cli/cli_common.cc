// SPDX-License-Identifier: Apache-2.0
#include "encoder_cli/cli_common.h"

#ifdef __GLIBC__
#include <malloc.h>
#include <sys/mman.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "encoder_cli/byte_size.h"
#include "image_io/input_file.h"
#include "image_io/output_file.h"

namespace lichen::cli {
namespace {

constexpr auto kProgressDelay = std::chrono::seconds(1);
constexpr auto kProgressInterval = std::chrono::milliseconds(100);
const std::string kWipeLine = "\r\033[K";

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string head) : head_(std::move(head)) { column_width(26); }
  std::string make_usage(const CLI::App*, std::string) const override { return head_; }
  std::string make_positionals(const CLI::App*) const override { return ""; }

 private:
  std::string head_;
};

}  // namespace

void Console::Error(const std::string& text) const { Print(tool_ + ": " + text + "\n"); }

void Console::Warning(const std::string& text) const {
  if (!quiet_) Error(text);
}

void Console::Note(const std::string& text) const {
  if (!quiet_) Print(text + "\n");
}

void Console::Print(const std::string& line) const {
  const std::lock_guard<std::mutex> lock(terminal_->mutex);
  const std::string& status = terminal_->status;
  std::fputs(status.empty() ? line.c_str() : (kWipeLine + line + status).c_str(), stderr);
}

bool Console::ShowsStatus() const { return !quiet_ && isatty(STDERR_FILENO) != 0; }

void Console::ShowStatus(const std::string& text) const {
  const std::lock_guard<std::mutex> lock(terminal_->mutex);
  if (text == terminal_->status) return;
  std::fputs((kWipeLine + text).c_str(), stderr);
  terminal_->status = text;
}

Console Console::WithProgress(ProgressCallback progress) const {
  Console console = *this;
  console.is_one_of_many_ = true;
  console.progress_ = std::move(progress);
  return console;
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

CLI::Option* AddSizeOption(CLI::App* app, const std::string& name, uint64_t* bytes, const std::string& text) {
  const auto set = [name, bytes](const std::string& size) {
    const auto parsed = ParseByteSize(size);
    if (!parsed) throw CLI::ValidationError(name, "must be a size such as 120k (120000 bytes) or 1.5M, not " + size);
    *bytes = *parsed;
  };
  return app->add_option_function<std::string>(name, set, text)->option_text("SIZE");
}

void AddCommonOptions(CLI::App* app, CommonOptions* options) {
  app->add_option("FILES", options->inputs, "Inputs, and the output unless -o gives it");
  app->add_option("-o,--output", options->output,
                  "Output file, or folder for several inputs; then all names are inputs")
      ->option_text("FILE");
  app->add_flag("-r,--recursive", options->recursive,
                "Look into the subfolders of folders too, and make the same ones");
  app->add_option("--jobs", options->jobs,
                  "Work on N files at a time, 1..256 (default 1); the threads are shared out among them")
      ->option_text("N")
      ->check(NumberBetween(1, 256, "the number of jobs"));
  app->add_flag("--skip-existing", options->skip_existing, "Leave out files whose output exists already");
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
  AddSizeOption(app, "--max-memory", &options->max_memory,
                "Refuse pictures that take more memory, for example 500M or 4G (default 2GiB)");
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
    : console_(console),
      name_(std::move(name)),
      wanted_(console.ShowsStatus() && !console.is_one_of_many()),
      next_(std::chrono::steady_clock::now() + kProgressDelay) {}

ProgressMeter::~ProgressMeter() {
  if (shown_) console_.ShowStatus("");
}

ProgressCallback ProgressMeter::Callback() {
  if (console_.is_one_of_many()) return console_.progress();
  if (!wanted_) return nullptr;
  return [this](double share) { return Show(share); };
}

bool ProgressMeter::Show(double share) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_) {
    char percent[16];
    std::snprintf(percent, sizeof percent, ": %3.0f %%", share * 100);
    console_.ShowStatus(name_ + percent);
    shown_ = true;
    next_ = now + kProgressInterval;
  }
  return true;
}

#ifdef __GLIBC__
namespace {

/// Asks the system for huge pages where the next allocations will lie, so that the first writes interrupt once in 2
/// MiB, not in every 4 KiB: a third as often for a small picture, most of whose memory is the model's.
void PutHeapOnHugePages() {
#ifdef MADV_HUGEPAGE
  constexpr size_t kHugePage = size_t{2} << 20, kHeap = 32 * kHugePage;
  mallopt(M_MMAP_THRESHOLD, 2 * kHeap);
  mallopt(M_TRIM_THRESHOLD, 2 * kHeap);
  mallopt(M_ARENA_MAX, 1);  // or other threads allocate elsewhere
  void* heap = std::malloc(kHeap);
  if (!heap) return;
  const auto begin = (reinterpret_cast<uintptr_t>(heap) + kHugePage - 1) / kHugePage * kHugePage;
  madvise(reinterpret_cast<void*>(begin), kHeap - kHugePage, MADV_HUGEPAGE);  // may fail
  std::free(heap);
#endif
}

}  // namespace
#endif

int RunTool(const Console& console, const std::function<int()>& tool) {
  std::signal(SIGPIPE, SIG_IGN);  // a broken pipe becomes a write error
#ifdef SIGXFSZ
  std::signal(SIGXFSZ, SIG_IGN);  // and so does the limit of ulimit -f
#endif
  image_io::RemoveTemporaryFilesOnSignals();
#ifdef __GLIBC__
  // Tensors that make room for larger ones go back to the system. glibc would raise this limit when the first does, and
  // keep the gaps that the others leave: 27 MiB of 296 when 12 megapixels are decoded.
  PutHeapOnHugePages();
  mallopt(M_MMAP_THRESHOLD, 16 << 20);
#endif
  try {
    return tool();
  } catch (const std::exception& error) {
    console.Error(std::string("unexpected error: ") + error.what() + "; please report it");
  }
  return kFailure;
}

}  // namespace lichen::cli
