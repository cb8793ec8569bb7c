// SPDX-License-Identifier: Apache-2.0
// The stages of the codec one by one, with the default model, on a photograph of 768x512. items_per_second counts
// pixels of the picture, unless a counter says otherwise. Threads stand in the name where they are not one.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "benchmark_picture.h"
#include "bitstream/rans.h"
#include "codec/convolution.h"
#include "codec/entropy_model.h"
#include "codec/integer_network.h"
#include "codec/model_data.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/workers.h"
#include "image_io/image_file.h"
#include "lichen/codec.h"

namespace lichen {
namespace {

constexpr int kWidth = 768, kHeight = 512, kPixels = kWidth * kHeight;
constexpr int kLatentWidth = kWidth / kLatentPixels, kLatentHeight = kHeight / kLatentPixels;
constexpr int kQualityIndex = 448;  // -q 50
constexpr int kTrellisBits = 7;  // of --effort 1
constexpr auto kRateDistortion = EntropyModel::Quantiser::kRateDistortion;

template <typename T>
T Must(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "%s\n", result.status().message().c_str());
  std::exit(1);
}

const Image& Photo() {
  static const Image image = Must(image_io::ReadPicture(std::string(LICHEN_TEST_DATA) + "/colosseum.png"));
  return image;
}

const ModelData& Data() {
  static const std::shared_ptr<const Model> model = Must(Model::Default());
  return DataOf(*model);
}

/// The picture on its way through the codec.
struct Stages {
  std::vector<float> x, y, z;  // inputs of g_a and of the entropy model
  std::vector<float> latents;  // input of g_s
  std::vector<uint8_t> tile;
  Latents y_hat;
};

std::vector<float> Copy(const float* values, size_t count) { return {values, values + count}; }

const Stages& Prepared() {
  static const Stages stages = [] {
    Workers one(1);
    const ModelData& model = Data();
    const QualityTables tables = TablesAtQuality(model, kQualityIndex);
    const size_t m = model.latent_channels, positions = size_t{kLatentWidth} * kLatentHeight;
    Stages s;
    for (uint8_t v : benchmarks::Reflected(Photo(), kWidth, kHeight).pixels) s.x.push_back(v / 255.0f - 0.5f);
    Transform g_a(model.g_a, kQualityIndex, FastestPrecision(), one);
    Transform h_a(model.h_a, kQualityIndex, FastestPrecision(), one);
    s.latents = Copy(Must(g_a.Run(s.x.data(), kHeight, kWidth)), positions * m);
    s.z = Copy(Must(h_a.Run(s.latents.data(), kLatentHeight, kLatentWidth)), positions / 16 * model.hyper_channels);
    for (size_t i = 0; i < s.z.size(); ++i) s.z[i] *= tables.z_gain[i % model.hyper_channels];
    s.y = s.latents;
    for (size_t i = 0; i < s.y.size(); ++i) s.y[i] *= tables.gain_y[i % m];
    EntropyModel coder(model, kQualityIndex, kTrellisBits, IntegerEngine::kFast, kRateDistortion);
    s.tile = coder.Encode(s.y.data(), s.z.data(), kLatentHeight, kLatentWidth, &s.y_hat);
    for (size_t i = 0; i < s.y.size(); ++i) {
      s.latents[i] = static_cast<float>(s.y_hat.y_hat[i]) / 16 * tables.inverse_gain_y[i % m];
    }
    return s;
  }();
  return stages;
}

void CountPixels(benchmark::State& state, double pixels = kPixels) {
  state.SetItemsProcessed(static_cast<int64_t>(static_cast<double>(state.iterations()) * pixels));
}

void CountMultiplyAdds(benchmark::State& state, double count) {
  state.counters["MAC/s"] =
      benchmark::Counter(count * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void LoadModel(benchmark::State& state) {
  const std::string path = LICHEN_DEFAULT_MODEL;
  for (auto _ : state) benchmark::DoNotOptimize(Must(Model::Load(path)));
}
BENCHMARK(LoadModel)->Unit(benchmark::kMillisecond);

void RunTransform(benchmark::State& state, const std::vector<FloatLayer>& layers, const std::vector<float>& src, int h,
                  int w, TransformPrecision precision) {
  Workers workers(static_cast<int>(state.range(0)));
  Transform transform(layers, kQualityIndex, precision, workers);
  Must(transform.Run(src.data(), h, w));
  for (auto _ : state) benchmark::DoNotOptimize(Must(transform.Run(src.data(), h, w)));
  CountPixels(state);
  CountMultiplyAdds(state, MultiplyAdds(layers) * h * w);
}

void Analysis(benchmark::State& state, TransformPrecision precision) {
  RunTransform(state, Data().g_a, Prepared().x, kHeight, kWidth, precision);
}
BENCHMARK_CAPTURE(Analysis, fastest, FastestPrecision())->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Analysis, f32, Precision::kFloat32)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

void HyperAnalysis(benchmark::State& state) {
  RunTransform(state, Data().h_a, Prepared().y, kLatentHeight, kLatentWidth, FastestPrecision());
}
BENCHMARK(HyperAnalysis)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

void Synthesis(benchmark::State& state, bool fastest) {
  RunTransform(state, Data().g_s, Prepared().latents, kLatentHeight, kLatentWidth,
               fastest ? SynthesisPrecision() : Precision::kFloat32);
}
BENCHMARK_CAPTURE(Synthesis, fastest, true)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Synthesis, f32, false)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

/// A network of the entropy model, on the positions at which it works.
void RunIntegers(benchmark::State& state, const std::vector<IntegerLayer>& layers, int h, int w) {
  const OneThread one;
  std::vector<IntegerConvolution> network;
  size_t widest = 0;
  for (const IntegerLayer& layer : layers) {
    if (!layer.relu) continue;  // heads see a quarter of the positions, and are part of EntropyDecode
    network.emplace_back(layer, IntegerEngine::kFast);
    widest = std::max<size_t>({widest, static_cast<size_t>(layer.in), static_cast<size_t>(layer.out)});
  }
  std::vector<uint8_t> from(widest * 4 * h * w, 1), to(widest * 4 * h * w);
  const auto run = [&] {
    for (IntegerConvolution& layer : network) {
      layer.RunRelu(from.data(), h, w, to.data(), layer.out());
      from.swap(to);
    }
  };
  run();
  for (auto _ : state) run();
  CountPixels(state);
}

void HyperSynthesis(benchmark::State& state) { RunIntegers(state, Data().h_s, kLatentHeight / 4, kLatentWidth / 4); }
BENCHMARK(HyperSynthesis)->Unit(benchmark::kMillisecond);

void ContextStep(benchmark::State& state) {
  RunIntegers(state, Data().context[state.range(0)], kLatentHeight, kLatentWidth);
}
BENCHMARK(ContextStep)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);

