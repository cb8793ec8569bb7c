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

/// A signed value as two activations, of which one is 0.
void StoreUnits(int64_t units, uint8_t* positive, uint8_t* negative) {
  *positive = static_cast<uint8_t>(std::clamp<int64_t>(units, 0, kActivationMax));
  *negative = static_cast<uint8_t>(std::clamp<int64_t>(-units, 0, kActivationMax));
}

/// floor(v + 1/2), limited to what can be coded; a NaN, which a broken encoder network could give, counts as 0.
int32_t RoundToResidual(float v) {
  constexpr float kLimit = kResidualLimit;
  v = v == v ? v : 0.0f;
  v = v > -kLimit ? v : -kLimit;
  v = (v < kLimit ? v : kLimit) + 0.5f;
  const int32_t whole = static_cast<int32_t>(v);  // towards 0
  return whole - (v < static_cast<float>(whole) ? 1 : 0);
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
  int32_t CodeZ(int table, size_t at) {
    int32_t value = RoundToResidual(z[at]);
    if (of_z) value = of_z->Choose(table, value, z[at]);
    rans.Put(tables[table], value);
    return value;
  }
  /// Elements `list` of the `count` from `at` on; the other residuals are set to 0. on_side: at a shared side
  void CodeY(const int32_t* list, int coded, const int32_t* index, const int32_t* mean, size_t at, int count,
             bool on_side, int32_t* residual) {
    const RateDistortion* choice = on_side ? at_sides : rate_distortion;
    exact.resize(count);
    rounded.resize(count);
    RoundResiduals(y + at, mean, count, exact.data(), rounded.data());
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
  int32_t CodeZ(int, size_t at) { return RoundToResidual(z[at]); }
  void CodeY(const int32_t* list, int coded, const int32_t* index, const int32_t* mean, size_t at, int count, bool,
             int32_t* residual) {
    std::copy_n(mean, count, prediction->mean.data() + at);
    std::copy_n(index, count, prediction->index.data() + at);
    exact.resize(count);
    rounded.resize(count);
    RoundResiduals(y + at, mean, count, exact.data(), rounded.data());
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
  int32_t CodeZ(int table, size_t) { return rans.Get(tables[table]); }
  void CodeY(const int32_t* list, int coded, const int32_t* index, const int32_t*, size_t, int count, bool,
             int32_t* residual) {
    std::fill_n(residual, count, 0);
    for (int n = 0; n < coded; ++n) residual[list[n]] = rans.Get(tables[index[list[n]]]);
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
  const int m = model.latent_channels, group = m / 4;
  const auto sums = std::make_shared<std::vector<Scratch<int32_t>>>(sharing.lanes);
  for (const IntegerLayer& layer : model.h_s) h_s_.emplace_back(layer, engine, sums, sharing);
  for (int k = 0; k < 4; ++k) {
    const std::vector<IntegerLayer>& layers = model.context[k];
    for (size_t i = 0; i + 1 < layers.size(); ++i) context_[k].emplace_back(layers[i], engine, sums, sharing);
    for (int g = 0; g < 4; ++g) {
      std::vector<int> outputs;
      for (int c = 0; c < group; ++c) outputs.push_back(g * group + c);
      for (int c = 0; c < group; ++c) outputs.push_back(m + g * group + c);
      heads_[k].emplace_back(layers.back(), engine, outputs, sums, sharing);
    }
  }
  const uint16_t* exp2 = model.exp2.data();
  std::vector<Exp2Multiplier> units_of_y, mean_of_head;
  for (int e : tables_.context_exponent) {
    units_of_y.emplace_back(e - (kSixteenthBits << kExponentBits), exp2);
    mean_of_head.emplace_back(-e + ((kSixteenthBits - kMeanHeadBits) * (1 << kExponentBits)), exp2);
    index_offset_.push_back(static_cast<int32_t>(RoundingShift(int64_t{e} * model.scale_per_exponent, 16)));
  }
  units_of_y_ = FactorsOf(units_of_y);
  mean_of_head_ = FactorsOf(mean_of_head);
  for (int e : tables_.z_exponent) units_of_z_.emplace_back(e, exp2);
  for (std::vector<int32_t>* row : {&mean_, &index_, &list_, &residual_}) row->resize(group);
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
  latents->z_hat.resize(static_cast<size_t>((h + 3) / 4) * ((w + 3) / 4) * model_.hyper_channels);
  CodeHyperLatents(coder, latents);
  // Damage is known only at the end for sure, but where it shows early, work and memory are saved.
  if (coder.Damaged()) return;
  // The steps write all of it; of a damaged tile nobody asks for it.
  latents->y_hat.resize(static_cast<size_t>(h) * w * model_.latent_channels);
  ComputeFeatures(*latents);
  for (int k = 0; k < 4 && !coder.Damaged(); ++k) CodeStep(coder, k, latents);
}

template <typename Coder>
void EntropyModel::CodeHyperLatents(Coder& coder, Latents* latents) {
  const int channels = model_.hyper_channels;
  for (size_t at = 0; at < latents->z_hat.size(); ++at) {
    latents->z_hat[at] = coder.CodeZ(tables_.z_table[at % channels], at);
  }
}

void EntropyModel::ComputeFeatures(const Latents& latents) {
  int h = (latents.h + 3) / 4, w = (latents.w + 3) / 4;
  const int z = model_.hyper_channels;
  features_.resize(latents.z_hat.size() * 2);
  for (size_t at = 0; at < latents.z_hat.size(); ++at) {
    const size_t pixel = at / z, c = at % z;
    uint8_t* units = features_.data() + pixel * 2 * z + c;
    StoreUnits(units_of_z_[c].Apply(latents.z_hat[at]), units, units + z);
  }
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
  input_.assign(static_cast<size_t>(latents.h) * latents.w * row, 0);
  for (int y = 0; y < latents.h; ++y) {
    for (int x = 0; x < latents.w; ++x) {
      std::memcpy(input_.data() + (static_cast<size_t>(y) * latents.w + x) * row,
                  features_.data() + (static_cast<size_t>(y) * w + x) * p, p);
    }
  }
  // The first step sees the features alone, without gaps between pixels.
  features_.resize(static_cast<size_t>(latents.h) * latents.w * p);
  for (size_t pixel = 0; pixel < static_cast<size_t>(latents.h) * latents.w; ++pixel) {
    std::memcpy(features_.data() + pixel * p, input_.data() + pixel * row, p);
  }
}

const uint8_t* EntropyModel::RunContext(int step, int h, int w) {
  const uint8_t* src = step == 0 ? features_.data() : input_.data();
  for (IntegerConvolution& layer : context_[step]) {
    next_.resize(static_cast<size_t>(h) * w * layer.out());
    layer.RunRelu(src, h, w, next_.data(), layer.out());
    hidden_.swap(next_);
    src = hidden_.data();
  }
  return src;
}

template <typename Coder>
void EntropyModel::CodeStep(Coder& coder, int step, Latents* latents) {
  const int h = latents->h, w = latents->w, m = model_.latent_channels, group = m / 4;
  const int width = model_.context[step].back().in, row = model_.feature_channels + 2 * m;
  const uint8_t* hidden = RunContext(step, h, w);
  std::array<int, 4> group_of_phase{};
  for (int g = 0; g < 4; ++g) group_of_phase[model_.phase_order[(g + step) % 4]] = g;

  // Each head sees the positions at which its group is coded, in raster order.
  for (int phase = 0; phase < 4; ++phase) {
    const int g = group_of_phase[phase];
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
    if (positions > 0) heads_[step][g].RunHead(gathered_.data(), rows, kHeadRow, outputs_[g].data());
  }

  std::array<size_t, 4> next{};
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const int g = group_of_phase[PhaseOf(y, x)];
      const int32_t* head = outputs_[g].data() + next[g]++ * 2 * group;
      const size_t pixel = static_cast<size_t>(y) * w + x;
      const int c = g * group;
      const size_t at = pixel * m + c;
      if (x + 1 < w) {
        const size_t following = (pixel + 1) * m + group_of_phase[PhaseOf(y, x + 1)] * group;
        coder.Prefetch(following, group);
        Prefetch<1>(latents->y_hat.data() + following, group);
      }
      MeansAndIndices(head, head + group, mean_of_head_.data() + c, index_offset_.data() + c, group, mean_.data(),
                      index_.data());
      const int coded = ListCoded(index_.data(), group, list_.data());
      coder.CodeY(list_.data(), coded, index_.data(), mean_.data(), at, group, coder.shared.Touch(y, x, h, w),
                  residual_.data());
      uint8_t* units = input_.data() + pixel * row + model_.feature_channels + c;
      ValuesAndUnits(mean_.data(), residual_.data(), units_of_y_.data() + c, group, latents->y_hat.data() + at, units,
                     units + m);
    }
  }
}

}  // namespace lichen
