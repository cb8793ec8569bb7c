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

/// Bits that one squared quantisation step of y's error is worth, for all channels and qualities, by experiment on
/// photographs that no model was trained on (training/LOG.md).
constexpr double kBitsPerSquaredStep = 14;

/// How many times as many they are along sides of tiles that touch others: latents there are predicted from less, which
/// would show as a loss of up to 0.13 dB.
double WeightAtSides(int quality_index) {
  constexpr double kLowest = 1.25, kHighest = 1.09;  // at quality 0 and 100
  return kLowest + (kHighest - kLowest) * quality_index / kMaxQualityIndex;
}

/// For TrellisSearch. tables: [2][kScaleTables]
std::vector<float> CostsOfSymbols(const bitstream::CdfTable* tables) {
  std::vector<float> costs;
  for (int t = 0; t < 2 * kScaleTables; ++t) {
    for (int32_t k = 0; k <= TrellisSearch::kLargest; ++k) {
      costs.push_back(static_cast<float>(bitstream::BitsOf(tables[t], k)));
    }
  }
  return costs;
}

std::vector<bitstream::CdfTable> OfZ(const std::vector<bitstream::CdfTable>& tables) {
  return {tables.begin(), tables.begin() + kScaleTables};
}

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

/// What Code() needs of an encoder: it takes the values and returns what was coded. Of y, all that a step codes is
/// taken first (Gather), for the search, and coded then (CodeNext).
struct EntropyModel::Writer {
  const float* y;
  const float* z;
  EntropyModel& owner;                 // of the tables, the search and the memory
  std::vector<uint8_t>* index_of_all;  // may be null
  SharedSides shared;
  uint32_t state = 0;
  std::vector<float> exact_of_group = {};
  std::vector<int32_t> rounded = {};
  size_t coded = 0, position = 0;

  void Prefetch(size_t first, int count) const { lichen::Prefetch<0>(y + first, count); }

  /// Of a step that codes `positions` groups.
  void Begin(size_t positions, int group) {
    const size_t most = positions * group;
    owner.exact_.Reserve(most), owner.symbols_.Reserve(most), owner.means_.Reserve(most);
    owner.list_.Reserve(most), owner.marks_.Reserve(most);
    owner.counts_.Reserve(positions);
    exact_of_group.resize(group);
    coded = position = 0;
  }
  /// The means of the next position.
  int32_t* Means(int group) { return owner.means_.data() + position * group; }
  /// What is coded of `count` elements from `first` on, those whose index is not 0. on_side: at a shared side
  void Gather(const int32_t* index, int count, size_t first, bool on_side) {
    const int mark = on_side ? TrellisSearch::kAtSide : 0;
    ExactResiduals(y + first, Means(count), count, exact_of_group.data());
    float* to = owner.exact_.data() + coded;
    uint8_t* to_marks = owner.marks_.data() + coded;
    uint16_t* to_list = owner.list_.data() + coded;
    int n = 0;  // without a branch, which would be guessed wrong often
    for (int i = 0; i < count; ++i) {
      const int32_t v = index[i];
      to[n] = exact_of_group[i];
      to_marks[n] = static_cast<uint8_t>(v | mark);
      to_list[n] = static_cast<uint16_t>(i);
      n += v != 0 ? 1 : 0;
    }
    coded += n;
    owner.counts_.data()[position++] = static_cast<uint16_t>(n);
  }
  /// Then, their symbols.
  void Search() {
    const float* exact = owner.exact_.data();
    uint8_t* marks = owner.marks_.data();
    int16_t* symbols = owner.symbols_.data();
    if (owner.search_) {
      owner.search_->Run(exact, marks, coded, &state, symbols);
    } else {
      for (size_t i = 0; i < coded; ++i) {
        const int quantiser = TrellisCode::Quantiser(state);
        symbols[i] = static_cast<int16_t>(NearestSymbol(quantiser, exact[i]));
        marks[i] = static_cast<uint8_t>(quantiser * kScaleTables + marks[i] % kScaleTables);
        state = owner.code_.Next(state, symbols[i]);
      }
    }
    coded = position = 0;
  }
  /// The levels of the next position, 0 where nothing is coded. levels: [count]
  void CodeNext(int count, int32_t* levels) {
    std::fill_n(levels, count, 0);
    const bitstream::CdfTable* tables = owner.TablesOfY();
    const int16_t* symbols = owner.symbols_.data() + coded;
    const uint8_t* marks = owner.marks_.data() + coded;
    const uint16_t* list = owner.list_.data() + coded;
    const int number = owner.counts_.data()[position++];
    for (int n = 0; n < number; ++n) {
      owner.rans_.Put(tables[marks[n]], symbols[n]);
      levels[list[n]] = LevelOf(marks[n] / kScaleTables, symbols[n]);
    }
    coded += number;
  }

