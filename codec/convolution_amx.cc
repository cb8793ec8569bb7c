// SPDX-License-Identifier: Apache-2.0
#include "codec/convolution_amx.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lichen {

#if defined(__x86_64__) && defined(__linux__)

namespace {

#define LICHEN_TILES __attribute__((target("amx-tile,amx-int8,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16")))

constexpr int kRows = 16;            // positions of a tile of the source and of sums
constexpr size_t kChunk = 64;        // bytes of a position in a tile of the source
constexpr size_t kTileBytes = 1024;  // of weights or sums
constexpr int kBlock = 2 * kRows;    // positions that are worked on at a time
constexpr int kMostTiles = 2;        // of 16 outputs each, likewise
/// Bytes of a block's source that stay in the nearest cache, beside weights. Of less, all is read again for every 16
/// outputs; of more, for 32.
constexpr size_t kNearby = 32 << 10;
/// Sums of so many blocks are on their way: a block's become outputs after the next one's products, when they have
/// arrived in memory.
constexpr int kOnTheirWay = 2;

using Takes = TileConvolution::Takes;
using Gives = TileConvolution::Gives;

/// Intrinsics for tiles do not tell the compiler what memory they read and write.
inline void MemoryIsUsed() { __asm__ volatile("" ::: "memory"); }

/// All tiles are of 16 rows of 64 bytes.
LICHEN_TILES void ConfigureTiles() {
  struct alignas(64) Configuration {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::array<uint16_t, 16> bytes{};
    std::array<uint8_t, 16> rows{};
  } configuration;
  std::fill_n(configuration.bytes.begin(), 8, uint16_t{kChunk});
  std::fill_n(configuration.rows.begin(), 8, uint8_t{kRows});
  static_assert(sizeof(configuration) == 64, "as ldtilecfg takes it");
  __asm__ volatile("" ::"r"(&configuration) : "memory");
  _tile_loadconfig(&configuration);
}

LICHEN_TILES void ReleaseTiles() { _tile_release(); }

/// Bytes of the source from one column, and from one output's first column, to the next.
struct Steps {
  size_t position, output;
};

/// Where a block's sums go.
struct SumsTo {
  uint8_t* first;
  size_t position, tile;  // bytes from one position, and from one tile of 16 outputs, to the next
};

#define LICHEN_PRODUCT(sums, source, weights)                                       \
  do {                                                                              \
    if constexpr (takes == Takes::kInt8) _tile_dpbssd(sums, source, weights);       \
    if constexpr (takes == Takes::kUint8) _tile_dpbusd(sums, source, weights);      \
    if constexpr (takes == Takes::kBfloat16) _tile_dpbf16ps(sums, source, weights); \
  } while (false)

/// The sums of 16 or, with `both`, 32 positions for 16 * group outputs.
/// of_tile: bytes of weights from 16 outputs to the next
template <Takes takes, bool both, int group>
LICHEN_TILES void Multiply(const TileBlock& block, int kernel, Steps steps, int chunks, const uint8_t* weights,
                           size_t of_tile, SumsTo sums) {
  MemoryIsUsed();
  const size_t step = steps.output;
  _tile_zero(0);
  if (both) _tile_zero(1);
  if (group > 1) _tile_zero(2);
  if (group > 1 && both) _tile_zero(3);
  for (int ky = 0; ky < kernel; ++ky) {
    const uint8_t* row = block.rows[ky];
    if (!row) {
      weights += kernel * chunks * kTileBytes;
      continue;
    }
    for (int kx = 0; kx < kernel; ++kx, row += steps.position) {
      const uint8_t* at = row;
      for (int chunk = 0; chunk < chunks; ++chunk, at += kChunk, weights += kTileBytes) {
        _tile_loadd(7, weights, kChunk);
        _tile_loadd(4, at, step);
        LICHEN_PRODUCT(0, 4, 7);
        if constexpr (both) {
          _tile_loadd(5, at + kRows * step, step);
          LICHEN_PRODUCT(1, 5, 7);
        }
        if constexpr (group == 2) {
          _tile_loadd(6, weights + of_tile, kChunk);
          LICHEN_PRODUCT(2, 4, 6);
          if constexpr (both) LICHEN_PRODUCT(3, 5, 6);
        }
      }
    }
  }
  const size_t second = kRows * sums.position;
  _tile_stored(0, sums.first, sums.position);
  if (both) _tile_stored(1, sums.first + second, sums.position);
  if (group > 1) _tile_stored(2, sums.first + sums.tile, sums.position);
  if (group > 1 && both) _tile_stored(3, sums.first + sums.tile + second, sums.position);
  MemoryIsUsed();
}

template <Takes takes>
void MultiplyGroup(const TileBlock& block, int kernel, Steps steps, int chunks, const uint8_t* weights, size_t of_tile,
                   int group, SumsTo sums) {
  using Function = void (*)(const TileBlock&, int, Steps, int, const uint8_t*, size_t, SumsTo);
  constexpr Function kFunctions[2][kMostTiles] = {{Multiply<takes, false, 1>, Multiply<takes, false, 2>},
                                                  {Multiply<takes, true, 1>, Multiply<takes, true, 2>}};
  kFunctions[block.both][group - 1](block, kernel, steps, chunks, weights, of_tile, sums);
}

/// Sums that wait to become outputs: those of one block are on their way from the tiles while the next is multiplied.
struct Pending {
  const int32_t* sums = nullptr;
  int positions = 0, group = 0;
  const float *bias, *scale;
  uint8_t* dst;
  int tile;          // of 16 outputs
  uint8_t* rounded;  // may be null
  const float* inverse_step;
};

struct Finish {
  bool accumulate, relu;
  float slope;
  size_t position;          // bytes of a position of dst
  size_t rounded_position;  // and of what is rounded
  int zeros, last_tile;     // elements after what is rounded of the last tile
};

/// clamp(round(v * inverse_step), -127, 127), ties to even
LICHEN_TILES inline void StoreRounded(__m512 v, __m512 inverse_step, int8_t* dst) {
  const __m512 most = _mm512_set1_ps(kRoundedMax), least = _mm512_set1_ps(-kRoundedMax);
  const __m512 limited =
      _mm512_maskz_min_ps(0xffff, _mm512_maskz_max_ps(0xffff, _mm512_mul_ps(v, inverse_step), least), most);
  const __m128i bytes = _mm512_maskz_cvtsepi32_epi8(0xffff, _mm512_maskz_cvtps_epi32(0xffff, limited));
  std::memcpy(dst, &bytes, sizeof bytes);
}

/// What outputs are rounded to.
enum class Rounds { kNot, kToBytes, kToHalves };

template <bool integers, Gives gives, bool accumulate, Rounds rounds>
LICHEN_TILES void FinishSums(const Pending& pending, const Finish& finish) {
  const int32_t* sums = pending.sums;
  uint8_t* dst = pending.dst;
  uint8_t* rounded = pending.rounded;
  const __m512 inverse_step = _mm512_loadu_ps(rounds == Rounds::kToBytes ? pending.inverse_step : pending.bias);
  const int zeros = pending.tile == finish.last_tile ? finish.zeros : 0;
  const __m512 bias = _mm512_loadu_ps(pending.bias), scale = integers ? _mm512_loadu_ps(pending.scale) : bias;
  const __m512 slope = _mm512_set1_ps(finish.slope);
  const __mmask16 relu = finish.relu ? 0xffff : 0;
  for (int i = 0; i < pending.positions; ++i, sums += 16, dst += finish.position) {
    if constexpr (gives == Gives::kInt32) {
      _mm512_storeu_si512(dst, _mm512_load_si512(sums));
    } else {
      __m512 v = integers ? _mm512_mul_ps(
                                _mm512_add_ps(_mm512_maskz_cvtepi32_ps(0xffff, _mm512_load_si512(sums)), bias), scale)
                          : _mm512_add_ps(_mm512_load_ps(sums), bias);
      if constexpr (accumulate) v = _mm512_add_ps(v, _mm512_loadu_ps(dst));
      v = _mm512_mask_mul_ps(v, _mm512_mask_cmp_ps_mask(relu, v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope);
      if constexpr (gives == Gives::kFloat32 && rounds != Rounds::kToHalves) _mm512_storeu_ps(dst, v);
      if constexpr (rounds == Rounds::kToBytes) StoreRounded(v, inverse_step, reinterpret_cast<int8_t*>(rounded));
      if constexpr (rounds == Rounds::kToHalves) {
        const __m256bh halves = _mm512_cvtneps_pbh(v);
        std::memcpy(rounded, &halves, sizeof halves);
        if (zeros > 0) std::memset(rounded + sizeof halves, 0, zeros * sizeof(uint16_t));
      }
      rounded += finish.rounded_position;
      if constexpr (gives == Gives::kInt8) {
        const __m128i bytes = _mm512_maskz_cvtsepi32_epi8(0xffff, _mm512_maskz_cvtps_epi32(0xffff, v));
        std::memcpy(dst, &bytes, sizeof bytes);
      }
      if constexpr (gives == Gives::kBfloat16) {
        const __m256bh halves = _mm512_cvtneps_pbh(v);
        std::memcpy(dst, &halves, sizeof halves);
      }
    }
  }
}

template <bool integers, Gives gives>
void FinishPending(const Pending& pending, const Finish& finish) {
  if constexpr (gives == Gives::kFloat32) {
    if (pending.rounded && pending.inverse_step) {
      return finish.accumulate ? FinishSums<integers, gives, true, Rounds::kToBytes>(pending, finish)
                               : FinishSums<integers, gives, false, Rounds::kToBytes>(pending, finish);
    }
    if (pending.rounded) {
      return finish.accumulate ? FinishSums<integers, gives, true, Rounds::kToHalves>(pending, finish)
                               : FinishSums<integers, gives, false, Rounds::kToHalves>(pending, finish);
    }
    if (finish.accumulate) return FinishSums<integers, gives, true, Rounds::kNot>(pending, finish);
  }
  FinishSums<integers, gives, false, Rounds::kNot>(pending, finish);
}

constexpr size_t SizeOf(Takes takes) { return takes == Takes::kBfloat16 ? 2 : 1; }
constexpr size_t SizeOf(Gives gives) { return gives == Gives::kInt8 ? 1 : gives == Gives::kBfloat16 ? 2 : 4; }

}  // namespace

bool TileConvolution::Enable() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  static const bool enabled = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return enabled;
}

