// SPDX-License-Identifier: Apache-2.0
#include "codec/model_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "bitstream/byte_reader.h"
#include "bitstream/checksum.h"
#include "bitstream/zstd_frame.h"
#include "codec/fixed_point.h"
#include "codec/half_float.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

using Json = nlohmann::json;

constexpr uint8_t kSignature[8] = {0x89, 'L', 'I', 'M', 0x0d, 0x0a, 0x1a, 0x0a};
constexpr int kModelVersion = 0;
constexpr uint32_t kMaxSectionBytes = 64u << 20;
constexpr uint32_t kMaxTextBytes = 1u << 20;  // parsed JSON takes over 100 times its text, which is 9 kB in practice
constexpr int kMaxChannels = 4096;
constexpr int kMaxLayers = 256;
constexpr int kColours = 3;

LICHEN_VECTORISED
int32_t SumOfMagnitudes(const int8_t* weights, size_t count) {
  int32_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += weights[i] < 0 ? -weights[i] : weights[i];
  return sum;
}

Status Damaged(const std::string& what) { return Status(StatusCode::kDamaged, "model file: " + what); }

/// One section: a JSON description and the tensors it names. Raised errors stay inside ParseModel.
class Section {
 public:
  struct Error {
    Status status;
  };

  static Section Read(bitstream::ByteReader& reader, const char* name, Checksums checksums) {
    const uint32_t raw_size = Value(reader.ReadU32());
    const uint32_t packed_size = Value(reader.ReadU32());
    const uint32_t crc = Value(reader.ReadU32());
    if (raw_size > kMaxSectionBytes) {
      Fail(std::string(name) + " section of " + std::to_string(raw_size) + " bytes, at most " +
           std::to_string(kMaxSectionBytes) + " expected");
    }
    const uint8_t* packed = Value(reader.ReadBytes(packed_size));
    if (checksums == Checksums::kCompared && !bitstream::ChecksumMatches(crc, packed, packed_size)) {
      Fail(std::string(name) + " section: wrong checksum");
    }
    Section section;
    Status status = bitstream::CheckFrame(packed, packed_size, raw_size);  // before memory is asked for
    if (status.ok()) {
      section.bytes_.reset(new uint8_t[raw_size]);
      status = bitstream::DecompressFrame(packed, packed_size, section.bytes_.get(), raw_size);
    }
    if (!status.ok()) Fail(std::string(name) + " section: " + status.message());
    bitstream::ByteReader inner(section.bytes_.get(), raw_size, "model section", StatusCode::kDamaged);
    const uint32_t json_size = Value(inner.ReadU32());
    if (json_size > kMaxTextBytes) {
      Fail(std::string(name) + " section: a description of " + std::to_string(json_size) + " bytes, at most " +
           std::to_string(kMaxTextBytes) + " expected");
    }
    const uint8_t* json_bytes = Value(inner.ReadBytes(json_size));
    section.blobs_ = json_bytes + json_size;
    section.blob_size_ = section.bytes_.get() + raw_size - section.blobs_;
    section.unread_ = section.blob_size_;
    section.json_ = Json::parse(json_bytes, json_bytes + json_size);
    return section;
  }

  const Json& json() const { return json_; }

