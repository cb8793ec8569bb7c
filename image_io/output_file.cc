// SPDX-License-Identifier: Apache-2.0
#include "image_io/output_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>

namespace lichen::image_io {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;
constexpr int kMaxLinks = 40;  // as many symbolic links in a row as Linux follows

// Names that a signal handler removes: it may only touch plain memory and lock-free atomics.
enum SlotState { kFree, kBeingFilled, kBeingCreated, kToBeRemoved };
struct TemporaryName {
  std::atomic<int> state{kFree};
  char path[PATH_MAX] = {};
};
TemporaryName temporary_names[512];  // more than files are written at once; pages that are never used cost nothing
std::atomic<bool> process_ends{false};

constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP};

sigset_t EndingSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kEndingSignals) sigaddset(&set, signal);
  return set;
}

int RememberTemporary(const std::string& path) {
  if (path.size() >= PATH_MAX) return -1;
  for (int i = 0; i < static_cast<int>(std::size(temporary_names)); ++i) {
    int free = kFree;
    if (!temporary_names[i].state.compare_exchange_strong(free, kBeingFilled)) continue;
    std::memcpy(temporary_names[i].path, path.c_str(), path.size() + 1);
    return i;
  }
  return -1;
}

void ForgetTemporary(int slot) {
  if (slot >= 0) temporary_names[slot].state = kFree;
}

/// Creates a file so that a signal handler, on whatever thread it runs, either sees its name or keeps it from being
/// created; returns a descriptor, or -1 with errno.
int CreateRemembered(const char* name, int slot) {
  const sigset_t ending = EndingSignals();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &ending, &before);  // the handler waits for this slot, so it must not run on this thread
  if (slot >= 0) temporary_names[slot].state = kBeingCreated;
  while (
      process_ends) {  // a handler has gone through the names or is about to: create nothing more, and wait for the end
    if (slot >= 0) temporary_names[slot].state = kFree;
    poll(nullptr, 0, 1000);
  }
  const int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const int error = errno;
  if (slot >= 0) temporary_names[slot].state = descriptor >= 0 ? kToBeRemoved : kFree;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return descriptor;
}

extern "C" void RemoveTemporariesAndEnd(int signal) {
  process_ends = true;
  for (TemporaryName& name : temporary_names) {
    // Creating a file takes microseconds; a disk that hangs is not waited for longer than people wait after Ctrl-C.
    for (int i = 0; i < 2000 && name.state == kBeingCreated; ++i) poll(nullptr, 0, 1);
    if (name.state == kToBeRemoved) unlink(name.path);
  }
  raise(signal);  // SA_RESETHAND has put the default action back
}

Status IoError(const std::string& message) { return Status(StatusCode::kIoError, message); }

Status WriteError(int error) {
  const std::string reason = std::strerror(error);
  if (error == ENOSPC || error == EDQUOT) return IoError("the disk is full (" + reason + "); free some space");
  if (error == EPIPE) return IoError("the program that reads the output has ended (" + reason + ")");
  return IoError("writing failed (" + reason + "); check the disk");
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status CreateError(int error, const std::string& target) {
  const std::string folder = FolderOf(target);
  if (error == ENOENT) return IoError("the folder " + folder + " does not exist; create it first");
  if (error == ENOTDIR) return IoError(folder + " is not a folder; check the name");
  if (error == ENOSPC || error == EDQUOT) return WriteError(error);
  return IoError("no file can be created in the folder " + folder + " (" + std::strerror(error) +
                 "); choose another one");
}

/// Where a chain of symbolic links ends, whether or not there is a file.
std::string FollowLinks(std::string path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    char text[PATH_MAX];
    const ssize_t length = readlink(path.c_str(), text, sizeof text);
    if (length <= 0) break;
    const std::string target(text, static_cast<size_t>(length));
    path = target[0] == '/' ? target : FolderOf(path) + "/" + target;
  }
  return path;
}

/// A name in the same folder that nobody else uses; hidden, and short whatever the length of the target's name.
std::string TemporaryNameFor(const std::string& target) {
  std::random_device random;
  char name[32];
  std::snprintf(name, sizeof name, ".lichen-%08x%08x", random(), random());
  const size_t slash = target.find_last_of('/');
  return (slash == std::string::npos ? std::string() : target.substr(0, slash + 1)) + name;
}

