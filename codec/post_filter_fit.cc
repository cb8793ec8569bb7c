// SPDX-License-Identifier: Apache-2.0
#include "codec/post_filter_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>
#include <utility>

#include "bitstream/post_filter_code.h"
#include "codec/dct_tile.h"
#include "codec/fixed_point.h"
#include "codec/post_filter.h"
#include "codec/scratch.h"
#include "codec/transform.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

constexpr int kFeatures = kPostFilterFeatures, kColours = 3;
constexpr int kPixels = PostFilterRows::kPixels;  // whose products are summed at a time
constexpr int kLanes = 16, kMostChunks = 32;      // of which floats add up so many
constexpr uint64_t kLeastPixels = 1 << 14;
// Latent positions at the sides of a window that count for nothing: what is around them is not known (SampledError).
constexpr int kMargin = 1;
constexpr int64_t kPixelsEnough = 1 << 16;  // rows are left out evenly where there are more
// Added to the diagonal, in parts of the squared error, so that coefficients stay small that do next to nothing.
constexpr double kRidge = 1e-3;
// Windows do not show all of a large picture: of these the one is taken whose coefficients, found with every second
// window, suit the others best.
constexpr double kRidges[] = {kRidge, 0.01, 0.03, 0.1, 0.3, 1, 3};

// Rows of pixels whose sums are taken together: they do not depend on the number of threads, and are added in order.
constexpr int kBand = 64;

/// What least squares need: sums over pixels of products of features and errors.
struct Sums {
  /// Features, the errors of R, G and B, and as many zeros as make it even.
  static constexpr int kRows = (kFeatures + kColours + 1) / 2 * 2;

  std::vector<double> products = std::vector<double>(kRows * kRows);  // the lower triangle, and more
  double pixels = 0;

  double gram(int i, int j) const { return products[std::max(i, j) * kRows + std::min(i, j)]; }
  double cross(int i, int colour) const { return products[(kFeatures + colour) * kRows + i]; }
  double SquaredError() const {
    double error = 0;
    for (int c = kFeatures; c < kFeatures + kColours; ++c) error += products[c * kRows + c];
    return error;
  }

  void Add(const Sums& other) {
    for (size_t i = 0; i < products.size(); ++i) products[i] += other.products[i];
    pixels += other.pixels;
  }
};

bool IsGray(const bitstream::Header& header) { return header.colour_type <= 2; }

/// Adds products of two rows of kPixels numbers, one behind the other, with two others: a0 b0, a0 b1, a1 b0, a1 b1.
/// sums: [4][kLanes], since one sum would wait for each addition to it.
LICHEN_VECTORISED
void AddProducts(const float* a, const float* b, float* sums) {
  float lanes[4][kLanes];
  std::memcpy(lanes, sums, sizeof lanes);
  for (int k = 0; k < kPixels; k += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      lanes[0][i] += a[k + i] * b[k + i];
      lanes[1][i] += a[k + i] * b[kPixels + k + i];
      lanes[2][i] += a[kPixels + k + i] * b[k + i];
      lanes[3][i] += a[kPixels + k + i] * b[kPixels + k + i];
    }
  }
  std::memcpy(sums, lanes, sizeof lanes);
}

/// Sums of features and errors of pixels.
class Collector {
 public:
  /// gray: decoders give the mean of R, G and B, whose error then counts for all three
  explicit Collector(bool gray) : gray_(gray) {
    // Not vectors, whose elements lie across the ends of cache lines.
    std::fill_n(rows_.Reserve(size_t{Sums::kRows} * kPixels), Sums::kRows * kPixels, 0.0f);
    std::fill_n(lanes_.Reserve(size_t{kBlocks} * kLanesOfBlock), kBlocks * kLanesOfBlock, 0.0f);
  }