void EntropyModelSetUp(benchmark::State& state) {
  for (auto _ : state) EntropyModel(Data(), kQualityIndex, kTrellisBits, IntegerEngine::kFast);
}
BENCHMARK(EntropyModelSetUp)->Unit(benchmark::kMillisecond);

/// By bits of the trellis.
void EntropyEncode(benchmark::State& state) {
  const OneThread one;
  const Stages& stages = Prepared();
  EntropyModel coder(Data(), kQualityIndex, static_cast<int>(state.range(0)), IntegerEngine::kFast, kRateDistortion);
  Latents latents;
  for (auto _ : state) {
    benchmark::DoNotOptimize(coder.Encode(stages.y.data(), stages.z.data(), kLatentHeight, kLatentWidth, &latents));
  }
  CountPixels(state);
}
BENCHMARK(EntropyEncode)->DenseRange(4, 8)->Unit(benchmark::kMillisecond);

void EntropyDecode(benchmark::State& state) {
  const OneThread one;
  const Stages& stages = Prepared();
  EntropyModel coder(Data(), kQualityIndex, kTrellisBits, IntegerEngine::kFast);
  Latents latents;
  for (auto _ : state) {
    const Status status = coder.Decode(stages.tile.data(), stages.tile.size(), kLatentHeight, kLatentWidth, &latents);
    if (!status.ok()) return state.SkipWithError(status.message().c_str());
  }
  CountPixels(state);
}
BENCHMARK(EntropyDecode)->Unit(benchmark::kMillisecond);

/// Residuals as the table of one scale index expects them; items are residuals.
std::vector<int32_t> ResidualsOf(const bitstream::CdfTable& table) {
  std::mt19937 random(1);
  std::vector<int32_t> residuals(1 << 16);
  for (int32_t& r : residuals)
    r = static_cast<int32_t>(table.Find(random() % bitstream::kProbabilityTotal)) - table.radius();
  return residuals;
}