  /// Elements `first` of the `count` from `from` on; the other residuals are set to 0.
  void CodeZ(const int32_t* first, int number, const int32_t* index, const int32_t* mean, size_t from, int count,
             int32_t* residual) {
    exact_of_group.resize(count), rounded.resize(count);
    RoundResiduals(z + from, mean, count, exact_of_group.data(), rounded.data());
    std::fill_n(residual, count, 0);
    for (int n = 0; n < number; ++n) {
      const int32_t i = first[n];
      int32_t value = rounded[i];
      if (owner.of_z_ && value != 0) value = owner.of_z_->Choose(index[i], value, exact_of_group[i]);
      residual[i] = value;
      owner.rans_.Put(owner.model_.tables[index[i]], value);
    }
  }
  bool Damaged() const { return false; }
};

/// And of a decoder.
struct EntropyModel::Reader {
  const ModelData& model;
  const TrellisCode& code;
  bitstream::RansDecoder rans;
  uint32_t state = 0;

  void Prefetch(size_t, int) const {}
  void CodeY(const int32_t* first, int number, const int32_t* index, const int32_t*, size_t, int count,
             int32_t* levels) {
    std::fill_n(levels, count, 0);
    const bitstream::CdfTable* tables = model.tables.data() + kScaleTables;
    for (int n = 0; n < number; ++n) {
      const int quantiser = TrellisCode::Quantiser(state);
      const int32_t symbol = rans.Get(tables[quantiser * kScaleTables + index[first[n]]]);
      levels[first[n]] = LevelOf(quantiser, symbol);
      state = code.Next(state, symbol);
    }
  }
  void CodeZ(const int32_t* first, int number, const int32_t* index, const int32_t*, size_t, int count,
             int32_t* residual) {
    std::fill_n(residual, count, 0);
    for (int n = 0; n < number; ++n) residual[first[n]] = rans.Get(model.tables[index[first[n]]]);
  }
  bool Damaged() const { return rans.damaged(); }
};

EntropyModel::EntropyModel(const ModelData& model, int quality_index, int trellis_bits, IntegerEngine engine,
                           Quantiser quantiser, const Sharing& sharing)
    : model_(model), tables_(TablesAtQuality(model, quality_index)), code_(trellis_bits) {
  if (quantiser == Quantiser::kRateDistortion) {
    search_.emplace(trellis_bits, CostsOfSymbols(TablesOfY()), kBitsPerSquaredStep, WeightAtSides(quality_index));
    if (quality_index < kFinerZ) of_z_.emplace(OfZ(model.tables), RateDistortion::kBitsPerSquaredStepOfZ);
  }
  const auto sums = std::make_shared<std::vector<Scratch<int32_t>>>(sharing.lanes);
  for (const IntegerLayer& layer : model.h_s) h_s_.emplace_back(layer, engine, sums, sharing);
  std::vector<int32_t> offset;
  for (int e : tables_.context_exponent) {
    offset.push_back(static_cast<int32_t>(RoundingShift(int64_t{e} * model.scale_per_exponent, 16)));
  }
  of_latents_ = MakeSteps(model.latent_channels, model.feature_channels, model.context, tables_.context_exponent,
                          std::move(offset), engine, sums, sharing);
  of_latents_.unit = kLevelSixteenths;
  std::vector<int32_t> offset_of_z;
  for (int scale : tables_.z_scale) offset_of_z.push_back(-scale);
  of_hyper_latents_ = MakeSteps(model.hyper_channels, 0, model.context_z, tables_.z_exponent, std::move(offset_of_z),
                                engine, sums, sharing);
  of_hyper_latents_.unit = 1 << kSixteenthBits;
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
                                          SharedSides shared, std::vector<uint8_t>* index) {
  if (index) index->resize(static_cast<size_t>(h) * w * model_.latent_channels);
  Writer writer{y, z, *this, index, shared};
  rans_.Reserve(static_cast<size_t>(h) * w * model_.latent_channels);
  Code(writer, h, w, latents);
  return rans_.Finish();
}