  /// A row of pixels from `begin` on. x_hat: as g_s gives it; samples: of the picture, 0..65535
  void AddRow(const PostFilterRows& around, const float* x_hat, const uint16_t* samples, int begin, int end) {
    for (int x = begin; x < end; x += kPixels) {
      const int pixels = std::min(kPixels, end - x);
      around.Features(x, pixels, rows_.data());
      for (int c = 0; c < kColours; ++c) {
        float* to = rows_.data() + (kFeatures + c) * kPixels;
        for (int i = 0; i < pixels; ++i) {
          const float* colours = x_hat + (x + i) * kColours;
          const float value = gray_ ? (colours[0] + colours[1] + colours[2]) / kColours : colours[c];
          const float level = std::min(std::max(value, -0.5f), 0.5f);
          to[i] = static_cast<float>(samples[(x + i) * kColours + c]) * (1.0f / 65535) - 0.5f - level;
        }
      }
      for (int row = 0; row < Sums::kRows; ++row) {
        std::fill_n(rows_.data() + row * kPixels + pixels, kPixels - pixels, 0.0f);
      }
      sums_.pixels += pixels;
      Sum();
    }
  }

  const Sums& Finish() {
    Flush();
    return sums_;
  }

 private:
  /// work(i, j, index) for all pairs of two rows of products
  template <typename Work>
  static void ForBlocks(const Work& work) {
    int index = 0;
    for (int i = 0; i < Sums::kRows; i += 2) {
      for (int j = 0; j <= i; j += 2) work(i, j, index++);
    }
  }

  void Sum() {
    ForBlocks([&](int i, int j, int index) {
      AddProducts(rows_.data() + i * kPixels, rows_.data() + j * kPixels, lanes_.data() + index * kLanesOfBlock);
    });
    if (++chunks_ == kMostChunks) Flush();
  }

  void Flush() {
    ForBlocks([&](int i, int j, int index) {
      double* to = sums_.products.data() + i * Sums::kRows + j;
      const float* lanes = lanes_.data() + index * kLanesOfBlock;
      const auto sum = [](const float* of) { return std::accumulate(of, of + kLanes, 0.0); };
      to[0] += sum(lanes);
      to[1] += sum(lanes + kLanes);
      to[Sums::kRows] += sum(lanes + 2 * kLanes);
      to[Sums::kRows + 1] += sum(lanes + 3 * kLanes);
    });
    std::fill_n(lanes_.data(), kBlocks * kLanesOfBlock, 0.0f);
    chunks_ = 0;
  }

  static constexpr int kLanesOfBlock = 4 * kLanes, kBlocks = Sums::kRows / 2 * (Sums::kRows / 2 + 1) / 2;

  bool gray_;
  Scratch<float> rows_;   // [Sums::kRows][kPixels]
  Scratch<float> lanes_;  // [kBlocks][4][kLanes]
  int chunks_ = 0;
  Sums sums_;
};

