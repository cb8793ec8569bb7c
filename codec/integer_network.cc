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

  int pitch() const override { return in_; }

  void Run(const uint8_t* src, int h, int w, int begin, int end, int, int32_t* acc) override {
    const int half = kernel_ / 2;
    std::fill(acc, acc + static_cast<size_t>(end - begin) * w * out_, 0);
    for (int y = begin; y < end; ++y) {
      for (int x = 0; x < w; ++x) {
        int32_t* sums = acc + (static_cast<size_t>(y - begin) * w + x) * out_;
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

std::vector<int8_t> WeightsOf(const IntegerLayer& layer, const std::vector<int>& outputs) {
  const size_t row = static_cast<size_t>(layer.in) * layer.kernel * layer.kernel;
  std::vector<int8_t> weight;
  weight.reserve(outputs.size() * row);
  for (int o : outputs)
    weight.insert(weight.end(), layer.weight.begin() + o * row, layer.weight.begin() + (o + 1) * row);
  return weight;
}

std::unique_ptr<IntegerAccumulator> MakePlainAccumulator(int in, int out, int kernel, const int8_t* weight) {
  return std::make_unique<PlainAccumulator>(in, out, kernel, weight);
}

IntegerConvolution::IntegerConvolution(const IntegerLayer& layer, IntegerEngine engine, Sums sums,
                                       const Sharing& sharing, SourcePitch source)
    : IntegerConvolution(
          layer, engine,
          [&layer] {
            std::vector<int> all(layer.out);
            std::iota(all.begin(), all.end(), 0);
            return all;
          }(),
          std::move(sums), sharing, source) {}

IntegerConvolution::IntegerConvolution(const IntegerLayer& layer, IntegerEngine engine, const std::vector<int>& outputs,
                                       Sums sums, const Sharing& sharing, SourcePitch source)
    : sharing_(sharing),
      sums_(sums ? std::move(sums) : std::make_shared<std::vector<Scratch<int32_t>>>(sharing.lanes)) {
  for (int o : outputs) {
    bias_.push_back(layer.bias[o]);
    scale_.push_back(static_cast<double>(layer.multiplier[o]) / static_cast<double>(int64_t{1} << layer.shift[o]));
  }
  accumulator_ = engine == IntegerEngine::kFast
                     ? MakeFastAccumulator(layer, outputs, sharing.lanes, source)
                     : MakePlainAccumulator(layer.in, out(), layer.kernel, WeightsOf(layer, outputs).data());
}

/// Calls consume(acc, first, count) for the sums of `count` positions from `first` on, several at once.
template <typename Consumer>
void IntegerConvolution::RunInPieces(const uint8_t* src, int h, int w, const Consumer& consume) {
  const int rows = PieceRows(h, w);
  sharing_.ForEach((h - 1) / rows + 1, [&](int lane, int i) {
    const int begin = i * rows, end = std::min(begin + rows, h);
    int32_t* sums = (*sums_)[lane].Reserve(static_cast<size_t>(rows) * w * bias_.size());
    accumulator_->Run(src, h, w, begin, end, lane, sums);
    consume(sums, static_cast<size_t>(begin) * w, static_cast<size_t>(end - begin) * w);
  });
}

void IntegerConvolution::RunRelu(const uint8_t* src, int h, int w, uint8_t* dst, int stride) {
  RunInPieces(src, h, w, [&](const int32_t* acc, size_t first, size_t pixels) {
    RequantiseRelu(acc, pixels, out(), bias_.data(), scale_.data(), dst + first * stride, stride);
  });
}

void IntegerConvolution::RunHead(const uint8_t* src, int h, int w, int32_t* dst) {
  const int channels = out();
  RunInPieces(src, h, w, [&](const int32_t* acc, size_t first, size_t pixels) {
    int32_t* to = dst + first * channels;
    for (size_t p = 0; p < pixels; ++p, acc += channels, to += channels) {
      RequantiseHead(acc, bias_.data(), scale_.data(), channels, to);
    }
  });
}

}  // namespace lichen