TileConvolution::TileConvolution(const Geometry& geometry, Takes takes, const void* weights, Gives gives,
                                 Epilogue epilogue)
    : geometry_(geometry), takes_(takes), gives_(gives), epilogue_(std::move(epilogue)) {
  const size_t element = SizeOf(takes), in = geometry.in, taps = static_cast<size_t>(geometry.kernel) * geometry.kernel;
  position_ = (geometry.pitch > 0 ? geometry.pitch : geometry.in) * element;
  chunks_ = static_cast<int>((in * element + kChunk - 1) / kChunk);
  output_position_ = (geometry.output_pitch > 0 ? geometry.output_pitch : geometry.out) * SizeOf(gives);
  const size_t of_tap = chunks_ * kTileBytes, of_tile = taps * of_tap;
  const size_t size = geometry.out / kColumns * of_tile;
  uint8_t* to = weights_.Reserve(size);
  const auto pack = [&](const auto* from) {
    using Element = std::decay_t<decltype(*from)>;
    constexpr size_t kInDword = 4 / sizeof *from;
    auto* cell = reinterpret_cast<Element*>(to);
    for (int tile = 0; tile < geometry.out; tile += kColumns) {
      for (size_t tap = 0; tap < taps; ++tap) {
        const Element* first = from + tile * in * taps + tap;
        for (size_t i = 0; i < chunks_ * kChunk / sizeof *from; i += kInDword) {
          for (int o = 0; o < kColumns; ++o, cell += kInDword) {
            // Of the dword's inputs those that there are.
            const Element* of_output = first + (o * in + i) * taps;
            for (size_t k = 0; k < kInDword; ++k) cell[k] = i + k < in ? of_output[k * taps] : Element{0};
          }
        }
      }
    }
  };
  if (takes == Takes::kBfloat16) {
    pack(static_cast<const uint16_t*>(weights));
  } else {
    pack(static_cast<const uint8_t*>(weights));
  }
  if (epilogue_.scale.empty()) epilogue_.scale.assign(geometry.out, 1.0f);
  if (epilogue_.bias.empty()) epilogue_.bias.assign(geometry.out, 0.0f);
}

