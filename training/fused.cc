// SPDX-License-Identifier: Apache-2.0
// Element-by-element work of a training step on a CPU, many passes of PyTorch in one: fused.py.
//
// bfloat16 comes as uint16_t. Activations are [rows][channels], as PyTorch's channels_last has them; rows are all
// positions of all samples. Each function has its plain form in model.py, integer.py or post_filter.py, which the
// comments name and fused_test.py compares.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "codec/trellis.cc"  // what the codec's encoder does

namespace {

constexpr float kLevels = 127;                           // ACTIVATION_MAX, WEIGHT_MAX
constexpr float kScale0 = 0.125f, kOctaves = 3.0f / 16;  // entropy tables
constexpr int kScales = 64;
constexpr int kPhaseOrder[] = {0, 3, 1, 2};

inline float Float(uint16_t v) {
  const uint32_t bits = uint32_t{v} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}
inline float Float(float v) { return v; }

inline void Put(float v, float* to) { *to = v; }
inline void Put(float v, uint16_t* to) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof(bits));
  *to = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// Adds up `count` floats per row range in threads. body(begin, end, sums)
template <typename Body>
void SumRows(int64_t rows, int64_t count, float* sums, const Body& body) {
  std::fill_n(sums, count, 0.0f);
#pragma omp parallel
  {
    std::vector<float> own(count);
#pragma omp for schedule(static) nowait
    for (int64_t block = 0; block < (rows + 63) / 64; ++block) {
      std::vector<float> part(count);  // of few rows, or the last of many would count for less
      body(block * 64, std::min(rows, block * 64 + 64), part.data());
      for (int64_t i = 0; i < count; ++i) own[i] += part[i];
    }
#pragma omp critical
    for (int64_t i = 0; i < count; ++i) sums[i] += own[i];
  }
}

// Rows by themselves, as compilers vectorise them where nothing can overlap.

template <typename T>
void RoundRowBackward(const uint16_t* __restrict gradient, const T* __restrict x, const float* __restrict inverse,
                      T* __restrict to_x, float* __restrict sums, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const float v = Float(x[c]), kept = std::fabs(v * inverse[c]) <= kLevels + 0.5f ? Float(gradient[c]) : 0.0f;
    Put(kept * inverse[c], to_x + c);
    sums[c] += kept * v;
  }
}

template <typename T>
void AffineRowBackward(const T* __restrict gradient, const T* __restrict out, const float* __restrict scale,
                       float slope, uint16_t* __restrict to_sums, float* __restrict sums, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const float g = Float(gradient[c]), v = Float(out[c]) < 0 ? g * slope : g;
    sums[c] += v;
    Put(v * scale[c], to_sums + c);
  }
}

template <typename T>
void RoundForward(const T* x, const float* inverse, uint16_t* out, int64_t rows, int64_t channels) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = x + r * channels;
    uint16_t* to = out + r * channels;
    for (int64_t c = 0; c < channels; ++c) {
      Put(std::min(std::max(std::nearbyintf(Float(from[c]) * inverse[c]), -kLevels), kLevels), to + c);
    }
  }
}

template <typename T>
void RoundBackward(const uint16_t* gradient, const T* x, const float* inverse, T* to_x, float* to_inverse, int64_t rows,
                   int64_t channels) {
  SumRows(rows, channels, to_inverse, [&](int64_t begin, int64_t end, float* sums) {
    for (int64_t r = begin; r < end; ++r) {
      RoundRowBackward(gradient + r * channels, x + r * channels, inverse, to_x + r * channels, sums, channels);
    }
  });
}

template <typename T>
void AffineForward(const uint16_t* sums, const float* scale, const float* bias, const T* residual, float slope, T* out,
                   int64_t rows, int64_t channels) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const uint16_t* from = sums + r * channels;
    const T* add = residual + r * channels;
    T* to = out + r * channels;
    if (residual) {
      for (int64_t c = 0; c < channels; ++c) Put(Float(add[c]) + (Float(from[c]) * scale[c] + bias[c]), to + c);
    } else {
      for (int64_t c = 0; c < channels; ++c) {
        const float v = Float(from[c]) * scale[c] + bias[c];
        Put(v < 0 ? v * slope : v, to + c);
      }
    }
  }
}

template <typename T>
void AffineBackward(const T* gradient, const T* out, const float* scale, float slope, uint16_t* to_sums, float* to_bias,
                    int64_t rows, int64_t channels) {
  SumRows(rows, channels, to_bias, [&](int64_t begin, int64_t end, float* sums) {
    for (int64_t r = begin; r < end; ++r) {
      AffineRowBackward(gradient + r * channels, out + r * channels, scale, slope, to_sums + r * channels, sums,
                        channels);
    }
  });
}

