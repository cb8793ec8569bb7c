// SPDX-License-Identifier: Apache-2.0
#include "codec/model_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "bitstream/container.h"
#include "bitstream/post_filter_code.h"
#include "codec/fixed_point.h"
#include "codec/transform.h"
#include "edited_model.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::Json;
using test::OpenSection;
using test::ParseEdited;
using test::ReadTestFile;
using test::ToyModel;

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
      {"two contexts of z", [](OpenSection& d, OpenSection&) { d.json["context_z"].erase(2); }},
      {"no context of z", [](OpenSection& d, OpenSection&) { d.json.erase("context_z"); }},
      {"a context of z for y", [](OpenSection& d, OpenSection&) { d.json["context_z"][1] = d.json["context"][1]; }},
      {"z in groups of different sizes", [](OpenSection& d, OpenSection&) { d.json["hyper_channels"] = 6; }},
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

TEST(ModelDataTest, AModelMayHaveAPostFilter) {
  EXPECT_TRUE(DataOf(*ToyModel()).post_filter.mean.empty());
  for (const size_t components : {0, 1, 32, 150}) {
    const auto model = ParseEdited([&](OpenSection& d, OpenSection&) { d.AddPostFilter(components); });
    ASSERT_TRUE(model.ok()) << model.status().message();
    const PostFilterData& filter = DataOf(**model).post_filter;
    EXPECT_EQ(filter.mean, std::vector<float>(8 * 50 * 3, 0.5f));
    EXPECT_EQ(filter.components, std::vector<float>(components * 50 * 3, 0.5f));
    EXPECT_EQ(filter.amplitude, std::vector<int16_t>(8, -2048));
    EXPECT_EQ(filter.sizes, std::vector<int8_t>(components, -3));
  }
}

TEST(ModelDataTest, PostFiltersThatDoNotFitAreDamage) {
  const std::vector<std::pair<const char*, std::function<void(OpenSection&)>>> cases = {
      {"too many components", [](OpenSection& d) { d.AddPostFilter(151); }},
      {"other features", [](OpenSection& d) { d.json["post_filter"]["features"] = 49; }},
      {"features that are no number", [](OpenSection& d) { d.json["post_filter"]["features"] = "50"; }},
      {"no features", [](OpenSection& d) { d.json["post_filter"].erase("features"); }},
      {"components below none", [](OpenSection& d) { d.json["post_filter"]["components"] = -1; }},
      {"more components than there are", [](OpenSection& d) { d.json["post_filter"]["components"] = 5; }},
      {"fewer components than there are", [](OpenSection& d) { d.json["post_filter"]["components"] = 3; }},
      {"not described", [](OpenSection& d) { d.json["post_filter"] = nullptr; }},
      {"a list",
       [](OpenSection& d) {
         d.json["post_filter"] = {50, 4};
       }},
      {"a mean for 7 anchors", [](OpenSection& d) { d.json["tensors"]["post_filter.mean"]["count"] = 7 * 50 * 3; }},
      {"a component cut off",
       [](OpenSection& d) { d.json["tensors"]["post_filter.components"]["count"] = 4 * 50 * 3 - 1; }},
      {"no amplitude", [](OpenSection& d) { d.json["tensors"].erase("post_filter.amplitude"); }},
      {"an amplitude too few", [](OpenSection& d) { d.json["tensors"]["post_filter.amplitude"]["count"] = 7; }},
      {"a size too many", [](OpenSection& d) { d.AddTensor("post_filter.sizes", "s8", std::vector<uint16_t>(5)); }},
      {"sizes of another type",
       [](OpenSection& d) { d.AddTensor("post_filter.sizes", "s16", std::vector<uint16_t>(4)); }},
      {"weights that are infinite", [](OpenSection& d) { d.AddPostFilter(4, OpenSection::kInfiniteHalf); }},
  };
  for (const auto& [what, edit] : cases) {
    const auto parsed = ParseEdited([&](OpenSection& d, OpenSection&) {
      d.AddPostFilter(4);
      edit(d);
    });
    ASSERT_FALSE(parsed.ok()) << what;
    EXPECT_EQ(parsed.status().code(), StatusCode::kDamaged) << what << ": " << parsed.status().message();
  }
}

