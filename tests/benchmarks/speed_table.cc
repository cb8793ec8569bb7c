// SPDX-License-Identifier: Apache-2.0
// Prints docs/performance.md's table: Lichen beside libavif and libjxl in the library, beside their tools as whole
// processes, under AVX2 alone, on one thread and on very large pictures. The codecs take turns; ratios are taken pair
// by pair. Every measurement is made in a process of its own.
//
//   speed_table [--runs N] [--large] [--part all|library|processes|scaling] LICHEN_ENC LICHEN_DEC PICTURE...
//
// The pictures are the small ones, and in rows and columns they make up one of 12 megapixels.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codec/convolution.h"
#include "eval/codecs.h"
#include "eval/timing.h"
#include "image_io/image_file.h"
#include "image_io/input_file.h"
#include "lichen/codec.h"

namespace lichen::eval {
namespace {

constexpr double kLichenQuality = 50;
constexpr int kThreads = 2;
constexpr int kPngLevel = 1;  // of all inputs and outputs, except that djxl has no such setting

[[noreturn]] void Stop(const std::string& message) {
  std::fprintf(stderr, "speed_table: %s\n", message.c_str());
  std::exit(1);
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) Stop(result.status().message());
  return std::move(result).value();
}

// ---- figures

struct Figures {
  std::vector<double> values;

  double Median() const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const size_t n = sorted.size();
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  }
  double Least() const { return *std::min_element(values.begin(), values.end()); }
  double Most() const { return *std::max_element(values.begin(), values.end()); }
  std::string Text(const char* format) const {
    const auto number = [format](double v) {
      char text[32];
      std::snprintf(text, sizeof text, format, v);
      return std::string(text);
    };
    return number(Median()) + " (" + number(Least()) + "-" + number(Most()) + ")";
  }
};

/// Pair by pair, a over b.
Figures Ratio(const Figures& a, const Figures& b) {
  Figures ratio;
  for (size_t i = 0; i < a.values.size(); ++i) ratio.values.push_back(a.values[i] / b.values[i]);
  return ratio;
}

// ---- pictures

/// The pictures from left to right and top to bottom, again and again, as tall ones turned; cropped at the edges.
Image Mosaic(const std::vector<Image>& pictures, uint32_t width, uint32_t height) {
  constexpr uint32_t kCellWidth = 768, kCellHeight = 512;
  Image out;
  out.width = width;
  out.height = height;
  out.channels = 3;
  out.pixels.resize(out.RowBytes() * height);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      const uint32_t columns = (width + kCellWidth - 1) / kCellWidth;
      const Image& picture = pictures[(y / kCellHeight * columns + x / kCellWidth) % pictures.size()];
      const bool turn = picture.height > picture.width;
      uint32_t u = x % kCellWidth, v = y % kCellHeight;
      if (turn) std::swap(u, v);
      const uint8_t* from =
          picture.pixels.data() + picture.RowBytes() * (v % picture.height) + size_t{3} * (u % picture.width);
      std::copy_n(from, 3, out.pixels.data() + out.RowBytes() * y + size_t{3} * x);
    }
  }
  return out;
}

double Psnr(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    const double d = double{1} * a.pixels[i] - b.pixels[i];
    sum += d * d;
  }
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.pixels.size()) / sum);
}

// ---- codecs