/// Where an element of the step's arrays lies in those of all latents.
struct Latents {
  int64_t n, h, w, m;  // samples, positions, channels; h and w even
  int step;

  int64_t Rows() const { return n * (h / 2) * (w / 2); }  // of each group
  int64_t Group() const { return m / 4; }
  int64_t Position(int group, int64_t row, int64_t* sample) const {
    const int phase = kPhaseOrder[(group + step) % 4];
    const int64_t u = row % (w / 2), v = row / (w / 2) % (h / 2);
    *sample = row / (w / 2) / (h / 2);
    return (*sample * h + 2 * v + phase / 2) * w + 2 * u + phase % 2;
  }
};

inline uint32_t Hash(uint32_t v) {  // lowbias32, Chris Wellons
  v ^= v >> 16;
  v *= 0x7feb352d;
  v ^= v >> 15;
  v *= 0x846ca68b;
  return v ^ (v >> 16);
}

constexpr float kLn2 = 0.69314718f;

/// Of the standard normal distribution.
inline float Density(float x) { return 0.39894228f * std::exp(-0.5f * x * x); }

/// Its probability beyond x >= 0, to 1.2e-7 of itself: Numerical Recipes in C, 2nd edition, erfcc().
inline float Tail(float x) {
  constexpr float kTerms[] = {-1.26551223f, 1.00002368f,  0.37409196f, 0.09678418f,  -0.18628806f,
                              0.27886807f,  -1.13520398f, 1.48851587f, -0.82215223f, 0.17087277f};
  const float z = x * 0.70710678f, t = 1 / (1 + 0.5f * z);
  float sum = kTerms[9];
  for (int i = 8; i >= 0; --i) sum = kTerms[i] + t * sum;
  return 0.5f * t * std::exp(sum - z * z);
}

constexpr float kLevel = lichen::kLevelSixteenths / 16.0f;  // from one level to the next, in steps

/// Symbols [count] of what is coded, and what TrellisSearch makes of `table`. As ../training/trellis.py
void Quantise(const float* exact, uint8_t* table, size_t count, const float* cost, double weight, int bits,
              int16_t* symbols) {
  constexpr size_t kCosts = size_t{2} * lichen::TrellisSearch::kTables * (lichen::TrellisSearch::kLargest + 1);
  lichen::TrellisSearch search(bits, std::vector<float>(cost, cost + kCosts), weight, 1);
  uint32_t state = 0;
  search.Run(exact, table, count, &state, symbols);
}

/// Within what can be coded; 0 where it is not finite, which -ffast-math does not let comparisons find out.
float Limited(float v) {
  constexpr float kLimit = 16384;
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof(bits));
  return (bits & 0x7f800000) == 0x7f800000 ? 0.0f : std::min(std::max(v, -kLimit), kLimit);
}

/// What a step codes of a sample, exact values in `residuals`, becomes levels.
void QuantiseSample(const Latents& at, int64_t sample, const float* indices, const float* cost, double weight, int bits,
                    float* residuals) {
  const int64_t of_sample = at.Rows() / at.n, group = at.Group();
  std::vector<float> exact;
  std::vector<uint8_t> table;
  std::vector<int64_t> coded;
  for (int64_t g = 0; g < 4; ++g) {
    const int64_t first = (g * at.Rows() + sample * of_sample) * group;
    for (int64_t i = first; i < first + of_sample * group; ++i) {
      const float index = std::min(std::max(std::floor(indices[i] + 0.5f), 0.0f), kScales - 1.0f);
      if (index > 0) {
        coded.push_back(i);
        exact.push_back(Limited(residuals[i]));
        table.push_back(static_cast<uint8_t>(index));
      } else {
        residuals[i] = 2 * kLevel * std::floor(residuals[i] / (2 * kLevel) + 0.5f);
      }
    }
  }
  std::vector<int16_t> symbols(coded.size());
  Quantise(exact.data(), table.data(), coded.size(), cost, weight, bits, symbols.data());
  for (size_t i = 0; i < coded.size(); ++i) {
    const int quantiser = table[i] / lichen::TrellisSearch::kTables;
    residuals[coded[i]] = kLevel * static_cast<float>(lichen::LevelOf(quantiser, symbols[i]));
  }
}

}  // namespace

