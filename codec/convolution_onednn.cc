// SPDX-License-Identifier: Apache-2.0
// The only file that knows oneDNN, 2.6 as in Debian 12 or 3 as in Debian 13: their interfaces differ where
// LICHEN_ONEDNN_3 stands. Layouts of sources and destinations are channels-last; oneDNN chooses that of the weights.
#include <algorithm>
#include <cstdlib>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "codec/convolution.h"
#include "codec/convolution_amx.h"
#include "codec/integer_network.h"
#include "codec/rounded_convolution.h"
#include "codec/scratch.h"

#define LICHEN_ONEDNN_3 (DNNL_VERSION_MAJOR >= 3)

namespace lichen {
namespace {

using dnnl::memory;

#if defined(__has_feature)
#define LICHEN_HAS_FEATURE(name) __has_feature(name)
#else
#define LICHEN_HAS_FEATURE(name) 0
#endif
#if (defined(__SANITIZE_ADDRESS__) || LICHEN_HAS_FEATURE(address_sanitizer)) && !LICHEN_ONEDNN_3
/// While oneDNN 2.6 writes code for AMX it reads the element behind the end of an array, and does not use it
/// (skipped_bd_mask in its jit_brgemm_amx_uker.cpp). glibc's heap always goes on there; behind the sanitizer's there
/// may be no page.
[[maybe_unused]] const dnnl::status kAmxIsLeftOut =
    std::getenv("ONEDNN_MAX_CPU_ISA") ? dnnl::status::success : dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
#endif

/// Sets that hold all of a smaller one have all its bits: AMX and AVX10, which versions of oneDNN name differently.
bool Has(dnnl::cpu_isa set) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (isa & static_cast<unsigned>(set)) == static_cast<unsigned>(set);
}

/// Never destroyed: the built-in model keeps memory and primitives of it until the program ends.
const dnnl::engine& Cpu() {
  static const auto& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Multiply-adds that one thread does at a time, where there are many: 0.2 to 0.5 ms.
constexpr int64_t kPieceWork = int64_t{1} << 25;
/// Outputs of a convolution's primitive, if a canvas has so many: in whole rows. More make it no faster, but with AMX
/// oneDNN 2.6 writes code for all of them, which takes it up to 50 ms.
constexpr int kLeastOutputs = 64;

/// Size and zero padding of a source.
struct Shape {
  int h, w, top, bottom;
  bool operator<(const Shape& other) const {
    return std::tie(h, w, top, bottom) < std::tie(other.h, other.w, other.top, other.bottom);
  }
};

/// The geometry of a convolution with zero padding of kernel / 2 beside columns, and of what a shape says around rows.
struct Geometry {
  int in, out, kernel, stride;

  int Columns(const Shape& s) const { return (s.w + stride - 1) / stride; }  // of the destination
  int OutputRows(const Shape& s) const { return (s.top + s.h + s.bottom - kernel) / stride + 1; }
  memory::dims Source(const Shape& s) const { return {1, in, s.h, s.w}; }
  memory::dims Destination(const Shape& s) const { return {1, out, OutputRows(s), Columns(s)}; }
  memory::dims PaddingBefore(const Shape& s) const { return {s.top, kernel / 2}; }
  memory::dims PaddingAfter(const Shape& s) const {
    return {s.bottom, (Columns(s) - 1) * stride + kernel - kernel / 2 - s.w};
  }
};

/// Weights in oneDNN's own layout, shared by all sizes that want the same one. Not for use by two threads at once.
class WeightStore {
 public:
  /// data: elements of `type`
  template <typename T>
  WeightStore(memory::dims dims, memory::data_type type, std::vector<T> data) : stream_(Cpu()) {
    const auto kept = std::make_shared<std::vector<T>>(std::move(data));
    plain_ = memory({std::move(dims), type, memory::format_tag::oihw}, Cpu(), kept->data());
    data_ = kept;
  }

  memory In(const memory::desc& wanted) {
    if (wanted == plain_.get_desc()) return plain_;
    for (memory& made : made_) {
      if (made.get_desc() == wanted) return made;
    }
    memory target(wanted, Cpu());
    dnnl::reorder(plain_, target).execute(stream_, plain_, target);
    stream_.wait();
    made_.push_back(target);
    return target;
  }

 private:
  dnnl::stream stream_;
  std::shared_ptr<void> data_;
  memory plain_;  // in data_
  std::vector<memory> made_;
};

/// A primitive for one size, for any number of threads.
struct Prepared {
  dnnl::convolution_forward primitive;
  memory weights, bias, scales;  // scales: with oneDNN 3
  memory::desc source, destination, scratchpad;
};

/// What a thread needs of its own to run primitives.
class Lane {
 public:
  Lane() : stream_(Cpu()) {}

  /// The same primitive again and again is the quickest.
  void Execute(const std::shared_ptr<const Prepared>& prepared, const void* src, void* dst) {
    if (prepared != last_) Take(prepared);
    const Prepared& p = *prepared;
    source_.set_data_handle(const_cast<void*>(src));  // oneDNN has no pointer to const; sources are not written
    destination_.set_data_handle(dst);
    p.primitive.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  void Take(const std::shared_ptr<const Prepared>& prepared) {
    const Prepared& p = *prepared;
    last_ = nullptr;
    source_ = memory(p.source, Cpu(), nullptr);
    destination_ = memory(p.destination, Cpu(), nullptr);
    arguments_ = {{DNNL_ARG_SRC, source_},
                  {DNNL_ARG_WEIGHTS, p.weights},
                  {DNNL_ARG_DST, destination_},
                  {DNNL_ARG_SCRATCHPAD, memory(p.scratchpad, Cpu(), scratchpad_.Reserve(p.scratchpad.get_size()))}};
    if (p.bias) arguments_.emplace(DNNL_ARG_BIAS, p.bias);
#if LICHEN_ONEDNN_3
    if (p.scales) arguments_.emplace(DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, p.scales);
#endif
    last_ = prepared;
  }

  dnnl::stream stream_;
  Scratch<uint8_t> scratchpad_;
  std::shared_ptr<const Prepared> last_;  // what the rest is for
  memory source_, destination_;
  std::unordered_map<int, memory> arguments_;
};

/// What becomes of the sums of a convolution, in this order: scale, + dst, leaky ReLU, round.
struct Epilogue {
  std::vector<float> scale{};  // [out]; of the weights alone with oneDNN 3, of bias and weights with 2.6
  bool accumulate = false, relu = false;
  float slope = 0;
  bool round = false;  // to integers of -127..127
};

dnnl::primitive_attr Attributes(const Epilogue& epilogue) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  dnnl::post_ops operations;
  const auto append = [&](dnnl::algorithm function, float alpha, float beta) {
#if LICHEN_ONEDNN_3
    operations.append_eltwise(function, alpha, beta);
#else
    operations.append_eltwise(1.0f, function, alpha, beta);
#endif
  };
  if (!epilogue.scale.empty()) {
#if LICHEN_ONEDNN_3
    attributes.set_scales_mask(DNNL_ARG_WEIGHTS, 1 << 0);  // by their first dimension; the values come with each call
#else
    attributes.set_output_scales(1 << 1, epilogue.scale);  // by the second dimension of dst
#endif
  }
  if (epilogue.accumulate) operations.append_sum(1.0f);
  if (epilogue.relu) append(dnnl::algorithm::eltwise_relu, epilogue.slope, 0.0f);
  if (epilogue.round) {
    append(dnnl::algorithm::eltwise_clip, -kRoundedMax, kRoundedMax);
    append(dnnl::algorithm::eltwise_round, 0.0f, 0.0f);
  }
  attributes.set_post_ops(operations);
  return attributes;
}

/// A direct convolution, since Winograd's is neither exact nor the same everywhere. bias: may be null.
dnnl::convolution_forward::primitive_desc Describe(const Geometry& g, const Shape& shape, const memory::desc& source,
                                                   const memory::desc& weights, const memory* bias,
                                                   const memory::desc& destination,
                                                   const dnnl::primitive_attr& attributes) {
  const memory::dims strides = {g.stride, g.stride}, before = g.PaddingBefore(shape), after = g.PaddingAfter(shape);
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto direct = dnnl::algorithm::convolution_direct;
#if LICHEN_ONEDNN_3
  using Descriptor = dnnl::convolution_forward::primitive_desc;
  return bias ? Descriptor(Cpu(), kind, direct, source, weights, bias->get_desc(), destination, strides, before, after,
                           attributes)
              : Descriptor(Cpu(), kind, direct, source, weights, destination, strides, before, after, attributes);
#else
  using Operation = dnnl::convolution_forward::desc;
  const Operation operation =
      bias ? Operation(kind, direct, source, weights, bias->get_desc(), destination, strides, before, after)
           : Operation(kind, direct, source, weights, destination, strides, before, after);
  return {operation, attributes, Cpu()};
#endif
}

Prepared Prepare(const Geometry& g, const Shape& shape, memory::data_type source_type, memory::data_type weight_type,
                 memory::data_type destination_type, const dnnl::primitive_attr& attributes, WeightStore& weights,
                 const memory* bias) {
  using tag = memory::format_tag;
  const memory::desc source(g.Source(shape), source_type, tag::nhwc);
  const memory::desc any_weights({g.out, g.in, g.kernel, g.kernel}, weight_type, tag::any);
  const memory::desc destination(g.Destination(shape), destination_type, tag::nhwc);
  const auto made = Describe(g, shape, source, any_weights, bias, destination, attributes);
  Prepared p;
  p.primitive = dnnl::convolution_forward(made);
  p.source = made.src_desc();
  p.destination = made.dst_desc();
  p.scratchpad = made.scratchpad_desc();
  p.weights = weights.In(made.weights_desc());
  if (bias) p.bias = *bias;
  return p;
}

/// A convolution whose outputs are made some rows at a time, all by one primitive for their width. Threads can share
/// it, each with a lane of its own.
class SteppedConvolution {
 public:
  using Type = memory::data_type;

  /// bias, scales: may be empty; scales with oneDNN 3 only
  SteppedConvolution(const Geometry& geometry, Type source, Type weight, Type destination,
                     const dnnl::primitive_attr& attributes, WeightStore weights, memory bias, memory scales)
      : geometry_(geometry),
        source_(source),
        weight_(weight),
        destination_(destination),
        attributes_(attributes),
        weights_(std::move(weights)),
        bias_(std::move(bias)),
        scales_(std::move(scales)) {}

  const Geometry& geometry() const { return geometry_; }
  /// Of a row of outputs.
  size_t RowBytes(const Shape& whole) const {
    return static_cast<size_t>(geometry_.Columns(whole)) * geometry_.out * memory::data_type_size(destination_);
  }

  /// Rows `begin` to `end` of the outputs, `step` at a time. src: all of its rows; dst: of row `begin`. Errors are
  /// those of oneDNN, as exceptions.
  void Run(const void* src, const Shape& whole, int step, int begin, int end, Lane& lane, void* dst) {
    const size_t from_row = static_cast<size_t>(whole.w) * geometry_.in * memory::data_type_size(source_);
    const size_t to_row = RowBytes(whole);
    const int taken = (step - 1) * geometry_.stride + geometry_.kernel;
    const std::shared_ptr<const Prepared> prepared = PreparedFor({taken, whole.w, 0, 0});
    auto* to = static_cast<uint8_t*>(dst);
    for (int at = begin; at < end; at += step, to += step * to_row) {
      const int first = at * geometry_.stride - whole.top, top = std::max(0, -first);
      const auto* from = static_cast<const uint8_t*>(src) + (first + top) * from_row;
      if (top == 0 && first + taken <= whole.h && at + step <= end) {
        lane.Execute(prepared, from, to);
        continue;
      }
      // What it lacks at the top or the bottom is put there, so that one primitive does for all rows.
      const int stop = std::min(taken, whole.h - first);
      std::vector<uint8_t> source(taken * from_row), destination(step * to_row);
      std::copy_n(from, (stop - top) * from_row, source.data() + top * from_row);
      const size_t size = std::min(step, end - at) * to_row;
      std::copy_n(to, size, destination.data());  // it may add to that
      lane.Execute(prepared, source.data(), destination.data());
      std::copy_n(destination.data(), size, to);
    }
  }

 private:
  std::shared_ptr<const Prepared> PreparedFor(const Shape& shape) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = prepared_.find(shape);
    if (found != prepared_.end()) return found->second;
    auto made = std::make_shared<Prepared>(
        Prepare(geometry_, shape, source_, weight_, destination_, attributes_, weights_, bias_ ? &bias_ : nullptr));
    made->scales = scales_;
    if (prepared_.size() == kMostPrepared) prepared_.clear();
    return prepared_.emplace(shape, std::move(made)).first->second;
  }

  /// Those of many pictures' widths would take up memory for as long as the model is there.
  static constexpr size_t kMostPrepared = 16;

  Geometry geometry_;
  Type source_, weight_, destination_;
  dnnl::primitive_attr attributes_;
  WeightStore weights_;
  memory bias_, scales_;
  std::mutex mutex_;  // of weights_ as well
  std::map<Shape, std::shared_ptr<const Prepared>> prepared_;
};

/// u8 x s8 -> s32, without bias, scale or post-op: nothing of oneDNN's decides a rounding. oneDNN 3 takes the sums
/// through a float on their way out (its issue 3435), which is exact too, as they stay below 2^24.
class OneDnnAccumulator : public IntegerAccumulator {
 public:
  OneDnnAccumulator(const IntegerLayer& layer, const std::vector<int>& outputs, int lanes)
      : convolution_(layer.prepared.Get<SteppedConvolution>(outputs,
                                                            [&] {
                                                              const int out = static_cast<int>(outputs.size());
                                                              return Make(layer, out, WeightsOf(layer, outputs));
                                                            })),
        lanes_(lanes) {}