void EntropyModel::SetWeight(double bits_per_squared_step) {
  if (search_) search_->SetWeight(bits_per_squared_step);
}

Status EntropyModel::Decode(const uint8_t* data, size_t size, int h, int w, Latents* latents) {
  Reader reader{model_, code_, bitstream::RansDecoder(data, size)};
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
  for (int k = 0; k < 4 && !coder.Damaged(); ++k) CodeStepOfY(coder, k, h, w, latents->y_hat.data());
}

/// From the units of z.
void EntropyModel::ComputeFeatures(const Latents& latents) {
  int h = (latents.h + 3) / 4, w = (latents.w + 3) / 4;
  const uint8_t* from = of_hyper_latents_.input.data();
  for (size_t i = 0; i < h_s_.size(); ++i) {
    const int out = h_s_[i].out(), factor = model_.h_s[i].depth_to_space;
    const size_t size = static_cast<size_t>(h) * w * out;
    const uint8_t* next = next_.Reserve(size);
    h_s_[i].RunRelu(from, h, w, next_.data(), out);
    const size_t run = static_cast<size_t>(out) / factor;  // one row of a block: (dx, c)
    uint8_t* to = features_.Reserve(size);
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        for (int dy = 0; dy < factor; ++dy) {
          std::memcpy(to + ((static_cast<size_t>(y) * factor + dy) * w + x) * run,
                      next + ((static_cast<size_t>(y) * w + x) * factor + dy) * run, run);
        }
      }
    }
    from = to;
    h *= factor, w *= factor;
  }
  const int p = model_.feature_channels, row = p + 2 * model_.latent_channels;
  std::vector<uint8_t>& input = of_latents_.input;
  input.assign(static_cast<size_t>(latents.h) * latents.w * row, 0);
  for (int y = 0; y < latents.h; ++y) {
    for (int x = 0; x < latents.w; ++x) {
      std::memcpy(input.data() + (static_cast<size_t>(y) * latents.w + x) * row,
                  from + (static_cast<size_t>(y) * w + x) * p, p);
    }
  }
  // The first step sees the features alone, without gaps between pixels.
  const size_t positions = static_cast<size_t>(latents.h) * latents.w;
  uint8_t* features = features_.Reserve(positions * p);
  for (size_t i = 0; i < positions; ++i) std::memcpy(features + i * p, input.data() + i * row, p);
}

const uint8_t* EntropyModel::RunContext(Steps& steps, const uint8_t* first, int step, int h, int w) {
  const uint8_t* src = step == 0 ? first : steps.input.data();
  for (IntegerConvolution& layer : steps.networks[step]) {
    uint8_t* to = next_.Reserve(static_cast<size_t>(h) * w * layer.out());
    layer.RunRelu(src, h, w, to, layer.out());
    hidden_.Swap(next_);
    src = to;
  }
  return src;
}

void EntropyModel::RunHeads(Steps& steps, const uint8_t* first, int step, int h, int w) {
  const int group = steps.channels / 4, width = steps.width[step];
  const uint8_t* hidden = RunContext(steps, first, step, h, w);
  // Each head sees the positions at which its group is coded, in raster order.
  for (int g = 0; g < 4; ++g) {
    const int phase = model_.phase_order[(g + step) % 4];
    const int positions = (h - (phase >> 1) + 1) / 2 * ((w - (phase & 1) + 1) / 2);
    if (positions == 0) continue;
    // In rows of one length, and one primitive for it: what is beyond the last is computed and not looked at.
    const int rows = (positions - 1) / kHeadRow + 1;
    const size_t size = static_cast<size_t>(rows) * kHeadRow;
    uint8_t* to = gathered_.Reserve(size * width);
    for (int y = phase >> 1; y < h; y += 2) {
      for (int x = phase & 1; x < w; x += 2, to += width) {
        std::memcpy(to, hidden + (static_cast<size_t>(y) * w + x) * width, width);
      }
    }
    std::fill_n(to, (size - positions) * width, uint8_t{0});
    steps.heads[step][g].RunHead(gathered_.data(), rows, kHeadRow, outputs_[g].Reserve(size * 2 * group));
  }
}

