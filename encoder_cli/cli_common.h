// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_ENCODER_CLI_CLI_COMMON_H_
#define LICHEN_ENCODER_CLI_CLI_COMMON_H_

// What lichen-enc and lichen-dec share: their common options, messages, the progress of one file.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lichen/codec.h"
#include "lichen/status.h"

namespace lichen::cli {

// Exit codes.
constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kWrongUsage = 2;

/// Messages on standard error, which threads may write at the same time. Copies share a terminal.
class Console {
 public:
  explicit Console(std::string tool) : tool_(std::move(tool)), terminal_(std::make_shared<Terminal>()) {}

  void SetQuiet(bool quiet) { quiet_ = quiet; }
  bool quiet() const { return quiet_; }
  const std::string& tool() const { return tool_; }

  void Error(const std::string& text) const;    // "lichen-enc: text"
  void Warning(const std::string& text) const;  // the same, unless quiet
  void Note(const std::string& text) const;     // the text alone, unless quiet
  /// Says what is wrong and where to look; returns kWrongUsage.
  int WrongUsage(const std::string& text) const;
  /// The same for kInvalidArgument; for other errors just the message and kFailure.
  int Refuse(const Status& status) const;

  /// Whether a status line would be seen: standard error is a terminal, and the user wants more than errors.
  bool ShowsStatus() const;
  /// Replaces the line below the messages, which has no end of line; an empty text removes it.
  void ShowStatus(const std::string& text) const;

  /// The same console for one of many jobs, whose progress goes to `progress` instead of a line of its own.
  Console WithProgress(ProgressCallback progress) const;
  /// Whether there are many jobs, and where their progress goes: empty where there is nobody to see it.
  bool is_one_of_many() const { return is_one_of_many_; }
  const ProgressCallback& progress() const { return progress_; }

 private:
  struct Terminal {
    std::mutex mutex;
    std::string status;  // what is shown
  };
  void Print(const std::string& line) const;

  std::string tool_;
  bool quiet_ = false;
  std::shared_ptr<Terminal> terminal_;
  bool is_one_of_many_ = false;
  ProgressCallback progress_;
};

struct CommonOptions {
  std::vector<std::string> inputs;
  std::string output;  // a file, or a folder when there are several inputs
  bool quiet = false;
  bool no_clobber = false;
  bool skip_existing = false;
  bool recursive = false;
  int jobs = 1;
  int threads = 0;
  uint64_t max_pixels = uint64_t{1} << 30;
  uint64_t max_memory = uint64_t{2} << 30;  // bytes
  std::string model_path;
};

/// An option that takes a number of bytes, as ParseByteSize reads it. `bytes` keeps its value while it is not given.
CLI::Option* AddSizeOption(CLI::App* app, const std::string& name, uint64_t* bytes, const std::string& text);

/// Adds the options that both tools have. `app` writes to `options` when it parses.
void AddCommonOptions(CLI::App* app, CommonOptions* options);

/// Sets the head of the help text: usage lines and examples, before the options.
void SetHelpHead(CLI::App* app, const std::string& head);

/// For Option::check: a number from `least` to `most`, which `what` names in the message.
CLI::Validator NumberBetween(double least, double most, const std::string& what);

/// Parses; returns true to go on, or false with an exit code: after --help and --version, or for wrong usage.
bool ParseCommandLine(CLI::App* app, int argc, char** argv, const Console& console, int* exit_code);

struct Job {
  std::string input;
  std::string output;  // empty where the work writes none
};

/// kInvalidArgument when both are one file, or when a picture would be written to a terminal.
Status CheckPair(const Job& job);

/// The model of --model; null, the default model, for an empty path.
Result<std::shared_ptr<const Model>> LoadModel(const std::string& path);

/// Whether the name ends in ".lic", in any case.
bool IsLichenName(const std::string& path);

/// The name for messages: "standard input" and "standard output" for "-".
std::string InputName(const std::string& path);
std::string OutputName(const std::string& path);

/// "alpha channel, XMP data (70000 bytes)"
std::string Listed(const std::vector<std::string>& things);

/// Shows the share of the work done on a terminal's standard error, when it takes over a second; gone at the end. For
/// one of many jobs it reports to the console's progress instead.
class ProgressMeter {
 public:
  ProgressMeter(const Console& console, std::string name);
  ~ProgressMeter();
  /// For EncodeOptions and DecodeOptions; empty where there is nobody to see it. Must not outlive the meter.
  ProgressCallback Callback();

 private:
  bool Show(double share);

  Console console_;
  std::string name_;
  bool wanted_;
  bool shown_ = false;
  std::mutex mutex_;  // any thread of the codec may report
  std::chrono::steady_clock::time_point next_;
};

/// Calls `tool` with signals set up so that broken pipes are errors and interruptions leave no temporary file; lets no
/// exception out.
int RunTool(const Console& console, const std::function<int()>& tool);

}  // namespace lichen::cli

#endif  // LICHEN_ENCODER_CLI_CLI_COMMON_H_