  void Run(const uint8_t* src, int h, int w, int begin, int end, int lane, int32_t* acc) override {
    const int half = convolution_->geometry().kernel / 2;
    convolution_->Run(src, {h, w, half, half}, PieceRows(h, w), begin, end, lanes_[lane], acc);
  }
  int pitch() const override { return convolution_->geometry().in; }

 private:
  static std::shared_ptr<SteppedConvolution> Make(const IntegerLayer& layer, int out, std::vector<int8_t> weight) {
    using Type = memory::data_type;
    const memory::dims dims = {out, layer.in, layer.kernel, layer.kernel};
    return std::make_shared<SteppedConvolution>(Geometry{layer.in, out, layer.kernel, 1}, Type::u8, Type::s8, Type::s32,
                                                Attributes({}), WeightStore(dims, Type::s8, std::move(weight)),
                                                memory(), memory());
  }

  std::shared_ptr<SteppedConvolution> convolution_;
  std::vector<Lane> lanes_;
};

/// The same in tiles.
class TileAccumulator : public IntegerAccumulator {
 public:
  TileAccumulator(const IntegerLayer& layer, const std::vector<int>& outputs, int lanes, SourcePitch source)
      : scratch_(lanes) {
    TileConvolution::Geometry geometry = GeometryOf(layer, outputs);
    geometry.pitch = source == SourcePitch::kFastest ? TileConvolution::PitchFor(layer.in, Takes::kUint8) : layer.in;
    std::vector<int> key = outputs;
    key.push_back(geometry.pitch);
    convolution_ = layer.prepared.Get<TileConvolution>(key, [&] {
      return std::make_shared<TileConvolution>(geometry, Takes::kUint8, WeightsOf(layer, outputs).data(),
                                               TileConvolution::Gives::kInt32, TileConvolution::Epilogue());
    });
  }