/// Sums over what counts of a window. The picture's pixels end at height and width.
Status AddWindow(const SampleWindows::Window& window, const TileGrid& grid, const bitstream::Header& header,
                 int row_step, const std::vector<float>& step_of_y, Transform& g_s, Workers& workers, Sums* sums) {
  const int h = window.rows.size(), w = window.columns.size();
  g_s.Begin(w);
  float* y_hat = g_s.Input(h);
  const size_t channels = step_of_y.size();
  workers.ForRanges(static_cast<size_t>(h) * w, 1 << 8, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float* from = window.y_hat.data() + i * channels;
      for (size_t c = 0; c < channels; ++c) y_hat[i * channels + c] = from[c] * step_of_y[c];
    }
  });
  LICHEN_ASSIGN_OR_RETURN(const Strip x_hat, g_s.Next(y_hat, h, true));
  const auto counted = [](Span span, int canvas, uint32_t picture) {
    const int begin = span.begin > 0 ? kMargin * kLatentPixels : 0;
    const int end = (span.size() - (span.end < canvas ? kMargin : 0)) * kLatentPixels;
    return Span{begin, std::min(end, static_cast<int>(picture) - span.begin * kLatentPixels)};
  };
  const Span rows = counted(window.rows, grid.height(), header.height);
  const Span columns = counted(window.columns, grid.width(), header.width);
  if (rows.size() <= 0 || columns.size() <= 0) return Status();
  const size_t pitch = static_cast<size_t>(w) * kLatentPixels * kColours;
  std::vector<Sums> of_bands((rows.size() + kBand - 1) / kBand);
  workers.ForEach(static_cast<int>(of_bands.size()), [&](int, int band) {
    Collector collector(IsGray(header));
    PostFilterRows around;
    const int top = rows.begin + band * kBand, end = std::min(top + kBand, rows.end);
    const int begin = (top + row_step - 1) / row_step * row_step;
    const auto row = [&](int y) { return x_hat.rows + std::clamp(y, 0, h * kLatentPixels - 1) * pitch; };
    for (int y = begin; y < end; y += row_step) {
      around.Begin(row(y - 1), row(y), row(y + 1), w * kLatentPixels);
      collector.AddRow(around, row(y), window.samples.data() + y * pitch, columns.begin, columns.end);
    }
    of_bands[band] = collector.Finish();
  });
  for (const Sums& band : of_bands) sums->Add(band);
  return Status();
}

/// A quadratic function of the coefficients: c matrix c - 2 c side is the change of the squared error.
struct Quadratic {
  int n = 0;
  std::vector<double> matrix, side;  // [n][n], [n]
  double left = 0;                   // the squared error that the mean leaves

  double Change(const std::vector<double>& c) const {
    double sum = 0;
    for (int k = 0; k < n; ++k) {
      double through = -2 * side[k];
      for (int l = 0; l < n; ++l) through += matrix[k * n + l] * c[l];
      sum += c[k] * through;
    }
    return sum;
  }

  void Add(const Quadratic& other) {
    for (size_t i = 0; i < matrix.size(); ++i) matrix[i] += other.matrix[i];
    for (size_t i = 0; i < side.size(); ++i) side[i] += other.side[i];
    left += other.left;
  }

  /// Of the first `count` coefficients alone.
  Quadratic First(int count) const {
    Quadratic q;
    q.n = count;
    q.left = left;
    q.side.assign(side.begin(), side.begin() + count);
    for (int k = 0; k < count; ++k) {
      q.matrix.insert(q.matrix.end(), matrix.begin() + k * n, matrix.begin() + k * n + count);
    }
    return q;
  }

  /// share: of the squared error
  Quadratic WithRidge(double share) const {
    Quadratic q = *this;
    for (int k = 0; k < n; ++k) q.matrix[k * n + k] += share * left;
    return q;
  }
};

/// out[r][c] += sum over i of a[r][i] b[i][c]
LICHEN_VECTORISED
void AddMatrixProduct(const double* a, const double* b, int rows, int inner, int columns, double* out) {
  for (int r = 0; r < rows; ++r, out += columns) {
    for (int i = 0; i < inner; ++i) {
      const double factor = a[r * inner + i];
      const double* row = b + i * columns;
#pragma omp simd
      for (int c = 0; c < columns; ++c) out[c] += factor * row[c];
    }
  }
}

