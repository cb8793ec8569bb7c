// SPDX-License-Identifier: Apache-2.0
#include "codec/entropy_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bitstream/rans.h"
#include "codec/latent_arithmetic.h"

namespace lichen {
namespace {

/// From this quality index on the bits of z are too few to save any: what y then costs more is as much.
constexpr int kFinerZ = kMaxQualityIndex * 45 / 100;
constexpr int kHeadRow = 64;  // positions

int PhaseOf(int y, int x) { return (y & 1) * 2 + (x & 1); }

std::vector<double> FactorsOf(const std::vector<Exp2Multiplier>& multipliers) {
  std::vector<double> factors;
  for (const Exp2Multiplier& multiplier : multipliers) factors.push_back(multiplier.AsFloat());
  return factors;
}

/// Indices of the elements that are coded, those whose scale index is not 0; without a branch, which would be guessed
/// wrong often. Returns their number. list: room for `count`
int ListCoded(const int32_t* index, int count, int32_t* list) {
  int coded = 0;
  for (int i = 0; i < count; ++i) {
    list[coded] = i;
    coded += index[i] != 0 ? 1 : 0;
  }
  return coded;
}

/// Asks for memory that is used a little later: positions are too far apart, and their groups in too odd an order, for
/// the processor to foresee it. write: 1 for what is written, 0 for what is read
template <int write, typename T>
void Prefetch(const T* first, int count) {
  constexpr size_t kLine = 64;
  const char* begin = reinterpret_cast<const char*>(first);
  for (const char* line = begin; line < begin + count * sizeof(T); line += kLine) __builtin_prefetch(line, write);
}

}  // namespace

/// What Code() needs of an encoder: it takes the values and returns what was coded.
struct EntropyModel::Writer {
  const float* y;
  const float* z;
  const std::vector<bitstream::CdfTable>& tables;
  const RateDistortion *rate_distortion, *at_sides, *of_z;  // may be null, all
  SharedSides shared;
  bitstream::RansEncoder& rans;
  std::vector<float> exact = {};
  std::vector<int32_t> rounded = {};

  void Prefetch(size_t at, int count) const { lichen::Prefetch<0>(y + at, count); }
  /// Elements `list` of the `count` from `at` on; the other residuals are set to 0. on_side: at a shared side
  void CodeY(const int32_t* list, int coded, const int32_t* index, const int32_t* mean, size_t at, int count,
             bool on_side, int32_t* residual) {
    Put(y + at, on_side ? at_sides : rate_distortion, list, coded, index, mean, count, residual);
  }
  void CodeZ(const int32_t* list, int coded, const int32_t* index, const int32_t* mean, size_t at, int count, bool,
             int32_t* residual) {
    Put(z + at, of_z, list, coded, index, mean, count, residual);
  }
  void Put(const float* from, const RateDistortion* choice, const int32_t* list, int coded, const int32_t* index,
           const int32_t* mean, int count, int32_t* residual) {
    exact.resize(count);
    rounded.resize(count);
    RoundResiduals(from, mean, count, exact.data(), rounded.data());
    std::fill_n(residual, count, 0);
    for (int n = 0; n < coded; ++n) {
      const int32_t i = list[n];
      int32_t value = rounded[i];
      if (choice && value != 0) value = choice->Choose(index[i], value, exact[i]);
      residual[i] = value;
      rans.Put(tables[index[i]], value);
    }
  }
  bool Damaged() const { return false; }
};

/// And of one who only wants to know; residuals are the nearest.
struct EntropyModel::Predictor {
  static constexpr SharedSides shared = {};  // a matter of the writer's
  const float* y;
  const float* z;
  Prediction* prediction;
  std::vector<float> exact = {};
  std::vector<int32_t> rounded = {};