extern "C" {

/// For trellis.py.
void lichen_trellis(const float* exact, const uint8_t* table, int64_t count, const float* cost, double weight, int bits,
                    int32_t* symbols, int32_t* quantisers) {
  std::vector<uint8_t> tables(table, table + count);
  std::vector<int16_t> found(tables.size());
  Quantise(exact, tables.data(), tables.size(), cost, weight, bits, found.data());
  std::copy(found.begin(), found.end(), symbols);
  for (int64_t i = 0; i < count; ++i) quantisers[i] = tables[i] / lichen::TrellisSearch::kTables;
}

/// RoundActivations of model.py. x is bfloat16 where `halves`, as is its gradient
void lichen_round_forward(const void* x, int halves, const float* inverse, uint16_t* out, int64_t rows,
                          int64_t channels) {
  if (halves) {
    RoundForward(static_cast<const uint16_t*>(x), inverse, out, rows, channels);
  } else {
    RoundForward(static_cast<const float*>(x), inverse, out, rows, channels);
  }
}

void lichen_round_backward(const uint16_t* gradient, const void* x, int halves, const float* inverse, void* to_x,
                           float* to_inverse, int64_t rows, int64_t channels) {
  if (halves) {
    RoundBackward(gradient, static_cast<const uint16_t*>(x), inverse, static_cast<uint16_t*>(to_x), to_inverse, rows,
                  channels);
  } else {
    RoundBackward(gradient, static_cast<const float*>(x), inverse, static_cast<float*>(to_x), to_inverse, rows,
                  channels);
  }
}

/// What follows the convolution of integers: scale and bias, then the residual is added, or a leaky unit; slope 1: none
void lichen_affine_forward(const uint16_t* sums, const float* scale, const float* bias, const void* residual,
                           float slope, void* out, int halves, int64_t rows, int64_t channels) {
  if (halves) {
    AffineForward(sums, scale, bias, static_cast<const uint16_t*>(residual), slope, static_cast<uint16_t*>(out), rows,
                  channels);
  } else {
    AffineForward(sums, scale, bias, static_cast<const float*>(residual), slope, static_cast<float*>(out), rows,
                  channels);
  }
}

void lichen_affine_backward(const void* gradient, const void* out, const float* scale, float slope, int halves,
                            uint16_t* to_sums, float* to_bias, int64_t rows, int64_t channels) {
  if (halves) {
    AffineBackward(static_cast<const uint16_t*>(gradient), static_cast<const uint16_t*>(out), scale, slope, to_sums,
                   to_bias, rows, channels);
  } else {
    AffineBackward(static_cast<const float*>(gradient), static_cast<const float*>(out), scale, slope, to_sums, to_bias,
                   rows, channels);
  }
}

/// IntegerConv of integer.py, after the convolution
void lichen_requantise_forward(const uint16_t* sums, const float* scale, const float* bias, uint16_t* out, int64_t rows,
                               int64_t channels) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const uint16_t* from = sums + r * channels;
    uint16_t* to = out + r * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float v = Float(from[c]) * scale[c] + bias[c];
      Put(std::floor(std::min(std::max(v, 0.0f), kLevels) + 0.5f), to + c);
    }
  }
}

void lichen_requantise_backward(const uint16_t* gradient, const uint16_t* sums, const float* scale, const float* bias,
                                uint16_t* to_sums, float* to_bias, int64_t rows, int64_t channels) {
  SumRows(rows, channels, to_bias, [&](int64_t begin, int64_t end, float* total) {
    for (int64_t r = begin; r < end; ++r) {
      const uint16_t *g = gradient + r * channels, *from = sums + r * channels;
      uint16_t* to = to_sums + r * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float v = Float(from[c]) * scale[c] + bias[c];
        const float passed = v >= 0 && v <= kLevels ? Float(g[c]) : 0.0f;
        total[c] += passed;
        Put(passed * scale[c], to + c);
      }
    }
  });
}

/// Integers of weights [outputs][taps][inputs], which are multiplied by a step of each input first; steps may be null.
/// scale: of each output, the least that holds them
void lichen_weights_forward(const float* weight, const float* steps, uint16_t* out, float* scale, int64_t outputs,
                            int64_t taps, int64_t inputs) {
#pragma omp parallel for schedule(static)
  for (int64_t o = 0; o < outputs; ++o) {
    const float* from = weight + o * taps * inputs;
    uint16_t* to = out + o * taps * inputs;
    float largest = 0;
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t i = 0; i < inputs; ++i) {
        largest = std::max(largest, std::fabs(from[t * inputs + i] * (steps ? steps[i] : 1.0f)));
      }
    }
    scale[o] = std::max(largest / kLevels, 1e-8f);
    const float inverse = 1 / scale[o];
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t i = 0; i < inputs; ++i) {
        const float v = from[t * inputs + i] * (steps ? steps[i] : 1.0f);
        Put(std::floor(v * inverse + 0.5f), to + t * inputs + i);
      }
    }
  }
}

