// SPDX-License-Identifier: Apache-2.0
// Compares what networks of other sizes would take to decode: the synthesis transform, in strips as the decoder runs
// it, and the integer networks of the entropy model, with random weights. rANS and pixels are left out.
//
//   network_shapes [--size 1920 1088] [--rounds 9] SIZES...
//
// SIZES are those of training/model.py's class Lichen, as in c8=192,n8=1; what is not named is as in the default
// model, and with '' all is. The networks take turns in random order, on one thread; times are of the CPU, medians, and
// the ratio is taken round by round to the first network.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "codec/convolution.h"
#include "codec/fixed_point.h"
#include "codec/integer_network.h"
#include "codec/model_data.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "codec/workers.h"

namespace lichen {
namespace {

[[noreturn]] void Stop(const std::string& message) {
  std::fprintf(stderr, "network_shapes: %s\n", message.c_str());
  std::exit(1);
}

/// Names and defaults are those of class Lichen.
struct Sizes {
  int c4 = 48, c8 = 128, middle8 = 128, c16 = 0, middle16 = 48, M = 512, Z = 64, P = 128, middle_context = 96;
  int Pz = 64, n4 = 1, n8 = 2, n16 = 1, thin8 = 64, rounded = 1;
};

constexpr std::pair<const char*, int Sizes::*> kNames[] = {{"c4", &Sizes::c4},
                                                           {"c8", &Sizes::c8},
                                                           {"middle8", &Sizes::middle8},
                                                           {"c16", &Sizes::c16},
                                                           {"middle16", &Sizes::middle16},
                                                           {"M", &Sizes::M},
                                                           {"Z", &Sizes::Z},
                                                           {"P", &Sizes::P},
                                                           {"middle_context", &Sizes::middle_context},
                                                           {"Pz", &Sizes::Pz},
                                                           {"n4", &Sizes::n4},
                                                           {"n8", &Sizes::n8},
                                                           {"n16", &Sizes::n16},
                                                           {"thin8", &Sizes::thin8},
                                                           {"rounded", &Sizes::rounded}};

Sizes ParseSizes(const std::string& text) {
  Sizes sizes;
  std::stringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const size_t equal = std::min(word.find('='), word.size());
    const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                     [&](const auto& name) { return word.substr(0, equal) == name.first; });
    char* end = nullptr;
    const long value = equal + 1 < word.size() ? std::strtol(word.c_str() + equal + 1, &end, 10) : -1;
    if (found == std::end(kNames) || *end != 0 || value < 0 || value > 4096) {
      Stop("'" + word + "' is no size such as c8=192");
    }
    sizes.*found->second = static_cast<int>(value);
  }
  for (int Sizes::*channels : {&Sizes::c4, &Sizes::c8, &Sizes::middle8, &Sizes::middle16, &Sizes::M, &Sizes::Z,
                               &Sizes::P, &Sizes::middle_context, &Sizes::Pz}) {
    if (sizes.*channels == 0) Stop("'" + text + "': no layer has 0 channels");
  }
  if (sizes.M % 4 != 0 || sizes.Z % 4 != 0) Stop("M and Z are multiples of 4");
  return sizes;
}

// ---- networks

std::mt19937 random_bits(1);

FloatConvolutionData Convolution(int in, int out, int kernel, bool relu) {
  FloatConvolutionData data;
  data.in = in, data.out = out, data.kernel = kernel, data.relu = relu, data.slope = 0.01f;
  std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(in * kernel * kernel)));
  data.weight.resize(size_t{1} * in * out * kernel * kernel);
  for (float& w : data.weight) w = normal(random_bits);
  data.bias.assign(out, 0.1f);
  return data;
}

