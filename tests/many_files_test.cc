// SPDX-License-Identifier: Apache-2.0
#include "encoder_cli/many_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>

#include "temporary_folder.h"

namespace lichen::cli {
namespace {

namespace fs = std::filesystem;

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

const FileKinds kKinds = {"texts (.txt)", [](const std::string& name) { return EndsWith(name, ".txt"); }, ".out",
                          [](const std::string& name) {
                            return EndsWith(name, ".out") ? Status()
                                                          : Status(StatusCode::kInvalidArgument, "must end in .out");
                          }};

class ManyFilesTest : public testing::Test {
 protected:
  ManyFilesTest() {
    for (const char* name :
         {"in/b.txt", "in/a.txt", "in/c.jpg", "in/.hidden.txt", "in/sub/deep/d.txt", "in/sub/a.txt"}) {
      fs::create_directories(fs::path(folder_ / name).parent_path());
      WriteText(folder_ / name, name);
    }
  }

  /// "in/a.txt>out/a.out in/b.txt>out/b.out", without the test's folder.
  std::string PlanOf(const std::vector<std::string>& inputs, const std::string& output, bool recursive = false) {
    const auto plan = MakePlan(Options(inputs, output, recursive), kKinds);
    if (!plan.ok()) return WithoutFolder(plan.status().message());
    std::string text;
    for (const Job& job : plan->jobs) text += (text.empty() ? "" : " ") + job.input + ">" + job.output;
    for (const Status& problem : plan->problems) text += (text.empty() ? "!" : " !") + problem.message();
    return WithoutFolder(text);
  }

  std::string WithoutFolder(std::string text) const {
    const std::string prefix = folder_.path() + "/";
    for (size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) text.erase(at, prefix.size());
    return text;
  }

  CommonOptions Options(const std::vector<std::string>& inputs, const std::string& output, bool recursive = false) {
    CommonOptions options;
    for (const std::string& input : inputs) options.inputs.push_back(folder_ / input);
    if (!output.empty()) options.output = folder_ / output;
    options.recursive = recursive;
    return options;
  }