void lichen_weights_backward(const uint16_t* gradient, const float* weight, const float* steps, const float* scale,
                             float* to_weight, float* to_steps, int64_t outputs, int64_t taps, int64_t inputs) {
  SumRows(outputs, inputs, to_steps, [&](int64_t begin, int64_t end, float* sums) {
    for (int64_t r = begin * taps; r < end * taps; ++r) {
      const float inverse = 1 / scale[r / taps];
      const uint16_t* g = gradient + r * inputs;
      const float* from = weight + r * inputs;
      float* to = to_weight + r * inputs;
      for (int64_t i = 0; i < inputs; ++i) {
        const float v = Float(g[i]) * inverse;
        to[i] = v * (steps ? steps[i] : 1.0f);
        sums[i] += v * from[i];
      }
    }
  });
}

/// A step of the context, as in Lichen.forward. Latents that are not coded yet lie in y as g_a gave them.
///
/// sums, scale, bias  what the head gives, [4][rows][2 Group()]: means, then scale indices, before scale and bias
///                    [4][2 Group()] of each group
/// exponent           context_exponent, [n][m]
/// cost, weight, trellis_bits: as of TrellisSearch; cost null: the nearest residuals, a step apart
/// y                  [n][h][w][m]: what the step codes becomes y_hat
/// units              bfloat16 [n][h][w][2 m], written where the step codes: what later steps take
/// bits               [n]: of the step; to_value, to_index: their derivatives, [4][rows][Group()]
void lichen_step_forward(const float* sums, const float* scale, const float* bias, const float* exponent,
                         const float* cost, double weight, int trellis_bits, int hard, uint32_t seed, int step,
                         int64_t n, int64_t h, int64_t w, int64_t m, float* y, uint16_t* units, float* bits, float* to_value,
                         float* to_index) {
  const Latents at{n, h, w, m, step};
  const int64_t rows = at.Rows(), group = at.Group();
  std::vector<float> down(n * m), up(n * m);
  for (int64_t i = 0; i < n * m; ++i) {
    down[i] = std::exp2(-exponent[i]);
    up[i] = std::exp2(exponent[i]);
  }
  // First means and indices of all that the step codes, then what it is coded as, then the rest.
  std::vector<float> means(4 * rows * group), indices(means.size()), residuals(means.size());
#pragma omp parallel for schedule(static)
  for (int64_t gr = 0; gr < 4 * rows; ++gr) {
    const int g = static_cast<int>(gr / rows);
    int64_t sample;
    const int64_t position = at.Position(g, gr % rows, &sample);
    const float *mean_sums = sums + gr * 2 * group, *index_sums = mean_sums + group;
    const float *s = scale + g * 2 * group, *b = bias + g * 2 * group;
    const int64_t of_sample = sample * m + g * group;
    const float* value = y + position * m + g * group;
    float *mean = means.data() + gr * group, *index = indices.data() + gr * group;
    float* residual = residuals.data() + gr * group;
    for (int64_t c = 0; c < group; ++c) {
      mean[c] = std::floor((mean_sums[c] * s[c] + b[c]) * 16 * down[of_sample + c] + 0.5f) * (1.0f / 16);
      float i = (index_sums[c] * s[group + c] + b[group + c]) * (1.0f / 16) - exponent[of_sample + c] * (1 / kOctaves);
      if (hard) i = std::floor(i + 0.5f);
      index[c] = i;
      residual[c] = cost ? value[c] - mean[c] : std::floor(value[c] - mean[c] + 0.5f);
    }
  }
  if (cost) {
#pragma omp parallel for schedule(static)
    for (int64_t sample = 0; sample < n; ++sample) {
      QuantiseSample(at, sample, indices.data(), cost, weight, trellis_bits, residuals.data());
    }
  }
  const float width = cost ? 2 * kLevel : 1;  // from one symbol's value to the next's
  std::vector<double> row_bits(4 * rows);
#pragma omp parallel for schedule(static)
  for (int64_t gr = 0; gr < 4 * rows; ++gr) {
    const int g = static_cast<int>(gr / rows);
    int64_t sample;
    const int64_t position = at.Position(g, gr % rows, &sample);
    const int64_t of_sample = sample * m + g * group;
    float* value = y + position * m + g * group;
    uint16_t* positive = units + position * 2 * m + g * group;
    uint16_t* negative = positive + m;
    float *dv = to_value + gr * group, *di = to_index + gr * group;
    const float *mean = means.data() + gr * group, *index = indices.data() + gr * group;
    const float* residual = residuals.data() + gr * group;
    const uint32_t first = Hash(seed + static_cast<uint32_t>(gr) * 0x9e3779b9u);
    // Loops of one kind of function each, which compilers vectorise.
    float bounded[512], inverse[512], size[512], upper[512], lower[512], density_upper[512], density_lower[512];
    for (int64_t c = 0; c < group; ++c) {
      bounded[c] = std::min(std::max(index[c], 0.0f), kScales - 1.0f);
      const float noise = static_cast<float>(Hash(first + static_cast<uint32_t>(c)) >> 8) * (1.0f / (1 << 24)) - 0.5f;
      size[c] = value[c] + width * noise - mean[c];
    }
    for (int64_t c = 0; c < group; ++c) inverse[c] = std::exp2(-bounded[c] * kOctaves) * (1 / kScale0);
    for (int64_t c = 0; c < group; ++c) {
      upper[c] = (0.5f * width - std::fabs(size[c])) * inverse[c];
      lower[c] = (-0.5f * width - std::fabs(size[c])) * inverse[c];
    }
    for (int64_t c = 0; c < group; ++c) density_upper[c] = Density(upper[c]);
    for (int64_t c = 0; c < group; ++c) density_lower[c] = Density(lower[c]);
    float p[512];
    for (int64_t c = 0; c < group; ++c) {
      const float tail = Tail(std::fabs(upper[c]));
      p[c] = upper[c] < 0 ? tail : 1 - tail;
    }
    for (int64_t c = 0; c < group; ++c) p[c] = std::max(p[c] - Tail(-lower[c]), 1e-9f);
    float total = 0;
    for (int64_t c = 0; c < group; ++c) total -= hard && bounded[c] == 0 ? 0.0f : std::log2(p[c]);
    for (int64_t c = 0; c < group; ++c) {
      const float kept = hard && bounded[c] == 0 ? 0.0f : 1.0f, by_p = -kept / (kLn2 * p[c]);
      const float by_size = by_p * (density_lower[c] - density_upper[c]) * inverse[c];
      dv[c] = size[c] < 0 ? -by_size : by_size;
      const float by_index = by_p * (lower[c] * density_lower[c] - upper[c] * density_upper[c]) * (kLn2 * kOctaves);
      const bool passed = index[c] <= kScales - 1 && (index[c] >= 0 || by_index < 0);  // LowerBound
      di[c] = passed ? by_index : 0.0f;
    }
    for (int64_t c = 0; c < group; ++c) {
      const float shown = (hard && bounded[c] == 0 ? 0.0f : residual[c]) + mean[c];
      value[c] = shown;
      size[c] = std::floor(shown * up[of_sample + c] + 0.5f);
    }
    for (int64_t c = 0; c < group; ++c) Put(std::min(std::max(size[c], 0.0f), kLevels), positive + c);
    for (int64_t c = 0; c < group; ++c) Put(std::min(std::max(-size[c], 0.0f), kLevels), negative + c);
    row_bits[gr] = total;
  }
  std::vector<double> sample_bits(n);
  for (int64_t gr = 0; gr < 4 * rows; ++gr) sample_bits[gr % rows / (rows / n)] += row_bits[gr];
  std::copy(sample_bits.begin(), sample_bits.end(), bits);
}

