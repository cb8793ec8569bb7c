// SPDX-License-Identifier: Apache-2.0
// Picture files to and from memory, by way of a file in the temporary folder, on a photograph of 768x512.
// items_per_second counts pixels.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "benchmark_picture.h"
#include "image_io/image_file.h"

namespace lichen::image_io {
namespace {

const Image& Photo() {
  static const Image image = [] {
    const auto read = ReadPicture(std::string(LICHEN_TEST_DATA) + "/colosseum.png");
    if (!read.ok()) std::exit(1);
    return benchmarks::Reflected(*read, 768, 512);
  }();
  return image;
}

void CountPixels(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * Photo().width * Photo().height);
}

/// A file of this process, removed at its end.
class File {
 public:
  explicit File(const std::string& extension)
      : path_(std::filesystem::temp_directory_path() / ("lichen-" + std::to_string(getpid()) + extension)) {}
  ~File() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void Read(benchmark::State& state, const char* extension) {
  const File file(extension);
  if (!WritePicture(Photo(), file.path()).ok()) return state.SkipWithError("cannot be written");
  for (auto _ : state) benchmark::DoNotOptimize(ReadPicture(file.path()));
  CountPixels(state);
}
BENCHMARK_CAPTURE(Read, png, ".png")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Read, jpeg, ".jpg")->Unit(benchmark::kMillisecond);

void WritePng(benchmark::State& state) {
  const File file(".png");
  WriteOptions options;
  options.png_level = static_cast<int>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(WritePicture(Photo(), file.path(), options));
  CountPixels(state);
}
BENCHMARK(WritePng)->DenseRange(0, 3)->Arg(6)->Unit(benchmark::kMillisecond);

void WriteJpeg(benchmark::State& state) {
  const File file(".jpg");
  for (auto _ : state) benchmark::DoNotOptimize(WritePicture(Photo(), file.path()));
  CountPixels(state);
}
BENCHMARK(WriteJpeg)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lichen::image_io

BENCHMARK_MAIN();