  static bool Supports(const IntegerLayer& layer, const std::vector<int>& outputs) {
    return TileConvolution::Supports(GeometryOf(layer, outputs));
  }

  void Run(const uint8_t* src, int h, int w, int begin, int end, int lane, int32_t* acc) override {
    convolution_->Run({src, h, w, convolution_->geometry().kernel / 2}, begin, end, scratch_[lane], acc);
  }
  int pitch() const override { return convolution_->geometry().pitch; }

 private:
  using Takes = TileConvolution::Takes;

  static TileConvolution::Geometry GeometryOf(const IntegerLayer& layer, const std::vector<int>& outputs) {
    return {layer.in, static_cast<int>(outputs.size()), layer.kernel, 1};
  }

  std::shared_ptr<const TileConvolution> convolution_;
  std::vector<TileScratch> scratch_;
};

}  // namespace

bool MultipliesInTiles() {
  static const bool possible = Has(dnnl::cpu_isa::avx512_core_amx) && TileConvolution::Enable();
  return possible;
}

std::unique_ptr<IntegerAccumulator> MakeFastAccumulator(const IntegerLayer& layer, const std::vector<int>& outputs,
                                                        int lanes, SourcePitch source) {
  if (MultipliesInTiles() && TileAccumulator::Supports(layer, outputs)) {
    return std::make_unique<TileAccumulator>(layer, outputs, lanes, source);
  }
  return std::make_unique<OneDnnAccumulator>(layer, outputs, lanes);
}

