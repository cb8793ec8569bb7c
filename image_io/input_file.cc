// SPDX-License-Identifier: Apache-2.0
#include "image_io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace lichen::image_io {
namespace {

Status OpenError(int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return Status(StatusCode::kIoError, "there is no such file; check its name and folder");
  }
  return Status(StatusCode::kIoError,
                std::string("this file cannot be opened (") + std::strerror(error) + "); check its permissions");
}

Status ReadError(int error) {
  if (error == EISDIR) return Status(StatusCode::kIoError, "this is a folder; give a file");
  return Status(StatusCode::kIoError,
                std::string("reading failed (") + std::strerror(error) + "); check the disk or the connection");
}

}  // namespace

Result<std::unique_ptr<InputFile>> InputFile::Open(const std::string& path) {
  const int descriptor = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return OpenError(errno);
  std::unique_ptr<InputFile> file(new InputFile(descriptor));
  struct stat facts = {};
  if (fstat(descriptor, &facts) == 0 && S_ISDIR(facts.st_mode)) return ReadError(EISDIR);
  return file;
}

InputFile::~InputFile() { close(descriptor_); }

Result<size_t> InputFile::Read(uint8_t* data, size_t size) {
  if (!ahead_.empty()) {
    const size_t count = std::min(size, ahead_.size());
    std::memcpy(data, ahead_.data(), count);
    ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  while (true) {
    const ssize_t count = read(descriptor_, data, size);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return ReadError(errno);
  }
}

Result<std::vector<uint8_t>> InputFile::Peek(size_t size) {
  std::vector<uint8_t> bytes(size);
  size_t have = 0;
  while (have < size) {
    LICHEN_ASSIGN_OR_RETURN(const size_t count, Read(bytes.data() + have, size - have));
    if (count == 0) break;
    have += count;
  }
  bytes.resize(have);
  ahead_.insert(ahead_.begin(), bytes.begin(), bytes.end());
  return bytes;
}

Result<std::vector<uint8_t>> ReadFile(const std::string& path) {
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<InputFile> file, InputFile::Open(path));
  constexpr size_t kStep = size_t{1} << 18;
  std::vector<uint8_t> bytes;
  while (true) {
    const size_t have = bytes.size();
    if (bytes.capacity() < have + kStep) bytes.reserve(2 * have + kStep);
    bytes.resize(have + kStep);
    LICHEN_ASSIGN_OR_RETURN(const size_t count, file->Read(bytes.data() + have, kStep));
    bytes.resize(have + count);
    if (count == 0) return bytes;
  }
}

}  // namespace lichen::image_io
