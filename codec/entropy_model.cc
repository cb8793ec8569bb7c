// SPDX-License-Identifier: Apache-2.0
#include "codec/entropy_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bitstream/rans.h"
#include "codec/coded_elements.h"
#include "codec/latent_arithmetic.h"
#include "codec/prefetch.h"

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

}  // namespace

/// An array of latents.
class LatentArray : public LatentSource {
 public:
  /// values: [][w][channels]
  LatentArray(const float* values, int w, int channels) : values_(values), w_(w), channels_(channels) {}

  void Get(int y, int x, int c, int count, float* values) const override { std::copy_n(At(y, x, c), count, values); }
  void Prefetch(int y, int x, int c, int count) const override { lichen::Prefetch<0>(At(y, x, c), count); }

 private:
  const float* At(int y, int x, int c) const { return values_ + (static_cast<size_t>(y) * w_ + x) * channels_ + c; }

  const float* values_;
  int w_, channels_;
};

/// What Code() needs of an encoder: it takes the values and returns what was coded. Of y, all that a step codes is
/// taken first (Gather), for the search, and coded then.
struct EntropyModel::Writer {
  const LatentSource& y;
  const float* z;
  EntropyModel& owner;                 // of the tables, the search and the memory
  std::vector<uint8_t>* index_of_all;  // may be null
  SharedSides shared;
  uint32_t state = 0;
  CodedElements elements = FastestCodedElements();

  /// Of a step that codes `positions` groups.
  void Begin(size_t positions, int group) {
    const size_t most = positions * group;
    owner.exact_.Reserve(most), owner.symbols_.Reserve(most), owner.means_.Reserve(most);
    owner.marks_.Reserve(most);
    owner.coded_.Reserve(positions * WordsOfCoded(group));
  }
  /// What is coded of a group of y, those whose index is not 0. position: its number among all; on_side: at a shared
  /// side
  void Gather(Band& band, Group& group, int count, size_t position, bool on_side) {
    ExactResiduals(group.y.data(), owner.means_.data() + position * count, count, group.exact.data());
    const size_t at = band.first + band.coded;
    band.coded += elements.take(group.index.data(), group.exact.data(), on_side ? TrellisSearch::kAtSide : 0, count,
                                owner.exact_.data() + at, owner.marks_.data() + at, Words(position, count));
  }
  /// Puts what is coded of the bands one behind the other. Returns the number.
  size_t Close(std::vector<Band>* bands) {
    size_t coded = 0;
    for (Band& band : *bands) {
      band.symbol = coded;
      std::copy_n(owner.exact_.data() + band.first, band.coded, owner.exact_.data() + coded);
      std::copy_n(owner.marks_.data() + band.first, band.coded, owner.marks_.data() + coded);
      coded += band.coded;
    }
    return coded;
  }
  /// Then, their symbols.
  void Search(size_t coded) {
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
  }
  /// The levels of a group, 0 where nothing is coded, whose first symbol stands at that place. Returns the number of
  /// symbols.
  size_t Levels(size_t position, size_t symbol, int count, Group& group) const {
    return static_cast<size_t>(elements.place(Words(position, count), owner.symbols_.data() + symbol,
                                              owner.marks_.data() + symbol, count, group.residual.data()));
  }
  /// Which elements of a group are coded.
  uint16_t* Words(size_t position, int count) const { return owner.coded_.data() + position * WordsOfCoded(count); }