/// gray: as for Collector
Quadratic ForCoefficients(const PostFilterData& filter, int quality_index, bool gray, const Sums& sums) {
  constexpr int kWeights = kFeatures * kColours;
  std::vector<double> gram(size_t{kFeatures} * kFeatures);
  for (int i = 0; i < kFeatures; ++i) {
    for (int j = 0; j < kFeatures; ++j) gram[i * kFeatures + j] = sums.gram(i, j);
  }
  const auto for_colours = [gray](double* weights) {  // [feature][3]
    for (int i = 0; gray && i < kWeights; i += kColours) {
      std::fill_n(weights + i, kColours, (weights[i] + weights[i + 1] + weights[i + 2]) / kColours);
    }
  };
  const std::vector<float> weights = PostFilterWeights(filter, quality_index, {});
  std::vector<double> mean(weights.begin(), weights.end()), moved(kWeights);
  for_colours(mean.data());
  AddMatrixProduct(gram.data(), mean.data(), kFeatures, kFeatures, kColours, moved.data());
  Quadratic q;
  q.left = sums.SquaredError();
  std::vector<double> cross(kWeights);  // with what the mean leaves
  for (int i = 0; i < kWeights; ++i) {
    const double whole = sums.cross(i / kColours, i % kColours);
    q.left += mean[i] * (moved[i] - 2 * whole);
    cross[i] = whole - moved[i];
  }
  q.left = std::max(q.left, 0.0);
  const int n = static_cast<int>(filter.sizes.size());
  q.n = n;
  q.matrix.resize(static_cast<size_t>(n) * n);
  q.side.resize(n);
  const double amplitude = GainsAtQuality(filter.amplitude, 1, quality_index)[0];
  std::vector<double> components(filter.components.begin(), filter.components.end());
  for (double& weight : components) weight *= amplitude;
  for (int k = 0; k < n; ++k) for_colours(components.data() + k * kWeights);
  // Through the gram, component by component within a feature; and both as the product of matrices wants them.
  std::vector<double> by_feature(components.size()), through(components.size());
  const auto at = [n](int k, int i) { return (i / kColours * n + k) * kColours + i % kColours; };
  for (int k = 0; k < n; ++k) {
    for (int i = 0; i < kWeights; ++i) by_feature[at(k, i)] = components[k * kWeights + i];
  }
  AddMatrixProduct(gram.data(), by_feature.data(), kFeatures, kFeatures, n * kColours, through.data());
  std::vector<double> rows(components.size()), columns(components.size());  // [k][weight], [weight][k]
  for (int k = 0; k < n; ++k) {
    for (int i = 0; i < kWeights; ++i) {
      rows[k * kWeights + i] = through[at(k, i)];
      columns[i * n + k] = components[k * kWeights + i];
    }
  }
  AddMatrixProduct(rows.data(), columns.data(), n, kWeights, n, q.matrix.data());
  AddMatrixProduct(cross.data(), columns.data(), 1, kWeights, n, q.side.data());
  return q;
}

/// What solves matrix * c = side: by conjugate gradients, as the matrix is positive.
std::vector<double> Solve(const Quadratic& q) {
  std::vector<double> c(q.n), residual = q.side, direction = q.side, moved(q.n);
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  double square = dot(residual, residual);
  const double enough = 1e-12 * square;
  for (int step = 0; step < 4 * q.n && square > enough; ++step) {
    std::fill(moved.begin(), moved.end(), 0.0);
    AddMatrixProduct(direction.data(), q.matrix.data(), 1, q.n, q.n, moved.data());
    const double share = square / dot(direction, moved);
    for (int k = 0; k < q.n; ++k) {
      c[k] += share * direction[k];
      residual[k] -= share * moved[k];
    }
    const double next = dot(residual, residual);
    for (int k = 0; k < q.n; ++k) direction[k] = residual[k] + next / square * direction[k];
    square = next;
  }
  return c;
}

/// The ridge with which one half tells most of the other; 0 if it tells nothing.
double ChooseRidge(const std::array<Quadratic, 2>& halves, Workers& workers) {
  constexpr int kCount = std::size(kRidges);
  double changes[kCount][2];
  workers.ForEach(2 * kCount, [&](int, int i) {
    const int half = i % 2;
    changes[i / 2][half] = halves[1 - half].Change(Solve(halves[half].WithRidge(kRidges[i / 2])));
  });
  double chosen = 0, least = 0;
  for (int i = 0; i < kCount; ++i) {
    const double change = changes[i][0] + changes[i][1];
    if (change < least) {
      least = change;
      chosen = kRidges[i];
    }
  }
  return chosen;
}