/// to_bits [n]; to_units of what the step wrote, null of the last; to_y of y_hat, becomes that of y; y as the step left
/// it -> to_sums, to_bias [4][2 Group()], to_exponent [n][m]
void lichen_step_backward(const float* to_bits, const uint16_t* to_units, const float* sums, const float* scale,
                          const float* bias, const float* exponent, const float* y, const float* to_value,
                          const float* to_index, int step, int64_t n, int64_t h, int64_t w, int64_t m, float* to_y,
                          float* to_sums, float* to_bias, float* to_exponent) {
  const Latents at{n, h, w, m, step};
  const int64_t rows = at.Rows(), group = at.Group(), rows_of_sample = rows / n;
  std::fill_n(to_bias, 2 * m, 0.0f);
  std::fill_n(to_exponent, n * m, 0.0f);
  std::vector<float> down(n * m), up(n * m);
  for (int64_t i = 0; i < n * m; ++i) {
    down[i] = std::exp2(-exponent[i]);
    up[i] = std::exp2(exponent[i]);
  }
#pragma omp parallel for schedule(static)
  for (int g = 0; g < 4; ++g) {
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t gr = g * rows + row;
      int64_t sample;
      const int64_t position = at.Position(g, row, &sample);
      const int64_t of_sample = (row / rows_of_sample) * m + g * group;
      const float *s = scale + g * 2 * group, *b = bias + g * 2 * group, *from = sums + gr * 2 * group;
      const float *value = y + position * m + g * group, *dv = to_value + gr * group, *di = to_index + gr * group;
      const uint16_t* positive = to_units ? to_units + position * 2 * m + g * group : nullptr;
      float* gy = to_y + position * m + g * group;
      float *gs = to_sums + gr * 2 * group, *gb = to_bias + g * 2 * group, *ge = to_exponent + of_sample;
      const float weight = to_bits[sample];
      for (int64_t c = 0; c < group; ++c) {
        float of_exponent = 0, of_value = gy[c];
        if (positive) {
          const float scaled = value[c] * up[of_sample + c], unit = std::floor(scaled + 0.5f);
          const float g_unit = (unit >= 0 && unit <= kLevels ? Float(positive[c]) : 0.0f) -
                               (unit <= 0 && unit >= -kLevels ? Float(positive[m + c]) : 0.0f);
          of_value += g_unit * up[of_sample + c];
          of_exponent += g_unit * scaled * kLn2;
        }
        gy[c] = of_value + weight * dv[c];
        const float raw = from[c] * s[c] + b[c], of_mean = -weight * dv[c] * down[of_sample + c];
        const float of_index = weight * di[c];
        ge[c] += of_exponent - of_mean * raw * kLn2 - of_index * (1 / kOctaves);
        gb[c] += of_mean;
        gb[group + c] += of_index * (1.0f / 16);
        gs[c] = of_mean * s[c];
        gs[group + c] = of_index * (1.0f / 16) * s[group + c];
      }
    }
  }
}