  /// The `number` elements of a group's list, of the `count` from `from` on; the other residuals are set to 0.
  void CodeZ(int number, size_t from, int count, Group& group) {
    RoundResiduals(z + from, group.mean.data(), count, group.exact.data(), group.rounded.data());
    std::fill_n(group.residual.data(), count, 0);
    for (int n = 0; n < number; ++n) {
      const int32_t i = group.list[n];
      int32_t value = group.rounded[i];
      if (owner.of_z_ && value != 0) value = owner.of_z_->Choose(group.index[i], value, group.exact[i]);
      group.residual[i] = value;
      owner.rans_.Put(owner.model_.tables[group.index[i]], value);
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

  void CodeY(int number, size_t, int count, Group& group) {
    std::fill_n(group.residual.data(), count, 0);
    const bitstream::CdfTable* tables = model.tables.data() + kScaleTables;
    for (int n = 0; n < number; ++n) {
      const int32_t i = group.list[n];
      const int quantiser = TrellisCode::Quantiser(state);
      const int32_t symbol = rans.Get(tables[quantiser * kScaleTables + group.index[i]]);
      group.residual[i] = LevelOf(quantiser, symbol);
      state = code.Next(state, symbol);
    }
  }
  void CodeZ(int number, size_t, int count, Group& group) {
    std::fill_n(group.residual.data(), count, 0);
    for (int n = 0; n < number; ++n) {
      group.residual[group.list[n]] = rans.Get(model.tables[group.index[group.list[n]]]);
    }
  }
  bool Damaged() const { return rans.damaged(); }
};

EntropyModel::EntropyModel(const ModelData& model, int quality_index, int trellis_bits, IntegerEngine engine,
                           Quantiser quantiser, const Sharing& sharing)
    : model_(model),
      tables_(TablesAtQuality(model, quality_index)),
      sharing_(sharing),
      code_(trellis_bits),
      groups_(sharing.lanes) {
  for (Group& group : groups_) {
    const int most = std::max(model.latent_channels, model.hyper_channels) / 4;
    for (std::vector<float>* values : {&group.y, &group.exact}) values->resize(most);
    for (std::vector<int32_t>* values :
         {&group.mean, &group.index, &group.list, &group.residual, &group.rounded, &group.unwanted}) {
      values->resize(most);
    }
  }
  if (quantiser == Quantiser::kRateDistortion) {
    search_.emplace(trellis_bits, CostsOfSymbols(TablesOfY()), kBitsPerSquaredStep, WeightAtSides(quality_index),
                    sharing_);
    if (quality_index < kFinerZ) of_z_.emplace(OfZ(model.tables), RateDistortion::kBitsPerSquaredStepOfZ);
  }
  const auto sums = std::make_shared<std::vector<Scratch<int32_t>>>(sharing.lanes);
  for (const IntegerLayer& layer : model.h_s) h_s_.emplace_back(layer, engine, sums, sharing);
  std::vector<int32_t> offset;
  for (int e : tables_.context_exponent) {
    offset.push_back(static_cast<int32_t>(RoundingShift(int64_t{e} * model.scale_per_exponent, 16)));
  }
  of_latents_ = MakeSteps(model.latent_channels, model.feature_channels, model.context, tables_.context_exponent,
                          std::move(offset), engine, sums);
  of_latents_.unit = kLevelSixteenths;
  std::vector<int32_t> offset_of_z;
  for (int scale : tables_.z_scale) offset_of_z.push_back(-scale);
  of_hyper_latents_ =
      MakeSteps(model.hyper_channels, 0, model.context_z, tables_.z_exponent, std::move(offset_of_z), engine, sums);
  of_hyper_latents_.unit = 1 << kSixteenthBits;
}

EntropyModel::Steps EntropyModel::MakeSteps(int channels, int features,
                                            const std::array<std::vector<IntegerLayer>, 4>& networks,
                                            const std::vector<int>& exponents, std::vector<int32_t> offset,
                                            IntegerEngine engine, const IntegerConvolution::Sums& sums) const {
  const int group = channels / 4;
  Steps steps;
  steps.channels = channels;
  steps.features = features;
  for (int k = 0; k < 4; ++k) {
    const std::vector<IntegerLayer>& layers = networks[k];
    if (layers.empty()) continue;
    steps.width[k] = layers.back().in;
    for (size_t i = 0; i + 1 < layers.size(); ++i) {
      const SourcePitch source = i == 0 ? SourcePitch::kDense : SourcePitch::kFastest;  // the first take what others do
      steps.networks[k].emplace_back(layers[i], engine, sums, sharing_, source);
    }
    for (int g = 0; g < 4; ++g) {
      std::vector<int> outputs;
      for (int c = 0; c < group; ++c) outputs.push_back(g * group + c);
      for (int c = 0; c < group; ++c) outputs.push_back(channels + g * group + c);
      steps.heads[k].emplace_back(layers.back(), engine, outputs, sums, sharing_);
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
  return steps;
}

std::vector<uint8_t> EntropyModel::Encode(const float* y, const float* z, int h, int w, Latents* latents,
                                          SharedSides shared, std::vector<uint8_t>* index) {
  return Encode(LatentArray(y, w, model_.latent_channels), z, h, w, latents, shared, index);
}

std::vector<uint8_t> EntropyModel::Encode(const LatentSource& y, const float* z, int h, int w, Latents* latents,
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
  std::vector<IntegerConvolution>& layers = steps.networks[step];
  for (size_t i = 0; i < layers.size(); ++i) {
    const int pitch = i + 1 < layers.size() ? layers[i + 1].pitch() : layers[i].out();
    uint8_t* to = next_.Reserve(static_cast<size_t>(h) * w * pitch);
    layers[i].RunRelu(src, h, w, to, pitch);
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

template <typename Means, typename Visit>
void EntropyModel::ForPositions(const Steps& steps, int step, int begin, int end, int w, Group& group,
                                const Means& means, const Visit& visit) const {
  const int count = steps.channels / 4;
  const bool seen = !steps.heads[step].empty();
  const Groups group_of_phase = GroupsAt(step);
  const std::vector<int32_t> nothing(seen ? 0 : 2 * count);
  std::array<const int32_t*, 4> heads{};  // of each group at its next position
  for (int phase = 0; seen && phase < 4; ++phase) {
    const int down = phase >> 1, right = phase & 1, first = begin + ((begin ^ down) & 1);
    const size_t above = static_cast<size_t>(first - down) / 2 * ((w - right + 1) / 2);
    heads[phase] = outputs_[group_of_phase[phase]].data() + above * 2 * count;
  }
  for (int y = begin; y < end; ++y) {
    for (int x = 0; x < w; ++x) {
      const int phase = PhaseOf(y, x), c = group_of_phase[phase] * count;
      const int32_t* head = seen ? heads[phase] : nothing.data();
      if (seen) heads[phase] += 2 * count;
      MeansAndIndices(head, head + count, steps.mean_of_head.data() + c, steps.index_offset.data() + c, count, means(),
                      group.index.data());
      visit(y, x, c);
    }
  }
}

/// From a group's means at a position and its residuals. values: of the group
void EntropyModel::Finish(Steps& steps, const Group& group, const int32_t* means, size_t pixel, int c,
                          int32_t* values) {
  const int m = steps.channels, row = steps.features + 2 * m;
  uint8_t* units = steps.input.data() + pixel * row + steps.features + c;
  ValuesAndUnits(means, group.residual.data(), steps.unit, steps.units.data() + c, m / 4, values, units, units + m);
}

template <typename Coder, typename Method>
void EntropyModel::CodeStep(Coder& coder, Method code, Steps& steps, const uint8_t* first, int step, int h, int w,
                            int32_t* values) {
  const int m = steps.channels, count = m / 4;
  if (!steps.heads[step].empty()) RunHeads(steps, first, step, h, w);
  Group& group = groups_[0];
  const auto means = [&] { return group.mean.data(); };
  ForPositions(steps, step, 0, h, w, group, means, [&](int y, int x, int c) {
    const size_t pixel = static_cast<size_t>(y) * w + x;
    Prefetch<1>(values + pixel * m + c, count);
    const int coded = ListCoded(group.index.data(), count, group.list.data());
    (coder.*code)(coded, pixel * m + c, count, group);
    Finish(steps, group, group.mean.data(), pixel, c, values + pixel * m + c);
  });
}

void EntropyModel::CodeStepOfY(Reader& reader, int step, int h, int w, int32_t* values) {
  CodeStep(reader, &Reader::CodeY, of_latents_, features_.data(), step, h, w, values);
}

std::vector<EntropyModel::Band> EntropyModel::BandsOf(int h, int w) const {
  const int count = sharing_.lanes == 1 ? 1 : std::min(h, 4 * sharing_.lanes);
  std::vector<Band> bands(count);
  for (int i = 0; i < count; ++i) {
    bands[i].begin = h * i / count, bands[i].end = h * (i + 1) / count;
    bands[i].first = static_cast<size_t>(bands[i].begin) * w * (of_latents_.channels / 4);
  }
  return bands;
}

/// The search wants all that a step codes, before any of it is coded.
void EntropyModel::CodeStepOfY(Writer& writer, int step, int h, int w, int32_t* values) {
  Steps& steps = of_latents_;
  const int m = steps.channels, count = m / 4;
  RunHeads(steps, features_.data(), step, h, w);
  writer.Begin(static_cast<size_t>(h) * w, count);
  const Groups group_of_phase = GroupsAt(step);
  const auto channel = [&](int y, int x) { return group_of_phase[PhaseOf(y, x)] * count; };
  std::vector<Band> bands = BandsOf(h, w);
  const auto bands_count = static_cast<int>(bands.size());
  sharing_.ForEach(bands_count, [&](int lane, int i) {
    Band band = bands[i];
    Group& group = groups_[lane];
    size_t position = static_cast<size_t>(band.begin) * w;
    const auto means = [&] { return means_.data() + position * count; };
    ForPositions(steps, step, band.begin, band.end, w, group, means, [&](int y, int x, int c) {
      if (x + 1 < w) writer.y.Prefetch(y, x + 1, channel(y, x + 1), count);
      writer.y.Get(y, x, c, count, group.y.data());
      writer.Gather(band, group, count, position, writer.shared.Touch(y, x, h, w));
      if (writer.index_of_all) {
        std::copy_n(group.index.data(), count, writer.index_of_all->data() + position * m + c);
      }
      ++position;
    });
    bands[i] = band;
  });
  const size_t coded = writer.Close(&bands);
  writer.Search(coded);
  sharing_.ForEach(bands_count + 1, [&](int lane, int i) {
    if (i == 0) return rans_.Put(TablesOfY(), marks_.data(), symbols_.data(), coded);
    const Band& band = bands[i - 1];
    Group& group = groups_[lane];
    size_t symbol = band.symbol;
    for (int y = band.begin; y < band.end; ++y) {
      const bool wanted = writer.y.WantsCoded(y);
      for (int x = 0; x < w; ++x) {
        const size_t position = static_cast<size_t>(y) * w + x;
        const int c = channel(y, x);
        int32_t* to = wanted ? values + position * m + c : group.unwanted.data();
        if (wanted) Prefetch<1>(to, count);
        symbol += writer.Levels(position, symbol, count, group);
        Finish(steps, group, means_.data() + position * count, position, c, to);
      }
    }
  });
}

}  // namespace lichen
