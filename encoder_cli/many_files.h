// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_ENCODER_CLI_MANY_FILES_H_
#define LICHEN_ENCODER_CLI_MANY_FILES_H_

// Many files in one run: which output belongs to which input, the work side by side, progress and a summary.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "encoder_cli/cli_common.h"
#include "lichen/status.h"

namespace lichen::cli {

/// What a tool reads and writes.
struct FileKinds {
  std::string input_kind;                                    // "PNG or JPEG pictures", for messages
  std::function<bool(const std::string&)> is_input;          // whether a file in a folder is one, by its name
  std::string output_extension;                              // ".lic": of outputs in a folder, named as the inputs
  std::function<Status(const std::string&)> check_out_name;  // refuses the name of an output file
};

struct Plan {
  std::vector<Job> jobs;
  bool is_batch = false;         // outputs lie in a folder, which is created, and a summary is wanted
  std::vector<Status> problems;  // inputs that could not be looked at; the rest goes on without them
};

/// Pairs inputs and outputs. Without -o, the last of the names is the output. A folder stands for the files in it that
/// `kinds` names, without hidden ones, with -r also those in its subfolders; their outputs lie in the output folder as
/// they do in theirs. A name that no file has, with * ? or [, is a pattern as in a shell.
/// errors: kInvalidArgument, for wrong usage, and when two inputs would have one output
Result<Plan> MakePlan(const CommonOptions& options, const FileKinds& kinds);

/// The inputs alone, for work that writes no files.
Result<Plan> PlanInputs(const CommonOptions& options, const FileKinds& kinds);

/// Does one job with at most `threads` threads, 0 for as many as there are, and names the file in its errors. The
/// console knows how to show the progress of this job among the others.
using Work = std::function<Status(const Job& job, int threads, const Console& console)>;

/// Calls `work` for every job, options.jobs of them side by side, prints the errors, and returns the exit code. An
/// error does not stop the rest. With options.skip_existing, jobs whose output exists are left out.
int RunPlan(const Plan& plan, const CommonOptions& options, const Console& console, const Work& work);

/// How the threads of a run are shared out: for worker i of `workers`, from 0, at least one.
int ThreadsOfWorker(int threads, int workers, int i);

/// What a run has done, and how far it is.
struct Tally {
  size_t files = 0;  // in all
  size_t done = 0, skipped = 0, failed = 0;
  uint64_t bytes_total = 0;    // of all inputs
  uint64_t bytes_skipped = 0;  // of inputs that were skipped
  uint64_t bytes_worked = 0;   // of inputs that were done or failed, and shares of those being worked on
  uint64_t bytes_in = 0;       // of inputs that were done
  uint64_t bytes_out = 0;      // of their outputs
  double seconds = 0;
};

/// "[=====>              ] 30/120 files, 3.1 files/s, 12.4 MB/s, 0:29 left", at most `width` characters.
std::string DescribeProgress(const Tally& tally, size_t width);

/// "121 files: 116 done, 3 skipped, 2 failed; 98201221 bytes to 6130012 bytes (6.2 %) in 41.2 s"
std::string DescribeResult(const Tally& tally);

}  // namespace lichen::cli

#endif  // LICHEN_ENCODER_CLI_MANY_FILES_H_
