// SPDX-License-Identifier: Apache-2.0
#include "codec/integer_network.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "codec/fixed_point.h"
#include "codec/latent_arithmetic.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

/// The reference: no library, no cleverness. Sums stay below 2^24 (checked when a model is parsed).
class PlainAccumulator : public IntegerAccumulator {
 public:
  PlainAccumulator(int in, int out, int kernel, const int8_t* weight)
      : in_(in), out_(out), kernel_(kernel), weight_(static_cast<size_t>(out) * in * kernel * kernel) {
    // [out][in][ky][kx] -> [ky][kx][in][out], so that the inner loop runs over outputs.
    const int taps = kernel * kernel;
    for (int o = 0; o < out; ++o) {
      for (int i = 0; i < in; ++i) {
        for (int t = 0; t < taps; ++t) {
          weight_[(static_cast<size_t>(t) * in + i) * out + o] = weight[(static_cast<size_t>(o) * in + i) * taps + t];
        }
      }
    }
  }

  void Run(const uint8_t* src, int h, int w, int32_t* acc) override {
    const int half = kernel_ / 2;
    std::fill(acc, acc + static_cast<size_t>(h) * w * out_, 0);
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        int32_t* sums = acc + (static_cast<size_t>(y) * w + x) * out_;
        for (int ky = 0; ky < kernel_; ++ky) {
          for (int kx = 0; kx < kernel_; ++kx) {
            const int sy = y + ky - half, sx = x + kx - half;
            if (sy < 0 || sy >= h || sx < 0 || sx >= w) continue;
            AddTap(src + (static_cast<size_t>(sy) * w + sx) * in_,
                   weight_.data() + static_cast<size_t>(ky * kernel_ + kx) * in_ * out_, sums);
          }
        }
      }
    }
  }

 private:
  void AddTap(const uint8_t* pixel, const int8_t* weight, int32_t* sums) const {
    for (int i = 0; i < in_; ++i, weight += out_) {
      if (pixel[i] == 0) continue;
      for (int o = 0; o < out_; ++o) sums[o] += int32_t{pixel[i]} * weight[o];
    }
  }

  int in_, out_, kernel_;
  std::vector<int8_t> weight_;
};

// The products below are at most 2^24 * 2^15, and a double holds integers up to 2^53: multiplying by 2^-shift and
// taking the floor is exact, and unlike 64-bit integers it vectorises everywhere.

LICHEN_VECTORISED
void RequantiseRelu(const int32_t* acc, size_t pixels, int channels, const int32_t* bias, const double* multiplier,
                    uint8_t* dst, int stride) {
  for (size_t p = 0; p < pixels; ++p, acc += channels, dst += stride) {
    for (int c = 0; c < channels; ++c) {
      const int32_t sum = acc[c] + bias[c], positive = sum > 0 ? sum : 0;
      const double scaled = positive * multiplier[c] + 0.5;  // exact, see above; conversion to int is the floor
      dst[c] = static_cast<uint8_t>(static_cast<int32_t>(scaled < kActivationMax ? scaled : kActivationMax));
    }
  }
}

}  // namespace

std::unique_ptr<IntegerAccumulator> MakePlainAccumulator(int in, int out, int kernel, const int8_t* weight) {
  return std::make_unique<PlainAccumulator>(in, out, kernel, weight);
}

IntegerConvolution::IntegerConvolution(const IntegerLayer& layer, IntegerEngine engine, Sums sums)
    : IntegerConvolution(
          layer, engine,
          [&layer] {
            std::vector<int> all(layer.out);
            std::iota(all.begin(), all.end(), 0);
            return all;
          }(),
          std::move(sums)) {}

IntegerConvolution::IntegerConvolution(const IntegerLayer& layer, IntegerEngine engine, const std::vector<int>& outputs,
                                       Sums sums)
    : in_(layer.in), margin_(layer.kernel / 2), sums_(sums ? std::move(sums) : std::make_shared<Scratch<int32_t>>()) {
  const size_t row = static_cast<size_t>(layer.in) * layer.kernel * layer.kernel;
  std::vector<int8_t> weight;
  weight.reserve(outputs.size() * row);
  for (int o : outputs) {
    weight.insert(weight.end(), layer.weight.begin() + o * row, layer.weight.begin() + (o + 1) * row);
    bias_.push_back(layer.bias[o]);
    scale_.push_back(static_cast<double>(layer.multiplier[o]) / static_cast<double>(int64_t{1} << layer.shift[o]));
  }
  const int out = static_cast<int>(outputs.size());
  accumulator_ = engine == IntegerEngine::kFast ? MakeFastAccumulator(layer.in, out, layer.kernel, std::move(weight))
                                                : MakePlainAccumulator(layer.in, out, layer.kernel, weight.data());
}

/// Calls consume(acc, first, count) for the sums of `count` positions from `first` on, in order.
template <typename Consumer>
void IntegerConvolution::RunInStrips(const uint8_t* src, int h, int w, const Consumer& consume) {
  if (margin_ == 0 && h == 1) {  // a row of positions without neighbours can be cut anywhere
    const int step = std::min(w, kStripPositions);
    int32_t* sums = sums_->Reserve(static_cast<size_t>(step) * bias_.size());
    for (int x = 0; x < w; x += step) {
      const int count = std::min(step, w - x);
      accumulator_->Run(src + static_cast<size_t>(x) * in_, 1, count, sums);
      consume(sums, static_cast<size_t>(x), static_cast<size_t>(count));
    }
    return;
  }
  // Rows in the margin of a strip see zeros where it ends, and are dropped.
  const int step = std::max(1, std::min(h, kStripPositions / w));
  const size_t most = static_cast<size_t>(std::min(h, step + (step < h ? 2 * margin_ : 0)));
  int32_t* sums = sums_->Reserve(most * w * bias_.size());
  for (int y = 0; y < h; y += step) {
    const int end = std::min(y + step, h), from = std::max(0, y - margin_), to = std::min(h, end + margin_);
    accumulator_->Run(src + static_cast<size_t>(from) * w * in_, to - from, w, sums);
    consume(sums + static_cast<size_t>(y - from) * w * bias_.size(), static_cast<size_t>(y) * w,
            static_cast<size_t>(end - y) * w);
  }
}

void IntegerConvolution::RunRelu(const uint8_t* src, int h, int w, uint8_t* dst, int stride) {
  RunInStrips(src, h, w, [&](const int32_t* acc, size_t first, size_t pixels) {
    RequantiseRelu(acc, pixels, out(), bias_.data(), scale_.data(), dst + first * stride, stride);
  });
}

void IntegerConvolution::RunHead(const uint8_t* src, int h, int w, int32_t* dst) {
  const int channels = out();
  RunInStrips(src, h, w, [&](const int32_t* acc, size_t first, size_t pixels) {
    int32_t* to = dst + first * channels;
    for (size_t p = 0; p < pixels; ++p, acc += channels, to += channels) {
      RequantiseHead(acc, bias_.data(), scale_.data(), channels, to);
    }
  });
}

}  // namespace lichen
