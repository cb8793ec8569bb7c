// SPDX-License-Identifier: Apache-2.0
#include "encoder_cli/many_files.h"

#include <glob.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "image_io/output_file.h"

namespace lichen::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto kDrawInterval = std::chrono::milliseconds(100);

Status WrongUsageError(const std::string& text) { return Status(StatusCode::kInvalidArgument, text); }

bool IsFolder(const std::string& path) {
  std::error_code error;
  return (!path.empty() && path.back() == '/') || fs::is_directory(path, error);
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;  // of a pipe, for example
}

/// An input file, and its name below the output folder.
struct Found {
  std::string path;
  fs::path below;
};

/// Inputs as they were given, with folders and patterns opened up.
class Finder {
 public:
  Finder(const FileKinds& kinds, bool recursive) : kinds_(kinds), recursive_(recursive) {}

  void Add(const std::string& input) {
    std::error_code error;
    if (input != "-" && fs::is_directory(input, error)) {
      AddFolder(input);
    } else if (input != "-" && !fs::exists(input, error) && input.find_first_of("*?[") != std::string::npos) {
      AddPattern(input);
    } else {
      found.push_back({input, fs::path(input).filename()});
    }
  }

  std::vector<Found> found;
  std::vector<Status> problems;
  std::string first_folder;  // or pattern, among the inputs

 private:
  void AddFolder(const std::string& folder) {
    if (first_folder.empty()) first_folder = folder;
    const size_t found_before = found.size(), problems_before = problems.size();
    Walk(folder, fs::path());
    if (found.size() > found_before || problems.size() > problems_before) return;
    problems.push_back(Status(StatusCode::kIoError, folder + ": there are no " + kinds_.input_kind + " in this folder" +
                                                        (recursive_ ? "" : "; -r looks into its subfolders too")));
  }

  void Walk(const fs::path& folder, const fs::path& below) {
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      entries.push_back(*it);
    if (error) {
      problems.push_back(Status(StatusCode::kIoError, folder.string() + ": this folder cannot be read (" +
                                                          error.message() + "); check its permissions"));
    }
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& entry : entries) {
      const fs::path name = entry.path().filename();
      if (name.string()[0] == '.') continue;
      if (entry.is_directory(error)) {
        if (recursive_ && !entry.is_symlink(error)) Walk(entry.path(), below / name);  // links could lead round
      } else if (kinds_.is_input(name.string())) {
        found.push_back({entry.path().string(), below / name});
      }
    }
  }

  void AddPattern(const std::string& pattern) {
    if (first_folder.empty()) first_folder = pattern;
    glob_t names = {};
    if (glob(pattern.c_str(), GLOB_TILDE, nullptr, &names) != 0) {
      problems.push_back(Status(StatusCode::kIoError, pattern + ": no file matches this pattern; check it"));
    }
    for (size_t i = 0; i < names.gl_pathc; ++i) {
      const std::string name = names.gl_pathv[i];
      if (IsFolder(name)) {
        AddFolder(name);
      } else {
        found.push_back({name, fs::path(name).filename()});
      }
    }
    globfree(&names);
  }

  const FileKinds& kinds_;
  const bool recursive_;
};

Status CreateFolder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return Status();
  fs::create_directories(folder, error);
  if (!error) return Status();
  return Status(StatusCode::kIoError,
                folder.string() + ": this folder cannot be created (" + error.message() + "); choose another one");
}

/// Every input becomes a file in the folder `output`.
Result<Plan> PlanFolder(const Finder& finder, const std::string& output, const FileKinds& kinds) {
  Plan plan;
  plan.is_batch = true;
  plan.problems = finder.problems;
  std::map<std::string, std::string> input_of;
  for (const Found& found : finder.found) {
    if (found.path == "-") return WrongUsageError("standard input has no name for a file in a folder; give -o a file");
    fs::path below = found.below;
    const std::string name = (fs::path(output) / below.replace_extension(kinds.output_extension)).string();
    const auto [previous, is_new] = input_of.emplace(name, found.path);
    if (!is_new) {
      return WrongUsageError(previous->second + " and " + found.path + " would both become " + name +
                             "; rename one, or run the tool once for each");
    }
    plan.jobs.push_back({found.path, name});
  }
  return plan;
}