/// Lichen, set up in the process that measures it, since that may have another instruction set.
class Lichen : public Codec {
 public:
  Lichen(std::string name, const char* isa, int threads, int effort = EncodeOptions().effort)
      : name_(std::move(name)), isa_(isa), threads_(threads), effort_(effort) {}
  std::string Name() const override { return name_; }
  std::string Version() const override { return std::string("lichen ") + lichen::Version(); }
  std::vector<double> DefaultQualities() const override { return {kLichenQuality}; }
  std::vector<double> SizeLadder() const override { return {kLichenQuality}; }
  Status CheckQuality(double) const override { return Status(); }
  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    SetIsa();
    EncodeOptions options;
    options.quality = quality;
    options.threads = threads_;
    options.effort = effort_;
    return lichen::Encode(image, options);
  }
  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    SetIsa();
    DecodeOptions options;
    options.threads = threads_;
    return lichen::Decode(file.data(), file.size(), options);
  }

 private:
  void SetIsa() const {
    if (isa_ != nullptr) setenv("ONEDNN_MAX_CPU_ISA", isa_, 1);  // oneDNN reads it once, at its first use
  }
  std::string name_;
  const char* isa_;
  int threads_, effort_;
};

/// The time of one 3x3 convolution of 128 to 128 channels in 32-bit floats, as "encoding".
class Convolution : public Lichen {
 public:
  static constexpr int kSide = 128, kChannels = 128;
  static constexpr double kMultiplyAdds = 9.0 * kChannels * kChannels * kSide * kSide;

  explicit Convolution(const char* isa) : Lichen("convolution", isa, kThreads), isa_(isa) {}
  Result<std::vector<uint8_t>> Encode(const Image&, double) const override {
    if (isa_ != nullptr) setenv("ONEDNN_MAX_CPU_ISA", isa_, 1);
    if (!convolution_) {
      FloatConvolutionData data;
      data.in = data.out = kChannels;
      data.kernel = 3;
      data.weight.assign(size_t{9} * kChannels * kChannels, 0.01f);
      data.bias.assign(kChannels, 0.0f);
      convolution_ = std::make_unique<FloatConvolution>(data, FloatConvolution::Options());
      src_.assign(size_t{kSide} * kSide * kChannels, 1.0f);
      dst_.resize(src_.size());
    }
    const Status status = convolution_->Run(src_.data(), {kSide, 1, 1}, kSide, dst_.data(), workers_);
    if (!status.ok()) return status;
    return std::vector<uint8_t>();
  }
  Result<Image> Decode(const std::vector<uint8_t>&) const override { return Image(); }

 private:
  const char* isa_;
  mutable Workers workers_{kThreads};
  mutable std::unique_ptr<FloatConvolution> convolution_;
  mutable std::vector<float> src_, dst_;
};

/// The setting of `codec` whose PSNR on `image` is nearest to `psnr`. Settings are taken to be in order.
double Matched(const Codec& codec, const Image& image, double psnr) {
  const std::vector<double> ladder = codec.SizeLadder();
  size_t low = 0, high = ladder.size() - 1;
  std::map<size_t, double> seen;
  const auto at = [&](size_t i) {
    if (seen.count(i) == 0) seen[i] = Psnr(image, Must(codec.Decode(Must(codec.Encode(image, ladder[i])))));
    return seen[i];
  };
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    (at(middle) < psnr ? low : high) = middle;
  }
  return ladder[std::abs(at(low) - psnr) < std::abs(at(high) - psnr) ? low : high];
}

// ---- whole processes

using Words = std::vector<std::string>;

struct Process {
  double wall_seconds = 0, cpu_seconds = 0, peak_mib = 0;
};

Process RunMeasured(const Words& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::fflush(stdout);  // or the child would write it too
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child < 0) Stop("no new process");
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr)
      _exit(126);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage usage = {};
  if (wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    Stop(words[0] + " failed");
  }
  Process process;
  process.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  process.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  process.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;
  return process;
}

// ---- the table

struct Arguments {
  int runs = 7;
  bool large = false;
  std::string part = "all", lichen_enc, lichen_dec;
  std::vector<std::string> pictures;

  bool Wants(const char* what) const { return part == "all" || part == what; }
};

struct Subject {
  std::string name;
  Image image;
  double Megapixels() const { return 1e-6 * image.width * image.height; }
};

struct Entry {
  const Codec* codec;
  double quality;
  Figures encode, decode;          // megapixels per second of wall time
  Figures encode_cpu, decode_cpu;  // CPU seconds per megapixel
  double encode_mib = 0, decode_mib = 0;
};