TransformPrecision FastestPrecision() {
  return {Has(dnnl::cpu_isa::avx512_core_bf16) ? Precision::kBfloat16 : Precision::kFloat32,
          Has(dnnl::cpu_isa::avx512_core_vnni) || Has(dnnl::cpu_isa::avx2_vnni)};
}

bool NetworksAreWorthSharing() { return !Has(dnnl::cpu_isa::avx512_core_amx); }

namespace {

/// REQUIRES: precision is not kFloat32
TileConvolution::Takes TakenAs(Precision precision) {
  return precision == Precision::kInt8 ? TileConvolution::Takes::kInt8 : TileConvolution::Takes::kBfloat16;
}

bool RunsInTiles(const FloatConvolutionData& data, Precision precision) {
  return precision != Precision::kFloat32 && MultipliesInTiles() &&
         TileConvolution::Supports({data.in, data.out, data.kernel, data.stride});
}

}  // namespace

struct FloatConvolution::State {
  using Type = memory::data_type;

  struct Thread {
    Lane lane;
    TileScratch tiles;
  };

  Geometry geometry;
  size_t output_position;  // bytes
  // One of them.
  std::shared_ptr<SteppedConvolution> stepped = nullptr;
  std::shared_ptr<const TileConvolution> tiled = nullptr;
  std::vector<Thread> threads = {};

