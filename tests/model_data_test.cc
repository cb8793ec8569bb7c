// SPDX-License-Identifier: Apache-2.0
#include "codec/model_data.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "bitstream/byte_writer.h"
#include "bitstream/checksum.h"
#include "codec/fixed_point.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::ReadTestFile;
using test::ToyModel;

using Json = nlohmann::json;

uint32_t U32At(const std::vector<uint8_t>& bytes, size_t at) {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | uint32_t{bytes[at + 3]} << 24;
}

/// A section of a model file, opened. [size, packed size, CRC-32, zstd frame of: text size, text, tensors]
struct OpenSection {
  Json json;
  std::vector<uint8_t> tensors;
  std::string placed;  // text that takes the place of the string "placed", where it cannot be made of Json

  static OpenSection Take(const std::vector<uint8_t>& file, size_t* at) {
    const size_t size = U32At(file, *at), packed = U32At(file, *at + 4);
    std::vector<uint8_t> raw(size);
    EXPECT_EQ(ZSTD_decompress(raw.data(), size, file.data() + *at + 12, packed), size);
    *at += 12 + packed;
    const auto end = raw.begin() + 4 + U32At(raw, 0);
    return {Json::parse(raw.begin() + 4, end), {end, raw.end()}, ""};
  }
  void Append(std::vector<uint8_t>* file) const {
    std::string text = json.dump();
    const std::string place = "\"placed\"";
    if (!placed.empty()) text.replace(text.find(place), place.size(), placed);
    std::vector<uint8_t> raw;
    bitstream::ByteWriter(&raw).WriteU32(static_cast<uint32_t>(text.size()));
    raw.insert(raw.end(), text.begin(), text.end());
    raw.insert(raw.end(), tensors.begin(), tensors.end());
    std::vector<uint8_t> packed(ZSTD_compressBound(raw.size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1));
    bitstream::ByteWriter writer(file);
    writer.WriteU32(static_cast<uint32_t>(raw.size()));
    writer.WriteU32(static_cast<uint32_t>(packed.size()));
    writer.WriteU32(bitstream::Crc32(packed.data(), packed.size()));
    writer.WriteBytes(packed.data(), packed.size());
  }
  /// Adds a gain layer of `channels`, every exponent `exponent`, before layer `at` of a transform.
  void InsertGain(const char* transform, int at, int channels, int16_t exponent) {
    json["tensors"]["added"] = {{"type", "s16"}, {"count", 8 * channels}, {"offset", tensors.size()}};
    bitstream::ByteWriter writer(&tensors);
    for (int i = 0; i < 8 * channels; ++i) writer.WriteU16(static_cast<uint16_t>(exponent));
    json[transform].insert(json[transform].begin() + at, Json{{"type", "gain"}, {"name", "added"}});
  }
  /// Gives a convolution steps of 2^(exponent / 2048), of which `change` more than there are channels.
  void AddSteps(Json& convolution, int16_t exponent, int change = 0) {
    const int count = convolution["in"].get<int>() + change;
    const std::string name = convolution["name"].get<std::string>() + ".step";
    json["tensors"][name] = {{"type", "s16"}, {"count", count}, {"offset", tensors.size()}};
    bitstream::ByteWriter writer(&tensors);
    for (int i = 0; i < count; ++i) writer.WriteU16(static_cast<uint16_t>(exponent));
    convolution["steps"] = true;
  }
};

/// The toy model after a change, under sound checksums.
Result<std::shared_ptr<const Model>> ParseEdited(const std::function<void(OpenSection&, OpenSection&)>& edit) {
  const std::vector<uint8_t> toy = ReadTestFile("toy.lim");
  constexpr size_t kFrontSize = 8 + 1 + 8;  // signature, version, id
  size_t at = kFrontSize;
  OpenSection decoder = OpenSection::Take(toy, &at), encoder = OpenSection::Take(toy, &at);
  edit(decoder, encoder);
  std::vector<uint8_t> file(toy.begin(), toy.begin() + kFrontSize);
  decoder.Append(&file);
  encoder.Append(&file);
  return Model::Parse(file.data(), file.size());
}

TEST(ModelDataTest, DefaultModelKeepsToItsBudget) {
  const auto model = Model::Default();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_LE((*model)->DecodeMultiplyAddsPerPixel(), 25000);
  EXPECT_GT((*model)->DecodeMultiplyAddsPerPixel(), 10000);
  EXPECT_EQ((*model)->Id().size(), 16u);
}

TEST(ModelDataTest, TablesFollowTheQuality) {
  const ModelData& model = DataOf(*ToyModel());
  const QualityTables low = TablesAtQuality(model, 0), high = TablesAtQuality(model, kMaxQualityIndex);
  for (int c = 0; c < model.latent_channels; ++c) {
    EXPECT_LT(low.gain_y[c], high.gain_y[c]);
    EXPECT_GT(low.inverse_gain_y[c], high.inverse_gain_y[c]);
    EXPECT_EQ(high.context_exponent[c], model.context_exponent[size_t(7) * model.latent_channels + c]);
  }
}

