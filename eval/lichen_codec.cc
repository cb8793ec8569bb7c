// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "eval/codecs.h"
#include "eval/result_cache.h"
#include "image_io/input_file.h"
#include "lichen/codec.h"

namespace lichen::eval {
namespace {

// Of the program that runs, where the system gives access to it.
const std::string& ProgramHash() {
  static const std::string hash = [] {
    const Result<std::vector<uint8_t>> program = image_io::ReadFile("/proc/self/exe");
    return program.ok() ? HashBytes(*program) : std::string("unknown");
  }();
  return hash;
}

const int kDefaultEffort = EncodeOptions().effort;

class LichenCodec : public Codec {
 public:
  /// model: null for the default one
  LichenCodec(std::shared_ptr<const Model> model, std::string model_hash, int effort, int threads)
      : model_(std::move(model)), model_hash_(std::move(model_hash)), effort_(effort), threads_(threads) {}

  std::string Name() const override {
    return effort_ == kDefaultEffort ? "lichen" : "lichen-e" + std::to_string(effort_);
  }
  std::string Version() const override {
    const Model& model = model_ ? *model_ : **Model::Default();  // which was loaded before
    return std::string("lichen ") + lichen::Version() + ", model " + model.Name() + " (" + model.Id() + ")";
  }
  // The version does not change with every change of the code, nor the model's id with its encoder: so, hashes of both.
  std::string Identity() const override {
    return Version() + ", effort " + std::to_string(effort_) + ", program " + ProgramHash() + ", model " + model_hash_;
  }
  std::vector<double> DefaultQualities() const override { return {5, 20, 40, 60, 80, 95}; }
  std::vector<double> SizeLadder() const override { return Steps(0, 100, 400); }

  Status CheckQuality(double quality) const override {
    if (quality >= 0 && quality <= 100) return Status();
    return Status(StatusCode::kInvalidArgument, "lichen has no quality " + FormatQuality(quality) + "; use 0..100");
  }

  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    EncodeOptions options;
    options.quality = quality;
    options.effort = effort_;
    options.threads = threads_;
    options.model = model_;
    return lichen::Encode(image, options);
  }

  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    DecodeOptions options;
    options.threads = threads_;
    options.model = model_;
    options.bit_depth = 8;
    return lichen::Decode(file.data(), file.size(), options);
  }

 private:
  std::shared_ptr<const Model> model_;
  std::string model_hash_;
  int effort_, threads_;
};

}  // namespace

Result<std::unique_ptr<Codec>> MakeLichenCodec(const LichenSettings& settings, int effort) {
  std::shared_ptr<const Model> model;
  std::string hash = "built in";
  LICHEN_RETURN_IF_ERROR(Model::Default().status());
  if (!settings.model.empty()) {
    LICHEN_ASSIGN_OR_RETURN(model, Model::Load(settings.model));
    std::vector<uint8_t> file;
    LICHEN_ASSIGN_OR_RETURN(file, image_io::ReadFile(settings.model));
    hash = HashBytes(file);
  }
  return std::unique_ptr<Codec>(new LichenCodec(std::move(model), hash, effort, settings.threads));
}

}  // namespace lichen::eval
