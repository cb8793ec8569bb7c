// SPDX-License-Identifier: Apache-2.0
// lichen-enc and lichen-dec on folders, as processes: exit codes, interruptions, a terminal.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "image_io/image_file.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace lichen {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

[[noreturn]] void Execute(const std::string& program, Arguments arguments, const std::string& folder) {
  arguments.insert(arguments.begin(), {program, "--model", LICHEN_TEST_DATA "/toy.lim"});
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) std::signal(signal, SIG_DFL);  // whatever the test was given
  if (chdir(folder.c_str()) == 0) execv(program.c_str(), pointers.data());
  _exit(127);
}

class BatchTest : public testing::Test {
 protected:
  void WritePicture(const std::string& name, uint32_t width = 48, uint32_t height = 32) {
    fs::create_directories(fs::path(folder_ / name).parent_path());
    const Status status = image_io::WritePicture(test::SyntheticImage(width, height), folder_ / name);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  pid_t Start(const std::string& program, const Arguments& arguments) {
    const pid_t child = fork();
    if (child != 0) return child;
    dup2(open((logs_ / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    Execute(program, arguments, folder_.path());
  }

  /// The exit code; -1 when a signal ended it.
  int Wait(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    errors_ = ReadText(logs_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  int Run(const std::string& program, const Arguments& arguments) { return Wait(Start(program, arguments)); }

  /// What a run says on a terminal of 100 columns.
  std::string RunOnTerminal(const std::string& program, const Arguments& arguments) {
    struct winsize size = {};
    size.ws_col = 100;
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
    if (child == 0) Execute(program, arguments, folder_.path());
    std::string text;
    char buffer[4096];
    for (ssize_t count = read(terminal, buffer, sizeof buffer); count > 0;
         count = read(terminal, buffer, sizeof buffer))
      text.append(buffer, static_cast<size_t>(count));
    close(terminal);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << text;
    return text;
  }

  /// All files below the test's folder, without it, sorted.
  std::vector<std::string> Files(const std::string& below) {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / below)) {
      if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), folder_ / below).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryFolder folder_, logs_;
  std::string errors_;  // of the last run
};

using Names = std::vector<std::string>;

TEST_F(BatchTest, ATreeGoesThereAndBack) {
  WritePicture("photos/a.png");
  WritePicture("photos/2024/b.jpg");
  WritePicture("photos/2024/june/c.JPEG");
  WriteText(folder_ / "photos/notes.txt", "not a picture, and not looked at");
  ASSERT_EQ(Run(LICHEN_ENC, {"-r", "--jobs", "2", "photos/", "-o", "lic/"}), 0) << errors_;
  EXPECT_EQ(Files("lic"), (Names{"2024/b.lic", "2024/june/c.lic", "a.lic"}));
  EXPECT_NE(errors_.find("lichen-enc: 3 files: 3 done, 0 skipped, 0 failed; "), std::string::npos) << errors_;
  EXPECT_EQ(errors_.find('\r'), std::string::npos) << "no progress bar in a file";

  ASSERT_EQ(Run(LICHEN_DEC, {"-r", "--jobs", "3", "lic", "-o", "png"}), 0) << errors_;
  EXPECT_EQ(Files("png"), (Names{"2024/b.png", "2024/june/c.png", "a.png"}));
  EXPECT_NE(errors_.find("lichen-dec: 3 files: 3 done"), std::string::npos) << errors_;

  ASSERT_EQ(Run(LICHEN_ENC, {"--quiet", "photos", "-o", "flat"}), 0) << errors_;
  EXPECT_EQ(Files("flat"), Names{"a.lic"}) << "without -r";
  EXPECT_EQ(errors_, "");
  EXPECT_EQ(ReadBytes(folder_ / "flat/a.lic"), ReadBytes(folder_ / "lic/a.lic"));
}

TEST_F(BatchTest, JobsAndThreadsDoNotChangeABit) {
  for (int i = 0; i < 6; ++i) WritePicture("photos/" + std::to_string(i) + ".png", 200 + 100 * i, 300);
  ASSERT_EQ(Run(LICHEN_ENC, {"--threads", "1", "photos", "-o", "one"}), 0) << errors_;
  ASSERT_EQ(Run(LICHEN_ENC, {"--jobs", "4", "photos", "-o", "four"}), 0) << errors_;
  ASSERT_EQ(Run(LICHEN_DEC, {"--threads", "1", "one", "-o", "one"}), 0) << errors_;
  ASSERT_EQ(Run(LICHEN_DEC, {"--jobs", "4", "four", "-o", "four"}), 0) << errors_;
  ASSERT_EQ(Files("one").size(), 12u);
  for (const std::string& name : Files("one"))
    EXPECT_EQ(ReadBytes(folder_ / ("four/" + name)), ReadBytes(folder_ / ("one/" + name)));
}

TEST_F(BatchTest, OneBadFileDoesNotStopTheRest) {
  for (const char* name : {"photos/a.png", "photos/b.png", "photos/d.png"}) WritePicture(name);
  WriteText(folder_ / "photos/c.png", "not a picture");
  for (const char* jobs : {"1", "2"}) {
    fs::remove_all(folder_ / "out");
    EXPECT_EQ(Run(LICHEN_ENC, {"--jobs", jobs, "photos", "-o", "out"}), 1);
    EXPECT_EQ(Files("out"), (Names{"a.lic", "b.lic", "d.lic"}));
    EXPECT_NE(errors_.find("lichen-enc: photos/c.png: "), std::string::npos) << errors_;
    EXPECT_NE(errors_.find("lichen-enc: 4 files: 3 done, 0 skipped, 1 failed; "), std::string::npos) << errors_;
  }
}

TEST_F(BatchTest, ARunThatIsRepeatedDoesOnlyWhatIsLeft) {
  for (const char* name : {"photos/a.png", "photos/b.png", "photos/c.png"}) WritePicture(name);
  ASSERT_EQ(Run(LICHEN_ENC, {"photos", "-o", "out"}), 0);
  fs::remove(folder_ / "out/b.lic");
  const auto time = fs::last_write_time(folder_ / "out/a.lic");
  ASSERT_EQ(Run(LICHEN_ENC, {"--skip-existing", "photos", "-o", "out"}), 0);
  EXPECT_NE(errors_.find("3 files: 1 done, 2 skipped, 0 failed"), std::string::npos) << errors_;
  EXPECT_EQ(fs::last_write_time(folder_ / "out/a.lic"), time);
  EXPECT_TRUE(fs::exists(folder_ / "out/b.lic"));
  EXPECT_EQ(Run(LICHEN_ENC, {"--skip-existing", "photos/a.png", "out/a.lic"}), 0) << "one file alone too";
  EXPECT_EQ(errors_, "out/a.lic: exists, skipped\n");
}

TEST_F(BatchTest, TwoInputsWithOneOutputAreRefusedBeforeTheWork) {
  WritePicture("photos/a.png");
  WritePicture("photos/b.png");
  WritePicture("photos/b.jpg");
  EXPECT_EQ(Run(LICHEN_ENC, {"photos", "-o", "out"}), 2);
  EXPECT_NE(errors_.find("photos/b.jpg and photos/b.png would both become out/b.lic"), std::string::npos) << errors_;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(BatchTest, InfoAndVerifyTakeFoldersToo) {
  WritePicture("photos/a.png");
  WritePicture("photos/sub/b.png");
  ASSERT_EQ(Run(LICHEN_ENC, {"-r", "photos", "-o", "lic"}), 0);
  EXPECT_EQ(Run(LICHEN_DEC, {"--verify", "-r", "lic"}), 0) << errors_;
  EXPECT_EQ(Run(LICHEN_DEC, {"--info", "lic", "--jobs", "2"}), 2);
  EXPECT_NE(errors_.find("--jobs"), std::string::npos) << errors_;
}

TEST_F(BatchTest, ATerminalShowsProgressAndIsLeftClean) {
  for (int i = 0; i < 4; ++i) WritePicture("photos/" + std::to_string(i) + ".png", 400, 300);
  const std::string text = RunOnTerminal(LICHEN_ENC, {"photos", "-o", "out"});
  EXPECT_NE(text.find("/4 files, "), std::string::npos) << text;
  EXPECT_NE(text.find(" files/s, "), std::string::npos) << text;
  EXPECT_NE(text.find(" left"), std::string::npos) << text;
  EXPECT_NE(text.find("out/3.lic: 400x300, "), std::string::npos) << text;
  const size_t wiped = text.rfind("\r\033[K");
  ASSERT_NE(wiped, std::string::npos);
  EXPECT_EQ(text.find("lichen-enc: 4 files: 4 done", wiped), wiped + 4) << "nothing is left on the line: " << text;
  EXPECT_EQ(RunOnTerminal(LICHEN_ENC, {"--quiet", "photos", "-o", "out"}), "");
}

TEST_F(BatchTest, AnInterruptionLeavesWholeFilesOnly) {
  // All four workers have begun and wait for the second half of a pipe when the signal comes; two files are done.
  constexpr int kSlow = 4;
  WritePicture("photo.png", 300, 200);
  const std::vector<uint8_t> picture = ReadBytes(folder_ / "photo.png");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    fs::remove_all(folder_ / "photos");
    fs::remove_all(folder_ / "out");
    WritePicture("photos/a.png");
    WritePicture("photos/b.png");
    Names pipes;
    for (int i = 0; i < kSlow; ++i) {
      pipes.push_back(folder_ / ("photos/slow" + std::to_string(i) + ".png"));
      ASSERT_EQ(mkfifo(pipes[i].c_str(), 0600), 0);
    }
    const pid_t child = Start(LICHEN_ENC, {"--jobs", "4", "photos", "-o", "out"});
    std::vector<int> ends;
    for (const std::string& pipe : pipes) {
      ends.push_back(open(pipe.c_str(), O_WRONLY));
      ASSERT_GT(write(ends.back(), picture.data(), picture.size() / 2), 0);
    }
    const auto count = [&] { return fs::exists(folder_ / "out") ? Files("out").size() : 0; };
    for (int i = 0; i < 3000 && count() < 2 + kSlow; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(count(), 2u + kSlow) << "two results and four temporary files";
    kill(child, signal);
    EXPECT_EQ(Wait(child), -1);
    for (const int end : ends) close(end);
    EXPECT_EQ(Files("out"), (Names{"a.lic", "b.lic"}));
  }
}

TEST_F(BatchTest, InterruptionsAtAnyMomentLeaveWholeFilesOnly) {
  // Small pictures, so that files are created and renamed all the time.
  for (int i = 0; i < 300; ++i) WritePicture("photos/" + std::to_string(i) + ".png", 16, 16);
  ASSERT_EQ(Run(LICHEN_ENC, {"--quiet", "--jobs", "4", "photos", "-o", "whole"}), 0) << errors_;
  int interrupted = 0;
  for (int i = 0; i < 12; ++i) {
    fs::remove_all(folder_ / "out");
    const pid_t child = Start(LICHEN_ENC, {"--jobs", "8", "photos", "-o", "out"});
    for (int wait = 0; wait < 10000 && !fs::exists(folder_ / "out"); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::microseconds(3700 * i));
    kill(child, i % 2 == 0 ? SIGINT : SIGTERM);
    if (Wait(child) == -1) ++interrupted;
    for (const std::string& name : Files("out")) {
      ASSERT_NE(name[0], '.') << "a temporary file is left";
      ASSERT_EQ(ReadBytes(folder_ / ("out/" + name)), ReadBytes(folder_ / ("whole/" + name)));
    }
  }
  EXPECT_GT(interrupted, 0) << "none of the signals came in time";
  EXPECT_EQ(Run(LICHEN_ENC, {"--quiet", "--skip-existing", "photos", "-o", "out"}), 0);
  EXPECT_EQ(Files("out"), Files("whole")) << "the rest";
}

}  // namespace
}  // namespace lichen