void RansEncode(benchmark::State& state) {
  const bitstream::CdfTable& table = Data().tables[state.range(0)];
  const std::vector<int32_t> residuals = ResidualsOf(table);
  for (auto _ : state) {
    bitstream::RansEncoder encoder;
    for (int32_t r : residuals) encoder.Put(table, r);
    benchmark::DoNotOptimize(encoder.Finish());
  }
  CountPixels(state, static_cast<double>(residuals.size()));
}
BENCHMARK(RansEncode)->Arg(1)->Arg(10)->Arg(30)->Arg(60)->Unit(benchmark::kMicrosecond);

void RansDecode(benchmark::State& state) {
  const bitstream::CdfTable& table = Data().tables[state.range(0)];
  const std::vector<int32_t> residuals = ResidualsOf(table);
  bitstream::RansEncoder encoder;
  for (int32_t r : residuals) encoder.Put(table, r);
  const std::vector<uint8_t> bytes = encoder.Finish();
  for (auto _ : state) {
    bitstream::RansDecoder decoder(bytes.data(), bytes.size());
    int32_t sum = 0;
    for (size_t i = 0; i < residuals.size(); ++i) sum += decoder.Get(table);
    benchmark::DoNotOptimize(sum);
  }
  CountPixels(state, static_cast<double>(residuals.size()));
}
BENCHMARK(RansDecode)->Arg(1)->Arg(10)->Arg(30)->Arg(60)->Unit(benchmark::kMicrosecond);

/// The library as a whole, the model loaded already; arguments: width, height, threads.
void EncodePicture(benchmark::State& state) {
  const Image image =
      benchmarks::Reflected(Photo(), static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  EncodeOptions options;
  options.threads = static_cast<int>(state.range(2));
  Must(Model::Default());
  for (auto _ : state) benchmark::DoNotOptimize(Must(Encode(image, options)));
  CountPixels(state, 1.0 * image.width * image.height);
}
void DecodePicture(benchmark::State& state) {
  const Image image =
      benchmarks::Reflected(Photo(), static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  const std::vector<uint8_t> file = Must(Encode(image, {}));
  DecodeOptions options;
  options.threads = static_cast<int>(state.range(2));
  for (auto _ : state) benchmark::DoNotOptimize(Must(Decode(file.data(), file.size(), options)));
  CountPixels(state, 1.0 * image.width * image.height);
}
#define LICHEN_PICTURES \
  Args({768, 512, 1})->Args({768, 512, 2})->Args({4000, 3000, 1})->Args({4000, 3000, 2})->UseRealTime()
BENCHMARK(EncodePicture)->LICHEN_PICTURES->Unit(benchmark::kMillisecond);
BENCHMARK(DecodePicture)->LICHEN_PICTURES->Unit(benchmark::kMillisecond);

/// The machine's rate for the layers that most of the work consists of: 3x3, 128 to 128 channels.
void Convolution128(benchmark::State& state, Precision precision) {
  constexpr int kSide = 128, kChannels = 128;
  Workers workers(static_cast<int>(state.range(0)));
  FloatConvolutionData data;
  data.in = data.out = kChannels;
  data.kernel = 3;
  data.weight.assign(size_t{kChannels} * kChannels * 9, 0.01f);
  data.bias.assign(kChannels, 0.0f);
  if (precision == Precision::kInt8) {
    if (!FastestPrecision().bytes) return state.SkipWithError("no instructions for bytes here");
    data.step.assign(kChannels, 0.1f);
  }
  FloatConvolution::Options options;
  options.precision = precision;
  FloatConvolution convolution(data, options);
  const std::vector<float> src(size_t{kSide} * kSide * kChannels, 1.0f);  // as bfloat16 and bytes any numbers do
  std::vector<float> dst(src.size());
  for (auto _ : state) {
    const Status status = convolution.Run(src.data(), {kSide, 1, 1}, kSide, dst.data(), workers);
    if (!status.ok()) return state.SkipWithError(status.message().c_str());
  }
  CountMultiplyAdds(state, static_cast<double>(data.weight.size()) * kSide * kSide);
}
BENCHMARK_CAPTURE(Convolution128, f32, Precision::kFloat32)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Convolution128, fastest, FastestPrecision().floats)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Convolution128, bytes, Precision::kInt8)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lichen

BENCHMARK_MAIN();