TEST(ModelDataTest, EveryTruncationIsAnError) {
  const std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
  for (size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 997) {
    const auto parsed = ParseModel(bytes.data(), size);
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_TRUE(parsed.status().code() == StatusCode::kTruncated || parsed.status().code() == StatusCode::kDamaged);
  }
}

TEST(ModelDataTest, FlippedBytesAreErrors) {
  const std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
  for (size_t at = 0; at < bytes.size(); at += at < 64 ? 1 : 1009) {
    if (at >= 9 && at < 17) continue;  // the id, which is compared, not computed
    std::vector<uint8_t> damaged = bytes;
    damaged[at] ^= 0x10;
    EXPECT_FALSE(ParseModel(damaged.data(), damaged.size()).ok()) << at;
  }
}

TEST(ModelDataTest, DescriptionsThatDoNotFitAreDamage) {
  ASSERT_TRUE(ParseEdited([](OpenSection&, OpenSection&) {}).ok());
  const std::vector<std::pair<const char*, std::function<void(OpenSection&, OpenSection&)>>> cases = {
      {"a fraction", [](OpenSection& d, OpenSection&) { d.json["g_s"][0]["kernel"] = 1.7; }},
      {"beyond any integer", [](OpenSection& d, OpenSection&) { d.json["g_s"][0]["kernel"] = 1e30; }},
      {"wraps to 1", [](OpenSection& d, OpenSection&) { d.json["g_s"][0]["kernel"] = (int64_t{1} << 32) + 1; }},
      {"a phase that is no integer", [](OpenSection& d, OpenSection&) { d.json["phase_order"][0] = 1e30; }},
      {"an offset that is no integer",
       [](OpenSection& d, OpenSection&) { d.json["tensors"]["exp2"]["offset"] = -1.5; }},
      {"space-to-depth without its convolution", [](OpenSection&, OpenSection& e) { e.InsertGain("g_a", 1, 48, 0); }},
      {"pixels taken after the first convolution",
       [](OpenSection&, OpenSection& e) { e.json["g_a"][3]["pixels"] = true; }},
      {"pixels taken by a block", [](OpenSection&, OpenSection& e) { e.json["g_a"][2]["a"]["pixels"] = true; }},
      {"pixels taken by h_a", [](OpenSection&, OpenSection& e) { e.json["h_a"][0]["pixels"] = true; }},
      {"pixels taken by a decoder", [](OpenSection& d, OpenSection&) { d.json["g_s"][0]["pixels"] = true; }},
      {"steps of what takes pixels",
       [](OpenSection&, OpenSection& e) {
         e.AddSteps(e.json["g_a"][1], 0);
         e.json["g_a"][1]["pixels"] = true;
       }},
      {"space-to-depth alone",
       [](OpenSection&, OpenSection& e) {
         e.json["h_a"] = {{{"type", "space_to_depth"}, {"factor", 4}}};
       }},
      {"one tensor for many layers",
       [](OpenSection& d, OpenSection&) {
         Json& layers = d.json["g_s"];
         const Json residual = layers[1];
         for (int i = 0; i < 100; ++i) layers.insert(layers.begin() + 1, residual);
       }},
      {"arrays nested too deep for recursion",
       [](OpenSection& d, OpenSection&) {
         d.json["g_s"][0]["kernel"] = "placed";
         d.placed = std::string(400000, '[') + std::string(400000, ']');
       }},
      {"a text of 2 MiB", [](OpenSection& d, OpenSection&) { d.json["x"] = std::string(2 << 20, ' '); }},
  };
  for (const auto& [what, edit] : cases) {
    const auto parsed = ParseEdited(edit);
    ASSERT_FALSE(parsed.ok()) << what;
    EXPECT_EQ(parsed.status().code(), StatusCode::kDamaged) << what << ": " << parsed.status().message();
  }
}

TEST(ModelDataTest, ATransformMayStartWithAGain) {
  const auto model = ParseEdited([](OpenSection& d, OpenSection&) { d.InsertGain("g_s", 0, 16, 0); });
  ASSERT_TRUE(model.ok()) << model.status().message();
  const Image image = test::SyntheticImage(40, 30);
  EncodeOptions encode;
  DecodeOptions decode, plain;
  encode.model = decode.model = *model;
  plain.model = ToyModel();
  const auto file = Encode(image, encode);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto a = Decode(file->data(), file->size(), decode), b = Decode(file->data(), file->size(), plain);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->pixels, b->pixels);  // a gain of 1
}

