// SPDX-License-Identifier: Apache-2.0
// Writes the first files of the fuzz targets' corpora: write_corpus FOLDER, which is tests/fuzz/corpus.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "../png_chunks.h"
#include "bitstream/byte_writer.h"
#include "bitstream/container.h"
#include "bitstream/post_filter_code.h"
#include "bitstream/rans.h"
#include "codec/fixed_point.h"

namespace {

using Json = nlohmann::json;
using Bytes = std::vector<uint8_t>;
using lichen::bitstream::ByteWriter;

Bytes ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// ---- Container and decoder: golden files, and what these lack ----

void WriteContainers(const std::string& folder) {
  for (const char* name : {"1x1", "alpha", "best", "gray", "rgb", "tiles", "dct", "dct_gray", "dct_alpha"}) {
    const Bytes file = ReadFile(std::string(LICHEN_TEST_DATA "/golden/") + name + ".lic");
    WriteFile(folder + "/container/" + name + ".lic", file);
    WriteFile(folder + "/decoder/" + name + ".lic", file);
  }
  // Chunks that this build does not know stand behind HEAD, which ends with tile size and checksum.
  const Bytes gray = ReadFile(LICHEN_TEST_DATA "/golden/gray.lic");
  const size_t head_end = 8 + 4 + 1 + gray[12] + 4;
  for (const std::string type : {"abcd", "ABCD"}) {
    Bytes file(gray.begin(), gray.begin() + static_cast<std::ptrdiff_t>(head_end));
    file.insert(file.end(), type.begin(), type.end());
    const Bytes rest = {3, 1, 2, 3, 0, 0, 0, 0};  // length, payload, checksum
    file.insert(file.end(), rest.begin(), rest.end());
    file.insert(file.end(), gray.begin() + static_cast<std::ptrdiff_t>(head_end), gray.end());
    WriteFile(folder + "/container/" + (type == "abcd" ? "ancillary" : "critical") + ".lic", file);
  }
}

// ---- PNG: files of the kinds that are read here and of some that libpng reads, and pictures for the target to pack
// ----

/// Rows with every filter.
Bytes FilteredRows(const lichen::test::PngShape& shape) {
  std::mt19937 random(shape.width);
  Bytes rows(shape.RowBytes() * shape.height);
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t x = i % shape.RowBytes();
    rows[i] = static_cast<uint8_t>(x == 0 ? i / shape.RowBytes() % 5 : random() % 4 == 0 ? random() : random() % 3);
  }
  return rows;
}

void WritePngs(const std::string& folder) {
  using namespace lichen::test;
  const auto write = [&folder](const std::string& name, const Bytes& file) {
    WriteFile(folder + "/png/" + name, file);
  };
  const Bytes empty = PngChunk("IDAT", {});
  const PngShape rgb = {11, 10, 2, 8}, gray = {9, 10, 0, 8}, rgba = {5, 6, 6, 16}, packed = {13, 6, 0, 2};
  const Bytes stored = ZlibStream(FilteredRows(rgb), 0), compressed = ZlibStream(FilteredRows(rgb), 9);
  write("rgb.png", Joined({PngStart(rgb), PixelChunks(compressed, compressed.size()), PngEnd()}));
  write("stored.png", Joined({PngStart(rgb), PixelChunks(stored, 100), PngEnd()}));
  write("fixed.png", Joined({PngStart(gray), PngChunk("gAMA", {0, 0, 0xb1, 0x8f}), empty,
                             PixelChunks(ZlibStream(FilteredRows(gray), 9, Z_FIXED), 30), empty,
                             PngChunk("tIME", {7, 208, 1, 1, 0, 0, 0}), PngEnd()}));
  write("rgba16.png", Joined({PngStart(rgba), PixelChunks(ZlibStream(FilteredRows(rgba), 9), 50), PngEnd()}));
  write("transparent.png", Joined({PngStart(rgb), PngChunk("tRNS", {0, 1, 0, 2, 0, 1}),
                                   PixelChunks(compressed, compressed.size()), PngEnd()}));
  write("packed.png", Joined({PngStart(packed), PixelChunks(ZlibStream(FilteredRows(packed), 9), 50), PngEnd()}));
  for (uint8_t kind = 0; kind < 8; ++kind) {
    const int colour_types[] = {0, 2, 4, 6};
    const PngShape shape = {7, 6, colour_types[kind % 4], kind < 4 ? 8 : 16};
    const Bytes parameters = {kind, 6, static_cast<uint8_t>(5 * kind), static_cast<uint8_t>(9 - kind), kind};
    write("picture" + std::to_string(kind), Joined({parameters, FilteredRows(shape)}));
  }
}

// ---- rANS: streams of the fuzz target's own tables cannot be made here; random words get as far ----

