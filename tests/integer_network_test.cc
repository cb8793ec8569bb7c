// SPDX-License-Identifier: Apache-2.0
#include "codec/integer_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "codec/fixed_point.h"
#include "codec/workers.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::ReadTestFile;
using test::ToyModel;

const std::vector<IntegerLayer>& NetworkOf(const ModelData& model, const std::string& name) {
  if (name == "h_s") return model.h_s;
  return (name.substr(0, 9) == "context_z" ? model.context_z : model.context)[name.back() - '0'];
}

/// The channel (dy, dx, c) of C++ at (y, x), for channel c of the exported output at (factor y + dy, factor x + dx).
size_t ShuffledIndex(const IntegerLayer& layer, int w, int y, int x, int o) {
  const int f = layer.depth_to_space, channels = layer.out / (f * f);
  const int c = o % channels, dx = o / channels % f, dy = o / channels / f;
  return (static_cast<size_t>(y * f + dy) * (w * f) + x * f + dx) * channels + c;
}

class IntegerNetworkTest : public testing::TestWithParam<IntegerEngine> {};

TEST_P(IntegerNetworkTest, EveryLayerEqualsTheVectorsOfTheExport) {
  const ModelData& model = DataOf(*ToyModel());
  const std::vector<uint8_t> text = ReadTestFile("toy_vectors.json");
  const nlohmann::json vectors = nlohmann::json::parse(text.begin(), text.end());
  ASSERT_EQ(vectors.at("model").get<std::string>(), ToyModel()->Id());
  int layers = 0;
  for (const nlohmann::json& vector : vectors.at("layers")) {
    const auto network = vector.at("network").get<std::string>();
    const IntegerLayer& layer = NetworkOf(model, network)[vector.at("layer").get<size_t>()];
    const int h = vector.at("h"), w = vector.at("w");
    const auto input = vector.at("input").get<std::vector<uint8_t>>();
    const auto expected = vector.at("output").get<std::vector<int32_t>>();
    IntegerConvolution convolution(layer, GetParam());
    std::vector<int32_t> got(static_cast<size_t>(h) * w * layer.out);
    if (layer.relu) {
      std::vector<uint8_t> activations(got.size());
      convolution.RunRelu(input.data(), h, w, activations.data(), layer.out);
      got.assign(activations.begin(), activations.end());
    } else {
      convolution.RunHead(input.data(), h, w, got.data());
    }
    ASSERT_EQ(got.size(), expected.size());
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        for (int o = 0; o < layer.out; ++o) {
          ASSERT_EQ(got[(static_cast<size_t>(y) * w + x) * layer.out + o], expected[ShuffledIndex(layer, w, y, x, o)])
              << vector.at("network") << " layer " << vector.at("layer") << " at " << y << "," << x << " output " << o;
        }
      }
    }
    ++layers;
  }
  EXPECT_EQ(layers, 2 + 2 + 3 * 4 + 3 * 4);
}

INSTANTIATE_TEST_SUITE_P(Engines, IntegerNetworkTest, testing::Values(IntegerEngine::kPlain, IntegerEngine::kFast),
                         [](const auto& engine) { return engine.param == IntegerEngine::kPlain ? "Plain" : "Fast"; });

TEST(IntegerPiecesTest, PiecesGiveWhatTheWholeGives) {
  const IntegerLayer& layer = DataOf(*ToyModel()).context[1][1];
  ASSERT_EQ(layer.kernel, 3);
  const int w = 90, h = 67;  // many pieces, the last of which is cut off
  ASSERT_NE(h % PieceRows(h, w), 0);
  std::mt19937 random(3);
  std::vector<uint8_t> input(static_cast<size_t>(h) * w * layer.in);
  for (uint8_t& v : input) v = static_cast<uint8_t>(random() % 128);
  std::vector<uint8_t> got(static_cast<size_t>(h) * w * layer.out), part(got.size());
  IntegerConvolution convolution(layer, IntegerEngine::kFast);
  convolution.RunRelu(input.data(), h, w, got.data(), layer.out);
  // Windows of one piece, of which the inner rows are what the whole gives there.
  const int rows = PieceRows(h, w);
  ASSERT_GT(rows, 2);
  for (int y = 0; y + rows <= h; y += rows - 2) {
    convolution.RunRelu(input.data() + static_cast<size_t>(y) * w * layer.in, rows, w, part.data(), layer.out);
    const size_t from = y == 0 ? 0 : 1, row = static_cast<size_t>(w) * layer.out;
    ASSERT_TRUE(std::equal(part.begin() + from * row, part.begin() + (rows - 1) * row, got.begin() + (y + from) * row))
        << "rows from " << y;
  }
}

TEST(IntegerPiecesTest, SharedWorkGivesTheSame) {
  const IntegerLayer& layer = DataOf(*ToyModel()).context[1][1];
  const int w = 30, h = 50;
  std::vector<uint8_t> input(static_cast<size_t>(h) * w * layer.in);
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<uint8_t>(i * 11 % 128);
  Workers workers(3);
  for (const IntegerEngine engine : {IntegerEngine::kPlain, IntegerEngine::kFast}) {
    std::vector<uint8_t> alone(static_cast<size_t>(h) * w * layer.out), shared(alone.size()), backwards(alone.size());
    IntegerConvolution(layer, engine).RunRelu(input.data(), h, w, alone.data(), layer.out);
    const Sharing among = {workers.threads(),
                           [&](int count, const Sharing::Work& work) { workers.ForEach(count, work); }};
    IntegerConvolution(layer, engine, nullptr, among).RunRelu(input.data(), h, w, shared.data(), layer.out);
    EXPECT_EQ(shared, alone);
    int pieces = 0;
    const Sharing reversed = {2, [&](int count, const Sharing::Work& work) {
                                pieces = count;
                                for (int i = count; i-- > 0;) work(i % 2, i);
                              }};
    IntegerConvolution(layer, engine, nullptr, reversed).RunRelu(input.data(), h, w, backwards.data(), layer.out);
    EXPECT_EQ(backwards, alone);
    EXPECT_GT(pieces, 2);
  }
}