/// One step of Adam (torch.optim.Adam) with gradients as they are, where their norm is at most `most`, else made as
/// long. A norm that is not finite changes nothing. -> the norm
double lichen_adam(int64_t count, float* const* weights, const float* const* gradients, float* const* first,
                   float* const* second, const int64_t* sizes, double most, double rate, double beta1, double beta2,
                   double epsilon, double correction1, double correction2) {
  double squares = 0;
  for (int64_t t = 0; t < count; ++t) {
    const float* g = gradients[t];
#pragma omp parallel for schedule(static) reduction(+ : squares)
    for (int64_t block = 0; block < (sizes[t] + 4095) / 4096; ++block) {
      float sum = 0;
      for (int64_t i = block * 4096; i < std::min(sizes[t], block * 4096 + 4096); ++i) sum += g[i] * g[i];
      squares += sum;
    }
  }
  const double norm = std::sqrt(squares);
  uint64_t pattern;
  std::memcpy(&pattern, &norm, sizeof(pattern));
  if ((pattern >> 52 & 0x7ff) == 0x7ff) return norm;  // std::isfinite() is always true with -ffast-math
  const auto factor = static_cast<float>(std::min(1.0, most / (norm + 1e-6)));
  const auto b1 = static_cast<float>(beta1), b2 = static_cast<float>(beta2);
  const auto size = static_cast<float>(rate / correction1);
  const auto root = static_cast<float>(1 / std::sqrt(correction2)), e = static_cast<float>(epsilon);
  for (int64_t t = 0; t < count; ++t) {
    float *w = weights[t], *m = first[t], *v = second[t];
    const float* g = gradients[t];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < sizes[t]; ++i) {
      const float d = g[i] * factor;
      m[i] += (1 - b1) * (d - m[i]);
      v[i] = b2 * v[i] + (1 - b2) * d * d;
      w[i] -= size * m[i] / (std::sqrt(v[i]) * root + e);
    }
  }
  return norm;
}

}  // extern "C"

