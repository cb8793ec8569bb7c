// SPDX-License-Identifier: Apache-2.0
#include "codec/transform.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "codec/vectorised.h"

namespace lichen {
namespace {

/// [h][w][f*f*c] in the channel order (dy, dx, c) -> [f*h][f*w][c]
void DepthToSpace(const float* src, int h, int w, int factor, int channels, float* dst) {
  const size_t run = static_cast<size_t>(factor) * channels;  // one row of a block
#pragma omp parallel for
  for (int y = 0; y < h; ++y) {
    for (int dy = 0; dy < factor; ++dy) {
      float* out = dst + (static_cast<size_t>(y) * factor + dy) * w * run;
      const float* in = src + (static_cast<size_t>(y) * w * factor + dy) * run;
      for (int x = 0; x < w; ++x) std::memcpy(out + x * run, in + x * factor * run, run * sizeof(float));
    }
  }
}

/// The inverse: [f*h][f*w][c] -> [h][w][f*f*c]
void SpaceToDepth(const float* src, int h, int w, int factor, int channels, float* dst) {
  const size_t run = static_cast<size_t>(factor) * channels;
#pragma omp parallel for
  for (int y = 0; y < h; ++y) {
    for (int dy = 0; dy < factor; ++dy) {
      const float* in = src + (static_cast<size_t>(y) * factor + dy) * w * run;
      float* out = dst + (static_cast<size_t>(y) * w * factor + dy) * run;
      for (int x = 0; x < w; ++x) std::memcpy(out + x * factor * run, in + x * run, run * sizeof(float));
    }
  }
}

LICHEN_VECTORISED
void MultiplyRow(float* x, int pixels, int channels, const float* gain) {
  for (int p = 0; p < pixels; ++p, x += channels) {
    for (int c = 0; c < channels; ++c) x[c] *= gain[c];
  }
}

LICHEN_VECTORISED
void ConvertRow(const float* src, size_t count, uint16_t* dst) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, src + i, 4);
    dst[i] = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

/// The trunk carries the picture itself: all of it in bfloat16 would lose 0.1 dB at high qualities, and errors add up
/// over smooth areas. Found by experiment with lichen-3 (docs/performance.md): the convolutions that take 128 channels,
/// between 1/8 and 1/16 of the resolution, lose next to nothing at any quality; those next to pixels, of 48 channels,
/// and next to latents, of 512, do.
bool TakesBfloat16(const FloatConvolutionData& trunk) { return trunk.in > 64 && trunk.in <= 256; }

int OutputsOf(int size, int stride) { return (size + stride - 1) / stride; }

}  // namespace

void FloatToBfloat16(const float* src, size_t count, uint16_t* dst) {
  constexpr size_t kBlock = 1 << 14;
  const int64_t blocks = static_cast<int64_t>((count + kBlock - 1) / kBlock);
#pragma omp parallel for
  for (int64_t b = 0; b < blocks; ++b) {
    const size_t begin = b * kBlock;
    ConvertRow(src + begin, std::min(kBlock, count - begin), dst + begin);
  }
}

struct Transform::Step {
  FloatLayer::Type type;
  int in = 0, out = 0, middle = 0, stride = 1, factor = 1;
  std::vector<FloatConvolution> convolutions;  // one, or two in a residual block
  bool half_input = false;                     // they take bfloat16
  std::vector<float> gain;
};

Transform::Transform(Layers layers, int quality_index, Precision precision, std::shared_ptr<TransformMemory> memory)
    : memory_(memory ? std::move(memory) : std::make_shared<TransformMemory>()) {
  for (const FloatLayer& layer : layers) {
    Step step;
    step.type = layer.type;
    step.factor = layer.factor;
    FloatConvolution::Options options;
    options.precision = precision;
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        step.in = layer.a.in, step.out = layer.a.out, step.stride = layer.a.stride;
        if (!TakesBfloat16(layer.a)) options.precision = Precision::kFloat32;
        step.half_input = options.precision == Precision::kBfloat16;
        step.convolutions.emplace_back(layer.a, options);
        break;
      case FloatLayer::Type::kResidual: {
        step.in = step.out = layer.a.in, step.middle = layer.a.out;
        // The branches of residual blocks, most of the work, add small corrections.
        step.half_input = precision == Precision::kBfloat16;
        FloatConvolution::Options first = options, second = options;
        first.half_output = precision == Precision::kBfloat16;
        second.accumulate = true;
        step.convolutions.emplace_back(layer.a, first);
        step.convolutions.emplace_back(layer.b, second);
        break;
      }
      case FloatLayer::Type::kGain:
        step.gain = GainsAtQuality(layer.gain, layer.channels, quality_index);
        break;
      case FloatLayer::Type::kSpaceToDepth:
      case FloatLayer::Type::kDepthToSpace:
        break;
    }
    steps_.push_back(std::move(step));
  }
  const FloatLayer& first = layers[0];
  switch (first.type) {
    case FloatLayer::Type::kSpaceToDepth:  // a convolution follows
      input_channels_ = layers[1].a.in / (first.factor * first.factor);
      break;
    case FloatLayer::Type::kGain:
      input_channels_ = first.channels;
      break;
    default:
      input_channels_ = first.a.in;
      break;
  }
}

Transform::~Transform() = default;

float* Transform::Input(int h, int w) { return memory_->x.Reserve(static_cast<size_t>(h) * w * input_channels_); }