/// A row of outputs as blocks; what lies at an edge is copied to scratch, with its padding.
void TileConvolution::CutUp(const Source& source, int row, TileScratch& scratch) const {
  const int kernel = geometry_.kernel, stride = geometry_.stride, half = kernel / 2;
  const int columns = (source.w + stride - 1) / stride, first_row = row * stride - source.top;
  const size_t row_size = source.w * position_, read = chunks_ * kChunk;  // a last chunk may reach beyond a position
  const size_t padded_row = ((kBlock - 1) * size_t(stride) + kernel) * position_,
               padded_size = kernel * padded_row + kChunk;
  // The first of a row, and those from where on columns lack, or what a last chunk reaches to.
  const size_t at_edges = 3 + (read / position_ + half) / (size_t(kBlock) * stride);
  uint8_t* padded = scratch.source.Reserve(at_edges * padded_size);
  scratch.blocks.clear();
  for (int x = 0; x < columns; x += kBlock) {
    TileBlock block;
    block.x = x;
    block.positions = std::min(columns - x, kBlock);
    block.both = block.positions > kRows;
    const int left = x * stride - half, taken = ((block.both ? kBlock : kRows) - 1) * stride + kernel;  // columns
    const bool inside = left >= 0 && (left + taken - 1) * position_ + read <= row_size;
    const int from = std::max(left, 0), to = std::min(left + taken, source.w);
    for (int ky = 0; ky < kernel; ++ky) {
      block.rows[ky] = nullptr;
      if (first_row + ky < 0 || first_row + ky >= source.h) continue;
      const uint8_t* values = static_cast<const uint8_t*>(source.rows) + (first_row + ky) * row_size;
      if (inside) {
        block.rows[ky] = values + left * position_;
        continue;
      }
      uint8_t* copy = padded + ky * padded_row;
      std::memset(copy, 0, (from - left) * position_);
      std::memcpy(copy + (from - left) * position_, values + from * position_, (to - from) * position_);
      std::memset(copy + (to - left) * position_, 0, (left + taken - to) * position_ + kChunk);
      block.rows[ky] = copy;
    }
    if (!inside) padded += padded_size;
    scratch.blocks.push_back(block);
  }
}