  TemporaryFolder folder_;
  Console console_{"test"};
};

TEST_F(ManyFilesTest, AFolderStandsForItsFilesInOrder) {
  EXPECT_EQ(PlanOf({"in"}, "out"), "in/a.txt>out/a.out in/b.txt>out/b.out");
  EXPECT_EQ(PlanOf({"in/"}, "out/"), "in/a.txt>out/a.out in/b.txt>out/b.out");
  EXPECT_EQ(PlanOf({"in", "out"}, ""), "in/a.txt>out/a.out in/b.txt>out/b.out");
}

TEST_F(ManyFilesTest, TheOutputMirrorsTheTree) {
  EXPECT_EQ(PlanOf({"in"}, "out", true),
            "in/a.txt>out/a.out in/b.txt>out/b.out in/sub/a.txt>out/sub/a.out in/sub/deep/d.txt>out/sub/deep/d.out");
}

TEST_F(ManyFilesTest, LinksToFoldersAreNotFollowed) {
  fs::create_directory_symlink("..", folder_ / "in/sub/round");
  fs::create_symlink("a.txt", folder_ / "in/link.txt");
  EXPECT_EQ(PlanOf({"in"}, "out", true),
            "in/a.txt>out/a.out in/b.txt>out/b.out in/link.txt>out/link.out in/sub/a.txt>out/sub/a.out "
            "in/sub/deep/d.txt>out/sub/deep/d.out");
}

TEST_F(ManyFilesTest, PatternsAreOpenedUpUnlessAFileHasThatName) {
  EXPECT_EQ(PlanOf({"in/*.txt"}, "out"), "in/a.txt>out/a.out in/b.txt>out/b.out");
  EXPECT_EQ(PlanOf({"in/s?b/[ab].txt"}, "out"), "in/sub/a.txt>out/a.out");
  EXPECT_EQ(PlanOf({"in/*.gif", "in/a.txt"}, "out"),
            "in/a.txt>out/a.out !in/*.gif: no file matches this pattern; check it");
  WriteText(folder_ / "in/*.txt", "a strange name");
  EXPECT_EQ(PlanOf({"in/*.txt"}, "out.out"), "in/*.txt>out.out");
}

TEST_F(ManyFilesTest, TwoInputsWithOneOutputAreRefused) {
  EXPECT_EQ(PlanOf({"in/a.txt", "in/sub/a.txt"}, "out"),
            "in/a.txt and in/sub/a.txt would both become out/a.out; rename one, or run the tool once for each");
  EXPECT_EQ(PlanOf({"in", "in/sub"}, "out"),
            "in/a.txt and in/sub/a.txt would both become out/a.out; rename one, or run the tool once for each");
  WriteText(folder_ / "in/a.more.txt", "");
  EXPECT_EQ(PlanOf({"in"}, "out").find("both"), std::string::npos) << "a.more.txt becomes a.more.out";
}

TEST_F(ManyFilesTest, AFolderWithoutFilesIsAProblemOfItsOwn) {
  fs::create_directory(folder_ / "empty");
  EXPECT_EQ(PlanOf({"empty", "in"}, "out"),
            "in/a.txt>out/a.out in/b.txt>out/b.out "
            "!empty: there are no texts (.txt) in this folder; -r looks into its subfolders too");
  EXPECT_EQ(PlanOf({"empty"}, "out", true), "!empty: there are no texts (.txt) in this folder");
}

TEST_F(ManyFilesTest, AFolderThatCannotBeReadIsAProblemOfItsOwn) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  fs::permissions(folder_ / "in/sub", fs::perms::none);
  const std::string plan = PlanOf({"in"}, "out", true);
  fs::permissions(folder_ / "in/sub", fs::perms::owner_all);
  EXPECT_EQ(plan.find("in/a.txt>out/a.out in/b.txt>out/b.out !in/sub: this folder cannot be read"), 0u) << plan;
}

TEST_F(ManyFilesTest, WrongUsageIsExplained) {
  EXPECT_EQ(PlanOf({}, ""), "an input file is missing; give its name, or - for standard input");
  EXPECT_EQ(PlanOf({"in"}, ""), "an output folder is missing; give it after -o");
  EXPECT_EQ(PlanOf({"in"}, "in/a.txt"), "in/a.txt: this is a file; more than one input needs a folder after -o");
  EXPECT_EQ(PlanOf({"in"}, "new.out"),
            "in stands for a folder of files, and new.out looks like one file; give a folder after -o");
  EXPECT_EQ(PlanOf({"in/a.txt"}, "new.txt"), "new.txt: must end in .out");
  EXPECT_EQ(PlanOf({"in/a.txt"}, "new.out"), "in/a.txt>new.out");
}

TEST_F(ManyFilesTest, EveryJobRunsOnceWhateverTheWorkers) {
  fs::create_directory(folder_ / "many");
  for (int i = 0; i < 50; ++i) WriteText(folder_ / ("many/" + std::to_string(i) + ".txt"), "x");
  for (const int jobs : {1, 3, 64}) {
    CommonOptions options = Options({"many"}, "out");
    options.jobs = jobs;
    options.quiet = true;
    console_.SetQuiet(true);
    std::mutex mutex;
    std::multiset<std::string> seen;
    std::set<std::thread::id> threads;
    const auto work = [&](const Job& job, int, const Console&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const std::lock_guard<std::mutex> lock(mutex);
      seen.insert(job.output);
      threads.insert(std::this_thread::get_id());
      return Status();
    };
    EXPECT_EQ(RunPlan(*MakePlan(options, kKinds), options, console_, work), kSuccess);
    EXPECT_EQ(seen.size(), 50u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 50u);
    EXPECT_LE(threads.size(), static_cast<size_t>(jobs));
    EXPECT_EQ(threads.size() > 1, jobs > 1);
  }
}

TEST_F(ManyFilesTest, FailuresAndExceptionsDoNotStopTheRest) {
  for (const int jobs : {1, 2}) {
    CommonOptions options = Options({"in"}, "out", true);
    options.jobs = jobs;
    console_.SetQuiet(true);
    std::atomic<int> calls = 0;
    const auto work = [&](const Job& job, int, const Console&) -> Status {
      ++calls;
      if (EndsWith(job.input, "/b.txt")) return Status(StatusCode::kIoError, "no");
      if (EndsWith(job.input, "sub/a.txt")) throw std::bad_alloc();
      if (EndsWith(job.input, "d.txt")) throw std::runtime_error("no");
      return Status();
    };
    testing::internal::CaptureStderr();
    EXPECT_EQ(RunPlan(*MakePlan(options, kKinds), options, console_, work), kFailure);
    const std::string errors = testing::internal::GetCapturedStderr();
    EXPECT_EQ(calls, 4);
    EXPECT_NE(errors.find("test: no\n"), std::string::npos) << errors;
    EXPECT_NE(errors.find("sub/a.txt: there is not enough memory for this file\n"), std::string::npos) << errors;
    EXPECT_NE(errors.find("d.txt: unexpected error: no; please report it\n"), std::string::npos) << errors;
  }
}

TEST_F(ManyFilesTest, AProblemInTheInputsIsAFailureOfTheRun) {
  CommonOptions options = Options({"in/a.txt", "in/*.gif"}, "out");
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunPlan(*MakePlan(options, kKinds), options, console_,
                    [](const Job& job, int, const Console&) { return WriteText(job.output, "12"), Status(); }),
            kFailure);
  const std::string errors = testing::internal::GetCapturedStderr();
  EXPECT_NE(errors.find("test: 2 files: 1 done, 0 skipped, 1 failed; 8 bytes to 2 bytes (25.0 %) in "),
            std::string::npos)
      << errors;
}