// The post-filter: post_filter.py.
namespace {

constexpr int kFeatures = 50, kRows = 56;  // features, three errors, and zeros
constexpr int kBlock = 512;                // pixels
constexpr float kClip = 0.01f;
constexpr float kYuv[3][3] = {{0.299f, 0.587f, 0.114f}, {-0.168736f, -0.331264f, 0.5f}, {0.5f, -0.418688f, -0.081312f}};

using Vector = float __attribute__((vector_size(64)));

/// A row of Y, U and V with a pixel more at each end.
void ColourRow(const float* x_hat, int64_t h, int64_t w, int64_t row, float* out) {
  row = std::min(std::max(row, int64_t{0}), h - 1);
  for (int c = 0; c < 3; ++c) {
    const float *r = x_hat + row * w, *g = r + h * w, *b = g + h * w;
    float* to = out + c * (w + 2) + 1;
    for (int64_t u = 0; u < w; ++u) {
      to[u] = kYuv[c][0] * (r[u] - 0.5f) + kYuv[c][1] * (g[u] - 0.5f) + kYuv[c][2] * (b[u] - 0.5f);
    }
    to[-1] = to[0];
    to[w] = to[w - 1];
  }
}

/// The features of `size` pixels from column `first` on: [kFeatures][kBlock]. rows: above, at, below, of ColourRow()
void Features(const float* const rows[3], int64_t w, int64_t first, int64_t size, float* out) {
  const auto feature = [&](int i) { return out + i * kBlock; };
  const auto plane = [&](int row, int c) { return rows[row] + c * (w + 2) + 1 + first; };
  const float *y = plane(1, 0), *u = plane(1, 1), *v = plane(1, 2);
  for (int64_t i = 0; i < size; ++i) {
    const float a = y[i], b = u[i], c = v[i], aa = a * a, bb = b * b, cc = c * c;
    const float all[] = {1,      a,      b,      c,      aa,        a * b,  a * c,  bb,     b * c,  cc,
                         aa * a, aa * b, aa * c, a * bb, a * b * c, a * cc, bb * b, bb * c, b * cc, cc * c};
    for (int k = 0; k < 20; ++k) out[k * kBlock + i] = all[k];
  }
  constexpr int kDirections[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};
  float *laplacian = feature(44), *activity = feature(45);
  std::fill_n(laplacian, size, 0.0f);
  std::fill_n(activity, size, 0.0f);
  for (int c = 0; c < 3; ++c) {
    for (int d = 0; d < 4; ++d) {
      const int dy = kDirections[d][0], dx = kDirections[d][1];
      const float *centre = plane(1, c), *after = plane(1 + dy, c) + dx, *before = plane(1 - dy, c) - dx;
      float *second = feature(20 + 4 * c + d), *clipped = feature(32 + 4 * c + d);
      for (int64_t i = 0; i < size; ++i) {
        const float a = after[i] - centre[i], b = before[i] - centre[i];
        second[i] = a + b;
        clipped[i] = std::min(std::max(a, -kClip), kClip) + std::min(std::max(b, -kClip), kClip);
      }
      if (c == 0) {
        for (int64_t i = 0; i < size; ++i) {
          laplacian[i] += second[i];
          activity[i] += std::fabs(after[i] - centre[i]) + std::fabs(before[i] - centre[i]);
        }
      }
    }
  }
  for (int64_t i = 0; i < size; ++i) {
    feature(46)[i] = activity[i] * u[i];
    feature(47)[i] = activity[i] * v[i];
    feature(48)[i] = u[i] * laplacian[i];
    feature(49)[i] = v[i] * laplacian[i];
    laplacian[i] *= y[i];
  }
}

/// Calls use(row, first, size, features [kFeatures][kBlock]) for all pixels of x_hat [3][h][w].
template <typename Use>
void ForFeatures(const float* x_hat, int64_t h, int64_t w, int64_t begin, int64_t end, float* features,
                 const Use& use) {
  std::vector<float> kept(3 * 3 * (w + 2));
  const auto row_of = [&](int64_t row) { return kept.data() + (row + 3) % 3 * 3 * (w + 2); };
  ColourRow(x_hat, h, w, begin - 1, row_of(begin - 1));
  ColourRow(x_hat, h, w, begin, row_of(begin));
  for (int64_t row = begin; row < end; ++row) {
    ColourRow(x_hat, h, w, row + 1, row_of(row + 1));
    const float* const rows[] = {row_of(row - 1), row_of(row), row_of(row + 1)};
    for (int64_t first = 0; first < w; first += kBlock) {
      const int64_t size = std::min<int64_t>(kBlock, w - first);
      Features(rows, w, first, size, features);
      use(row, first, size, features);
    }
  }
}

}  // namespace