Result<const float*> Transform::Run(const float* src, int h, int w) {
  Scratch<float>&x = memory_->x, &next = memory_->next, &middle = memory_->middle;
  Scratch<uint16_t>&half = memory_->half, &middle_half = memory_->middle_half;
  int channels = input_channels_;
  const auto size = [&] { return static_cast<size_t>(h) * w * channels; };
  const auto copy = [&] {  // for steps that work in place, if the first does
    if (src != x.data()) std::memcpy(x.Reserve(size()), src, size() * sizeof(float));
    src = x.data();
  };
  const auto to_halves = [&half](const float* from, size_t count) {
    FloatToBfloat16(from, count, half.Reserve(count));
    return half.data();
  };
  for (Step& step : steps_) {
    if (step.type == FloatLayer::Type::kResidual || step.type == FloatLayer::Type::kGain) copy();
    switch (step.type) {
      case FloatLayer::Type::kConvolution: {
        const int oh = OutputsOf(h, step.stride), ow = OutputsOf(w, step.stride);
        next.Reserve(static_cast<size_t>(oh) * ow * step.out);
        const void* from = src;
        if (step.half_input) from = to_halves(src, size());
        LICHEN_RETURN_IF_ERROR(step.convolutions[0].Run(from, h, w, next.data()));
        x.Swap(next);
        h = oh, w = ow, channels = step.out;
        break;
      }
      case FloatLayer::Type::kResidual: {
        const size_t pixels = static_cast<size_t>(h) * w;
        const void* from = x.data();
        void* between;
        if (step.half_input) {
          from = to_halves(x.data(), pixels * step.in);
          between = middle_half.Reserve(pixels * step.middle);
        } else {
          between = middle.Reserve(pixels * step.middle);
        }
        LICHEN_RETURN_IF_ERROR(step.convolutions[0].Run(from, h, w, between));
        LICHEN_RETURN_IF_ERROR(step.convolutions[1].Run(between, h, w, x.data()));
        break;
      }
      case FloatLayer::Type::kSpaceToDepth: {
        float* to = next.Reserve(size());
        h /= step.factor, w /= step.factor;
        SpaceToDepth(src, h, w, step.factor, channels, to);
        channels *= step.factor * step.factor;
        x.Swap(next);
        break;
      }
      case FloatLayer::Type::kDepthToSpace: {
        float* to = next.Reserve(size());
        channels /= step.factor * step.factor;
        DepthToSpace(src, h, w, step.factor, channels, to);
        h *= step.factor, w *= step.factor;
        x.Swap(next);
        break;
      }
      case FloatLayer::Type::kGain:
#pragma omp parallel for
        for (int y = 0; y < h; ++y) {
          MultiplyRow(x.data() + static_cast<size_t>(y) * w * channels, w, channels, step.gain.data());
        }
        break;
    }
    src = x.data();
  }
  return src;
}

uint64_t Transform::Memory(Layers layers, int input_channels, int h, int w, Precision precision, bool own_input) {
  uint64_t pixels = static_cast<uint64_t>(h) * w, size = pixels * input_channels;  // of the tensor, in elements
  const auto first = layers[0].type;
  const bool in_place = first == FloatLayer::Type::kResidual || first == FloatLayer::Type::kGain;
  uint64_t x = own_input || in_place ? size : 0, next = 0, inside = 0;  // elements; elements; bytes
  const auto move = [&](uint64_t to) {
    size = to;
    next = std::max(next, to);
    std::swap(x, next);
  };
  for (const FloatLayer& layer : layers) {
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        if (precision == Precision::kBfloat16 && TakesBfloat16(layer.a)) inside = std::max(inside, size * 2);
        pixels = (pixels + layer.a.stride * layer.a.stride - 1) / (layer.a.stride * layer.a.stride);
        move(pixels * layer.a.out);
        break;
      case FloatLayer::Type::kResidual:
        inside = std::max(
            inside, pixels * (precision == Precision::kBfloat16 ? 2 * (layer.a.in + layer.a.out) : 4 * layer.a.out));
        break;
      case FloatLayer::Type::kSpaceToDepth:
        pixels /= layer.factor * layer.factor;
        move(size);
        break;
      case FloatLayer::Type::kDepthToSpace:
        pixels *= layer.factor * layer.factor;
        move(size);
        break;
      case FloatLayer::Type::kGain:
        break;
    }
  }
  return (x + next) * sizeof(float) + inside;
}

int MarginOf(Layers layers) {
  int need = 0;
  for (const FloatLayer* layer = layers.end(); layer-- != layers.begin();) {
    switch (layer->type) {
      case FloatLayer::Type::kConvolution:
        need = need * layer->a.stride + layer->a.kernel / 2;
        break;
      case FloatLayer::Type::kResidual:
        need += layer->a.kernel / 2 + layer->b.kernel / 2;
        break;
      case FloatLayer::Type::kSpaceToDepth:
        need *= layer->factor;
        break;
      case FloatLayer::Type::kDepthToSpace:
        need = (need + layer->factor - 1) / layer->factor;
        break;
      case FloatLayer::Type::kGain:
        break;
    }
  }
  return need;
}

double MultiplyAdds(Layers layers) {
  double total = 0, positions = 1;  // positions of this layer per input position
  for (const FloatLayer& layer : layers) {
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        positions /= layer.a.stride * layer.a.stride;
        total += positions * static_cast<double>(layer.a.weight.size());
        break;
      case FloatLayer::Type::kResidual:
        total += positions * static_cast<double>(layer.a.weight.size() + layer.b.weight.size());
        break;
      case FloatLayer::Type::kSpaceToDepth:
        positions /= layer.factor * layer.factor;
        break;
      case FloatLayer::Type::kDepthToSpace:
        positions *= layer.factor * layer.factor;
        break;
      case FloatLayer::Type::kGain:
        break;
    }
  }
  return total;
}

}  // namespace lichen