/// Runs the codecs in turns. repetitions: calls in one process, of which the fastest counts
void TakeTurns(const Subject& subject, int runs, int repetitions, std::vector<Entry>* entries) {
  for (int run = 0; run < runs; ++run) {
    for (Entry& entry : *entries) {
      const Timing timing = Must(TimeCodec(*entry.codec, entry.quality, subject.image, repetitions));
      entry.encode.values.push_back(subject.Megapixels() / timing.encode.wall_seconds);
      entry.decode.values.push_back(subject.Megapixels() / timing.decode.wall_seconds);
      entry.encode_cpu.values.push_back(timing.encode.cpu_seconds / subject.Megapixels());
      entry.decode_cpu.values.push_back(timing.decode.cpu_seconds / subject.Megapixels());
      entry.encode_mib = std::max(entry.encode_mib, timing.encode.peak_bytes / (1 << 20));
      entry.decode_mib = std::max(entry.decode_mib, timing.decode.peak_bytes / (1 << 20));
    }
  }
}

void PrintEntries(const Subject& subject, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    std::printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", subject.name.c_str(), entry.codec->Name().c_str(),
                FormatQuality(entry.quality).c_str(), entry.encode.Text("%.2f").c_str(),
                entry.decode.Text("%.2f").c_str(), Ratio(entries[0].encode, entry.encode).Text("%.2f").c_str(),
                Ratio(entries[0].decode, entry.decode).Text("%.2f").c_str(),
                Ratio(entry.encode_cpu, entries[0].encode_cpu).Text("%.2f").c_str(),
                Ratio(entry.decode_cpu, entries[0].decode_cpu).Text("%.2f").c_str());
  }
  std::fflush(stdout);
}

struct Peer {
  std::unique_ptr<Codec> codec;
  double quality;
};