TEST_F(ManyFilesTest, SkipsOutputsThatExist) {
  CommonOptions options = Options({"in"}, "out");
  options.skip_existing = true;
  fs::create_directory(folder_ / "out");
  WriteText(folder_ / "out/a.out", "old");
  const auto work = [](const Job& job, int, const Console&) { return WriteText(job.output, "new"), Status(); };
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunPlan(*MakePlan(options, kKinds), options, console_, work), kSuccess);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("2 files: 1 done, 1 skipped, 0 failed"), std::string::npos);
  EXPECT_EQ(ReadText(folder_ / "out/a.out"), "old");
  EXPECT_EQ(ReadText(folder_ / "out/b.out"), "new");
}

TEST(ThreadsOfWorkerTest, SharesOutAllThreadsAndAtLeastOneEach) {
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  for (const int workers : {1, 2, 3, 100}) {
    for (const int threads : {0, 1, 2, 7, 1000}) {
      const int all = threads == 0 ? processors : std::min(threads, processors);
      int sum = 0;
      for (int i = 0; i < workers; ++i) {
        EXPECT_GE(ThreadsOfWorker(threads, workers, i), 1);
        sum += ThreadsOfWorker(threads, workers, i);
      }
      EXPECT_EQ(sum, std::max(all, workers));
    }
  }
}

TEST(DescribeProgressTest, TellsRateAndTimeLeft) {
  Tally tally;
  tally.files = 120;
  EXPECT_EQ(DescribeProgress(tally, 79), "[====================] 0/120 files") << "of inputs without a size";
  tally.bytes_total = 41000000;
  EXPECT_EQ(DescribeProgress(tally, 79), "[>                   ] 0/120 files");
  tally.done = 25;
  tally.failed = 4;
  tally.skipped = 1;
  tally.bytes_skipped = 1000000;
  tally.bytes_worked = 10000000;
  tally.seconds = 10;
  EXPECT_EQ(DescribeProgress(tally, 79), "[=====>              ] 30/120 files, 2.9 files/s, 1.00 MB/s, 0:30 left");
  EXPECT_EQ(DescribeProgress(tally, 30), "[=====>              ] 30/120 ");
  tally.seconds = 5000;
  EXPECT_EQ(DescribeProgress(tally, 79).substr(37), "0.0 files/s, 0.00 MB/s, 4:10:00 left");
}

TEST(DescribeResultTest, TellsFilesBytesAndFailures) {
  Tally tally;
  tally.files = 121;
  tally.done = 116;
  tally.skipped = 3;
  tally.failed = 2;
  tally.bytes_in = 98201221;
  tally.bytes_out = 6130012;
  tally.seconds = 41.23;
  EXPECT_EQ(DescribeResult(tally),
            "121 files: 116 done, 3 skipped, 2 failed; 98201221 bytes to 6130012 bytes (6.2 %) in 41.2 s");
}

}  // namespace
}  // namespace lichen::cli