/// As class Lichen has them.
std::vector<FloatLayer> Synthesis(const Sizes& s) {
  std::vector<FloatLayer> layers;
  const auto add = [&](FloatLayer::Type type) -> FloatLayer& {
    layers.emplace_back().type = type;
    return layers.back();
  };
  const auto convolution = [&](int in, int out, int kernel) {
    add(FloatLayer::Type::kConvolution).a = Convolution(in, out, kernel, false);
  };
  const auto blocks = [&](int n, int channels, int middle, bool rounded) {
    constexpr float kStep = 1.0f / 32;
    for (int i = 0; i < n; ++i) {
      FloatLayer& block = add(FloatLayer::Type::kResidual);
      block.a = Convolution(channels, middle, 3, true);
      block.b = Convolution(middle, channels, 3, false);
      if (rounded) block.a.step.assign(channels, kStep), block.b.step.assign(middle, kStep);
    }
  };
  const bool rounded = s.rounded > 0;
  const auto up = [&](int factor) { add(FloatLayer::Type::kDepthToSpace).factor = factor; };
  const int c4 = s.c4, c8 = s.c8, c16 = s.c16 != 0 ? s.c16 : s.M;
  if (s.c16 != 0) convolution(s.M, c16, 1);
  blocks(s.n16, c16, s.middle16, rounded);
  convolution(c16, 4 * c8, 1);
  up(2);
  FloatLayer& gain = add(FloatLayer::Type::kGain);
  gain.channels = c8;
  gain.gain.assign(size_t{kQualityAnchors} * c8, 0);
  blocks(s.n8, c8, s.middle8, rounded);
  blocks(s.thin8 != 0 ? 1 : 0, c8, s.thin8, rounded);
  convolution(c8, 4 * c4, 1);
  up(2);
  blocks(s.n4, c4, c4, false);  // next to the pixels
  convolution(c4, 48, 3);
  up(4);
  return layers;
}

IntegerLayer Integers(int in, int out, int kernel, bool relu) {
  IntegerLayer layer;
  layer.in = in, layer.out = out, layer.kernel = kernel, layer.relu = relu;
  layer.weight.resize(size_t{1} * in * out * kernel * kernel);
  for (int8_t& w : layer.weight) w = static_cast<int8_t>(random_bits() % 255 - 127);
  layer.bias.assign(out, 0);
  layer.multiplier.assign(out, 1 << 14);
  layer.shift.assign(out, 24);
  return layer;
}

class Network {
 public:
  /// h, w: positions of y, multiples of 4
  Network(const std::string& sizes, int h, int w)
      : name_(sizes.empty() ? "default" : sizes), h_(h), w_(w), s_(ParseSizes(sizes)), layers_(Synthesis(s_)) {
    const int p = s_.P, m = s_.M, middle = s_.middle_context;
    const auto add = [&](std::vector<IntegerConvolution>& to, int in, int out, int kernel, bool relu = true) {
      to.emplace_back(Integers(in, out, kernel, relu), IntegerEngine::kFast, sums_);
      widest_ = std::max({widest_, in, out});
    };
    add(h_s_, 2 * s_.Z, 4 * p, 3);
    add(h_s_, p, 4 * p, 3);
    for (int k = 0; k < 4; ++k) {
      if (k == 0) {
        add(context_[k], p, p, 3);
      } else {
        add(context_[k], p + 2 * m, p, 1);
        add(context_[k], p, middle, 3);
        add(context_[k], middle, p, 3);
      }
      add(heads_, p, m / 2, 1, false);  // of one of the four groups of channels
    }
    for (int k = 0; k < 3; ++k) {
      add(context_z_[k], 2 * s_.Z, s_.Pz, 1);
      add(context_z_[k], s_.Pz, s_.Pz, 3);
      add(context_z_[k], s_.Pz, s_.Pz, 1);
      add(heads_of_z_, s_.Pz, s_.Z / 2, 1, false);
    }
    g_s_ = std::make_unique<Transform>(layers_, 0, SynthesisPrecision(), one_thread_);
    std::normal_distribution<float> normal;
    y_hat_.resize(size_t{1} * h * w * m);
    for (float& v : y_hat_) v = normal(random_bits);
    for (auto* activations : {&from_, &to_}) {
      activations->resize(size_t{1} * h * w * widest_);
      for (uint8_t& v : *activations) v = static_cast<uint8_t>(random_bits() % 128);
    }
    outputs_.resize(size_t{1} * h * w * std::max(m / 8, s_.Z / 32));
  }

  const std::string& name() const { return name_; }
  double SynthesisMultiplyAdds() const { return MultiplyAdds(layers_) / (kLatentPixels * kLatentPixels); }

  void Synthesise() {
    const int m = s_.M, margin = MarginOf(layers_);
    const size_t row = size_t{1} * w_ * m;
    g_s_->Begin(w_);
    for (const Span strip : Strips({0, h_}, StripRows(h_, w_), margin)) {
      float* to = g_s_->Input(strip.size());
      std::copy_n(y_hat_.data() + strip.begin * row, strip.size() * row, to);
      const Result<Strip> result = g_s_->Next(to, strip.size(), strip.end == h_);
      if (!result.ok()) Stop(result.status().message());
    }
  }

