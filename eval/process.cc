// SPDX-License-Identifier: Apache-2.0
#include "eval/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>

extern char** environ;

namespace lichen::eval {
namespace {

using TemporaryFile = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// The last line with something in it.
std::string LastLine(std::FILE* file) {
  std::string text;
  char block[4096];
  std::rewind(file);
  for (size_t count; (count = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, count);
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return last;
}

Result<int> SpawnAndWait(const std::vector<std::string>& words, const std::string& folder, int error_descriptor) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, error_descriptor, STDERR_FILENO);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return Status(StatusCode::kIoError, words[0] + ": cannot be started: " + std::strerror(error));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Status(StatusCode::kIoError, words[0] + ": lost: " + std::strerror(errno));
  }
  return status;
}

}  // namespace

Status RunProgram(const std::vector<std::string>& words, const std::string& folder) {
  const TemporaryFile errors(std::tmpfile(), &std::fclose);
  if (errors == nullptr) return Status(StatusCode::kIoError, "no temporary file; set TMPDIR to a writable folder");
  int status = 0;
  LICHEN_ASSIGN_OR_RETURN(status, SpawnAndWait(words, folder, fileno(errors.get())));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status();
  const std::string how = WIFEXITED(status) ? "failed with exit code " + std::to_string(WEXITSTATUS(status))
                                            : "was ended by signal " + std::to_string(WTERMSIG(status));
  const std::string last = LastLine(errors.get());
  return Status(StatusCode::kIoError, words[0] + " " + how + (last.empty() ? "" : ": " + last));
}

std::string FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace lichen::eval
