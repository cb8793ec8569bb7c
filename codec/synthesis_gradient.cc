// SPDX-License-Identifier: Apache-2.0
#include "codec/synthesis_gradient.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "codec/rearrangement.h"
#include "codec/rounded_convolution.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

/// The convolution whose result is the gradient by the input of `forward`, from that by its output.
FloatConvolutionData Transposed(const FloatConvolutionData& forward) {
  FloatConvolutionData back;
  back.in = forward.out, back.out = forward.in, back.kernel = forward.kernel;
  back.weight.resize(forward.weight.size());
  back.bias.assign(back.out, 0.0f);
  const int taps = forward.kernel * forward.kernel;
  for (int o = 0; o < forward.out; ++o) {
    for (int i = 0; i < forward.in; ++i) {
      const float* from = forward.weight.data() + (static_cast<size_t>(o) * forward.in + i) * taps;
      float* to = back.weight.data() + (static_cast<size_t>(i) * forward.out + o) * taps;
      std::reverse_copy(from, from + taps, to);
    }
  }
  return back;
}

LICHEN_VECTORISED
void MultiplyRow(float* x, int pixels, int channels, const float* gain) {
  for (int p = 0; p < pixels; ++p, x += channels) {
    for (int c = 0; c < channels; ++c) x[c] *= gain[c];
  }
}

// ThroughLeak(unit, count, slope, gradient): gradient *= slope where the unit, of any of the types that they are kept
// in, was not above 0: rounded to integers, most of what was below 0 is 0. Gradients are floats or bfloat16. Not a
// template, since functions without the options of vectorised ones are not put in line there.
#define LICHEN_THROUGH_LEAK(Unit, LEAKS)                                                   \
  LICHEN_VECTORISED                                                                        \
  void ThroughLeak(const Unit* unit, size_t count, float slope, float* gradient) {         \
    for (size_t i = 0; i < count; ++i) gradient[i] *= LEAKS(unit[i]) ? slope : 1.0f;       \
  }                                                                                        \
  LICHEN_VECTORISED                                                                        \
  void ThroughLeak(const Unit* unit, size_t count, float slope, uint16_t* gradient) {      \
    for (size_t i = 0; i < count; ++i) {                                                   \
      const uint32_t wide = static_cast<uint32_t>(gradient[i]) << 16;                      \
      float value;                                                                         \
      std::memcpy(&value, &wide, 4);                                                       \
      value *= slope;                                                                      \
      uint32_t bits;                                                                       \
      std::memcpy(&bits, &value, 4);                                                       \
      const auto leaked = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16); \
      gradient[i] = LEAKS(unit[i]) ? leaked : gradient[i];                                 \
    }                                                                                      \
  }
#define LICHEN_NOT_ABOVE_0(unit) ((unit) <= 0)
#define LICHEN_HALF_NOT_ABOVE_0(unit) (((unit)&0x8000) != 0 || (unit) == 0)
LICHEN_THROUGH_LEAK(float, LICHEN_NOT_ABOVE_0)
LICHEN_THROUGH_LEAK(int8_t, LICHEN_NOT_ABOVE_0)
LICHEN_THROUGH_LEAK(uint16_t, LICHEN_HALF_NOT_ABOVE_0)

FloatConvolution::Rows Whole(int h, int kernel) { return {h, kernel / 2, kernel / 2}; }

}  // namespace

bool SynthesisGradient::Supports(Layers layers) {
  return std::all_of(layers.begin(), layers.end(), [](const FloatLayer& layer) {
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        return layer.a.stride == 1 && !layer.a.relu;
      case FloatLayer::Type::kResidual:
        return layer.a.stride == 1 && layer.b.stride == 1 && layer.a.relu && !layer.b.relu;
      default:
        return true;
    }
  });
}

namespace {

bool HasSteps(Layers layers) {
  return std::any_of(layers.begin(), layers.end(), [](const FloatLayer& layer) { return !layer.a.step.empty(); });
}

/// Floats that carry integers forwards meet floats on the way back.
Precision BackPrecision(Layers layers, TransformPrecision precision) {
  return HasSteps(layers) && !precision.bytes ? Precision::kFloat32 : precision.floats;
}

}  // namespace