void WriteStreams(const std::string& folder) {
  std::mt19937 random(1);
  for (int i = 0; i < 4; ++i) {
    Bytes bytes = {static_cast<uint8_t>(17 * i), static_cast<uint8_t>(8 << i)};
    for (int state = 0; state < 4; ++state) ByteWriter(&bytes).WriteU32(0x10000 + static_cast<uint32_t>(random() >> 1));
    for (int k = 0; k < 16 << i; ++k) bytes.push_back(static_cast<uint8_t>(random()));
    WriteFile(folder + "/rans/words" + std::to_string(i), bytes);
  }
  Bytes table;  // after the two bytes: an escape of 1000 and frequencies 20000, 4000, 1884
  for (const int f : {0, 1000, 20000, 4000, 1884}) ByteWriter(&table).WriteU16(static_cast<uint16_t>(f));
  WriteFile(folder + "/rans/table", table);
}

// ---- Model: the smallest that has every kind of layer ----

class ModelWriter {
 public:
  Json Convolution(const std::string& name, int in, int out, int kernel, int stride, bool relu) {
    Halves(name + ".weight", in * out * kernel * kernel);
    Halves(name + ".bias", out);
    return {{"type", "convolution"}, {"name", name},     {"in", in},    {"out", out},
            {"kernel", kernel},      {"stride", stride}, {"relu", relu}};
  }
  Json Residual(const std::string& name, int channels, bool steps) {
    Json a = Convolution(name + ".a", channels, channels, 3, 1, true);
    Json b = Convolution(name + ".b", channels, channels, 1, 1, false);
    for (Json* convolution : {&a, &b}) {
      if (!steps) break;
      (*convolution)["steps"] = true;
      Shorts((*convolution)["name"].get<std::string>() + ".step", channels, -4000, 100);
    }
    return {{"type", "residual"}, {"a", a}, {"b", b}};
  }
  Json Gain(const std::string& name, int channels) {
    Shorts(name, 8 * channels, 0, 1);
    return {{"type", "gain"}, {"name", name}};
  }
  Json Integer(const std::string& name, int in, int out, int kernel, bool relu, int depth_to_space) {
    Describe(name + ".weight", "s8", in * out * kernel * kernel);
    for (int i = 0; i < in * out * kernel * kernel; ++i) tensors_.push_back(static_cast<uint8_t>(i * 29 % 41));
    Describe(name + ".bias", "s32", out);
    for (int i = 0; i < out; ++i) ByteWriter(&tensors_).WriteU32(static_cast<uint32_t>(i * 10));
    Shorts(name + ".multiplier", out, 16384, 100);
    Describe(name + ".shift", "s8", out);
    tensors_.insert(tensors_.end(), static_cast<size_t>(out), 20);
    return {{"name", name},     {"in", in},     {"out", out},
            {"kernel", kernel}, {"relu", relu}, {"depth_to_space", depth_to_space}};
  }
  /// count values from `first` in steps of `step`
  void Shorts(const std::string& name, int count, int first, int step, const char* type = "s16") {
    Describe(name, type, count);
    for (int i = 0; i < count; ++i) ByteWriter(&tensors_).WriteU16(static_cast<uint16_t>(first + i * step));
  }
  void Exp2() {
    Describe("exp2", "u16", 256);
    for (int i = 0; i < 256; ++i) {
      ByteWriter(&tensors_).WriteU16(static_cast<uint16_t>(std::lround(std::exp2(14 + i / 256.0))));
    }
  }
  void Tables() {
    constexpr int kTables = lichen::kTableSets * lichen::kScaleTables;
    Shorts("tables.radius", kTables, 2, 0, "u16");
    Shorts("tables.escape", kTables, 768, 0, "u16");
    Describe("tables.frequency", "u16", 3 * kTables);
    for (int i = 0; i < kTables; ++i) {
      for (const int f : {16000, 6000, 2000}) ByteWriter(&tensors_).WriteU16(static_cast<uint16_t>(f));
    }
  }

  void Halves(const std::string& name, int count) {
    Describe(name, "f16", count);
    for (int i = 0; i < count; ++i) ByteWriter(&tensors_).WriteU16(static_cast<uint16_t>(0x2800 + 331 * i % 1024));
  }
  void SignedBytes(const std::string& name, const std::vector<int8_t>& values) {
    Describe(name, "s8", static_cast<int>(values.size()));
    for (const int8_t value : values) tensors_.push_back(static_cast<uint8_t>(value));
  }

  Json TakeDescriptions() { return std::exchange(descriptions_, Json::object()); }
  const Bytes& tensors() const { return tensors_; }

 private:
  void Describe(const std::string& name, const char* type, int count) {
    descriptions_[name] = {{"type", type}, {"count", count}, {"offset", tensors_.size()}};
  }
  Json descriptions_ = Json::object();
  Bytes tensors_;
};

// ---- Post-filter: few coefficients, many, and bytes that are none ----