/// A model's own file of a picture, with other bytes for the post-filter.
std::vector<uint8_t> WithPostFilter(const std::vector<uint8_t>& file, const std::vector<uint8_t>& post_filter) {
  bitstream::Container container = bitstream::ParseContainer(file.data(), file.size()).value();
  container.header.post_filter = post_filter;
  std::vector<std::vector<uint8_t>> tiles;
  for (const bitstream::TileSpan& tile : container.tiles) {
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(tile.offset);
    tiles.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(tile.size));
  }
  return bitstream::WriteContainer(container.header, tiles).value();
}

TEST(ModelDataTest, PostFiltersOfAnySizeGiveAPicture) {
  for (const uint16_t weight : {uint16_t{0}, OpenSection::kHalf, OpenSection::kLargestHalf}) {
    for (const int16_t amplitude : {int16_t{-32768}, int16_t{-2048}, int16_t{32767}}) {
      for (const int8_t size : {int8_t{-128}, int8_t{-3}, int8_t{127}}) {
        const auto model =
            ParseEdited([&](OpenSection& d, OpenSection&) { d.AddPostFilter(64, weight, amplitude, size); });
        ASSERT_TRUE(model.ok()) << model.status().message();
        EncodeOptions encode;
        DecodeOptions decode;
        encode.model = decode.model = *model;
        encode.coding = Coding::kLearned;
        const auto file = Encode(test::SyntheticImage(150, 130), encode);
        ASSERT_TRUE(file.ok()) << file.status().message();
        EXPECT_TRUE(Decode(file->data(), file->size(), decode).ok());
        // Coefficients as large as there are.
        bitstream::PostFilterCoefficients coefficients;
        coefficients.values.assign(64, size == 127 ? 1 << 13 : 8);
        const std::vector<uint8_t> bytes = bitstream::WritePostFilter(coefficients, DataOf(**model).post_filter.sizes);
        ASSERT_LE(bytes.size(), bitstream::kMaxPostFilterBytes);
        const std::vector<uint8_t> other = WithPostFilter(*file, bytes);
        EXPECT_TRUE(Decode(other.data(), other.size(), decode).ok());
      }
    }
  }
}

TEST(ModelDataTest, ARegionSeesWhatItsPostFilterReaches) {
  // A g_s that looks at one position alone, so that nothing but the post-filter sees beyond a latent's 16 x 16 pixels.
  const auto model = ParseEdited([&](OpenSection& d, OpenSection&) {
    Json layers = Json::array();
    for (const Json& layer : d.json["g_s"]) {
      if (layer["type"] != "residual") layers.push_back(layer);
    }
    Json& last = layers[layers.size() - 2];
    ASSERT_EQ(last["kernel"], 3);
    last["kernel"] = 1;
    last["name"] = "last";
    std::vector<uint16_t> weights;
    for (int i = 0; i < 48 * 16; ++i) weights.push_back(static_cast<uint16_t>(0x2C00 + i * 37 % 1024 + i % 2 * 0x8000));
    d.AddTensor("last.weight", "f16", weights);
    d.AddTensor("last.bias", "f16", std::vector<uint16_t>(48));
    d.json["g_s"] = layers;
    d.AddPostFilter(0, 0x3400);  // 0.25
  });
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(MarginOf(DataOf(**model).g_s), 0);
  EncodeOptions encode;
  DecodeOptions decode;
  encode.model = decode.model = *model;
  encode.coding = Coding::kLearned;
  const auto file = Encode(test::SyntheticImage(200, 180), encode);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const Image whole = Decode(file->data(), file->size(), decode).value();
  for (const uint32_t at : {64u, 80u, 96u}) {
    decode.region = {at, at, 16, 16};
    const Image part = Decode(file->data(), file->size(), decode).value();
    for (uint32_t y = 0; y < 16; ++y) {
      const uint8_t *row = part.pixels.data() + y * part.RowBytes(),
                    *same = whole.pixels.data() + (at + y) * whole.RowBytes() + at * 3;
      EXPECT_EQ(std::vector<uint8_t>(row, row + 48), std::vector<uint8_t>(same, same + 48)) << at << ", row " << y;
    }
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
