// SPDX-License-Identifier: Apache-2.0
#include "eval/timing.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace lichen::eval {
namespace {

using Bytes = std::vector<uint8_t>;
// The work to be measured; gives the bytes that the parent wants back.
using Work = std::function<Result<Bytes>()>;

struct Measured {
  Cost cost;
  Bytes output;
};

// What the child sends before its output or, if it failed, the message.
struct Header {
  StatusCode code = StatusCode::kOk;
  Cost cost;
  size_t size = 0;
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

rusage Usage(int who) {
  rusage usage = {};
  getrusage(who, &usage);
  return usage;
}

double CpuSeconds() {
  double sum = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    const rusage usage = Usage(who);
    sum += Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  }
  return sum;
}

// The kernel's own figure for this process image; rusage would count what the parent once had.
double PeakBytes() {
  double peak = 1024.0 * static_cast<double>(Usage(RUSAGE_CHILDREN).ru_maxrss);
  std::ifstream status("/proc/self/status");
  const std::string key = "VmHWM:";
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, key.size(), key) == 0)
      return std::max(peak, 1024 * std::strtod(line.c_str() + key.size(), nullptr));
  }
  return std::max(peak, 1024.0 * static_cast<double>(Usage(RUSAGE_SELF).ru_maxrss));
}

void WriteAll(int descriptor, const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(descriptor, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the parent will miss the rest
    next += written;
    size -= static_cast<size_t>(written);
  }
}

// The child's whole life.
[[noreturn]] void Run(const Work& work, int repetitions, int descriptor) {
  Header header;
  Result<Bytes> output = Bytes();
  for (int i = 0; i < repetitions && output.ok(); ++i) {
    const double cpu = CpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    output = work();
    const double wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double cpu_seconds = CpuSeconds() - cpu;
    header.cost.wall_seconds = i == 0 ? wall_seconds : std::min(header.cost.wall_seconds, wall_seconds);
    header.cost.cpu_seconds = i == 0 ? cpu_seconds : std::min(header.cost.cpu_seconds, cpu_seconds);
  }
  header.cost.peak_bytes = PeakBytes();
  const std::string message = output.status().message();
  header.code = output.status().code();
  header.size = output.ok() ? output->size() : message.size();
  WriteAll(descriptor, &header, sizeof header);
  WriteAll(descriptor, output.ok() ? reinterpret_cast<const char*>(output->data()) : message.data(), header.size);
  _exit(0);
}

Bytes ReadToEnd(int descriptor) {
  Bytes bytes;
  uint8_t block[1 << 16];
  for (;;) {
    const ssize_t count = read(descriptor, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return bytes;
    bytes.insert(bytes.end(), block, block + count);
  }
}

Result<Measured> MeasureInChild(const Work& work, int repetitions) {
  int ends[2];
  if (pipe(ends) != 0) return Status(StatusCode::kIoError, std::string("no pipe: ") + std::strerror(errno));
  const pid_t child = fork();
  if (child < 0) return Status(StatusCode::kIoError, std::string("no new process: ") + std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    Run(work, repetitions, ends[1]);
  }
  close(ends[1]);
  const Bytes bytes = ReadToEnd(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  Header header;
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (bytes.size() < sizeof header || bytes.size() - sizeof header != header.size) {
    const std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "an early exit";
    return Status(StatusCode::kInternal, "the process that measures time ended by " + how);
  }
  Bytes output(bytes.begin() + sizeof header, bytes.end());
  if (header.code != StatusCode::kOk) return Status(header.code, std::string(output.begin(), output.end()));
  return Measured{header.cost, std::move(output)};
}

}  // namespace

Result<Timing> TimeCodec(const Codec& codec, double quality, const Image& image, int repetitions) {
  Measured encoded, decoded;
  LICHEN_ASSIGN_OR_RETURN(encoded, MeasureInChild([&] { return codec.Encode(image, quality); }, repetitions));
  const Work decode = [&]() -> Result<Bytes> {
    const Result<Image> result = codec.Decode(encoded.output);
    if (!result.ok()) return result.status();
    return Bytes();
  };
  LICHEN_ASSIGN_OR_RETURN(decoded, MeasureInChild(decode, repetitions));
  return Timing{encoded.cost, decoded.cost};
}

}  // namespace lichen::eval