  void RunIntegers() {
    const auto run = [&](IntegerConvolution& layer, int h, int w) {
      layer.RunRelu(from_.data(), h, w, to_.data(), layer.out());
      from_.swap(to_);
    };
    for (int k = 0; k < 3; ++k) {
      for (IntegerConvolution& layer : context_z_[k]) run(layer, h_ / 4, w_ / 4);
      const int positions = (h_ / 4 + 1) / 2 * ((w_ / 4 + 1) / 2);
      for (int g = 0; g < 4; ++g) heads_of_z_[k].RunHead(from_.data(), 1, positions, outputs_.data());
    }
    run(h_s_[0], h_ / 4, w_ / 4);
    run(h_s_[1], h_ / 2, w_ / 2);
    for (int k = 0; k < 4; ++k) {
      for (IntegerConvolution& layer : context_[k]) run(layer, h_, w_);
      for (int g = 0; g < 4; ++g) heads_[k].RunHead(from_.data(), 1, h_ / 2 * (w_ / 2), outputs_.data());
    }
  }

 private:
  std::string name_;
  int h_, w_, widest_ = 0;
  Sizes s_;
  std::vector<FloatLayer> layers_;
  Workers one_thread_{1};
  std::unique_ptr<Transform> g_s_;
  IntegerConvolution::Sums sums_ = std::make_shared<std::vector<Scratch<int32_t>>>(1);
  std::vector<IntegerConvolution> h_s_, heads_, heads_of_z_;
  std::array<std::vector<IntegerConvolution>, 4> context_;
  std::array<std::vector<IntegerConvolution>, 3> context_z_;
  std::vector<float> y_hat_;
  std::vector<uint8_t> from_, to_;
  std::vector<int32_t> outputs_;
};

// ---- times

/// Milliseconds of the CPU.
template <typename Work>
double TimeOf(const Work& work) {
  const auto now = [] {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
  };
  const double begin = now();
  work();
  return now() - begin;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Times {
  std::vector<double> synthesis, integers, ratio;  // by round
};

void Compare(std::vector<std::unique_ptr<Network>>& networks, int rounds) {
  const OneThread one;
  std::vector<Times> times(networks.size());
  std::vector<size_t> order(networks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (int round = -1; round < rounds; ++round) {  // the first makes primitives
    std::shuffle(order.begin(), order.end(), random_bits);
    for (size_t i : order) {
      const double synthesis = TimeOf([&] { networks[i]->Synthesise(); });
      const double integers = TimeOf([&] { networks[i]->RunIntegers(); });
      if (round < 0) continue;
      times[i].synthesis.push_back(synthesis);
      times[i].integers.push_back(integers);
    }
  }
  for (size_t i = 0; i < times.size(); ++i) {
    for (int round = 0; round < rounds; ++round) {
      const auto sum = [&](size_t k) { return times[k].synthesis[round] + times[k].integers[round]; };
      times[i].ratio.push_back(sum(i) / sum(0));
    }
  }
  std::printf("g_s MAC/px   g_s ms  integers ms  ratio (least-most)   sizes\n");
  for (size_t i = 0; i < networks.size(); ++i) {
    const std::vector<double>& ratio = times[i].ratio;
    std::printf("%10.0f %8.1f %12.1f  %.3f (%.3f-%.3f)  %s\n", networks[i]->SynthesisMultiplyAdds(),
                Median(times[i].synthesis), Median(times[i].integers), Median(ratio),
                *std::min_element(ratio.begin(), ratio.end()), *std::max_element(ratio.begin(), ratio.end()),
                networks[i]->name().c_str());
  }
}

}  // namespace
}  // namespace lichen

int main(int argc, char** argv) {
  CLI::App app("Compares what networks of other sizes would take to decode.");
  std::pair<int, int> size = {1920, 1088};
  int rounds = 9;
  std::vector<std::string> sizes;
  app.add_option("--size", size, "pixels of the picture, width and height, multiples of 64")->capture_default_str();
  app.add_option("--rounds", rounds, "turns of each network")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("SIZES", sizes, "sizes of a network that differ from the default's, as in c8=192,n8=1; '' for none")
      ->required();
  CLI11_PARSE(app, argc, argv);
  if (std::min(size.first, size.second) < 64 || size.first % 64 != 0 || size.second % 64 != 0) {
    lichen::Stop("--size: multiples of 64 expected");
  }
  std::vector<std::unique_ptr<lichen::Network>> networks;
  for (const std::string& text : sizes) {
    networks.push_back(std::make_unique<lichen::Network>(text, size.second / lichen::kLatentPixels,
                                                         size.first / lichen::kLatentPixels));
  }
  lichen::Compare(networks, rounds);
  return 0;
}