  [[noreturn]] static void Fail(const std::string& what) { throw Error{Damaged(what)}; }
  template <typename T>
  static T Value(Result<T> result) {
    if (!result.ok()) throw Error{result.status()};
    return std::move(result).value();
  }
  /// Json's own get() would cut off fractions and wrap numbers that do not fit.
  static int64_t WholeNumber(const Json& json) {
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t{INT64_MAX})) {
      // Writing out nested arrays recurses, and a file can nest half a million of them.
      Fail("a whole number expected, found " +
           (json.is_primitive() ? json.dump().substr(0, 40) : std::string("an ") + json.type_name()));
    }
    return json.get<int64_t>();
  }

  /// REQUIRES: type is one of the file's tensor types; every element count is checked against `count`.
  std::vector<float> Halves(const std::string& name, size_t count) const {
    const uint8_t* halves = Find(name, "f16", count, 2);
    std::vector<float> out(count);
    if (!HalvesToFloats(halves, count, out.data())) Fail("a weight is not finite");
    return out;
  }
  std::vector<int16_t> Shorts(const std::string& name, size_t count) const {
    return Read<int16_t, 2>(name, "s16", count, [](const uint8_t* p) { return int16_t(p[0] | p[1] << 8); });
  }
  std::vector<uint16_t> UnsignedShorts(const std::string& name, size_t count) const {
    return Read<uint16_t, 2>(name, "u16", count, [](const uint8_t* p) { return uint16_t(p[0] | p[1] << 8); });
  }
  std::vector<int32_t> Ints(const std::string& name, size_t count) const {
    return Read<int32_t, 4>(name, "s32", count, [](const uint8_t* p) {
      return int32_t(uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24);
    });
  }
  std::vector<int8_t> Bytes(const std::string& name, size_t count) const {
    const uint8_t* bytes = Find(name, "s8", count, 1);
    std::vector<int8_t> out(count);
    if (count > 0) std::memcpy(out.data(), bytes, count);
    return out;
  }

 private:
  /// The bytes of a tensor that is not read yet; its element count is checked.
  const uint8_t* Find(const std::string& name, const char* type, size_t count, size_t bytes) const {
    const auto found = json_.at("tensors").find(name);
    if (found == json_.at("tensors").end()) Fail("no tensor " + name);
    if (found->at("type").get<std::string>() != type) Fail("tensor " + name + " is not of type " + type);
    const auto offset = static_cast<uint64_t>(WholeNumber(found->at("offset")));  // a negative one is too large
    const auto size = static_cast<uint64_t>(WholeNumber(found->at("count")));
    if (size != count) {
      Fail("tensor " + name + " has " + std::to_string(size) + " elements, " + std::to_string(count) + " expected");
    }
    if (offset > blob_size_ || count > (blob_size_ - offset) / bytes) Fail("tensor " + name + " lies outside the file");
    // Layers that share tensors would let a small file ask for any amount of memory.
    if (count > unread_ / bytes) Fail("the tensors overlap");
    unread_ -= count * bytes;
    return blobs_ + offset;
  }

  template <typename T, size_t kBytes, typename Convert>
  std::vector<T> Read(const std::string& name, const char* type, size_t count, Convert convert) const {
    const uint8_t* from = Find(name, type, count, kBytes);
    std::vector<T> out(count);
    for (size_t i = 0; i < count; ++i) out[i] = convert(from + i * kBytes);
    return out;
  }

  std::unique_ptr<uint8_t[]> bytes_;
  const uint8_t* blobs_ = nullptr;
  size_t blob_size_ = 0;
  mutable size_t unread_ = 0;  // bytes of blobs_ less those of all tensors read
  Json json_;
};

int IntIn(const Json& json, const char* key, int low, int high) {
  const int64_t value = Section::WholeNumber(json.at(key));
  if (value < low || value > high) {
    Section::Fail(std::string(key) + " is " + std::to_string(value) + ", expected " + std::to_string(low) + " to " +
                  std::to_string(high));
  }
  return static_cast<int>(value);
}

/// exponent: log2 in 1/2048 octaves
float GainOf(int exponent) { return static_cast<float>(std::exp2(static_cast<double>(exponent) / (1 << kGainBits))); }

FloatConvolutionData ParseConvolution(const Section& section, const Json& json) {
  FloatConvolutionData conv;
  conv.in = IntIn(json, "in", 1, kMaxChannels);
  conv.out = IntIn(json, "out", 1, kMaxChannels);
  conv.kernel = IntIn(json, "kernel", 1, 7);
  conv.stride = IntIn(json, "stride", 1, 2);
  conv.relu = json.at("relu").get<bool>();
  conv.slope = json.value("slope", 0.0f);
  if (!(conv.slope >= 0 && conv.slope <= 1)) Section::Fail("a slope that is not between 0 and 1");
  if (conv.kernel % 2 == 0) Section::Fail("a kernel of even size");
  const std::string name = json.at("name").get<std::string>();
  conv.weight = section.Halves(name + ".weight", size_t(conv.out) * conv.in * conv.kernel * conv.kernel);
  conv.bias = section.Halves(name + ".bias", conv.out);
  if (json.value("steps", false)) {
    for (const int16_t e : section.Shorts(name + ".step", conv.in)) conv.step.push_back(GainOf(e));
  }
  conv.pixels = json.value("pixels", false);
  if (conv.pixels && !conv.step.empty()) Section::Fail("steps of what takes pixels");
  if (conv.pixels) conv.step.assign(conv.in, 1.0f / 255);
  return conv;
}

