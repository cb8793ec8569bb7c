// SPDX-License-Identifier: Apache-2.0
#include "codec/transform.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "codec/rearrangement.h"
#include "codec/rounded_convolution.h"
#include "codec/vectorised.h"

namespace lichen {
namespace {

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

LICHEN_VECTORISED
void ConvertPixels(const float* src, size_t pixels, size_t channels, size_t pitch, uint16_t* dst) {
  for (size_t p = 0; p < pixels; ++p, src += channels, dst += pitch) {
    for (size_t i = 0; i < channels; ++i) {
      uint32_t bits;
      std::memcpy(&bits, src + i, 4);
      dst[i] = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    for (size_t i = channels; i < pitch; ++i) dst[i] = 0;
  }
}

/// A sample of -0.5 to 0.5 in 0..255, less 128; not rounded.
float LevelOf(float v) { return v * 255.0f - 0.5f; }
/// The nearest whole number.
float WholeLevelOf(float v) { return std::floor(std::clamp(LevelOf(v), -128.0f, 127.0f) + 0.5f); }

int OutputsOf(int size, int stride) { return (size + stride - 1) / stride; }

/// Which rows of its canvas a convolution has taken, and which outputs it has given.
class RowCursor {
 public:
  RowCursor(int kernel, int stride) : radius_(kernel / 2), stride_(stride) {}

  /// What the next call of the convolution works on.
  struct Piece {
    int skip = 0;                 // of the kept and the new rows together, those before the first that it takes
    FloatConvolution::Rows rows;  // that it takes
    int outputs = 0;
  };

  /// Takes `h` new rows, with which come those that were kept.
  Piece Take(int h, bool last) {
    const int first = taken_ - kept_;
    taken_ += h;
    const int end = last ? OutputsOf(taken_, stride_) : OutputsOf(std::max(0, taken_ - radius_), stride_);
    const int begin = given_ * stride_ - radius_, stop = (end - 1) * stride_ + radius_ + 1;  // of the rows, with zeros
    Piece piece;
    piece.skip = std::max(0, begin) - first;
    piece.rows.top = std::max(0, -begin);
    piece.rows.bottom = std::max(0, stop - taken_);
    piece.rows.h = std::min(stop, taken_) - std::max(0, begin);
    piece.outputs = end - given_;
    if (piece.outputs == 0) piece.rows = {};
    given_ = end;
    kept_ = last ? 0 : taken_ - std::clamp(given_ * stride_ - radius_, 0, taken_);
    return piece;
  }

  int taken() const { return taken_; }
  int given() const { return given_; }
  /// Of the rows taken, the last that the next outputs need: less than the kernel's.
  int kept() const { return kept_; }

 private:
  int radius_, stride_, taken_ = 0, given_ = 0, kept_ = 0;
};

/// Rows at the end of a tensor that are needed again.
class KeptRows {
 public:
  void Keep(const void* end, size_t bytes) {
    const auto* from = static_cast<const uint8_t*>(end);
    bytes_.assign(from - bytes, from);
  }
  /// Copies them to before `rows`, and says where they begin.
  template <typename T>
  T* PutBefore(T* rows) const {
    T* first = rows - bytes_.size() / sizeof(T);
    if (!bytes_.empty()) std::memcpy(first, bytes_.data(), bytes_.size());
    return first;
  }
  void Clear() { bytes_.clear(); }

 private:
  std::vector<uint8_t> bytes_;
};

/// Room for elements of that type.
template <typename T>
T* ReserveAs(Scratch<uint8_t>& scratch, size_t count) {
  return reinterpret_cast<T*>(scratch.Reserve(count * sizeof(T)));
}

/// Rows of its input that a residual block needs again: those whose sums are not complete, and as they were.
int KeptByResidual(const FloatLayer& layer) {
  return layer.a.kernel / 2 + std::max(layer.a.kernel / 2, layer.b.kernel / 2);
}

}  // namespace

TransformPrecision PrecisionOf(const FloatLayer& layer, Layers layers, TransformPrecision precision) {
  const auto rounds = [](const FloatLayer& l) { return !l.a.step.empty(); };
  if (precision.same_roundings && std::any_of(&layer, layers.end(), rounds)) precision.floats = Precision::kFloat32;
  return precision;
}

Precision TakenBy(const FloatLayer& layer, TransformPrecision precision) {
  if (layer.a.pixels && precision.fractions) return Precision::kFloat32;
  if (!layer.a.step.empty()) return precision.bytes ? Precision::kInt8 : Precision::kFloat32;
  const bool residual = layer.type == FloatLayer::Type::kResidual;
  return residual || precision.coarse || TakesBfloat16(layer.a) ? precision.floats : Precision::kFloat32;
}

bool TakesPixels(Layers layers) { return layers.size() > 1 && layers[1].a.pixels; }

bool TakesBfloat16(const FloatConvolutionData& trunk) {
  const bool reduces = trunk.out < trunk.in * trunk.stride * trunk.stride;
  return reduces || (trunk.in > 64 && trunk.in <= 256);
}

void FloatToBfloat16(const float* src, size_t count, uint16_t* dst) { ConvertRow(src, count, dst); }

void FloatToBfloat16(const float* src, size_t pixels, int channels, int pitch, uint16_t* dst, Workers& workers) {
  workers.ForRanges(pixels, kLeastElements / channels + 1, [&](size_t begin, size_t end) {
    if (pitch == channels) return ConvertRow(src + begin * channels, (end - begin) * channels, dst + begin * channels);
    ConvertPixels(src + begin * channels, end - begin, channels, pitch, dst + begin * pitch);
  });
}

struct Transform::Step {
  struct Convolution {
    FloatConvolution run;
    int kernel, stride, pitch;  // pitch: elements of a position of what it takes
    RowCursor cursor;
    KeptRows kept;  // of what it takes; the first of a residual block finds its own among the block's
    Convolution(const FloatConvolutionData& data, const FloatConvolution::Options& options)
        : run(data, options), kernel(data.kernel), stride(data.stride), pitch(options.pitch), cursor(kernel, stride) {}
  };