std::string Clock(double seconds) {
  const long all = std::lround(seconds);
  char text[40];
  if (all < 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld", all / 60, all % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", all / 3600, all / 60 % 60, all % 60);
  }
  return text;
}

size_t TerminalWidth() {
  struct winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/// Counts what the workers do, and shows it on a terminal.
class Progress {
 public:
  Progress(const Plan& plan, int workers, const Console& console)
      : console_(console), visible_(plan.is_batch && console.ShowsStatus()), running_(workers, 0) {
    tally_.files = plan.jobs.size() + plan.problems.size();
    tally_.failed = plan.problems.size();
    for (const Job& job : plan.jobs) tally_.bytes_total += SizeOf(job.input);
  }
  ~Progress() { console_.ShowStatus(""); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// For the job of a worker, whose input has `bytes`: empty where there is nobody to see it.
  ProgressCallback OfJob(int worker, uint64_t bytes) {
    if (!visible_) return nullptr;
    return [this, worker, bytes](double share) {
      const std::lock_guard<std::mutex> lock(mutex_);
      running_[worker] = share * static_cast<double>(bytes);
      Draw();
      return true;
    };
  }

  void Skipped(uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++tally_.skipped;
    tally_.bytes_skipped += bytes;
    Draw();
  }
  void Finished(int worker, bool ok, uint64_t bytes_in, uint64_t bytes_out) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++(ok ? tally_.done : tally_.failed);
    running_[worker] = 0;
    tally_.bytes_worked += bytes_in;
    tally_.bytes_in += ok ? bytes_in : 0;
    tally_.bytes_out += ok ? bytes_out : 0;
    Draw();
  }

  /// With the shares of the jobs that run.
  Tally Now() const {
    Tally now = tally_;
    for (const double bytes : running_) now.bytes_worked += static_cast<uint64_t>(bytes);
    now.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return now;
  }

 private:
  void Draw() {
    const auto now = std::chrono::steady_clock::now();
    if (!visible_ || now < next_) return;
    next_ = now + kDrawInterval;
    console_.ShowStatus(DescribeProgress(Now(), TerminalWidth() - 1));
  }

  const Console& console_;
  const bool visible_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_ = start_;
  std::mutex mutex_;
  Tally tally_;
  std::vector<double> running_;  // by worker: bytes of its input that are done
};

Status DoSafely(const Job& job, const std::function<Status()>& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, InputName(job.input) + ": there is not enough memory for this file");
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal,
                  InputName(job.input) + ": unexpected error: " + error.what() + "; please report it");
  }
}

}  // namespace

Result<Plan> MakePlan(const CommonOptions& options, const FileKinds& kinds) {
  std::vector<std::string> inputs = options.inputs;
  std::string output = options.output;
  if (inputs.empty()) return WrongUsageError("an input file is missing; give its name, or - for standard input");
  if (output.empty() && inputs.size() == 1) {
    return WrongUsageError(IsFolder(inputs[0]) ? "an output folder is missing; give it after -o"
                                               : "an output file is missing; give its name, or - for standard output");
  }
  if (output.empty() && inputs.size() > 2) return WrongUsageError("more than one input needs a folder after -o");
  if (output.empty()) {
    output = inputs.back();
    inputs.pop_back();
  }
  Finder finder(kinds, options.recursive);
  for (const std::string& input : inputs) finder.Add(input);
  if (inputs.size() == 1 && finder.first_folder.empty() && !IsFolder(output)) {
    LICHEN_RETURN_IF_ERROR(kinds.check_out_name(output).Prefixed(output));
    Plan plan;
    plan.jobs.push_back({inputs[0], output});
    return plan;
  }
  if (!IsFolder(output) && Exists(output)) {
    return WrongUsageError(output + ": this is a file; more than one input needs a folder after -o");
  }
  if (!finder.first_folder.empty() && !IsFolder(output) && kinds.check_out_name(output).ok()) {
    return WrongUsageError(finder.first_folder + " stands for a folder of files, and " + output +
                           " looks like one file; give a folder after -o");
  }
  return PlanFolder(finder, output, kinds);
}

