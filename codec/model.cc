// SPDX-License-Identifier: Apache-2.0
// Model: the public face of a parsed model file, and the model built into the library.
#include <cstdio>
#include <memory>
#include <new>

#include "codec/fixed_point.h"
#include "codec/model_data.h"
#include "codec/transform.h"
#include "lichen/codec.h"

// The default model's file, placed in the library as it is (LICHEN_DEFAULT_MODEL: its path).
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    ".global lichen_default_model\n"
    ".hidden lichen_default_model\n"
    "lichen_default_model:\n"
    ".incbin \"" LICHEN_DEFAULT_MODEL
    "\"\n"
    ".global lichen_default_model_end\n"
    ".hidden lichen_default_model_end\n"
    "lichen_default_model_end:\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const uint8_t lichen_default_model[];
extern "C" const uint8_t lichen_default_model_end[];

namespace lichen {

class ParsedModel : public Model {
 public:
  explicit ParsedModel(ModelData data) : data_(std::move(data)) { KeepPrepared(&data_); }

  std::string Id() const override {
    std::string text;
    for (uint8_t byte : data_.id) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", byte);
      text += digits;
    }
    return text;
  }
  std::string Name() const override { return data_.name; }

  double DecodeMultiplyAddsPerPixel() const override {
    constexpr double kPixelsPerLatent = 256, kPixelsPerHyperLatent = 4096;
    double total = MultiplyAdds(data_.g_s) / kPixelsPerLatent, positions = 1 / kPixelsPerHyperLatent;
    for (const IntegerLayer& layer : data_.h_s) {
      total += positions * static_cast<double>(layer.weight.size());
      positions *= layer.depth_to_space * layer.depth_to_space;
    }
    return total + OfContexts(data_.context) / kPixelsPerLatent + OfContexts(data_.context_z) / kPixelsPerHyperLatent;
  }

  const ModelData& data() const { return data_; }

 private:
  /// At each position.
  static double OfContexts(const std::array<std::vector<IntegerLayer>, 4>& contexts) {
    double total = 0;
    for (const auto& layers : contexts) {
      for (const IntegerLayer& layer : layers) {
        const double share = layer.relu ? 1 : 0.25;  // a head computes one group
        total += share * static_cast<double>(layer.weight.size());
      }
    }
    return total;
  }

  ModelData data_;
};

const ModelData& DataOf(const Model& model) { return static_cast<const ParsedModel&>(model).data(); }

Result<std::shared_ptr<const Model>> Model::Parse(const uint8_t* data, size_t size) {
  try {
    LICHEN_ASSIGN_OR_RETURN(ModelData parsed, ParseModel(data, size));
    return std::shared_ptr<const Model>(std::make_shared<ParsedModel>(std::move(parsed)));
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory for a model");
  }
}

Result<std::shared_ptr<const Model>> Model::Load(const std::string& path) {
  try {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) return Status(StatusCode::kIoError, path + ": cannot be opened; give the path of a model file (.lim)");
    std::vector<uint8_t> bytes;
    constexpr size_t kMaxModelBytes = 64u << 20;
    uint8_t buffer[1 << 16];
    while (const size_t got = std::fread(buffer, 1, sizeof buffer, file.get())) {
      bytes.insert(bytes.end(), buffer, buffer + got);
      if (bytes.size() > kMaxModelBytes) return Status(StatusCode::kDamaged, path + ": too large for a model file");
    }
    if (std::ferror(file.get())) return Status(StatusCode::kIoError, path + ": cannot be read");
    auto model = Parse(bytes.data(), bytes.size());
    if (!model.ok()) return model.status().Prefixed(path);
    return model;
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory for a model");
  }
}

namespace {

Result<std::shared_ptr<const Model>> ParseDefault(ModelParts parts) {
  try {
    const auto size = static_cast<size_t>(lichen_default_model_end - lichen_default_model);
    LICHEN_ASSIGN_OR_RETURN(ModelData parsed, ParseModel(lichen_default_model, size, parts, Checksums::kTrusted));
    return std::shared_ptr<const Model>(std::make_shared<ParsedModel>(std::move(parsed)));
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory for a model");
  }
}

}  // namespace

Result<std::shared_ptr<const Model>> DefaultModel(ModelParts parts) {
  if (parts == ModelParts::kEncoding) {
    static const Result<std::shared_ptr<const Model>> model = ParseDefault(parts);
    return model;
  }
  if (parts == ModelParts::kDecoding) {
    static const Result<std::shared_ptr<const Model>> model = ParseDefault(parts);
    return model;
  }
  static const Result<std::shared_ptr<const Model>> model = ParseDefault(parts);
  return model;
}

Result<std::shared_ptr<const Model>> Model::Default() { return DefaultModel(ModelParts::kAll); }

const char* Version() { return LICHEN_VERSION; }

}  // namespace lichen