/// The whole numbers that cost least at a precision: bits, and the change of the squared error, which is worth `weight`
/// bits. One at a time moves to where the cost falls, until none does.
class Rounding {
 public:
  Rounding(const Quadratic& q, const std::vector<int8_t>& sizes, double weight, int precision)
      : q_(q), sizes_(sizes), weight_(weight), precision_(precision), step_(std::ldexp(1.0, -precision)) {}

  /// Starts from `exact`. Returns the cost.
  double Run(const std::vector<double>& exact) {
    values_.assign(q_.n, 0);
    bits_.assign(q_.n, 0);
    for (int k = 0; k < q_.n; ++k) bits_[k] = BitsOf(k, 0);
    end_ = used_ = 0;
    through_.assign(q_.n, 0);
    change_ = 0;
    for (int k = 0; k < q_.n; ++k) {
      if (!std::isfinite(exact[k])) continue;  // of a broken model
      Move(k, static_cast<int>(std::lround(std::clamp(exact[k], -kMost, kMost) / step_)));
    }
    constexpr int kMostSweeps = 12;
    bool moved = true;
    for (int sweep = 0; sweep < kMostSweeps && moved; ++sweep) {
      moved = false;
      for (int k = q_.n - 1; k >= 0; --k) {
        const int before = values_[k];
        double best = weight_ * change_ + BitsWith(k, before);
        int chosen = before;
        for (const int value : {0, before - 1, before + 1}) {
          if (value == before) continue;
          const double cost = weight_ * (change_ + ChangeOf(k, value)) + BitsWith(k, value);
          if (cost < best) {
            best = cost;
            chosen = value;
          }
        }
        if (chosen != before) Move(k, chosen);
        moved |= chosen != before;
      }
    }
    return weight_ * change_ + Bits();
  }

  const std::vector<int>& values() const { return values_; }
  /// That the values take.
  size_t bytes() const { return static_cast<size_t>(Bits()) / 8; }

 private:
  static constexpr double kMost = 8;  // in size, of a coefficient: usual ones are below 1

  /// How the squared error changes when value k becomes `value`.
  double ChangeOf(int k, int value) const {
    const double delta = (value - values_[k]) * step_;
    return delta * (delta * q_.matrix[k * q_.n + k] + 2 * (through_[k] - q_.side[k]));
  }

  void Move(int k, int value) {
    change_ += ChangeOf(k, value);
    const double delta = (value - values_[k]) * step_;
    AddMatrixProduct(&delta, q_.matrix.data() + k * q_.n, 1, 1, q_.n, through_.data());
    const auto [end, used] = Used(k, value);
    end_ = end;
    used_ = used;
    values_[k] = value;
    bits_[k] = BitsOf(k, value);
  }

  int BitsOf(int k, int value) const { return bitstream::PostFilterValueBits(value, precision_, sizes_[k]); }

  /// The end of the values up to the last that is not 0, and their bits, once value k is `value`.
  std::pair<int, int> Used(int k, int value) const {
    int end = end_, used = used_;
    if (k < end) {
      used += BitsOf(k, value) - bits_[k];
    } else if (value != 0) {
      for (; end < k; ++end) used += bits_[end];
      used += BitsOf(end++, value);
    }
    if (k + 1 == end && value == 0) {  // with it go those before it that are 0
      used -= BitsOf(k, 0);
      for (--end; end > 0 && values_[end - 1] == 0; --end) used -= bits_[end - 1];
    }
    return {end, used};
  }

  /// Whole bytes.
  int BitsWith(int k, int value) const { return WholeBytes(Used(k, value).second); }
  int Bits() const { return WholeBytes(used_); }
  static int WholeBytes(int used) {
    constexpr int kPrecisionBits = 4;
    return used == 0 ? 0 : (used + kPrecisionBits + 7) / 8 * 8;
  }