SynthesisGradient::SynthesisGradient(Layers layers, int quality_index, TransformPrecision precision, Workers& workers)
    : workers_(workers), precision_(BackPrecision(layers, precision)) {
  precision.same_roundings = true;  // as SynthesisPrecision
  for (const FloatLayer& layer : layers) {
    Step step;
    step.type = layer.type;
    step.factor = layer.factor;
    // The way forwards is that of the decoder, which rounds where there are steps. The way back may be coarse
    // everywhere: it only says where to go, and does not round.
    const TransformPrecision here = PrecisionOf(layer, layers, precision);
    FloatConvolution::Options forwards, backwards;
    backwards.precision = precision_;
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        step.in = layer.a.in, step.out = layer.a.out;
        step.kernels = {layer.a.kernel, 0};
        forwards.precision = step.taken = TakenBy(layer, here);
        step.forwards.emplace_back(layer.a, forwards);
        step.backwards.emplace_back(Transposed(layer.a), backwards);
        break;
      case FloatLayer::Type::kResidual: {
        step.in = step.out = layer.a.in, step.middle = layer.a.out;
        step.kernels = {layer.a.kernel, layer.b.kernel};
        step.slope = layer.a.slope;
        forwards.precision = step.taken = TakenBy(layer, here);
        step.inverse_step = Inverses(layer.a.step);
        FloatConvolution::Options first = forwards, second = forwards;
        first.half_output = step.taken == Precision::kBfloat16;
        first.output_step = layer.b.step;
        second.accumulate = true;
        step.forwards.emplace_back(layer.a, first);
        step.forwards.emplace_back(layer.b, second);
        FloatConvolution::Options first_back = backwards, second_back = backwards;
        first_back.half_output = precision_ == Precision::kBfloat16;
        second_back.accumulate = true;
        step.backwards.emplace_back(Transposed(layer.a), second_back);
        step.backwards.emplace_back(Transposed(layer.b), first_back);
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
}

Result<const float*> SynthesisGradient::Run(const float* y_hat, int h, int w) {
  h_ = h, w_ = w;
  channels_ = 0;
  for (const Step& step : steps_) {
    if (channels_ == 0) channels_ = step.gain.empty() ? step.in : static_cast<int>(step.gain.size());
  }
  const size_t size = static_cast<size_t>(h) * w * channels_;
  std::memcpy(x_.Reserve(size), y_hat, size * sizeof(float));
  for (Step& step : steps_) {
    switch (step.type) {
      case FloatLayer::Type::kConvolution: {
        const size_t count = static_cast<size_t>(h_) * w_ * channels_;
        const void* from = step.taken == Precision::kBfloat16 ? Converted(count) : x_.data();
        float* to = next_.Reserve(static_cast<size_t>(h_) * w_ * step.out);
        LICHEN_RETURN_IF_ERROR(step.forwards[0].Run(from, Whole(h_, step.kernels[0]), w_, to, workers_));
        channels_ = step.out;
        x_.Swap(next_);
        break;
      }
      case FloatLayer::Type::kResidual:
        LICHEN_RETURN_IF_ERROR(AddBranch(step));
        break;
      case FloatLayer::Type::kGain:
        Multiply(step.gain);
        break;
      case FloatLayer::Type::kSpaceToDepth:
        ToDepth(step.factor);
        break;
      case FloatLayer::Type::kDepthToSpace:
        ToSpace(step.factor);
        break;
    }
  }
  return x_.data();
}

float* SynthesisGradient::Gradient() { return x_.data(); }

Result<const float*> SynthesisGradient::Back() {
  for (size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    switch (step.type) {
      case FloatLayer::Type::kConvolution: {
        const void* from = Converted(static_cast<size_t>(h_) * w_ * channels_);
        float* to = next_.Reserve(static_cast<size_t>(h_) * w_ * step.in);
        LICHEN_RETURN_IF_ERROR(step.backwards[0].Run(from, Whole(h_, step.kernels[0]), w_, to, workers_));
        channels_ = step.in;
        x_.Swap(next_);
        break;
      }
      case FloatLayer::Type::kResidual:
        LICHEN_RETURN_IF_ERROR(AddBranchBack(step));
        break;
      case FloatLayer::Type::kGain:
        Multiply(step.gain);
        break;
      case FloatLayer::Type::kSpaceToDepth:
        ToSpace(step.factor);
        break;
      case FloatLayer::Type::kDepthToSpace:
        ToDepth(step.factor);
        break;
    }
  }
  return x_.data();
}

void SynthesisGradient::Multiply(const std::vector<float>& gain) {
  ForRows(workers_, h_, static_cast<size_t>(w_) * channels_,
          [&](int y) { MultiplyRow(x_.data() + static_cast<size_t>(y) * w_ * channels_, w_, channels_, gain.data()); });
}

void SynthesisGradient::ToDepth(int factor) {
  float* to = next_.Reserve(static_cast<size_t>(h_) * w_ * channels_);
  h_ /= factor, w_ /= factor;
  SpaceToDepth(x_.data(), h_, w_, factor, channels_, to, workers_);
  channels_ *= factor * factor;
  x_.Swap(next_);
}

void SynthesisGradient::ToSpace(int factor) {
  float* to = next_.Reserve(static_cast<size_t>(h_) * w_ * channels_);
  channels_ /= factor * factor;
  DepthToSpace(x_.data(), h_, w_, factor, channels_, to, workers_);
  h_ *= factor, w_ *= factor;
  x_.Swap(next_);
}

const void* SynthesisGradient::Converted(size_t count) {
  if (precision_ != Precision::kBfloat16) return x_.data();
  FloatToBfloat16(x_.data(), count, 1, 1, half_.Reserve(count), workers_);
  return half_.data();
}

Status SynthesisGradient::AddBranch(Step& step) {
  const size_t count = static_cast<size_t>(h_) * w_;
  const void* from = x_.data();
  void* middle = nullptr;
  if (step.taken == Precision::kInt8) {
    int8_t* integers = rounded_bytes_.Reserve(count * step.in);
    RoundToSteps(x_.data(), count, step.inverse_step, step.in, integers, workers_);
    from = integers;
    middle = step.kept_bytes.Reserve(count * step.middle);
  } else if (step.taken == Precision::kBfloat16) {
    from = Converted(count * step.in);
    middle = step.kept_half.Reserve(count * step.middle);
  } else {
    if (!step.inverse_step.empty()) {
      float* integers = rounded_.Reserve(count * step.in);
      RoundToSteps(x_.data(), count, step.inverse_step, integers, workers_);
      from = integers;
    }
    middle = step.kept.Reserve(count * step.middle);
  }
  LICHEN_RETURN_IF_ERROR(step.forwards[0].Run(from, Whole(h_, step.kernels[0]), w_, middle, workers_));
  return step.forwards[1].Run(middle, Whole(h_, step.kernels[1]), w_, x_.data(), workers_);
}

Status SynthesisGradient::AddBranchBack(Step& step) {
  const size_t count = static_cast<size_t>(h_) * w_, middle_count = count * step.middle;
  const void* from = Converted(count * step.in);
  const bool half = precision_ == Precision::kBfloat16;
  void* middle =
      half ? static_cast<void*>(middle_half_.Reserve(middle_count)) : static_cast<void*>(middle_.Reserve(middle_count));
  LICHEN_RETURN_IF_ERROR(step.backwards[1].Run(from, Whole(h_, step.kernels[1]), w_, middle, workers_));
  workers_.ForRanges(middle_count, kLeastElements, [&](size_t begin, size_t end) {
    const auto leak = [&](const auto& kept) {
      const auto* units = kept.data() + begin;
      if (half) {
        ThroughLeak(units, end - begin, step.slope, middle_half_.data() + begin);
      } else {
        ThroughLeak(units, end - begin, step.slope, middle_.data() + begin);
      }
    };
    switch (step.taken) {
      case Precision::kInt8:
        return leak(step.kept_bytes);
      case Precision::kBfloat16:
        return leak(step.kept_half);
      case Precision::kFloat32:
        return leak(step.kept);
    }
  });
  return step.backwards[0].Run(middle, Whole(h_, step.kernels[0]), w_, x_.data(), workers_);
}

uint64_t SynthesisGradient::Memory(Layers layers, int input_channels, int h, int w, TransformPrecision precision) {
  const bool halves = BackPrecision(layers, precision) == Precision::kBfloat16;
  const uint64_t unit = halves ? sizeof(uint16_t) : sizeof(float);
  uint64_t largest = uint64_t(h) * w * input_channels, half = 0, middle = 0, kept = 0;  // elements, but kept: bytes
  uint64_t rounded = 0;                                                                 // bytes
  uint64_t rows = h, columns = w, channels = input_channels;
  precision.same_roundings = true;
  for (const FloatLayer& layer : layers) {
    const uint64_t factor = layer.factor;
    const uint64_t taken = SizeOf(TakenBy(layer, PrecisionOf(layer, layers, precision)));
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        half = std::max(half, rows * columns * std::max(layer.a.in, layer.a.out));
        channels = layer.a.out;
        break;
      case FloatLayer::Type::kResidual:
        half = std::max(half, rows * columns * layer.a.in);
        middle = std::max(middle, rows * columns * layer.a.out);
        kept += rows * columns * layer.a.out * taken;
        if (!layer.a.step.empty()) rounded = std::max(rounded, rows * columns * layer.a.in * taken);
        break;
      case FloatLayer::Type::kSpaceToDepth:
        rows /= factor, columns /= factor, channels *= factor * factor;
        break;
      case FloatLayer::Type::kDepthToSpace:
        rows *= factor, columns *= factor, channels /= factor * factor;
        break;
      case FloatLayer::Type::kGain:
        break;
    }
    largest = std::max(largest, rows * columns * channels);
  }
  return 2 * largest * sizeof(float) + (halves ? half * unit : 0) + middle * unit + kept + rounded;
}

}  // namespace lichen