/// Output channel (c, dy, dx) -> (dy, dx, c).
template <typename T>
std::vector<T> OutputsForDepthToSpace(const std::vector<T>& rows, int outputs, int factor) {
  const int area = factor * factor, channels = outputs / area;
  const size_t row = rows.size() / outputs;
  std::vector<T> out(rows.size());
  for (int c = 0; c < channels; ++c) {
    for (int d = 0; d < area; ++d) {
      std::copy_n(rows.begin() + (size_t(c) * area + d) * row, row, out.begin() + (size_t(d) * channels + c) * row);
    }
  }
  return out;
}

/// Input channel (c, dy, dx) -> (dy, dx, c), for a convolution after a space-to-depth.
void InputsAfterSpaceToDepth(FloatConvolutionData& conv, int factor) {
  const int area = factor * factor, channels = conv.in / area, taps = conv.kernel * conv.kernel;
  const std::vector<float> old = conv.weight;
  for (int o = 0; o < conv.out; ++o) {
    for (int c = 0; c < channels; ++c) {
      for (int d = 0; d < area; ++d) {
        std::copy_n(old.begin() + (size_t(o) * conv.in + c * area + d) * taps, taps,
                    conv.weight.begin() + (size_t(o) * conv.in + d * channels + c) * taps);
      }
    }
  }
}

/// Checks that each layer takes what the one before gives. resolution: input pixels per output pixel must end at
/// `reduction` (below 0: the layers up-sample by its negative).
std::vector<FloatLayer> ParseTransform(const Section& section, const Json& layers, int in, int out, int down, int up) {
  if (!layers.is_array() || layers.empty() || layers.size() > kMaxLayers) Section::Fail("a transform without layers");
  std::vector<FloatLayer> parsed;
  int channels = in, reduced = 1, enlarged = 1;
  for (const Json& json : layers) {
    FloatLayer layer;
    const std::string type = json.at("type").get<std::string>();
    const bool unshuffled = !parsed.empty() && parsed.back().type == FloatLayer::Type::kSpaceToDepth;
    if (unshuffled && type != "convolution") Section::Fail("space-to-depth that no convolution follows");
    if (type == "convolution") {
      layer.type = FloatLayer::Type::kConvolution;
      layer.a = ParseConvolution(section, json);
      if (layer.a.in != channels)
        Section::Fail("a convolution of " + std::to_string(layer.a.in) + " channels after " + std::to_string(channels));
      if (layer.a.pixels && !(unshuffled && in == kColours)) Section::Fail("pixels taken where there are none");
      if (!layer.a.step.empty() && !layer.a.pixels) Section::Fail("steps outside of residual blocks");
      if (unshuffled) InputsAfterSpaceToDepth(layer.a, parsed.back().factor);
      channels = layer.a.out;
      reduced *= layer.a.stride;
    } else if (type == "residual") {
      layer.type = FloatLayer::Type::kResidual;
      layer.a = ParseConvolution(section, json.at("a"));
      layer.b = ParseConvolution(section, json.at("b"));
      if (layer.a.in != channels || layer.b.in != layer.a.out || layer.b.out != channels || layer.a.stride != 1 ||
          layer.b.stride != 1 || layer.b.relu || !layer.a.relu) {
        Section::Fail("a residual block whose sizes do not fit");
      }
      if (layer.a.step.empty() != layer.b.step.empty())
        Section::Fail("a residual block with steps for one convolution");
      if (layer.a.pixels || layer.b.pixels) Section::Fail("a residual block that takes pixels");
    } else if (type == "space_to_depth") {
      layer.type = FloatLayer::Type::kSpaceToDepth;
      layer.factor = IntIn(json, "factor", 2, 8);
      if (!parsed.empty()) Section::Fail("space-to-depth that is not the first layer");
      channels *= layer.factor * layer.factor;
      reduced *= layer.factor;
    } else if (type == "depth_to_space") {
      layer.type = FloatLayer::Type::kDepthToSpace;
      layer.factor = IntIn(json, "factor", 2, 8);
      const int area = layer.factor * layer.factor;
      if (parsed.empty() || parsed.back().type != FloatLayer::Type::kConvolution || channels % area != 0) {
        Section::Fail("depth-to-space that does not follow a convolution of fitting size");
      }
      FloatConvolutionData& before = parsed.back().a;
      before.weight = OutputsForDepthToSpace(before.weight, before.out, layer.factor);
      before.bias = OutputsForDepthToSpace(before.bias, before.out, layer.factor);
      channels /= area;
      enlarged *= layer.factor;
    } else if (type == "gain") {
      layer.type = FloatLayer::Type::kGain;
      layer.channels = channels;
      layer.gain = section.Shorts(json.at("name").get<std::string>(), size_t(kQualityAnchors) * channels);
    } else {
      Section::Fail("unknown layer type " + type);
    }
    if (reduced > 64 || enlarged > 64) Section::Fail("a transform that changes the size too much");
    parsed.push_back(std::move(layer));
  }
  if (parsed.back().type == FloatLayer::Type::kSpaceToDepth)
    Section::Fail("space-to-depth that no convolution follows");
  if (channels != out || reduced != down || enlarged != up) Section::Fail("a transform whose output does not fit");
  return parsed;
}