void WriteCoefficients(const std::string& folder) {
  const auto write = [&folder](const char* name, const std::vector<int8_t>& sizes, const Bytes& bytes) {
    Bytes file = {static_cast<uint8_t>(sizes.size())};
    for (const int8_t size : sizes) file.push_back(static_cast<uint8_t>(size));
    file.insert(file.end(), bytes.begin(), bytes.end());
    WriteFile(folder + "/post_filter/" + name, file);
  };
  const std::vector<int8_t> sizes = {-3, -3, -4, 0, 2};
  write("few", sizes, lichen::bitstream::WritePostFilter({5, {3, -1}}, sizes));
  write("all", sizes, lichen::bitstream::WritePostFilter({9, {100, -70, 0, 31, -400}}, sizes));
  write("coarse", sizes, lichen::bitstream::WritePostFilter({0, {0, 0, 7}}, sizes));
  write("none", sizes, {});
  write("ones", sizes, {0x5F, 0xFF});
}

/// steps: for the residual block
void WriteModel(const std::string& path, bool steps, bool post_filter) {
  constexpr int kM = 4, kZ = 4, kP = 2;
  ModelWriter writer;
  Json decoder = {{"name", "smallest"},     {"latent_channels", kM},      {"hyper_channels", kZ},
                  {"feature_channels", kP}, {"scale_per_exponent", 1000}, {"phase_order", {0, 3, 1, 2}}};
  decoder["g_s"] = {writer.Convolution("s0", kM, 16, 1, 1, true),
                    {{"type", "depth_to_space"}, {"factor", 4}},
                    writer.Residual("s1", 1, steps),
                    writer.Gain("s2", 1),
                    writer.Convolution("s3", 1, 48, 1, 1, false),
                    {{"type", "depth_to_space"}, {"factor", 4}}};
  decoder["h_s"] = {writer.Integer("h0", 2 * kZ, 4, 1, true, 2), writer.Integer("h1", 1, 4 * kP, 3, true, 2)};
  for (int k = 0; k < 4; ++k) {
    const int in = k == 0 ? kP : kP + 2 * kM;
    const std::string name = "c" + std::to_string(k);
    decoder["context"].push_back({writer.Integer(name + "0", in, 3, k == 1 ? 3 : 1, true, 1),
                                  writer.Integer(name + "1", 3, 2 * kM, 1, false, 1)});
  }
  for (int k = 1; k < 4; ++k) {
    const std::string name = "z" + std::to_string(k);
    decoder["context_z"].push_back(
        {writer.Integer(name + "0", 2 * kZ, 2, 3, true, 1), writer.Integer(name + "1", 2, 2 * kZ, 1, false, 1)});
  }
  writer.Exp2();
  writer.Shorts("context_exponent", 8 * kM, -100, 7);
  writer.Shorts("inverse_gain_y", 8 * kM, -2048, 50);
  writer.Shorts("z_exponent", 8 * kZ, 0, 20);
  writer.Shorts("z_scale", 8 * kZ, 300, 10);
  writer.Tables();
  if (post_filter) {
    constexpr int kFeatures = 50, kComponents = 2;
    decoder["post_filter"] = {{"features", kFeatures}, {"components", kComponents}};
    writer.Halves("post_filter.mean", 8 * kFeatures * 3);
    writer.Halves("post_filter.components", kComponents * kFeatures * 3);
    writer.Shorts("post_filter.amplitude", 8, -8000, 100);
    writer.SignedBytes("post_filter.sizes", {-3, -4});
  }
  decoder["tensors"] = writer.TakeDescriptions();

  Json encoder;
  encoder["g_a"] = {{{"type", "space_to_depth"}, {"factor", 4}},
                    writer.Convolution("a0", 48, kM, 1, 2, true),
                    writer.Convolution("a1", kM, kM, 3, 2, false)};
  encoder["h_a"] = {writer.Convolution("b0", kM, kM, 3, 2, true), writer.Convolution("b1", kM, kZ, 1, 2, false)};
  writer.Shorts("gain_y", 8 * kM, 4000, 100);
  encoder["tensors"] = writer.TakeDescriptions();

  Bytes file;
  for (const Json& section : {decoder, encoder}) {
    const std::string text = section.dump();
    file.insert(file.end(), text.begin(), text.end());
    file.push_back(0);
  }
  file.insert(file.end(), writer.tensors().begin(), writer.tensors().end());
  WriteFile(path, file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  for (const char* target : {"container", "decoder", "model", "png", "post_filter", "rans"}) {
    std::filesystem::create_directories(folder + "/" + target);
  }
  WriteContainers(folder);
  WriteStreams(folder);
  WritePngs(folder);
  WriteModel(folder + "/model/smallest", false, false);
  WriteModel(folder + "/model/rounded", true, false);
  WriteModel(folder + "/model/filtered", false, true);
  WriteCoefficients(folder);
  return 0;
}