/// rename(), which with no_clobber fails with EEXIST when `to` exists; returns errno.
int Rename(const std::string& from, const std::string& to, bool no_clobber) {
  if (no_clobber) {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    if (access(to.c_str(), F_OK) == 0) return EEXIST;  // a file system without RENAME_NOREPLACE
  }
  return rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

Status ExistsError() { return IoError("this file exists already and is to be kept; give another name"); }

bool StatOf(const std::string& path, int standard_stream, struct stat* facts) {
  return (path == "-" ? fstat(standard_stream, facts) : stat(path.c_str(), facts)) == 0;
}

}  // namespace

Result<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path, bool no_clobber) {
  std::unique_ptr<OutputFile> file(new OutputFile);
  file->no_clobber_ = no_clobber;
  file->buffer_.reserve(kBufferBytes);
  if (path == "-") {
    file->descriptor_ = dup(STDOUT_FILENO);
    if (file->descriptor_ < 0) return WriteError(errno);
    return file;
  }
  struct stat facts = {};
  const bool exists = stat(path.c_str(), &facts) == 0;
  if (exists && S_ISDIR(facts.st_mode)) return IoError("this is a folder; give the name of a file");
  if (exists && !S_ISREG(facts.st_mode)) {
    file->descriptor_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file->descriptor_ < 0) return IoError(std::string("this cannot be written (") + std::strerror(errno) + ")");
    return file;
  }
  if (exists && no_clobber) return ExistsError();
  if (exists && access(path.c_str(), W_OK) != 0) {
    return IoError(std::string("this file exists and cannot be replaced (") + std::strerror(errno) +
                   "); give another name or change its permissions");
  }
  LICHEN_RETURN_IF_ERROR(file->OpenTemporary(FollowLinks(path), exists, facts.st_mode));
  return file;
}

Status OutputFile::OpenTemporary(const std::string& target, bool exists, unsigned mode) {
  target_ = target;
  while (descriptor_ < 0) {
    const std::string name = TemporaryNameFor(target);
    const int slot = RememberTemporary(name);
    descriptor_ = CreateRemembered(name.c_str(), slot);
    if (descriptor_ < 0) {
      if (errno != EEXIST) return CreateError(errno, target);
    } else {
      temporary_ = name;
      slot_ = slot;
    }
  }
  if (exists) static_cast<void>(!fchmod(descriptor_, mode & 0777));  // some file systems know no permissions
  return Status();
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
  ForgetTemporary(slot_);
}

Status OutputFile::Write(const uint8_t* data, size_t size) {
  bytes_ += size;
  while (size > 0) {
    const size_t count = std::min(size, kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), data, data + count);
    data += count;
    size -= count;
    if (buffer_.size() == kBufferBytes) LICHEN_RETURN_IF_ERROR(Flush());
  }
  return Status();
}

Status OutputFile::Flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t count = write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (count < 0 && errno != EINTR) return WriteError(errno);
    if (count > 0) done += static_cast<size_t>(count);
  }
  buffer_.clear();
  return Status();
}

Status OutputFile::Finish() {
  LICHEN_RETURN_IF_ERROR(Flush());
  if (close(std::exchange(descriptor_, -1)) != 0) return WriteError(errno);  // network disks report here
  if (temporary_.empty()) return Status();
  const int error = Rename(temporary_, target_, no_clobber_);
  if (error == EEXIST) return ExistsError();
  if (error != 0) return CreateError(error, target_);
  temporary_.clear();
  return Status();
}

bool IsSameFile(const std::string& input, const std::string& output) {
  struct stat in = {}, out = {};
  if (!StatOf(input, STDIN_FILENO, &in) || !StatOf(output, STDOUT_FILENO, &out)) return false;
  return S_ISREG(in.st_mode) && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

bool IsDirectOutput(const std::string& path) {
  if (path == "-") return true;
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode);
}

void RemoveTemporaryFilesOnSignals() {
  for (const int signal : kEndingSignals) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;  // nohup stays nohup
    action = {};
    action.sa_handler = RemoveTemporariesAndEnd;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    action.sa_mask = EndingSignals();
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace lichen::image_io