IntegerLayer ParseIntegerLayer(const Section& section, const Json& json, int in) {
  IntegerLayer layer;
  layer.in = IntIn(json, "in", 1, kMaxChannels);
  layer.out = IntIn(json, "out", 1, kMaxChannels);
  layer.kernel = IntIn(json, "kernel", 1, 7);
  layer.relu = json.at("relu").get<bool>();
  layer.depth_to_space = IntIn(json, "depth_to_space", 1, 2);
  if (layer.in != in)
    Section::Fail("an integer layer of " + std::to_string(layer.in) + " channels after " + std::to_string(in));
  if (layer.kernel % 2 == 0 || layer.out % (layer.depth_to_space * layer.depth_to_space) != 0) {
    Section::Fail("an integer layer of odd sizes");
  }
  const std::string name = json.at("name").get<std::string>();
  const size_t row = size_t(layer.in) * layer.kernel * layer.kernel;
  layer.weight = section.Bytes(name + ".weight", layer.out * row);
  layer.bias = section.Ints(name + ".bias", layer.out);
  const std::vector<int16_t> multiplier = section.Shorts(name + ".multiplier", layer.out);
  const std::vector<int8_t> shift = section.Bytes(name + ".shift", layer.out);
  for (int o = 0; o < layer.out; ++o) {
    const int8_t* weights = layer.weight.data() + o * row;
    if (std::memchr(weights, -128, row) != nullptr) Section::Fail(name + ": a weight of -128");
    const int64_t bound = std::abs(int64_t{layer.bias[o]}) + kActivationMax * int64_t{SumOfMagnitudes(weights, row)};
    if (bound >= 1 << 24) Section::Fail(name + ": sums can reach 2^24");
    if (multiplier[o] < 0 || shift[o] < 1 || shift[o] > 40) Section::Fail(name + ": multiplier or shift out of range");
  }
  layer.multiplier.assign(multiplier.begin(), multiplier.end());
  layer.shift.assign(shift.begin(), shift.end());
  if (layer.depth_to_space > 1) {
    layer.weight = OutputsForDepthToSpace(layer.weight, layer.out, layer.depth_to_space);
    layer.bias = OutputsForDepthToSpace(layer.bias, layer.out, layer.depth_to_space);
    layer.multiplier = OutputsForDepthToSpace(layer.multiplier, layer.out, layer.depth_to_space);
    layer.shift = OutputsForDepthToSpace(layer.shift, layer.out, layer.depth_to_space);
  }
  return layer;
}

std::vector<IntegerLayer> ParseIntegerNetwork(const Section& section, const Json& layers, int in, int out, bool head,
                                              int up) {
  if (!layers.is_array() || layers.empty() || layers.size() > kMaxLayers) Section::Fail("a network without layers");
  std::vector<IntegerLayer> parsed;
  int channels = in, enlarged = 1;
  for (const Json& json : layers) {
    parsed.push_back(ParseIntegerLayer(section, json, channels));
    const IntegerLayer& layer = parsed.back();
    channels = layer.out / (layer.depth_to_space * layer.depth_to_space);
    enlarged *= layer.depth_to_space;
    if (enlarged > up) Section::Fail("an integer network that enlarges too much");
    const bool last = parsed.size() == layers.size();
    if (layer.relu == (head && last)) Section::Fail("an integer network with a head in the wrong place");
    if (head && last && layer.kernel != 1) Section::Fail("a context network whose head is not of 1 x 1");
  }
  if (channels != out || enlarged != up) Section::Fail("an integer network whose output does not fit");
  return parsed;
}