template <Takes takes, Gives gives>
void TileConvolution::RunAs(const Source& source, int begin, int end, TileScratch& scratch, uint8_t* dst,
                            const RoundedOutput& rounded) const {
  const int kernel = geometry_.kernel, all = geometry_.out / kColumns;
  const size_t of_tile = size_t(kernel) * kernel * chunks_ * kTileBytes;
  const size_t of_rounded = rounded.Element();  // bytes
  const Finish finish = {epilogue_.accumulate,
                         epilogue_.relu,
                         epilogue_.slope,
                         output_position_,
                         rounded.pitch * of_rounded,
                         rounded.dst ? rounded.pitch - geometry_.out : 0,
                         all - 1};
  const size_t columns = (source.w + geometry_.stride - 1) / geometry_.stride;
  alignas(64) int32_t sums[kOnTheirWay][kMostTiles * kBlock * kColumns];
  int current = 0;
  Pending pending;
  const auto finish_pending = [&] {
    for (; pending.group > 0; --pending.group) {
      FinishPending<takes != Takes::kBfloat16, gives>(pending, finish);
      pending.sums += kBlock * kColumns;
      pending.bias += kColumns;
      pending.scale += kColumns;
      pending.dst += kColumns * SizeOf(gives);
      ++pending.tile;
      if (pending.rounded) pending.rounded += kColumns * of_rounded;
      if (pending.inverse_step) pending.inverse_step += kColumns;
    }
  };
  const auto run = [&](const TileBlock& block, int tile, int group, size_t row) {
    const size_t position = row * columns + block.x;
    const int first = tile * kColumns;
    uint8_t* out = dst + position * finish.position + first * SizeOf(gives);
    const bool whole = block.positions == (block.both ? kBlock : kRows);
    const bool at_once = gives == Gives::kInt32 && whole;
    int32_t* waiting = sums[current];
    const SumsTo to = at_once ? SumsTo{out, finish.position, kChunk}
                              : SumsTo{reinterpret_cast<uint8_t*>(waiting), kChunk, kBlock * kChunk};
    MultiplyGroup<takes>(block, kernel, {position_, geometry_.stride * position_}, chunks_,
                         weights_.data() + tile * of_tile, of_tile, group, to);
    if (at_once) return;
    finish_pending();
    pending = {waiting,
               block.positions,
               group,
               epilogue_.bias.data() + first,
               epilogue_.scale.data() + first,
               out,
               tile,
               rounded.dst ? rounded.dst + (position * rounded.pitch + first) * of_rounded : nullptr,
               rounded.inverse_step ? rounded.inverse_step + first : nullptr};
    current = (current + 1) % kOnTheirWay;
  };
  const int together = kernel * kBlock * geometry_.stride * position_ > kNearby ? kMostTiles : 1;
  ConfigureTiles();
  for (int y = begin; y < end; ++y) {
    CutUp(source, y, scratch);
    for (const TileBlock& block : scratch.blocks) {
      for (int tile = 0; tile < all; tile += together) run(block, tile, std::min(together, all - tile), y - begin);
    }
  }
  finish_pending();
  ReleaseTiles();
}