  const Quadratic& q_;
  const std::vector<int8_t>& sizes_;
  double weight_;
  int precision_;
  double step_;
  std::vector<int> values_, bits_;  // bits_: of each value
  int end_ = 0, used_ = 0;          // of the values up to the last that is not 0: where they end, and their bits
  std::vector<double> through_;     // matrix * coefficients
  double change_ = 0;               // of the squared error
};

/// A picture at 50 dB from the decoder's will do for one that is at 40 dB from the original, but not at the highest
/// qualities: 0.1 % of the rate at -q 95.
TransformPrecision PrecisionToFit(int quality_index) {
  return quality_index < kMaxQualityIndex * 3 / 4 ? CoarseSynthesisPrecision() : SynthesisPrecision();
}

}  // namespace

bool IsWorthAPostFilter(const ModelData& model, const bitstream::Header& header) {
  return !model.post_filter.mean.empty() && uint64_t{header.width} * header.height >= kLeastPixels;
}

Result<FittedPostFilter> FitPostFilter(const ModelData& model, const bitstream::Header& header,
                                       const SampleWindows& samples, Workers& workers,
                                       std::shared_ptr<TransformMemory> memory) {
  const TileGrid grid(header);
  const auto quality_index = static_cast<int>(header.quality_index);
  const std::vector<float> step_of_y = TablesAtQuality(model, quality_index).inverse_gain_y;
  int64_t positions = 0;
  for (const SampleWindows::Window& window : samples.windows()) {
    positions += int64_t{window.rows.size()} * window.columns.size();
  }
  const int64_t pixels_there = positions * kLatentPixels * kLatentPixels;
  // Odd, so that rows of all places within blocks of 2, 4, 8 and 16 count, which err differently.
  const int row_step = static_cast<int>(std::max<int64_t>(1, pixels_there / kPixelsEnough)) | 1;
  std::array<Sums, 2> sums;  // of every second window
  const auto windows = static_cast<int>(samples.windows().size());
  const auto add_window = [&](int i, Transform& g_s, Workers& its_workers, Sums* to) {
    return AddWindow(samples.windows()[i], grid, header, row_step, step_of_y, g_s, its_workers, to);
  };
  const TransformPrecision of_g_s = PrecisionToFit(quality_index);
  if (windows < workers.threads()) {
    Transform g_s(model.g_s, quality_index, of_g_s, workers, std::move(memory));
    for (int i = 0; i < windows; ++i) LICHEN_RETURN_IF_ERROR(add_window(i, g_s, workers, &sums[i % 2]));
  } else {
    // Windows are small: each thread takes one after the other.
    Workers alone(1);
    std::vector<std::unique_ptr<Transform>> lanes(workers.threads());
    std::vector<Sums> of_windows(windows);
    LICHEN_RETURN_IF_ERROR(workers.TryEach(windows, [&](int lane, int i) {
      std::unique_ptr<Transform>& g_s = lanes[lane];
      if (!g_s) {
        g_s = std::make_unique<Transform>(model.g_s, quality_index, of_g_s, alone, lane == 0 ? memory : nullptr);
      }
      return add_window(i, *g_s, alone, &of_windows[i]);
    }));
    for (int i = 0; i < windows; ++i) sums[i % 2].Add(of_windows[i]);
  }
  std::array<Quadratic, 2> halves;
  workers.ForEach(samples.whole() ? 1 : 2, [&](int, int i) {
    halves[i] = ForCoefficients(model.post_filter, quality_index, IsGray(header), sums[i]);
  });
  Quadratic q = halves[0];
  double ridge = kRidge;
  if (!samples.whole()) {
    ridge = ChooseRidge(halves, workers);
    q.Add(halves[1]);
  }
  FittedPostFilter fitted;
  if (!(q.left > 0)) return fitted;  // nor where a broken model gave what is no number
  const double scale = double{1} * header.width * header.height / (sums[0].pixels + sums[1].pixels);
  const auto set_error = [&](double change) {
    if (!samples.whole()) return;
    const int colours = IsGray(header) ? 1 : kColours;
    const double rounding = double{1} * header.width * header.height * colours / 12;  // of samples to 8 bits
    fitted.error = {(q.left + change) * 255 * 255 * scale * colours / kColours + rounding, row_step == 1};
  };
  set_error(0);
  if (ridge == 0) return fitted;
  const Quadratic without_ridge = std::move(q);
  q = without_ridge.WithRidge(ridge);
  // Bits that the whole picture's squared error is worth. Lambda is for squared levels of 8 bits, means over samples.
  const double weight = LambdaAtQuality(quality_index) * 255 * 255 / kColours * scale;
  bitstream::PostFilterCoefficients chosen;
  double least = 0;
  // Each coefficient before the last takes a bit at least. Those that the last ones would correct differ without them.
  for (int count = q.n; count > 0; count /= 2) {
    const Quadratic first = q.First(count);
    const std::vector<double> exact = Solve(first);
    constexpr int kPatience = 3;  // precisions in a row that cost more than one that is worth its bits
    double least_of_count = 0;
    for (int precision = 2, worse = 0; precision <= bitstream::kMaxPostFilterPrecision && worse < kPatience;
         ++precision) {
      Rounding rounding(first, model.post_filter.sizes, weight, precision);
      const double cost = rounding.Run(exact);
      worse = cost < least_of_count ? 0 : worse + (least_of_count < 0 ? 1 : 0);
      least_of_count = std::min(least_of_count, cost);
      if (cost < least && rounding.bytes() <= bitstream::kMaxPostFilterBytes) {
        least = cost;
        chosen = {precision, rounding.values()};
      }
    }
  }
  std::vector<double> coefficients(q.n);
  for (size_t k = 0; k < chosen.values.size(); ++k) {
    coefficients[k] = std::ldexp(static_cast<double>(chosen.values[k]), -chosen.precision);
  }
  set_error(without_ridge.Change(coefficients));
  while (!chosen.values.empty() && chosen.values.back() == 0) chosen.values.pop_back();
  fitted.bytes = bitstream::WritePostFilter(chosen, model.post_filter.sizes);
  return fitted;
}