std::vector<int16_t> Exponents(const Section& section, const char* name, int channels) {
  std::vector<int16_t> table = section.Shorts(name, size_t(kQualityAnchors) * channels);
  for (int16_t e : table) {
    if (std::abs(e) > kExponentLimit) Section::Fail(std::string(name) + " out of range");
  }
  return table;
}

std::vector<bitstream::CdfTable> ParseTables(const Section& section) {
  const std::vector<uint16_t> radius = section.UnsignedShorts("tables.radius", kTableSets * kScaleTables);
  const std::vector<uint16_t> escape = section.UnsignedShorts("tables.escape", kTableSets * kScaleTables);
  size_t count = 0;
  for (uint16_t r : radius) count += size_t{r} + 1;
  const std::vector<uint16_t> frequency = section.UnsignedShorts("tables.frequency", count);
  std::vector<bitstream::CdfTable> tables;
  size_t begin = 0;
  for (int i = 0; i < kTableSets * kScaleTables; ++i) {
    const size_t size = size_t{radius[i]} + 1;
    const auto first = frequency.begin() + static_cast<std::ptrdiff_t>(begin);
    tables.push_back(
        Section::Value(bitstream::CdfTable::Build({first, first + static_cast<std::ptrdiff_t>(size)}, escape[i])));
    begin += size;
  }
  return tables;
}

PostFilterData ParsePostFilter(const Section& section, const Json& json) {
  if (IntIn(json, "features", 1, 1 << 16) != kPostFilterFeatures) {
    Section::Fail("a post-filter of other features than " + std::to_string(kPostFilterFeatures));
  }
  const auto components = static_cast<size_t>(IntIn(json, "components", 0, kMaxPostFilterComponents));
  constexpr size_t kWeights = size_t{kPostFilterFeatures} * kColours;
  PostFilterData filter;
  filter.mean = section.Halves("post_filter.mean", kQualityAnchors * kWeights);
  filter.components = section.Halves("post_filter.components", components * kWeights);
  filter.amplitude = section.Shorts("post_filter.amplitude", kQualityAnchors);
  filter.sizes = section.Bytes("post_filter.sizes", components);
  return filter;
}

void ParseDecoderSection(const Section& section, ModelParts parts, ModelData& model) {
  const Json& json = section.json();
  model.name = json.at("name").get<std::string>();
  model.latent_channels = IntIn(json, "latent_channels", 4, kMaxChannels / 4);
  model.hyper_channels = IntIn(json, "hyper_channels", 4, kMaxChannels / 4);
  model.feature_channels = IntIn(json, "feature_channels", 1, kMaxChannels);
  model.scale_per_exponent = IntIn(json, "scale_per_exponent", 1, 1 << 18);
  const int m = model.latent_channels, z = model.hyper_channels, p = model.feature_channels;
  if (m % 4 != 0) Section::Fail("latent_channels is not a multiple of 4");
  if (z % 4 != 0) Section::Fail("hyper_channels is not a multiple of 4");
  if (parts != ModelParts::kEncoding) model.g_s = ParseTransform(section, json.at("g_s"), m, 3, 1, 16);
  model.h_s = ParseIntegerNetwork(section, json.at("h_s"), 2 * z, p, false, 4);
  if (json.at("context").size() != 4) Section::Fail("four context networks expected");
  for (int k = 0; k < 4; ++k) {
    model.context[k] = ParseIntegerNetwork(section, json.at("context")[k], k == 0 ? p : p + 2 * m, 2 * m, true, 1);
  }
  if (json.at("context_z").size() != 3) Section::Fail("three context networks of z expected");
  for (int k = 1; k < 4; ++k) {
    model.context_z[k] = ParseIntegerNetwork(section, json.at("context_z")[k - 1], 2 * z, 2 * z, true, 1);
  }
  std::vector<int64_t> order;
  for (const Json& phase : json.at("phase_order")) order.push_back(Section::WholeNumber(phase));
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != std::vector<int64_t>{0, 1, 2, 3}) Section::Fail("phase_order is not an order of 0, 1, 2, 3");
  for (size_t i = 0; i < order.size(); ++i) model.phase_order[i] = static_cast<int>(order[i]);
  model.exp2 = section.UnsignedShorts("exp2", 256);
  for (uint16_t v : model.exp2) {
    if (v < 1 << 14 || v >= 1 << 15) Section::Fail("exp2 out of range");
  }
  model.context_exponent = Exponents(section, "context_exponent", m);
  model.inverse_gain_y = section.Shorts("inverse_gain_y", size_t(kQualityAnchors) * m);
  model.z_exponent = Exponents(section, "z_exponent", z);
  model.z_scale = section.Shorts("z_scale", size_t(kQualityAnchors) * z);
  model.tables = ParseTables(section);
  if (json.contains("post_filter")) model.post_filter = ParsePostFilter(section, json.at("post_filter"));
}

