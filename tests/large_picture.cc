// SPDX-License-Identifier: Apache-2.0
// Tool of large_picture.sh: makes a picture of any size row by row, compares one with it, and measures programs.
//
//   large_picture make W H OUTPUT     writes the picture, as PNG or JPEG by its name, - as PNG
//   large_picture compare W H INPUT   prints the PSNR of a picture against it
//   large_picture peak FILE COMMAND   runs a command, and writes its peak resident memory to a file: MiB, then seconds

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "image_io/image_file.h"

namespace lichen {
namespace {

/// The photograph of the tests again and again, every other one mirrored, so that no seams show.
class Mosaic {
 public:
  Mosaic(uint32_t width, uint32_t height) : width_(width), height_(height) {
    photo_ = image_io::ReadPicture(LICHEN_TEST_DATA "/colosseum.png").value();
  }

  ImageHeader Header() const {
    ImageHeader header;
    header.width = width_;
    header.height = height_;
    return header;
  }

  void Row(uint32_t y, uint8_t* row) const {
    const uint8_t* from = photo_.pixels.data() + Folded(y, photo_.height) * photo_.RowBytes();
    for (uint32_t x = 0; x < width_; ++x) std::memcpy(row + size_t{x} * 3, from + Folded(x, photo_.width) * 3, 3);
  }

 private:
  static size_t Folded(uint32_t at, uint32_t size) {
    const uint32_t within = at % (2 * size);
    return within < size ? within : 2 * size - 1 - within;
  }

  uint32_t width_, height_;
  Image photo_;
};

Status Make(const Mosaic& mosaic, const std::string& output) {
  image_io::WriteOptions options;
  options.png_level = 1;
  LICHEN_ASSIGN_OR_RETURN(const auto sink, image_io::CreatePicture(output, options));
  const ImageHeader header = mosaic.Header();
  LICHEN_RETURN_IF_ERROR(sink->Begin(header));
  std::vector<uint8_t> row(header.RowBytes());
  for (uint32_t y = 0; y < header.height; ++y) {
    mosaic.Row(y, row.data());
    LICHEN_RETURN_IF_ERROR(sink->WriteRow(row.data()));
  }
  return sink->Finish();
}

Status Compare(const Mosaic& mosaic, const std::string& input) {
  image_io::ReadOptions options;
  options.max_pixels = UINT64_MAX;
  LICHEN_ASSIGN_OR_RETURN(const auto source, image_io::OpenPicture(input, options));
  const ImageHeader header = mosaic.Header();
  if (source->header().width != header.width || source->header().height != header.height) {
    return Status(StatusCode::kInvalidArgument, "the picture has another size");
  }
  std::vector<uint8_t> expected(header.RowBytes()), row(expected.size());
  double sum = 0;
  for (uint32_t y = 0; y < header.height; ++y) {
    mosaic.Row(y, expected.data());
    LICHEN_RETURN_IF_ERROR(source->ReadRow(row.data()));
    uint64_t squares = 0;
    for (size_t i = 0; i < row.size(); ++i)
      squares += static_cast<uint64_t>((row[i] - expected[i]) * (row[i] - expected[i]));
    sum += static_cast<double>(squares);
  }
  const double mse = sum / (static_cast<double>(header.RowBytes()) * header.height);
  std::printf("%.2f\n", 10 * std::log10(255.0 * 255.0 / std::max(mse, 1e-9)));
  return Status();
}

int Peak(const char* file, char** command) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    execvp(command[0], command);
    _exit(127);
  }
  int status = 0;
  rusage usage = {};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::FILE* out = std::fopen(file, "w");
  if (out == nullptr) return 1;
  std::fprintf(out, "%ld %.0f\n", (usage.ru_maxrss + 1023) / 1024, seconds);
  std::fclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int Main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "peak" && argc > 3) return Peak(argv[2], argv + 3);
  if ((mode != "make" && mode != "compare") || argc != 5) {
    std::fprintf(stderr, "large_picture make|compare W H FILE, or large_picture peak FILE COMMAND\n");
    return 2;
  }
  const Mosaic mosaic(static_cast<uint32_t>(std::atoll(argv[2])), static_cast<uint32_t>(std::atoll(argv[3])));
  const Status status = mode == "make" ? Make(mosaic, argv[4]) : Compare(mosaic, argv[4]);
  if (!status.ok()) std::fprintf(stderr, "large_picture %s: %s\n", mode.c_str(), status.message().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace lichen

int main(int argc, char** argv) { return lichen::Main(argc, argv); }