Result<Plan> PlanInputs(const CommonOptions& options, const FileKinds& kinds) {
  if (options.inputs.empty()) return WrongUsageError("an input file is missing; give its name");
  Finder finder(kinds, options.recursive);
  for (const std::string& input : options.inputs) finder.Add(input);
  Plan plan;
  plan.problems = finder.problems;
  for (const Found& found : finder.found) plan.jobs.push_back({found.path, ""});
  return plan;
}

int RunPlan(const Plan& plan, const CommonOptions& options, const Console& console, const Work& work) {
  for (const Status& problem : plan.problems) console.Error(problem.message());
  const int workers = std::max(1, static_cast<int>(std::min<size_t>(options.jobs, plan.jobs.size())));
  Progress progress(plan, workers, console);
  std::atomic<size_t> next{0};
  const auto run = [&](int worker) {
    const int threads = workers == 1 ? options.threads : ThreadsOfWorker(options.threads, workers, worker);
    for (size_t i = next++; i < plan.jobs.size(); i = next++) {
      const Job& job = plan.jobs[i];
      const uint64_t bytes = SizeOf(job.input);
      if (options.skip_existing && Exists(job.output) && !image_io::IsDirectOutput(job.output)) {
        progress.Skipped(bytes);
        if (!plan.is_batch) console.Note(job.output + ": exists, skipped");
        continue;
      }
      const Console worker_console = plan.is_batch ? console.WithProgress(progress.OfJob(worker, bytes)) : console;
      const Status status = DoSafely(job, [&] {
        if (plan.is_batch) LICHEN_RETURN_IF_ERROR(CreateFolder(fs::path(job.output).parent_path()));
        return work(job, threads, worker_console);
      });
      if (!status.ok()) console.Error(status.message());
      progress.Finished(worker, status.ok(), bytes, status.ok() ? SizeOf(job.output) : 0);
    }
  };
  std::vector<std::thread> others;
  for (int worker = 1; worker < workers; ++worker) others.emplace_back(run, worker);
  run(0);
  for (std::thread& other : others) other.join();
  const Tally tally = progress.Now();
  console.ShowStatus("");
  if (plan.is_batch) console.Warning(DescribeResult(tally));
  return tally.failed == 0 ? kSuccess : kFailure;
}

int ThreadsOfWorker(int threads, int workers, int i) {
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int all = threads <= 0 ? processors : std::min(threads, processors);
  return std::max(1, all / workers + (i < all % workers ? 1 : 0));
}

std::string DescribeProgress(const Tally& tally, size_t width) {
  constexpr int kBar = 20;
  const uint64_t to_work = tally.bytes_total - std::min(tally.bytes_total, tally.bytes_skipped);
  const double share = to_work == 0 ? 1 : std::min(1.0, double(tally.bytes_worked) / double(to_work));
  std::string bar(kBar, ' ');
  const int filled = static_cast<int>(share * kBar);
  for (int i = 0; i < filled; ++i) bar[i] = '=';
  if (filled < kBar) bar[filled] = '>';
  const size_t ended = tally.done + tally.skipped + tally.failed;
  std::string line = "[" + bar + "] " + std::to_string(ended) + "/" + std::to_string(tally.files) + " files";
  if (tally.bytes_worked > 0 && tally.seconds > 0) {
    char rates[96];
    std::snprintf(rates, sizeof rates, ", %.1f files/s, %.2f MB/s, ", double(tally.done + tally.failed) / tally.seconds,
                  double(tally.bytes_worked) / tally.seconds / 1e6);
    line += rates + Clock(tally.seconds * (1 - share) / share) + " left";
  }
  return line.substr(0, width);
}

std::string DescribeResult(const Tally& tally) {
  char text[200];
  std::snprintf(text, sizeof text, "%zu files: %zu done, %zu skipped, %zu failed; %llu bytes to %llu bytes",
                tally.files, tally.done, tally.skipped, tally.failed, static_cast<unsigned long long>(tally.bytes_in),
                static_cast<unsigned long long>(tally.bytes_out));
  std::string line = text;
  if (tally.bytes_in > 0) {
    std::snprintf(text, sizeof text, " (%.1f %%)", 100.0 * double(tally.bytes_out) / double(tally.bytes_in));
    line += text;
  }
  std::snprintf(text, sizeof text, " in %.1f s", tally.seconds);
  return line + text;
}

}  // namespace lichen::cli