void ParseEncoderSection(const Section& section, ModelData& model) {
  const Json& json = section.json();
  model.g_a = ParseTransform(section, json.at("g_a"), kColours, model.latent_channels, 16, 1);
  model.h_a = ParseTransform(section, json.at("h_a"), model.latent_channels, model.hyper_channels, 4, 1);
  model.gain_y = section.Shorts("gain_y", size_t(kQualityAnchors) * model.latent_channels);
}

}  // namespace

Result<ModelData> ParseModel(const uint8_t* data, size_t size, ModelParts parts, Checksums checksums) {
  try {
    bitstream::ByteReader reader(data, size, "model file");
    if (std::memcmp(Section::Value(reader.ReadBytes(8)), kSignature, 8) != 0) {
      return Damaged("this is not a Lichen model file (.lim)");
    }
    const uint8_t version = Section::Value(reader.ReadU8());
    if (version != kModelVersion) {
      return Status(StatusCode::kUnsupportedVersion, "model file: version " + std::to_string(version) +
                                                         ", this build reads " + std::to_string(kModelVersion) +
                                                         "; update the program");
    }
    ModelData model;
    std::copy_n(Section::Value(reader.ReadBytes(8)), 8, model.id.begin());
    ParseDecoderSection(Section::Read(reader, "decoder", checksums), parts, model);
    if (parts == ModelParts::kDecoding) return model;
    ParseEncoderSection(Section::Read(reader, "encoder", checksums), model);
    if (reader.remaining() != 0) return Damaged(std::to_string(reader.remaining()) + " bytes after the end");
    return model;
  } catch (const Section::Error& error) {
    return error.status;
  } catch (const nlohmann::json::exception&) {
    return Damaged("the description of the layers is not as expected");
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "model file: not enough memory");
  }
}

std::vector<int> ExponentsAtQuality(const std::vector<int16_t>& table, int channels, int quality_index) {
  const int anchor = std::min(quality_index / kQualitySteps, kQualityAnchors - 2);
  const int fraction = quality_index - anchor * kQualitySteps;
  std::vector<int> out(channels);
  for (int c = 0; c < channels; ++c) {
    out[c] = AtQuality(table[size_t(anchor) * channels + c], table[size_t(anchor + 1) * channels + c], fraction);
  }
  return out;
}

std::vector<float> GainsAtQuality(const std::vector<int16_t>& table, int channels, int quality_index) {
  std::vector<float> out;
  for (int e : ExponentsAtQuality(table, channels, quality_index)) out.push_back(GainOf(e));
  return out;
}

void KeepPrepared(ModelData* model) {
  for (std::vector<FloatLayer>* layers : {&model->g_s, &model->g_a, &model->h_a}) {
    for (FloatLayer& layer : *layers) layer.a.prepared.Keep(), layer.b.prepared.Keep();
  }
  for (IntegerLayer& layer : model->h_s) layer.prepared.Keep();
  for (auto* networks : {&model->context, &model->context_z}) {
    for (std::vector<IntegerLayer>& layers : *networks) {
      for (IntegerLayer& layer : layers) layer.prepared.Keep();
    }
  }
}

QualityTables TablesAtQuality(const ModelData& model, int quality_index) {
  const int m = model.latent_channels, z = model.hyper_channels;
  QualityTables tables;
  tables.context_exponent = ExponentsAtQuality(model.context_exponent, m, quality_index);
  tables.z_exponent = ExponentsAtQuality(model.z_exponent, z, quality_index);
  tables.z_scale = ExponentsAtQuality(model.z_scale, z, quality_index);
  tables.inverse_gain_y = GainsAtQuality(model.inverse_gain_y, m, quality_index);
  if (!model.gain_y.empty()) tables.gain_y = GainsAtQuality(model.gain_y, m, quality_index);
  for (int e : tables.z_exponent) tables.z_gain.push_back(Exp2Multiplier(-e, model.exp2.data()).AsFloat());
  return tables;
}

}  // namespace lichen