TEST(IntegerPiecesTest, ALongRowOfPositionsIsOnePiece) {
  const IntegerLayer& layer = DataOf(*ToyModel()).context[1].back();
  ASSERT_EQ(layer.kernel, 1);
  const int count = (1 << 14) + 100;
  std::vector<uint8_t> input(static_cast<size_t>(count) * layer.in);
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<uint8_t>(i * 7 % 128);
  std::vector<int32_t> got(static_cast<size_t>(count) * layer.out), end(static_cast<size_t>(200) * layer.out);
  IntegerConvolution convolution(layer, IntegerEngine::kFast);
  convolution.RunHead(input.data(), 1, count, got.data());
  convolution.RunHead(input.data() + static_cast<size_t>(count - 200) * layer.in, 1, 200, end.data());
  EXPECT_TRUE(std::equal(end.begin(), end.end(), got.end() - static_cast<std::ptrdiff_t>(end.size())));
}

/// Weights and activations at the ends of their ranges: where a 16-bit multiply-add would saturate. Sums stay below
/// 2^24, as in every model (oneDNN 3 takes them through floats). The shapes have few columns, which are all padded, and
/// many.
TEST(IntegerAccumulatorTest, FastEqualsPlainAtTheExtremes) {
  std::mt19937 random(7);
  for (const auto& [in, out, kernel] : {std::tuple{64, 48, 3}, std::tuple{640, 128, 1}, std::tuple{5, 3, 3},
                                        std::tuple{112, 96, 3}, std::tuple{17, 130, 1}, std::tuple{1, 1, 5}}) {
    ASSERT_LT(127 * 127 * in * kernel * kernel, 1 << 24);
    for (int mode = 0; mode < 3; ++mode) {
      IntegerLayer layer;
      layer.in = in, layer.out = out, layer.kernel = kernel;
      layer.weight.resize(static_cast<size_t>(in) * out * kernel * kernel);
      for (int8_t& w : layer.weight) {
        w = static_cast<int8_t>(mode == 0 ? 127 : mode == 1 ? -127 : static_cast<int>(random() % 255) - 127);
      }
      std::vector<int> outputs(out);
      std::iota(outputs.begin(), outputs.end(), 0);
      const auto accumulator = MakeFastAccumulator(layer, outputs, 1);
      const auto apart = MakeFastAccumulator(layer, outputs, 1, SourcePitch::kFastest);
      ASSERT_EQ(accumulator->pitch(), in);
      const int pitch = apart->pitch();
      ASSERT_GE(pitch, in);
      for (const auto& [h, w] : {std::pair{9, 7}, std::pair{1, 1}, std::pair{3, 2}, std::pair{2, 65}}) {
        std::vector<uint8_t> src(static_cast<size_t>(h) * w * in);
        for (uint8_t& v : src) v = static_cast<uint8_t>(mode == 2 ? random() % 128 : 127);
        std::vector<int32_t> plain(static_cast<size_t>(h) * w * out), fast(plain.size());
        MakePlainAccumulator(in, out, kernel, layer.weight.data())->Run(src.data(), h, w, 0, h, 0, plain.data());
        accumulator->Run(src.data(), h, w, 0, h, 0, fast.data());
        EXPECT_EQ(plain, fast) << in << " " << out << " " << kernel << " mode " << mode << " " << h << "x" << w;
        std::vector<uint8_t> apart_src(static_cast<size_t>(h) * w * pitch, 255);
        for (size_t i = 0; i < src.size(); ++i) apart_src[i / in * pitch + i % in] = src[i];
        apart->Run(apart_src.data(), h, w, 0, h, 0, fast.data());
        EXPECT_EQ(plain, fast) << in << " " << out << " " << kernel << " mode " << mode << ", " << pitch << " apart";
      }
    }
  }
}

TEST(IntegerConvolutionTest, RequantisationFollowsTheFormat) {
  IntegerLayer layer;
  layer.in = layer.out = 1;
  layer.weight = {1};
  for (int32_t multiplier : {0, 1, 16384, 32767}) {
    for (uint8_t shift : {uint8_t{1}, uint8_t{14}, uint8_t{23}, uint8_t{40}}) {
      for (int32_t bias : {-(1 << 23), -129, -1, 0, 77, 65536, (1 << 23)}) {
        layer.bias = {bias};
        layer.multiplier = {multiplier};
        layer.shift = {shift};
        const uint8_t src = 100;
        const int64_t acc = 100 + bias;
        layer.relu = true;
        uint8_t relu = 0;
        IntegerConvolution(layer, IntegerEngine::kPlain).RunRelu(&src, 1, 1, &relu, 1);
        EXPECT_EQ(relu, std::min<int64_t>(127, RoundingShift(std::max<int64_t>(acc, 0) * multiplier, shift)));
        layer.relu = false;
        int32_t head = 0;
        const int64_t expected = std::clamp<int64_t>(RoundingShift(acc * multiplier, shift), -kHeadLimit, kHeadLimit);
        IntegerConvolution(layer, IntegerEngine::kPlain).RunHead(&src, 1, 1, &head);
        EXPECT_EQ(head, expected) << bias << " " << multiplier << " " << int{shift};
      }
    }
  }
}

}  // namespace
}  // namespace lichen