void Library(const Arguments& arguments, const std::vector<Subject>& subjects, const std::vector<Peer>& peers) {
  std::printf(
      "\n### In the library, %d threads\n\nThe fastest of 3 calls in a new process for the small picture; one call, "
      "which "
      "also loads the model, for the large one.\n\n",
      kThreads);
  std::printf(
      "| picture | codec | setting | encode MP/s | decode MP/s | lichen / it, encode | decode | by CPU time, "
      "encode | decode |\n");
  std::printf("|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
  const Lichen best("lichen", nullptr, kThreads), avx2("lichen, AVX2 only", "AVX2", kThreads),
      vnni("lichen, AVX-512 with VNNI, no bfloat16", "AVX512_CORE_VNNI", kThreads),
      quick("lichen, effort 0", nullptr, kThreads, 0);
  Convolution convolution("AVX2");
  for (const Subject& subject : subjects) {
    std::vector<Entry> entries = {{&best, kLichenQuality, {}, {}, {}, {}},
                                  {&avx2, kLichenQuality, {}, {}, {}, {}},
                                  {&vnni, kLichenQuality, {}, {}, {}, {}},
                                  {&quick, kLichenQuality, {}, {}, {}, {}}};
    const size_t first_peer = entries.size();
    for (const Peer& peer : peers) entries.push_back({peer.codec.get(), peer.quality, {}, {}, {}, {}});
    std::vector<Entry> rate = {{&convolution, 0, {}, {}, {}, {}}};
    const Subject one = {"", Mosaic({subject.image}, 1000, 1000)};  // 1 megapixel: MP/s counts convolutions per second
    for (int run = 0; run < arguments.runs; ++run) {
      TakeTurns(one, 1, 5, &rate);
      TakeTurns(subject, 1, subject.Megapixels() < 4 ? 3 : 1, &entries);
    }
    PrintEntries(subject, entries);
    std::printf("\nEffort 0 encodes");
    for (size_t i = first_peer; i < entries.size(); ++i) {
      std::printf("%s %s times as many megapixels per second as %s", i == first_peer ? "" : " and",
                  Ratio(entries[first_peer - 1].encode, entries[i].encode).Text("%.2f").c_str(),
                  entries[i].codec->Name().c_str());
    }
    std::printf(".\n");
    Figures share, giga;
    const double cost = 1e6 * Must(Model::Default())->DecodeMultiplyAddsPerPixel();  // per megapixel
    for (int run = 0; run < arguments.runs; ++run) {
      const double macs = rate[0].encode.values[run] * Convolution::kMultiplyAdds;
      giga.values.push_back(macs / 1e9);
      share.values.push_back(100 * entries[1].decode.values[run] * cost / macs);
    }
    std::printf(
        "\nf32 3x3 convolution of 128 channels under AVX2: %s GMAC/s; decoding under AVX2 reaches %s %% of what its "
        "%.1f thousand multiply-adds per pixel allow at that rate.\n\n",
        giga.Text("%.0f").c_str(), share.Text("%.0f").c_str(), cost / 1e9);
  }
}

void Processes(const Arguments& arguments, const std::vector<Subject>& subjects, const std::vector<Peer>& peers,
               const std::string& folder) {
  std::printf("\n### Whole processes, PNG at level %d in and out\n\n", kPngLevel);
  std::printf(
      "| picture | command | wall ms | CPU ms | peak MiB | its wall time over lichen's | CPU time |\n"
      "|---|---|--:|--:|--:|--:|--:|\n");
  const std::string jobs = std::to_string(kThreads);
  std::string avif_quality = "30", jxl_distance = "1";
  for (const Peer& peer : peers) {
    (peer.codec->Name() == "avif" ? avif_quality : jxl_distance) = FormatQuality(peer.quality);
  }
  for (const Subject& subject : subjects) {
    const std::string base = folder + "/", png = base + "in.png";
    image_io::WriteOptions options;
    options.png_level = kPngLevel;
    if (!image_io::WritePicture(subject.image, png, options).ok()) Stop("no room in " + folder);
    const std::string level = std::to_string(kPngLevel);
    const std::vector<std::pair<std::string, Words>> encoders = {
        {"lichen-enc",
         {arguments.lichen_enc, "--threads", jobs, "-q", FormatQuality(kLichenQuality), png, base + "a.lic"}},
        {"lichen-enc --effort 0",
         {arguments.lichen_enc, "--threads", jobs, "-q", FormatQuality(kLichenQuality), "--effort", "0", png,
          base + "a0.lic"}},
        {"avifenc -s 6 -j 2",
         {"avifenc", "-s", "6", "-j", jobs, "-y", "444", "--min", "0", "--max", "63", "-a", "end-usage=q", "-a",
          "cq-level=" + avif_quality, png, base + "a.avif"}},
        {"cjxl -e 7", {"cjxl", "-e", "7", "-d", jxl_distance, "--num_threads=" + jobs, png, base + "a.jxl"}}};
    const std::vector<std::pair<std::string, Words>> decoders = {
        {"lichen-dec", {arguments.lichen_dec, "--threads", jobs, "--png-level", level, base + "a.lic", base + "l.png"}},
        {"avifdec -j 2", {"avifdec", "-j", jobs, "--png-compress", level, base + "a.avif", base + "v.png"}},
        {"djxl (PNG at its own level)", {"djxl", base + "a.jxl", base + "j.png", "--num_threads=" + jobs}}};
    for (const auto* commands : {&encoders, &decoders}) {
      std::vector<Figures> walls(commands->size()), cpus(commands->size());
      std::vector<double> peaks(commands->size());
      for (int run = -1; run < arguments.runs; ++run) {
        for (size_t c = 0; c < commands->size(); ++c) {
          const Process process = RunMeasured((*commands)[c].second);
          if (run < 0) continue;  // caches of files are warm from here on
          walls[c].values.push_back(1000 * process.wall_seconds);
          cpus[c].values.push_back(1000 * process.cpu_seconds);
          peaks[c] = std::max(peaks[c], process.peak_mib);
        }
      }
      for (size_t c = 0; c < commands->size(); ++c) {
        std::printf("| %s | %s | %s | %s | %.0f | %s | %s |\n", subject.name.c_str(), (*commands)[c].first.c_str(),
                    walls[c].Text("%.0f").c_str(), cpus[c].Text("%.0f").c_str(), peaks[c],
                    Ratio(walls[c], walls[0]).Text("%.2f").c_str(), Ratio(cpus[c], cpus[0]).Text("%.2f").c_str());
      }
      std::fflush(stdout);
    }
  }
  // Start-up: what a picture of one tile's smallest window costs is all but start-up.
  Image dot;
  dot.width = dot.height = 16;
  for (uint32_t i = 0; i < dot.RowBytes() * dot.height; ++i)
    dot.pixels.push_back(static_cast<uint8_t>(i * i * 37 >> 4));
  const std::string png = folder + "/dot.png", lic = folder + "/dot.lic";
  if (!image_io::WritePicture(dot, png).ok()) Stop("no room in " + folder);
  Figures encode, decode, encode_cpu, decode_cpu;
  for (int run = -1; run < arguments.runs; ++run) {
    const Process e = RunMeasured({arguments.lichen_enc, "--coding", "learned", png, lic});
    const Process d = RunMeasured({arguments.lichen_dec, lic, folder + "/dot2.png"});
    if (run < 0) continue;
    encode.values.push_back(1000 * e.wall_seconds);
    decode.values.push_back(1000 * d.wall_seconds);
    encode_cpu.values.push_back(1000 * e.cpu_seconds);
    decode_cpu.values.push_back(1000 * d.cpu_seconds);
  }
  std::printf("| 16x16, start-up | lichen-enc | %s | %s | | | |\n| 16x16, start-up | lichen-dec | %s | %s | | | |\n",
              encode.Text("%.0f").c_str(), encode_cpu.Text("%.0f").c_str(), decode.Text("%.0f").c_str(),
              decode_cpu.Text("%.0f").c_str());
  std::fflush(stdout);
}

void Scaling(const Arguments& arguments, const Subject& middle, const std::vector<Image>& pictures) {
  std::printf("\n### Threads and size, in the library\n\n| | encode | decode |\n|---|--:|--:|\n");
  const Lichen two("2 threads", nullptr, 2), one("1 thread", nullptr, 1);
  std::vector<Entry> entries = {{&two, kLichenQuality, {}, {}, {}, {}}, {&one, kLichenQuality, {}, {}, {}, {}}};
  TakeTurns(middle, arguments.runs, 1, &entries);
  std::printf("| 2 threads over 1 thread, %s | %s | %s |\n", middle.name.c_str(),
              Ratio(entries[0].encode, entries[1].encode).Text("%.2f").c_str(),
              Ratio(entries[0].decode, entries[1].decode).Text("%.2f").c_str());
  std::printf("| CPU time, 2 threads over 1 thread, %s | %s | %s |\n", middle.name.c_str(),
              Ratio(entries[0].encode_cpu, entries[1].encode_cpu).Text("%.2f").c_str(),
              Ratio(entries[0].decode_cpu, entries[1].decode_cpu).Text("%.2f").c_str());
  std::printf("| peak memory, 2 threads, %s, picture and file included | %.0f MiB | %.0f MiB |\n", middle.name.c_str(),
              entries[0].encode_mib, entries[0].decode_mib);
  std::fflush(stdout);
  if (!arguments.large) return;
  const Subject small = {"1 MP", Mosaic(pictures, 1152, 864)}, large = {"100 MP", Mosaic(pictures, 11520, 8704)};
  std::vector<Entry> small_entries = {{&two, kLichenQuality, {}, {}, {}, {}}}, large_entries = small_entries;
  const int runs = std::min(3, arguments.runs);
  for (int run = 0; run < runs; ++run) {
    TakeTurns(small, 1, 3, &small_entries);
    TakeTurns(large, 1, 1, &large_entries);
  }
  std::printf("| time per megapixel, 100 MP over 1 MP (%d pairs) | %s | %s |\n", runs,
              Ratio(small_entries[0].encode, large_entries[0].encode).Text("%.2f").c_str(),
              Ratio(small_entries[0].decode, large_entries[0].decode).Text("%.2f").c_str());
  std::printf("| the same, CPU time | %s | %s |\n",
              Ratio(large_entries[0].encode_cpu, small_entries[0].encode_cpu).Text("%.2f").c_str(),
              Ratio(large_entries[0].decode_cpu, small_entries[0].decode_cpu).Text("%.2f").c_str());
}

std::string Cpu() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.compare(0, 10, "model name") == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

int Main(const Arguments& arguments) {
  std::string folder = (std::filesystem::temp_directory_path() / "lichen-speed-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) Stop("no temporary folder");
  std::vector<Image> pictures;
  for (const std::string& path : arguments.pictures) pictures.push_back(Must(image_io::ReadPicture(path)));
  std::vector<Subject> subjects = {{"0.4 MP", pictures[0]}, {"12 MP", Mosaic(pictures, 4000, 3000)}};

  // Peers at Lichen's PSNR on 1 megapixel, Lichen by its tools, since no codec of ours may have run in this process.
  const Image judge = Mosaic(pictures, 1152, 864);
  const std::string png = folder + "/judge.png", lic = folder + "/judge.lic", back = folder + "/back.png";
  if (!image_io::WritePicture(judge, png).ok()) Stop("no room in " + folder);
  RunMeasured({arguments.lichen_enc, "-q", FormatQuality(kLichenQuality), png, lic});
  RunMeasured({arguments.lichen_dec, lic, back});
  const double psnr = Psnr(judge, Must(image_io::ReadPicture(back)));
  std::vector<Peer> peers;
  LichenSettings one_thread;
  one_thread.threads = 1;
  LichenSettings settings;
  settings.threads = kThreads;
  for (const char* name : {"avif", "jxl"}) {
    const double quality = Matched(*Must(MakeCodec(name, one_thread)), judge, psnr);
    peers.push_back({Must(MakeCodec(name, settings)), quality});
  }

  std::printf("%ld processors, %s; lichen %s at -q %s, %.2f dB; %d pairs; medians (least-most)\n",
              sysconf(_SC_NPROCESSORS_ONLN), Cpu().c_str(), lichen::Version(), FormatQuality(kLichenQuality).c_str(),
              psnr, arguments.runs);
  for (const Peer& peer : peers) std::printf("%s\n", peer.codec->Version().c_str());
  std::fflush(stdout);
  if (arguments.Wants("library")) Library(arguments, subjects, peers);
  if (arguments.Wants("processes")) Processes(arguments, subjects, peers, folder);
  if (arguments.Wants("scaling")) Scaling(arguments, subjects[1], pictures);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace lichen::eval

int main(int argc, char** argv) {
  lichen::eval::Arguments arguments;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--large") {
      arguments.large = true;
    } else if (word == "--runs" && i + 1 < argc) {
      arguments.runs = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--part" && i + 1 < argc) {
      arguments.part = argv[++i];
    } else {
      names.push_back(word);
    }
  }
  if (names.size() < 3) {
    std::fprintf(stderr,
                 "usage: speed_table [--runs N] [--large] [--part all|library|processes|scaling] LICHEN_ENC LICHEN_DEC "
                 "PICTURE...\n");
    return 2;
  }
  arguments.lichen_enc = names[0];
  arguments.lichen_dec = names[1];
  arguments.pictures.assign(names.begin() + 2, names.end());
  return lichen::eval::Main(arguments);
}