  static std::shared_ptr<SteppedConvolution> Make(const FloatConvolutionData& data, Type in, Type out,
                                                  const Epilogue& epilogue, WeightStore store,
                                                  const std::vector<float>& biases) {
    return std::make_shared<SteppedConvolution>(
        Geometry{data.in, data.out, data.kernel, data.stride}, in, in, out, Attributes(epilogue), std::move(store),
        Vector(biases), LICHEN_ONEDNN_3 && !epilogue.scale.empty() ? Vector(epilogue.scale) : memory());
  }

  static memory Vector(const std::vector<float>& values) {
    memory copy({{static_cast<memory::dim>(values.size())}, Type::f32, memory::format_tag::x}, Cpu());
    std::copy(values.begin(), values.end(), static_cast<float*>(copy.get_data_handle()));
    return copy;
  }
  static memory::dims Dims(const FloatConvolutionData& data) { return {data.out, data.in, data.kernel, data.kernel}; }

  static std::vector<uint16_t> HalvesOf(const std::vector<float>& weights) {
    std::vector<uint16_t> halves(weights.size());
    FloatToBfloat16(weights.data(), halves.size(), halves.data());
    return halves;
  }

  static std::shared_ptr<SteppedConvolution> OfFloats(const FloatConvolutionData& data, const Options& options) {
    const Type output = options.half_output ? Type::bf16 : Type::f32;
    const Epilogue epilogue = {{}, options.accumulate, data.relu, data.slope};
    if (options.precision != Precision::kBfloat16) {
      WeightStore store(Dims(data), Type::f32, data.weight);
      return Make(data, Type::f32, output, epilogue, std::move(store), data.bias);
    }
    WeightStore store(Dims(data), Type::bf16, HalvesOf(data.weight));
    return Make(data, Type::bf16, output, epilogue, std::move(store), data.bias);
  }