TEST(ModelDataTest, WeightsThatOverflowGiveAPicture) {
  const auto model = ParseEdited([](OpenSection& d, OpenSection&) {
    for (int i = 0; i < 12; ++i) {  // 2^(16 * 12), infinite; the sums of both signs behind it are no numbers
      d.InsertGain("g_s", 0, 16, 0x7fff);
      d.json["tensors"]["added" + std::to_string(i)] = d.json["tensors"]["added"];
      d.json["g_s"][0]["name"] = "added" + std::to_string(i);
    }
  });
  ASSERT_TRUE(model.ok()) << model.status().message();
  EncodeOptions encode;
  DecodeOptions decode;
  encode.model = decode.model = *model;
  const auto file = Encode(test::SyntheticImage(20, 20), encode);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE(Decode(file->data(), file->size(), decode).ok());
}

/// The first residual block of g_s in a toy model.
Json& BlockOf(OpenSection& section) {
  for (Json& layer : section.json["g_s"]) {
    if (layer["type"] == "residual") return layer;
  }
  ADD_FAILURE() << "no residual block";
  return section.json["g_s"][0];
}

TEST(ModelDataTest, ResidualBlocksMayHaveSteps) {
  const auto model = ParseEdited([](OpenSection& d, OpenSection&) {
    d.AddSteps(BlockOf(d)["a"], -3 * 2048);
    d.AddSteps(BlockOf(d)["b"], 1024);
  });
  ASSERT_TRUE(model.ok()) << model.status().message();
  int with_steps = 0;
  for (const FloatLayer& layer : DataOf(**model).g_s) {
    if (layer.a.step.empty()) continue;
    ++with_steps;
    EXPECT_EQ(layer.a.step, std::vector<float>(layer.a.in, 0.125f));
    EXPECT_EQ(layer.b.step, std::vector<float>(layer.b.in, std::sqrt(2.0f)));
  }
  EXPECT_EQ(with_steps, 1);
  for (const FloatLayer& layer : DataOf(*ToyModel()).g_s) EXPECT_TRUE(layer.a.step.empty() && layer.b.step.empty());
}

TEST(ModelDataTest, StepsThatDoNotFitAreDamage) {
  const std::vector<std::pair<const char*, std::function<void(OpenSection&)>>> cases = {
      {"for one convolution of two", [](OpenSection& d) { d.AddSteps(BlockOf(d)["b"], 0); }},
      {"one too few",
       [](OpenSection& d) {
         d.AddSteps(BlockOf(d)["a"], 0);
         d.AddSteps(BlockOf(d)["b"], 0, -1);
       }},
      {"promised, not there",
       [](OpenSection& d) {
         d.AddSteps(BlockOf(d)["a"], 0);
         BlockOf(d)["b"]["steps"] = true;
       }},
      {"of another type",
       [](OpenSection& d) {
         d.AddSteps(BlockOf(d)["a"], 0);
         d.AddSteps(BlockOf(d)["b"], 0);
         d.json["tensors"][BlockOf(d)["b"]["name"].get<std::string>() + ".step"]["type"] = "f16";
       }},
      {"neither true nor false", [](OpenSection& d) { BlockOf(d)["a"]["steps"] = 1; }},
      {"outside of residual blocks",
       [](OpenSection& d) {
         for (Json& layer : d.json["g_s"]) {
           if (layer["type"] == "convolution") return d.AddSteps(layer, 0);
         }
       }},
  };
  for (const auto& [what, edit] : cases) {
    const auto parsed = ParseEdited([&](OpenSection& d, OpenSection&) { edit(d); });
    ASSERT_FALSE(parsed.ok()) << what;
    EXPECT_EQ(parsed.status().code(), StatusCode::kDamaged) << what << ": " << parsed.status().message();
  }
}

TEST(ModelDataTest, StepsOfAnySizeGiveAPicture) {
  for (const int16_t exponent : {int16_t{-32768}, int16_t{0}, int16_t{32767}}) {
    const auto model = ParseEdited([&](OpenSection& d, OpenSection&) {
      d.AddSteps(BlockOf(d)["a"], exponent);
      d.AddSteps(BlockOf(d)["b"], exponent);
    });
    ASSERT_TRUE(model.ok()) << model.status().message();
    EncodeOptions encode;
    DecodeOptions decode;
    encode.model = decode.model = *model;
    const auto file = Encode(test::SyntheticImage(20, 20), encode);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE(Decode(file->data(), file->size(), decode).ok());
  }
}

TEST(ModelDataTest, OtherVersionsAndFilesAreNamed) {
  std::vector<uint8_t> bytes = ReadTestFile("toy.lim");
  bytes[8] = 9;
  const auto version = ParseModel(bytes.data(), bytes.size());
  ASSERT_FALSE(version.ok());
  EXPECT_EQ(version.status().code(), StatusCode::kUnsupportedVersion);
  EXPECT_NE(version.status().message().find("version 9"), std::string::npos);
  const auto missing = Model::Load("/nonexistent/model.lim");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace lichen