extern "C" {

/// x, x_hat [3][h][w] -> sums of products: of features [50][50], of features and errors [50][3], of errors squared
void lichen_filter_observe(const float* x, const float* x_hat, int64_t h, int64_t w, double* gram, double* cross,
                           double* error) {
  std::vector<double> total(kRows * kRows);
#pragma omp parallel
  {
    std::vector<double> own(kRows * kRows);
#pragma omp for schedule(static)
    for (int64_t strip = 0; strip < (h + 31) / 32; ++strip) {
      alignas(64) static thread_local float rows[kRows * kBlock];
      std::fill_n(rows, kRows * kBlock, 0.0f);
      const int64_t end = std::min(h, strip * 32 + 32);
      ForFeatures(x_hat, h, w, strip * 32, end, rows, [&](int64_t row, int64_t first, int64_t size, float*) {
        for (int c = 0; c < 3; ++c) {
          const int64_t at = (c * h + row) * w + first;
          for (int64_t i = 0; i < size; ++i) rows[(kFeatures + c) * kBlock + i] = x[at + i] - x_hat[at + i];
        }
        const int64_t vectors = (size + 15) / 16;
        for (int k = 0; size % 16 && k < kFeatures + 3; ++k) {
          std::fill(rows + k * kBlock + size, rows + k * kBlock + vectors * 16, 0.0f);
        }
        for (int i = 0; i < kRows; i += 4) {
          for (int j = i; j < kRows; j += 4) {
            Vector sums[4][4] = {};
            const auto* a = reinterpret_cast<const Vector*>(rows + i * kBlock);
            const auto* b = reinterpret_cast<const Vector*>(rows + j * kBlock);
            for (int64_t v = 0; v < vectors; ++v) {
#pragma GCC unroll 4
              for (int p = 0; p < 4; ++p) {
#pragma GCC unroll 4
                for (int q = 0; q < 4; ++q) sums[p][q] += a[p * (kBlock / 16) + v] * b[q * (kBlock / 16) + v];
              }
            }
            for (int p = 0; p < 4; ++p) {
              for (int q = 0; q < 4; ++q) {
                double sum = 0;
                for (int lane = 0; lane < 16; ++lane) sum += sums[p][q][lane];
                own[(i + p) * kRows + j + q] += sum;
              }
            }
          }
        }
      });
    }
#pragma omp critical
    for (int i = 0; i < kRows * kRows; ++i) total[i] += own[i];
  }
  for (int i = 0; i < kFeatures; ++i) {
    for (int j = 0; j < kFeatures; ++j) gram[i * kFeatures + j] = total[std::min(i, j) * kRows + std::max(i, j)];
    for (int c = 0; c < 3; ++c) cross[i * 3 + c] = total[i * kRows + kFeatures + c];
  }
  *error = 0;
  for (int c = 0; c < 3; ++c) *error += total[(kFeatures + c) * kRows + kFeatures + c];
}

/// out [3][h][w] = weights [50][3] times the features of x_hat
void lichen_filter_apply(const float* x_hat, const float* weights, int64_t h, int64_t w, float* out) {
#pragma omp parallel for schedule(static)
  for (int64_t strip = 0; strip < (h + 31) / 32; ++strip) {
    alignas(64) static thread_local float rows[kFeatures * kBlock];
    ForFeatures(x_hat, h, w, strip * 32, std::min(h, strip * 32 + 32), rows,
                [&](int64_t row, int64_t first, int64_t size, const float* features) {
                  float *r = out + row * w + first, *g = r + h * w, *b = g + h * w;
                  for (int64_t i = 0; i < size; i += 16) {
                    Vector sums[3] = {};
                    for (int k = 0; k < kFeatures; ++k) {
                      const Vector f = *reinterpret_cast<const Vector*>(features + k * kBlock + i);
                      for (int c = 0; c < 3; ++c) sums[c] += f * weights[k * 3 + c];
                    }
                    const int64_t count = std::min<int64_t>(16, size - i);
                    for (int64_t lane = 0; lane < count; ++lane) {
                      r[i + lane] = sums[0][lane];
                      g[i + lane] = sums[1][lane];
                      b[i + lane] = sums[2][lane];
                    }
                  }
                });
  }
}

/// Means of x's `size` samples: share of the squared error of x_hat, the rest of that of x_hat + added; half its
/// gradient by x_hat
double lichen_distortion(const float* x, const float* x_hat, const float* added, float share, int64_t size,
                         float* gradient) {
  double total = 0;
  const float factor = 1.0f / static_cast<float>(size);
#pragma omp parallel for schedule(static) reduction(+ : total)
  for (int64_t block = 0; block < (size + 4095) / 4096; ++block) {
    float sum = 0;
    for (int64_t i = block * 4096; i < std::min(size, block * 4096 + 4096); ++i) {
      const float before = x_hat[i] - x[i], behind = before + added[i];
      sum += share * before * before + (1 - share) * behind * behind;
      gradient[i] = (share * before + (1 - share) * behind) * factor;
    }
    total += sum;
  }
  return total / static_cast<double>(size);
}

}  // extern "C"