  /// Weights of integers, with scale and bias in units of the output, where that is integers too: a positive factor of
  /// what the ReLU takes is one of what it gives.
  struct Integers {
    RoundedWeights rounded;
    std::vector<float> bias;

    Integers(const FloatConvolutionData& data, const Options& options) : rounded(RoundWeights(data)), bias(data.bias) {
      for (size_t o = 0; o < options.output_step.size(); ++o) {
        bias[o] /= options.output_step[o];
        rounded.scale[o] /= options.output_step[o];
      }
    }
    /// The bias in units of the sums.
    void UnscaleBias() {
      for (size_t o = 0; o < bias.size(); ++o) bias[o] /= rounded.scale[o];
    }
  };

  static std::shared_ptr<SteppedConvolution> OfIntegers(const FloatConvolutionData& data, const Options& options) {
    Integers integers(data, options);
    Epilogue epilogue = {{}, options.accumulate, data.relu, data.slope};
    if (options.precision == Precision::kInt8) {
      const Type output = options.output_step.empty() ? Type::f32 : Type::s8;  // to which oneDNN rounds, -128 included
      if (!LICHEN_ONEDNN_3) integers.UnscaleBias();
      epilogue.scale = std::move(integers.rounded.scale);
      WeightStore store(Dims(data), Type::s8, std::move(integers.rounded.weight));
      return Make(data, Type::s8, output, epilogue, std::move(store), integers.bias);
    }
    epilogue.round = !options.output_step.empty();
    const RoundedWeights& rounded = integers.rounded;
    std::vector<float> floats(rounded.weight.size());
    const size_t row = floats.size() / data.out;
    for (int o = 0; o < data.out; ++o) {
      for (size_t i = o * row; i < (o + 1) * row; ++i) floats[i] = rounded.weight[i] * rounded.scale[o];
    }
    WeightStore store(Dims(data), Type::f32, std::move(floats));
    return Make(data, Type::f32, Type::f32, epilogue, std::move(store), integers.bias);
  }

  static std::shared_ptr<TileConvolution> InTiles(const FloatConvolutionData& data, const Options& options) {
    using Gives = TileConvolution::Gives;
    const TileConvolution::Geometry geometry = {data.in,     data.out,      data.kernel,
                                                data.stride, options.pitch, options.output_pitch};
    TileConvolution::Epilogue epilogue;
    epilogue.accumulate = options.accumulate, epilogue.relu = data.relu, epilogue.slope = data.slope;
    if (options.precision == Precision::kBfloat16) {
      epilogue.bias = data.bias;
      const Gives gives = options.half_output ? Gives::kBfloat16 : Gives::kFloat32;
      return std::make_shared<TileConvolution>(geometry, TakenAs(options.precision), HalvesOf(data.weight).data(),
                                               gives, std::move(epilogue));
    }
    Integers integers(data, options);
    integers.UnscaleBias();
    epilogue.bias = std::move(integers.bias);
    epilogue.scale = std::move(integers.rounded.scale);
    return std::make_shared<TileConvolution>(geometry, TakenAs(options.precision), integers.rounded.weight.data(),
                                             options.output_step.empty() ? Gives::kFloat32 : Gives::kInt8,
                                             std::move(epilogue));
  }
};