int TileConvolution::PitchFor(int channels, Takes takes) {
  const size_t bytes = channels * SizeOf(takes);
  return static_cast<int>((bytes + kChunk - 1) / kChunk * kChunk / SizeOf(takes));
}

namespace {

LICHEN_TILES void RoundPixels(const float* src, size_t pixels, int channels, const float* inverse_step, int pitch,
                              int8_t* dst) {
  for (size_t i = 0; i < pixels; ++i, src += channels, dst += pitch) {
    for (int c = 0; c < channels; c += 16) {
      StoreRounded(_mm512_loadu_ps(src + c), _mm512_loadu_ps(inverse_step + c), dst + c);
    }
  }
}

}  // namespace

void TileConvolution::Round(const float* src, size_t pixels, const std::vector<float>& inverse_step, int pitch,
                            int8_t* dst) {
  RoundPixels(src, pixels, static_cast<int>(inverse_step.size()), inverse_step.data(), pitch, dst);
}

void TileConvolution::Run(const Source& source, int begin, int end, TileScratch& scratch, void* dst,
                          const RoundedOutput& rounded) const {
  const auto run = [&](auto function) {
    (this->*function)(source, begin, end, scratch, static_cast<uint8_t*>(dst), rounded);
  };
  switch (takes_) {
    case Takes::kInt8:
      if (gives_ == Gives::kInt8) return run(&TileConvolution::RunAs<Takes::kInt8, Gives::kInt8>);
      return run(&TileConvolution::RunAs<Takes::kInt8, Gives::kFloat32>);
    case Takes::kUint8:
      return run(&TileConvolution::RunAs<Takes::kUint8, Gives::kInt32>);
    case Takes::kBfloat16:
      if (gives_ == Gives::kBfloat16) return run(&TileConvolution::RunAs<Takes::kBfloat16, Gives::kBfloat16>);
      return run(&TileConvolution::RunAs<Takes::kBfloat16, Gives::kFloat32>);
  }
}

#else

bool TileConvolution::Enable() { return false; }
TileConvolution::TileConvolution(const Geometry& geometry, Takes takes, const void*, Gives gives, Epilogue epilogue)
    : geometry_(geometry),
      takes_(takes),
      gives_(gives),
      epilogue_(std::move(epilogue)),
      position_(0),
      output_position_(0),
      chunks_(0) {}
int TileConvolution::PitchFor(int channels, Takes) { return channels; }
void TileConvolution::Round(const float*, size_t, const std::vector<float>&, int, int8_t*) {}
void TileConvolution::Run(const Source&, int, int, TileScratch&, void*, const RoundedOutput&) const {}

#endif

}  // namespace lichen