  void Prefetch(size_t, int) const {}
  void CodeY(const int32_t* list, int coded, const int32_t* index, const int32_t* mean, size_t at, int count, bool,
             int32_t* residual) {
    std::copy_n(mean, count, prediction->mean.data() + at);
    std::copy_n(index, count, prediction->index.data() + at);
    Round(y + at, list, coded, mean, count, residual);
  }
  void CodeZ(const int32_t* list, int coded, const int32_t*, const int32_t* mean, size_t at, int count, bool,
             int32_t* residual) {
    Round(z + at, list, coded, mean, count, residual);
  }
  void Round(const float* from, const int32_t* list, int coded, const int32_t* mean, int count, int32_t* residual) {
    exact.resize(count);
    rounded.resize(count);
    RoundResiduals(from, mean, count, exact.data(), rounded.data());
    std::fill_n(residual, count, 0);
    for (int n = 0; n < coded; ++n) residual[list[n]] = rounded[list[n]];
  }
  bool Damaged() const { return false; }
};

/// And of a decoder.
struct EntropyModel::Reader {
  static constexpr SharedSides shared = {};  // a matter of the encoder's
  const std::vector<bitstream::CdfTable>& tables;
  bitstream::RansDecoder rans;

  void Prefetch(size_t, int) const {}
  void CodeY(const int32_t* list, int coded, const int32_t* index, const int32_t*, size_t, int count, bool,
             int32_t* residual) {
    std::fill_n(residual, count, 0);
    for (int n = 0; n < coded; ++n) residual[list[n]] = rans.Get(tables[index[list[n]]]);
  }
  void CodeZ(const int32_t* list, int coded, const int32_t* index, const int32_t* mean, size_t at, int count,
             bool on_side, int32_t* residual) {
    CodeY(list, coded, index, mean, at, count, on_side, residual);
  }
  bool Damaged() const { return rans.damaged(); }
};

EntropyModel::EntropyModel(const ModelData& model, int quality_index, IntegerEngine engine, Quantiser quantiser,
                           const Sharing& sharing)
    : model_(model), tables_(TablesAtQuality(model, quality_index)) {
  if (quantiser == Quantiser::kRateDistortion) {
    rate_distortion_.emplace(model.tables);
    at_sides_.emplace(model.tables, RateDistortion::kBitsPerSquaredStepAtSides);
    if (quality_index < kFinerZ) of_z_.emplace(model.tables, RateDistortion::kBitsPerSquaredStepOfZ);
  }
  const auto sums = std::make_shared<std::vector<Scratch<int32_t>>>(sharing.lanes);
  for (const IntegerLayer& layer : model.h_s) h_s_.emplace_back(layer, engine, sums, sharing);
  std::vector<int32_t> offset;
  for (int e : tables_.context_exponent) {
    offset.push_back(static_cast<int32_t>(RoundingShift(int64_t{e} * model.scale_per_exponent, 16)));
  }
  of_latents_ = MakeSteps(model.latent_channels, model.feature_channels, model.context, tables_.context_exponent,
                          std::move(offset), engine, sums, sharing);
  std::vector<int32_t> offset_of_z;
  for (int scale : tables_.z_scale) offset_of_z.push_back(-scale);
  of_hyper_latents_ = MakeSteps(model.hyper_channels, 0, model.context_z, tables_.z_exponent, std::move(offset_of_z),
                                engine, sums, sharing);
}

EntropyModel::Steps EntropyModel::MakeSteps(int channels, int features,
                                            const std::array<std::vector<IntegerLayer>, 4>& networks,
                                            const std::vector<int>& exponents, std::vector<int32_t> offset,
                                            IntegerEngine engine, const IntegerConvolution::Sums& sums,
                                            const Sharing& sharing) const {
  const int group = channels / 4;
  Steps steps;
  steps.channels = channels;
  steps.features = features;
  for (int k = 0; k < 4; ++k) {
    const std::vector<IntegerLayer>& layers = networks[k];
    if (layers.empty()) continue;
    steps.width[k] = layers.back().in;
    for (size_t i = 0; i + 1 < layers.size(); ++i) steps.networks[k].emplace_back(layers[i], engine, sums, sharing);
    for (int g = 0; g < 4; ++g) {
      std::vector<int> outputs;
      for (int c = 0; c < group; ++c) outputs.push_back(g * group + c);
      for (int c = 0; c < group; ++c) outputs.push_back(channels + g * group + c);
      steps.heads[k].emplace_back(layers.back(), engine, outputs, sums, sharing);
    }
  }
  std::vector<Exp2Multiplier> units, mean_of_head;
  for (int e : exponents) {
    units.emplace_back(e - (kSixteenthBits << kExponentBits), model_.exp2.data());
    mean_of_head.emplace_back(-e + ((kSixteenthBits - kMeanHeadBits) * (1 << kExponentBits)), model_.exp2.data());
  }
  steps.units = FactorsOf(units);
  steps.mean_of_head = FactorsOf(mean_of_head);
  steps.index_offset = std::move(offset);
  for (std::vector<int32_t>* row : {&steps.mean, &steps.index, &steps.list, &steps.residual}) row->resize(group);
  return steps;
}

std::vector<uint8_t> EntropyModel::Encode(const float* y, const float* z, int h, int w, Latents* latents,
                                          SharedSides shared) {
  const auto pointer = [](const std::optional<RateDistortion>& choice) { return choice ? &*choice : nullptr; };
  return Encode({y, z, model_.tables, pointer(rate_distortion_), pointer(at_sides_), pointer(of_z_), shared, rans_}, h,
                w, latents);
}

std::vector<uint8_t> EntropyModel::EncodeNearest(const float* y, const float* z, int h, int w, Latents* latents) {
  return Encode({y, z, model_.tables, nullptr, nullptr, nullptr, {}, rans_}, h, w, latents);
}

std::vector<uint8_t> EntropyModel::Encode(Writer writer, int h, int w, Latents* latents) {
  rans_.Reserve(static_cast<size_t>(h) * w * model_.latent_channels);
  Code(writer, h, w, latents);
  return rans_.Finish();
}

void EntropyModel::Predict(const float* y, const float* z, int h, int w, Latents* latents, Prediction* prediction) {
  const size_t count = static_cast<size_t>(h) * w * model_.latent_channels;
  prediction->mean.resize(count);
  prediction->index.resize(count);
  Predictor predictor{y, z, prediction};
  Code(predictor, h, w, latents);
}

Status EntropyModel::Decode(const uint8_t* data, size_t size, int h, int w, Latents* latents) {
  Reader reader{model_.tables, bitstream::RansDecoder(data, size)};
  Code(reader, h, w, latents);
  return reader.rans.Finish();
}

template <typename Coder>
void EntropyModel::Code(Coder& coder, int h, int w, Latents* latents) {
  latents->h = h, latents->w = w;
  const int z_h = (h + 3) / 4, z_w = (w + 3) / 4;
  const size_t positions_of_z = static_cast<size_t>(z_h) * z_w;
  latents->z_hat.resize(positions_of_z * model_.hyper_channels);
  Steps& of_z = of_hyper_latents_;
  of_z.input.assign(positions_of_z * 2 * model_.hyper_channels, 0);
  for (int k = 0; k < 4; ++k) {
    CodeStep(coder, &Coder::CodeZ, of_z, nullptr, k, z_h, z_w, latents->z_hat.data());
    // Damage is known only at the end for sure, but where it shows early, work and memory are saved.
    if (coder.Damaged()) return;
  }
  // The steps write all of it; of a damaged tile nobody asks for it.
  latents->y_hat.resize(static_cast<size_t>(h) * w * model_.latent_channels);
  ComputeFeatures(*latents);
  for (int k = 0; k < 4 && !coder.Damaged(); ++k) {
    CodeStep(coder, &Coder::CodeY, of_latents_, features_.data(), k, h, w, latents->y_hat.data());
  }
}

/// From the units of z.
void EntropyModel::ComputeFeatures(const Latents& latents) {
  int h = (latents.h + 3) / 4, w = (latents.w + 3) / 4;
  features_ = of_hyper_latents_.input;
  for (size_t i = 0; i < h_s_.size(); ++i) {
    const int out = h_s_[i].out(), factor = model_.h_s[i].depth_to_space;
    next_.resize(static_cast<size_t>(h) * w * out);
    h_s_[i].RunRelu(features_.data(), h, w, next_.data(), out);
    const size_t run = static_cast<size_t>(out) / factor;  // one row of a block: (dx, c)
    features_.resize(next_.size());
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        for (int dy = 0; dy < factor; ++dy) {
          std::memcpy(features_.data() + ((static_cast<size_t>(y) * factor + dy) * w + x) * run,
                      next_.data() + ((static_cast<size_t>(y) * w + x) * factor + dy) * run, run);
        }
      }
    }
    h *= factor, w *= factor;
  }
  const int p = model_.feature_channels, row = p + 2 * model_.latent_channels;
  std::vector<uint8_t>& input = of_latents_.input;
  input.assign(static_cast<size_t>(latents.h) * latents.w * row, 0);
  for (int y = 0; y < latents.h; ++y) {
    for (int x = 0; x < latents.w; ++x) {
      std::memcpy(input.data() + (static_cast<size_t>(y) * latents.w + x) * row,
                  features_.data() + (static_cast<size_t>(y) * w + x) * p, p);
    }
  }
  // The first step sees the features alone, without gaps between pixels.
  features_.resize(static_cast<size_t>(latents.h) * latents.w * p);
  for (size_t pixel = 0; pixel < static_cast<size_t>(latents.h) * latents.w; ++pixel) {
    std::memcpy(features_.data() + pixel * p, input.data() + pixel * row, p);
  }
}