int PitchFor(const FloatConvolutionData& data, Precision precision) {
  return RunsInTiles(data, precision) && data.in % 16 == 0 ? TileConvolution::PitchFor(data.in, TakenAs(precision))
                                                           : data.in;
}

FloatConvolution::FloatConvolution(const FloatConvolutionData& data, const Options& options)
    : state_(std::make_unique<State>()) {
  state_->geometry = {data.in, data.out, data.kernel, data.stride};
  const Precision output = options.half_output           ? Precision::kBfloat16
                           : options.output_step.empty() ? Precision::kFloat32
                                                         : options.precision;
  state_->output_position = (options.output_pitch > 0 ? options.output_pitch : data.out) * SizeOf(output);
  const bool in_tiles = RunsInTiles(data, options.precision);
  // Steps of the output are those of the layer that comes next.
  const PreparedCache::Key key = {static_cast<int>(options.precision), options.half_output, options.accumulate,
                                  !options.output_step.empty(),        options.pitch,       options.output_pitch};
  if (in_tiles) {
    state_->tiled = data.prepared.Get<TileConvolution>(key, [&] { return State::InTiles(data, options); });
  } else {
    state_->stepped = data.prepared.Get<SteppedConvolution>(
        key, [&] { return data.step.empty() ? State::OfFloats(data, options) : State::OfIntegers(data, options); });
  }
}

FloatConvolution::~FloatConvolution() = default;
FloatConvolution::FloatConvolution(FloatConvolution&&) noexcept = default;

bool FloatConvolution::CanRound() const { return state_->tiled != nullptr; }

Status FloatConvolution::Run(const void* src, const Rows& rows, int w, void* dst, Workers& workers,
                             const RoundedOutput& rounded) {
  State& s = *state_;
  const Geometry& g = s.geometry;
  const Shape whole = {rows.h, w, rows.top, rows.bottom};
  const int outputs = g.OutputRows(whole), columns = g.Columns(whole);
  const int step = s.tiled ? 1 : std::min(outputs, (kLeastOutputs - 1) / columns + 1);
  // Of such steps are the pieces that workers share.
  const int64_t step_work = int64_t{step} * columns * g.out * g.in * g.kernel * g.kernel;
  const int steps = (outputs - 1) / step + 1, share = (steps - 1) / workers.threads() + 1;
  const int piece = step * static_cast<int>(std::clamp<int64_t>(kPieceWork / step_work, 1, share));
  if (s.threads.size() < static_cast<size_t>(workers.threads())) s.threads.resize(workers.threads());
  return workers.TryEach((outputs - 1) / piece + 1, [&](int lane, int i) {
    const int begin = i * piece, end = std::min(begin + piece, outputs);
    auto* to = static_cast<uint8_t*>(dst) + static_cast<size_t>(begin) * columns * s.output_position;
    State::Thread& thread = s.threads[lane];
    if (s.tiled) {
      RoundedOutput also = rounded;
      if (also.dst) also.dst += static_cast<size_t>(begin) * columns * also.pitch * also.Element();
      s.tiled->Run({src, rows.h, w, rows.top}, begin, end, thread.tiles, to, also);
      return Status();
    }
    try {
      s.stepped->Run(src, whole, step, begin, end, thread.lane, to);
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_out_of_memory)
        return Status(StatusCode::kOutOfMemory, "not enough memory for a convolution");
      return Status(StatusCode::kInternal, std::string("oneDNN: ") + error.what());
    }
    return Status();
  });
}

}  // namespace lichen