  FloatLayer::Type type;
  int in = 0, out = 0, factor = 1;
  std::vector<Convolution> convolutions;  // one, or two in a residual block
  Precision taken = Precision::kFloat32;  // by them
  std::vector<float> inverse_step;        // of the integers that a residual block takes, if it does
  std::vector<float> gain;
  int most_kept = 0;    // rows that are put before its input, where that is
  KeptRows kept;        // a residual block's input
  bool is_rounded = false;  // its input, by the layer before
  size_t headroom = 0;      // elements before its input for rows that are put there, by it and by what then works in place
};

/// What goes from step to step, in TransformMemory::x or where the caller has it.
struct Transform::Tensor {
  const float* rows;
  int h, w, channels;
  uint8_t* rounded = nullptr;  // of what the next convolution takes, in memory with room before it for its kept rows
  size_t RowSize() const { return static_cast<size_t>(w) * channels; }
  size_t size() const { return h * RowSize(); }
};

Transform::Transform(Layers layers, int quality_index, TransformPrecision precision, Workers& workers,
                     std::shared_ptr<TransformMemory> memory)
    : workers_(workers),
      takes_pixels_(TakesPixels(layers)),
      fractions_(precision.fractions),
      memory_(memory ? std::move(memory) : std::make_shared<TransformMemory>()) {
  for (const FloatLayer& layer : layers) {
    Step step;
    step.type = layer.type;
    step.factor = layer.factor;
    const TransformPrecision here = PrecisionOf(layer, layers, precision);
    FloatConvolution::Options options;
    switch (layer.type) {
      case FloatLayer::Type::kConvolution:
        step.in = layer.a.in, step.out = layer.a.out;
        options.precision = step.taken = TakenBy(layer, here);
        options.pitch = PitchFor(layer.a, step.taken);
        if (step.taken == Precision::kFloat32 && !layer.a.pixels) step.most_kept = layer.a.kernel - 1;
        step.convolutions.emplace_back(layer.a, options);
        break;
      case FloatLayer::Type::kResidual: {
        step.in = step.out = layer.a.in;
        // The branches of residual blocks, most of the work, add small corrections.
        options.precision = step.taken = TakenBy(layer, here);
        step.inverse_step = Inverses(layer.a.step);
        step.most_kept = KeptByResidual(layer);
        FloatConvolution::Options first = options, second = options;
        first.half_output = step.taken == Precision::kBfloat16;
        first.output_step = layer.b.step;
        second.accumulate = true;
        // What lies between positions of bfloat16 would have to be written to be finite.
        first.pitch = PitchFor(layer.a, step.taken);
        second.pitch = step.taken == Precision::kBfloat16 ? layer.b.in : PitchFor(layer.b, step.taken);
        first.output_pitch = second.pitch;
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
    const bool is_residual = step.type == FloatLayer::Type::kResidual;
    if (step.taken == (is_residual ? Precision::kInt8 : Precision::kBfloat16) && !steps_.empty()) {
      const std::vector<Step::Convolution>& before = steps_.back().convolutions;
      step.is_rounded = !before.empty() && before.back().run.CanRound() && step.convolutions[0].run.CanRound();
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

void Transform::Begin(int w) {
  w_ = w;
  std::vector<size_t> row_sizes;  // of each step's input
  int channels = input_channels_;
  for (Step& step : steps_) {
    row_sizes.push_back(static_cast<size_t>(w) * channels);
    for (Step::Convolution& convolution : step.convolutions) {
      convolution.cursor = RowCursor(convolution.kernel, convolution.stride);
      convolution.kept.Clear();
      w = OutputsOf(w, convolution.stride);
      channels = step.out;
    }
    step.kept.Clear();
    const int factor = step.factor;
    if (step.type == FloatLayer::Type::kSpaceToDepth) w /= factor, channels *= factor * factor;
    if (step.type == FloatLayer::Type::kDepthToSpace) w *= factor, channels /= factor * factor;
  }
  size_t after = 0;
  for (size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    const bool in_place = step.type == FloatLayer::Type::kResidual || step.type == FloatLayer::Type::kGain;
    after = (in_place ? after : 0) + step.most_kept * row_sizes[i];
    step.headroom = after;
  }
}

/// Room for the input of steps_[step], or for the result.
float* Transform::Reserve(Scratch<float>& scratch, size_t step, int h, int w, int channels) const {
  const size_t headroom = step < steps_.size() ? steps_[step].headroom : 0;
  return scratch.Reserve(headroom + static_cast<size_t>(h) * w * channels) + headroom;
}

float* Transform::Input(int h) { return Reserve(memory_->x, 0, h, w_, input_channels_); }

int8_t* Transform::PixelInput(int h) { return memory_->pixels.Reserve(static_cast<size_t>(h) * w_ * input_channels_); }

/// x where steps_[i] can put rows before it and work in place: copied there, unless it is.
float* Transform::MakeRoom(size_t i, Tensor& x) {
  Scratch<float>& memory = memory_->x;
  const size_t headroom = steps_[i].headroom;
  if (!memory.Holds(x.rows) || static_cast<size_t>(x.rows - memory.data()) < headroom) {
    float* to = Reserve(memory_->next, i, x.h, x.w, x.channels);
    std::memcpy(to, x.rows, x.size() * sizeof(float));
    x.rows = to;
    memory.Swap(memory_->next);
  }
  return memory.data() + (x.rows - memory.data());
}

/// Where the input of steps_[i] goes, of h rows of w columns, if it is to be rounded by the layer before.
RoundedOutput Transform::RoundedFor(size_t i, int h, int w) {
  if (i == steps_.size() || !steps_[i].is_rounded) return {};
  const Step& step = steps_[i];
  const Step::Convolution& first = step.convolutions[0];
  const size_t row = static_cast<size_t>(w) * first.pitch * SizeOf(step.taken), kept = first.cursor.kept() * row;
  return {memory_->next_rounded.Reserve(kept + h * row) + kept,
          step.inverse_step.empty() ? nullptr : step.inverse_step.data(), first.pitch};
}

/// rows: what the convolution takes, those that were kept and then the new ones, whose shape x has; x becomes the
/// result.
template <typename T>
Status Transform::ConvolveTaken(size_t i, const T* rows, Tensor& x, bool last) {
  Step& step = steps_[i];
  Step::Convolution& convolution = step.convolutions[0];
  const size_t row = static_cast<size_t>(x.w) * convolution.pitch, total = (convolution.cursor.kept() + x.h) * row;
  const RowCursor::Piece piece = convolution.cursor.Take(x.h, last);
  const int w = OutputsOf(x.w, convolution.stride);
  const RoundedOutput rounded = RoundedFor(i + 1, piece.outputs, w);
  const Tensor to = {nullptr, piece.outputs, w, step.out, rounded.dst};
  float* out = Reserve(memory_->next, i + 1, to.h, to.w, to.channels);
  if (to.h > 0)
    LICHEN_RETURN_IF_ERROR(convolution.run.Run(rows + piece.skip * row, piece.rows, x.w, out, workers_, rounded));
  convolution.kept.Keep(rows + total, convolution.cursor.kept() * row * sizeof *rows);
  x = to;
  x.rows = out;
  memory_->x.Swap(memory_->next);
  memory_->rounded.Swap(memory_->next_rounded);
  return Status();
}

Status Transform::Convolve(size_t i, Tensor& x, bool last) {
  Step& step = steps_[i];
  const KeptRows& kept_rows = step.convolutions[0].kept;
  if (x.rounded) return ConvolveTaken(i, kept_rows.PutBefore(reinterpret_cast<uint16_t*>(x.rounded)), x, last);
  const int pitch = step.convolutions[0].pitch;
  const size_t row = static_cast<size_t>(x.w) * pitch, kept = step.convolutions[0].cursor.kept() * row;
  if (step.taken == Precision::kBfloat16) {
    auto* half = ReserveAs<uint16_t>(memory_->taken, kept + x.h * row) + kept;
    FloatToBfloat16(x.rows, static_cast<size_t>(x.h) * x.w, x.channels, pitch, half, workers_);
    return ConvolveTaken(i, kept_rows.PutBefore(half), x, last);
  }
  return ConvolveTaken(i, kept > 0 ? kept_rows.PutBefore(MakeRoom(i, x)) : x.rows, x, last);
}

/// The space-to-depth and the convolution that takes pixels, the first two steps, on pixels of type T.
template <typename T>
Result<Strip> Transform::RunPixels(const T* pixels, int rows, bool last) {
  const Step& step = steps_[1];
  const int factor = steps_[0].factor;
  Tensor x = {nullptr, rows / factor, w_ / factor, step.in};
  const int pitch = step.convolutions[0].pitch;
  const size_t row = static_cast<size_t>(x.w) * pitch, kept = step.convolutions[0].cursor.kept() * row;
  const auto run = [&](auto* taken, const auto& convert) {
    SpaceToDepth(pixels, x.h, x.w, factor, input_channels_, pitch, taken + kept, workers_, convert);
    return ConvolveTaken(1, step.convolutions[0].kept.PutBefore(taken + kept), x, last);
  };
  const auto run_as = [&](auto* taken) {
    using To = std::remove_pointer_t<decltype(taken)>;
    if constexpr (std::is_integral_v<T>) {
      return run(taken, [](T v) { return static_cast<To>(v); });
    } else {
      return fractions_ ? run(taken, [](T v) { return static_cast<To>(LevelOf(v)); })
                        : run(taken, [](T v) { return static_cast<To>(WholeLevelOf(v)); });
    }
  };
  const size_t size = kept + x.h * row;
  LICHEN_RETURN_IF_ERROR(step.taken == Precision::kInt8 ? run_as(ReserveAs<int8_t>(memory_->taken, size))
                                                        : run_as(ReserveAs<float>(memory_->taken, size)));
  return RunFrom(2, x, last);
}

/// A residual block, in place: x becomes the rows whose sums are complete.
Status Transform::AddBranch(size_t i, Tensor& x, bool last) {
  Step& step = steps_[i];
  Step::Convolution &first = step.convolutions[0], &second = step.convolutions[1];
  const size_t row = x.RowSize(), middle_row = static_cast<size_t>(x.w) * second.pitch;
  float* fresh = MakeRoom(i, x);
  float* rows = step.kept.PutBefore(fresh);
  const int kept = static_cast<int>((fresh - rows) / row), total = kept + x.h;
  const int own = kept - first.cursor.kept();  // from there on they are those of the first convolution
  float* sums = rows + (second.cursor.given() - (first.cursor.taken() - kept)) * row;
  const int middle_kept = second.cursor.kept();
  const RowCursor::Piece a = first.cursor.Take(x.h, last), b = second.cursor.Take(a.outputs, last);
  step.kept.Keep(rows + total * row, last ? 0 : std::min(total, step.most_kept) * row * sizeof(float));
  const auto run = [&](const void* src, auto* middle) {
    auto* out = middle + middle_kept * middle_row;
    if (a.outputs > 0) LICHEN_RETURN_IF_ERROR(first.run.Run(src, a.rows, x.w, out, workers_));
    second.kept.PutBefore(out);
    const RoundedOutput rounded = RoundedFor(i + 1, b.outputs, x.w);
    if (b.outputs > 0) {
      LICHEN_RETURN_IF_ERROR(second.run.Run(middle + b.skip * middle_row, b.rows, x.w, sums, workers_, rounded));
    }
    x.rounded = rounded.dst;
    memory_->rounded.Swap(memory_->next_rounded);
    second.kept.Keep(out + a.outputs * middle_row, second.cursor.kept() * middle_row * sizeof *out);
    x.rows = sums;
    x.h = b.outputs;
    return Status();
  };
  const float* from = rows + (own + a.skip) * row;
  const size_t pixels = static_cast<size_t>(a.rows.h) * x.w, middle_size = (middle_kept + a.outputs) * middle_row;
  if (x.rounded) {
    const size_t bytes_row = static_cast<size_t>(x.w) * first.pitch;
    const uint8_t* end = x.rounded + x.h * bytes_row;
    const uint8_t* bytes = first.kept.PutBefore(x.rounded) + a.skip * bytes_row;
    first.kept.Keep(end, first.cursor.kept() * bytes_row);
    return run(bytes, ReserveAs<int8_t>(memory_->middle, middle_size));
  }
  if (step.taken == Precision::kInt8) {
    auto* bytes = ReserveAs<int8_t>(memory_->taken, pixels * first.pitch);
    RoundToSteps(from, pixels, step.inverse_step, first.pitch, bytes, workers_);
    return run(bytes, ReserveAs<int8_t>(memory_->middle, middle_size));
  }
  if (!step.inverse_step.empty()) {
    auto* integers = ReserveAs<float>(memory_->taken, pixels * x.channels);
    RoundToSteps(from, pixels, step.inverse_step, integers, workers_);
    return run(integers, ReserveAs<float>(memory_->middle, middle_size));
  }
  if (step.taken == Precision::kFloat32) return run(from, ReserveAs<float>(memory_->middle, middle_size));
  auto* half = ReserveAs<uint16_t>(memory_->taken, pixels * first.pitch);
  FloatToBfloat16(from, pixels, x.channels, first.pitch, half, workers_);
  return run(half, ReserveAs<uint16_t>(memory_->middle, middle_size));
}

Result<Strip> Transform::Next(const float* src, int rows, bool last) {
  if (takes_pixels_) return RunPixels(src, rows, last);
  return RunFrom(0, {src, rows, w_, input_channels_}, last);
}

Result<Strip> Transform::Next(const int8_t* pixels, int rows, bool last) {
  return RunPixels(pixels, rows, last);
}

Result<Strip> Transform::RunFrom(size_t first, Tensor x, bool last) {
  for (size_t i = first; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const int factor = step.factor;
    switch (step.type) {
      case FloatLayer::Type::kConvolution:
        LICHEN_RETURN_IF_ERROR(Convolve(i, x, last));
        break;
      case FloatLayer::Type::kResidual:
        LICHEN_RETURN_IF_ERROR(AddBranch(i, x, last));
        break;
      case FloatLayer::Type::kSpaceToDepth: {
        const int h = x.h / factor, w = x.w / factor, channels = x.channels * factor * factor;
        float* to = Reserve(memory_->next, i + 1, h, w, channels);
        SpaceToDepth(x.rows, h, w, factor, x.channels, to, workers_);
        x = {to, h, w, channels};
        memory_->x.Swap(memory_->next);
        break;
      }
      case FloatLayer::Type::kDepthToSpace: {
        const int h = x.h * factor, w = x.w * factor, channels = x.channels / (factor * factor);
        float* to = Reserve(memory_->next, i + 1, h, w, channels);
        DepthToSpace(x.rows, x.h, x.w, factor, channels, to, workers_);
        x = {to, h, w, channels};
        memory_->x.Swap(memory_->next);
        break;
      }
      case FloatLayer::Type::kGain: {
        float* values = MakeRoom(i, x);
        ForRows(workers_, x.h, x.RowSize(),
                [&](int y) { MultiplyRow(values + y * x.RowSize(), x.w, x.channels, step.gain.data()); });
        break;
      }
    }
  }
  return Strip{x.rows, x.h};
}

Result<const float*> Transform::Run(const float* src, int h, int w) {
  Begin(w);
  LICHEN_ASSIGN_OR_RETURN(const Strip whole, Next(src, h, true));
  return whole.rows;
}

uint64_t Transform::Memory(Layers layers, int input_channels, int h, int w, TransformPrecision precision,
                           bool own_input) {
  uint64_t rows = h, columns = w, channels = input_channels;
  uint64_t x = 0, next = 0, kept = 0, inside = 0;  // elements; elements; bytes; bytes
  uint64_t size = rows * columns * channels;       // of the tensor and what is put before it, in elements
  const bool pixels = TakesPixels(layers);
  if (own_input) (pixels && !precision.fractions ? kept : x) = size;
  const auto move = [&] {
    size = rows * columns * channels;
    next = std::max(next, size);
    std::swap(x, next);
  };
  const auto keep = [&](uint64_t count, uint64_t bytes, bool before) {  // elements of a row of that many bytes
    kept += count * columns * bytes;
    if (before) x = std::max(x, size += count * columns);
  };
  for (const FloatLayer& layer : layers) {
    const uint64_t factor = layer.factor;
    const TransformPrecision here = PrecisionOf(layer, layers, precision);
    switch (layer.type) {
      case FloatLayer::Type::kConvolution: {
        const Precision taken = TakenBy(layer, here);
        const uint64_t element = SizeOf(taken), pitch = PitchFor(layer.a, taken);
        const bool copied = element != sizeof(float) || layer.a.pixels;
        keep((layer.a.kernel - 1) * pitch, element, !copied);
        if (copied) inside = std::max(inside, (rows + layer.a.kernel - 1) * columns * pitch * element);
        rows = (rows + layer.a.stride - 1) / layer.a.stride;
        columns = (columns + layer.a.stride - 1) / layer.a.stride;
        channels = layer.a.out;
        move();
        break;
      }
      case FloatLayer::Type::kResidual: {
        const Precision taken = TakenBy(layer, here);
        const uint64_t element = SizeOf(taken), pitch = PitchFor(layer.a, taken), middle = PitchFor(layer.b, taken);
        const bool copied = taken != Precision::kFloat32 || !layer.a.step.empty();
        x = std::max(x, size);
        keep(KeptByResidual(layer) * channels, 4, true);
        keep((layer.b.kernel - 1) * middle, element, false);
        const uint64_t each = (rows + KeptByResidual(layer)) * columns * element;
        inside = std::max(inside, each * (copied ? pitch + middle : middle));
        break;
      }
      case FloatLayer::Type::kSpaceToDepth:
        rows /= factor, columns /= factor, channels *= factor * factor;
        if (!pixels) move();
        break;
      case FloatLayer::Type::kDepthToSpace:
        rows *= factor, columns *= factor, channels /= factor * factor;
        move();
        break;
      case FloatLayer::Type::kGain:
        x = std::max(x, size);
        break;
    }
  }
  return (x + next) * sizeof(float) + kept + inside;
}

TransformPrecision SynthesisPrecision() {
  TransformPrecision precision = FastestPrecision();
  precision.same_roundings = true;
  return precision;
}

TransformPrecision CoarseSynthesisPrecision() {
  TransformPrecision precision = FastestPrecision();
  precision.coarse = true;
  return precision;
}

int MarginOf(Layers layers, int reach) {
  int need = reach;
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