uint64_t PostFilterFitMemory(const ModelData& model, const TileGrid& grid, int threads, uint64_t of_memory) {
  const uint64_t windows = SampleWindows::Memory(grid, model.latent_channels);
  const bool whole = SampleWindows::AreWhole(grid);
  const int h = whole ? grid.height() : SampleWindows::kSide, w = whole ? grid.width() : SampleWindows::kSide;
  constexpr uint64_t kSums = uint64_t{Sums::kRows} * Sums::kRows * sizeof(double);
  const uint64_t bands = (uint64_t(h) * kLatentPixels + kBand - 1) / kBand * kSums;
  const uint64_t rows = uint64_t{3} * kColours * (uint64_t(w) * kLatentPixels + 2) * sizeof(float);
  constexpr uint64_t kChunk = uint64_t{Sums::kRows} * (kPixels + Sums::kRows * kLanes) * sizeof(float);
  constexpr uint64_t kCode = uint64_t{6} << 20;  // oneDNN's, for the layers of one more transform
  const uint64_t transform = Transform::Memory(model.g_s, model.latent_channels, h, w, SynthesisPrecision(), true);
  const uint64_t of_others = (whole ? 0 : threads - 1) * transform;
  return windows + std::max(transform, of_memory) - of_memory + of_others + (whole ? 1 : threads) * bands + kCode +
         uint64_t(threads) * (kSums + rows + kChunk);
}

}  // namespace lichen