EntropyModel::Groups EntropyModel::GroupsAt(int step) const {
  Groups group_of_phase{};
  for (int g = 0; g < 4; ++g) group_of_phase[model_.phase_order[(g + step) % 4]] = g;
  return group_of_phase;
}

template <typename Coder, typename Means, typename Visit>
void EntropyModel::ForPositions(Coder& coder, Steps& steps, const uint8_t* first, int step, int h, int w,
                                const Means& means, const Visit& visit) {
  const int m = steps.channels, group = m / 4;
  const bool seen = !steps.heads[step].empty();
  if (seen) RunHeads(steps, first, step, h, w);
  const Groups group_of_phase = GroupsAt(step);
  const std::vector<int32_t> nothing(seen ? 0 : 2 * group);
  std::array<size_t, 4> next{};
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const int g = group_of_phase[PhaseOf(y, x)];
      const int32_t* head = seen ? outputs_[g].data() + next[g]++ * 2 * group : nothing.data();
      const size_t pixel = static_cast<size_t>(y) * w + x;
      const int c = g * group;
      if (x + 1 < w) {
        const size_t following = (pixel + 1) * m + group_of_phase[PhaseOf(y, x + 1)] * group;
        coder.Prefetch(following, group);
      }
      MeansAndIndices(head, head + group, steps.mean_of_head.data() + c, steps.index_offset.data() + c, group, means(),
                      steps.index.data());
      visit(y, x, c);
    }
  }
}

/// From a group's means at a position and steps.residual.
void EntropyModel::Finish(Steps& steps, const int32_t* means, size_t pixel, int c, int32_t* values) {
  const int m = steps.channels, row = steps.features + 2 * m;
  uint8_t* units = steps.input.data() + pixel * row + steps.features + c;
  ValuesAndUnits(means, steps.residual.data(), steps.unit, steps.units.data() + c, m / 4, values + pixel * m + c, units,
                 units + m);
}

template <typename Coder, typename Method>
void EntropyModel::CodeStep(Coder& coder, Method code, Steps& steps, const uint8_t* first, int step, int h, int w,
                            int32_t* values) {
  const int m = steps.channels, group = m / 4;
  const auto means = [&] { return steps.mean.data(); };
  ForPositions(coder, steps, first, step, h, w, means, [&](int y, int x, int c) {
    const size_t pixel = static_cast<size_t>(y) * w + x;
    Prefetch<1>(values + pixel * m + c, group);
    const int coded = ListCoded(steps.index.data(), group, steps.list.data());
    (coder.*code)(steps.list.data(), coded, steps.index.data(), steps.mean.data(), pixel * m + c, group,
                  steps.residual.data());
    Finish(steps, steps.mean.data(), pixel, c, values);
  });
}

void EntropyModel::CodeStepOfY(Reader& reader, int step, int h, int w, int32_t* values) {
  CodeStep(reader, &Reader::CodeY, of_latents_, features_.data(), step, h, w, values);
}

/// The search wants all that a step codes, before any of it is coded.
void EntropyModel::CodeStepOfY(Writer& writer, int step, int h, int w, int32_t* values) {
  Steps& steps = of_latents_;
  const int m = steps.channels, group = m / 4;
  writer.Begin(static_cast<size_t>(h) * w, group);
  const auto means = [&] { return writer.Means(group); };
  ForPositions(writer, steps, features_.data(), step, h, w, means, [&](int y, int x, int c) {
    const size_t at = (static_cast<size_t>(y) * w + x) * m + c;
    writer.Gather(steps.index.data(), group, at, writer.shared.Touch(y, x, h, w));
    if (writer.index_of_all) std::copy_n(steps.index.data(), group, writer.index_of_all->data() + at);
  });
  writer.Search();
  const Groups group_of_phase = GroupsAt(step);
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const size_t pixel = static_cast<size_t>(y) * w + x;
      const int c = group_of_phase[PhaseOf(y, x)] * group;
      Prefetch<1>(values + pixel * m + c, group);
      writer.CodeNext(group, steps.residual.data());
      Finish(steps, means_.data() + pixel * group, pixel, c, values);
    }
  }
}

}  // namespace lichen