const uint8_t* EntropyModel::RunContext(Steps& steps, const uint8_t* first, int step, int h, int w) {
  const uint8_t* src = step == 0 ? first : steps.input.data();
  for (IntegerConvolution& layer : steps.networks[step]) {
    next_.resize(static_cast<size_t>(h) * w * layer.out());
    layer.RunRelu(src, h, w, next_.data(), layer.out());
    hidden_.swap(next_);
    src = hidden_.data();
  }
  return src;
}

template <typename Coder, typename Method>
void EntropyModel::CodeStep(Coder& coder, Method code, Steps& steps, const uint8_t* first, int step, int h, int w,
                            int32_t* values) {
  const int m = steps.channels, group = m / 4, row = steps.features + 2 * m;
  const bool seen = !steps.heads[step].empty();
  const uint8_t* hidden = seen ? RunContext(steps, first, step, h, w) : nullptr;
  std::array<int, 4> group_of_phase{};
  for (int g = 0; g < 4; ++g) group_of_phase[model_.phase_order[(g + step) % 4]] = g;

  // Each head sees the positions at which its group is coded, in raster order.
  for (int phase = 0; phase < 4 && seen; ++phase) {
    const int g = group_of_phase[phase], width = steps.width[step];
    const int positions = (h - (phase >> 1) + 1) / 2 * ((w - (phase & 1) + 1) / 2);
    // In rows of one length, and one primitive for it: what is beyond the last is computed and not looked at.
    const int rows = (positions - 1) / kHeadRow + 1;
    gathered_.resize(static_cast<size_t>(rows) * kHeadRow * width);
    uint8_t* to = gathered_.data();
    for (int y = phase >> 1; y < h; y += 2) {
      for (int x = phase & 1; x < w; x += 2, to += width) {
        std::memcpy(to, hidden + (static_cast<size_t>(y) * w + x) * width, width);
      }
    }
    outputs_[g].resize(static_cast<size_t>(rows) * kHeadRow * 2 * group);
    if (positions > 0) steps.heads[step][g].RunHead(gathered_.data(), rows, kHeadRow, outputs_[g].data());
  }

  const std::vector<int32_t> nothing(seen ? 0 : 2 * group);
  std::array<size_t, 4> next{};
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const int g = group_of_phase[PhaseOf(y, x)];
      const int32_t* head = seen ? outputs_[g].data() + next[g]++ * 2 * group : nothing.data();
      const size_t pixel = static_cast<size_t>(y) * w + x;
      const int c = g * group;
      const size_t at = pixel * m + c;
      if (x + 1 < w) {
        const size_t following = (pixel + 1) * m + group_of_phase[PhaseOf(y, x + 1)] * group;
        coder.Prefetch(following, group);
        Prefetch<1>(values + following, group);
      }
      MeansAndIndices(head, head + group, steps.mean_of_head.data() + c, steps.index_offset.data() + c, group,
                      steps.mean.data(), steps.index.data());
      const int coded = ListCoded(steps.index.data(), group, steps.list.data());
      (coder.*code)(steps.list.data(), coded, steps.index.data(), steps.mean.data(), at, group,
                    coder.shared.Touch(y, x, h, w), steps.residual.data());
      uint8_t* units = steps.input.data() + pixel * row + steps.features + c;
      ValuesAndUnits(steps.mean.data(), steps.residual.data(), steps.units.data() + c, group, values + at, units,
                     units + m);
    }
  }
}

}  // namespace lichen
