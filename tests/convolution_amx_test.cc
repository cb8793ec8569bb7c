// SPDX-License-Identifier: Apache-2.0
#include "codec/convolution_amx.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "codec/convolution.h"

namespace lichen {
namespace {

using Takes = TileConvolution::Takes;
using Gives = TileConvolution::Gives;

struct Case {
  TileConvolution::Geometry geometry;
  int h, w, top, bottom;  // of the source, and rows of zeros around it

  int Rows() const { return (top + h + bottom - geometry.kernel) / geometry.stride + 1; }
  int Columns() const { return (w + geometry.stride - 1) / geometry.stride; }
  int Pitch() const { return std::max(geometry.in, geometry.pitch); }
  int OutputPitch() const { return std::max(geometry.out, geometry.output_pitch); }
  size_t Outputs() const { return size_t(Rows()) * Columns() * OutputPitch(); }
};

/// Widths with one tile and two, whole and not, and blocks at no edge; few and many channels, with and without room
/// behind them; positions that are read again for every 16 outputs, and for every 32.
const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {{48, 48, 3, 1}, 5, 100, 1, 1},  {{48, 48, 3, 1, 64, 64}, 5, 97, 1, 1},
      {{128, 48, 3, 1}, 3, 16, 0, 0},  {{128, 32, 3, 1}, 4, 1, 1, 1},
      {{512, 48, 3, 1}, 3, 40, 1, 0},  {{512, 48, 3, 2, 512, 64}, 4, 75, 0, 1},
      {{64, 128, 3, 2}, 6, 130, 1, 1}, {{48, 128, 3, 2, 64, 0}, 7, 67, 1, 1},
      {{7, 16, 1, 1}, 2, 33, 0, 0},    {{300, 80, 1, 1, 320, 96}, 1, 48, 0, 0},
      {{33, 16, 5, 1}, 6, 70, 2, 2},   {{20, 32, 7, 2, 64, 0}, 9, 95, 3, 3},
      {{1, 16, 7, 1}, 9, 97, 3, 3},    {{1, 16, 7, 1}, 7, 193, 3, 3},
      {{256, 16, 3, 2}, 5, 140, 1, 1},
  };
  return cases;
}

std::string NameOf(const Case& c) {
  const TileConvolution::Geometry& g = c.geometry;
  return std::to_string(g.in) + " to " + std::to_string(g.out) + ", kernel " + std::to_string(g.kernel) + ", stride " +
         std::to_string(g.stride) + ", pitches " + std::to_string(g.pitch) + " and " + std::to_string(g.output_pitch) +
         ", " + std::to_string(c.w) + "x" + std::to_string(c.h);
}

/// sum(values, weights) of an output, in doubles. value(y, x, i), weight(o, i, ky, kx)
template <typename Value, typename Weight>
double SumOf(const Case& c, int row, int column, int o, const Value& value, const Weight& weight) {
  const TileConvolution::Geometry& g = c.geometry;
  double sum = 0;
  for (int ky = 0; ky < g.kernel; ++ky) {
    const int y = row * g.stride - c.top + ky;
    if (y < 0 || y >= c.h) continue;
    for (int kx = 0; kx < g.kernel; ++kx) {
      const int x = column * g.stride - g.kernel / 2 + kx;
      if (x < 0 || x >= c.w) continue;
      for (int i = 0; i < g.in; ++i) sum += value(y, x, i) * weight(o, i, ky, kx);
    }
  }
  return sum;
}

uint16_t HalfOf(float value) {
  uint16_t half;
  FloatToBfloat16(&value, 1, &half);
  return half;
}
float FloatOf(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Bytes with pages around them that nobody may read, which start or end where these do.
class Guarded {
 public:
  Guarded(const void* bytes, size_t size, bool at_end) : size_((size + kPage - 1) / kPage * kPage + 2 * kPage) {
    memory_ = static_cast<uint8_t*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(memory_ + kPage, size_ - 2 * kPage, PROT_READ | PROT_WRITE), 0);
    data_ = at_end ? memory_ + size_ - kPage - size : memory_ + kPage;
    std::memcpy(data_, bytes, size);
  }
  ~Guarded() { munmap(memory_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  uint8_t* data() const { return data_; }

 private:
  static constexpr size_t kPage = 4096;
  size_t size_;
  uint8_t *memory_, *data_;
};

class TileConvolutionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!MultipliesInTiles()) GTEST_SKIP() << "the processor has no AMX, or may not use it";
  }

  /// Runs it in two calls, at a row in the middle, into dst, which then ends where it should.
  template <typename T, typename U>
  void Run(const TileConvolution& convolution, const Case& c, const std::vector<T>& src, std::vector<U>& dst,
           RoundedOutput rounded = {}) {
    const TileConvolution::Source source = {src.data(), c.h, c.w, c.top};
    const int half = c.Rows() / 2;
    dst.resize(c.Outputs() + kBeyond, U{77});
    convolution.Run(source, 0, half, scratch_, dst.data(), rounded);
    if (rounded.dst) rounded.dst += size_t(half) * c.Columns() * rounded.pitch * rounded.Element();
    convolution.Run(source, half, c.Rows(), scratch_, dst.data() + c.Outputs() / c.Rows() * half, rounded);
    for (size_t i = c.Outputs(); i < dst.size(); ++i) ASSERT_EQ(dst[i], U{77}) << "written behind the last output";
  }

  /// check(output, row, column, channel); what is between positions is to stay as it was.
  template <typename U, typename Check>
  void ForOutputs(const Case& c, const std::vector<U>& dst, U before, const Check& check) {
    size_t at = 0;
    for (int row = 0; row < c.Rows(); ++row) {
      for (int column = 0; column < c.Columns(); ++column) {
        for (int o = 0; o < c.OutputPitch(); ++o, ++at) {
          if (o < c.geometry.out) {
            check(dst[at], row, column, o);
          } else {
            ASSERT_EQ(dst[at], before) << "written between positions";
          }
        }
      }
    }
  }

  static constexpr size_t kBeyond = 100;
  std::mt19937 random_{1};
  TileScratch scratch_;
};

TEST_F(TileConvolutionTest, SumsOfBytesAreExact) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(NameOf(c));
    const TileConvolution::Geometry& g = c.geometry;
    std::vector<uint8_t> src(size_t(c.h) * c.w * c.Pitch());
    for (uint8_t& v : src) v = static_cast<uint8_t>(random_());  // what is between positions, too
    std::vector<int8_t> weights(size_t(g.out) * g.in * g.kernel * g.kernel);
    for (int8_t& v : weights) v = static_cast<int8_t>(random_());
    const auto weight = [&](int o, int i, int ky, int kx) {
      return weights[((size_t(o) * g.in + i) * g.kernel + ky) * g.kernel + kx];
    };
    const TileConvolution convolution(g, Takes::kUint8, weights.data(), Gives::kInt32, {});
    std::vector<int32_t> dst;
    Run(convolution, c, src, dst);
    const auto value = [&](int y, int x, int i) { return src[(size_t(y) * c.w + x) * c.Pitch() + i]; };
    ForOutputs(c, dst, 77, [&](int32_t sum, int row, int column, int o) {
      ASSERT_EQ(sum, SumOf(c, row, column, o, value, weight)) << row << ", " << column << ", " << o;
    });
  }
}

TEST_F(TileConvolutionTest, NothingIsReadOrWrittenOutside) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(NameOf(c));
    const TileConvolution::Geometry& g = c.geometry;
    const std::vector<uint8_t> src(size_t(c.h) * c.w * c.Pitch() * 2);
    const std::vector<uint16_t> weights(size_t(g.out) * g.in * g.kernel * g.kernel);
    const std::vector<float> outputs(c.Outputs());
    for (const bool at_end : {false, true}) {
      for (const bool bytes : {false, true}) {
        const TileConvolution convolution(g, bytes ? Takes::kUint8 : Takes::kBfloat16, weights.data(),
                                          bytes ? Gives::kInt32 : Gives::kFloat32, {});
        const Guarded source(src.data(), src.size() / (bytes ? 2 : 1), at_end);
        const Guarded dst(outputs.data(), outputs.size() * sizeof(float), at_end);
        convolution.Run({source.data(), c.h, c.w, c.top}, 0, c.Rows(), scratch_, dst.data());
      }
    }
  }
}

TEST_F(TileConvolutionTest, SignedBytesAreScaledAddedAndRounded) {
  for (const Case& c : Cases()) {
    for (const bool to_bytes : {false, true}) {
      SCOPED_TRACE(NameOf(c) + (to_bytes ? ", to bytes" : ", added to floats"));
      const TileConvolution::Geometry& g = c.geometry;
      std::vector<int8_t> src(size_t(c.h) * c.w * c.Pitch()), weights(size_t(g.out) * g.in * g.kernel * g.kernel);
      for (int8_t& v : src) v = static_cast<int8_t>(random_());
      for (int8_t& v : weights) v = static_cast<int8_t>(random_() % 15 - 7);
      // Powers of two and whole numbers: what is computed in floats is exact.
      TileConvolution::Epilogue epilogue;
      for (int o = 0; o < g.out; ++o) {
        epilogue.bias.push_back(static_cast<float>(static_cast<int>(random_() % 100) - 50));
        epilogue.scale.push_back(std::ldexp(1.0f, -static_cast<int>(6 + o % 3)));
      }
      epilogue.accumulate = !to_bytes;
      epilogue.relu = true;
      epilogue.slope = 0.25f;
      const auto value = [&](int y, int x, int i) { return src[(size_t(y) * c.w + x) * c.Pitch() + i]; };
      const auto weight = [&](int o, int i, int ky, int kx) {
        return weights[((size_t(o) * g.in + i) * g.kernel + ky) * g.kernel + kx];
      };
      const auto expected = [&](int row, int column, int o, double before) {
        const double sum = SumOf(c, row, column, o, value, weight) + epilogue.bias[o];
        const double v = sum * epilogue.scale[o] + before;
        return v < 0 ? v * 0.25 : v;
      };
      const TileConvolution convolution(g, Takes::kInt8, weights.data(), to_bytes ? Gives::kInt8 : Gives::kFloat32,
                                        epilogue);
      if (to_bytes) {
        std::vector<int8_t> dst;
        Run(convolution, c, src, dst);
        ForOutputs(c, dst, int8_t{77}, [&](int8_t v, int row, int column, int o) {
          const double rounded = std::clamp(std::nearbyint(expected(row, column, o, 0)), -128.0, 127.0);
          ASSERT_EQ(v, rounded) << row << ", " << column << ", " << o;
        });
      } else {
        std::vector<float> dst(c.Outputs(), 3.0f), inverse_step;
        for (int o = 0; o < g.out; ++o) inverse_step.push_back(std::ldexp(1.0f, o % 5 - 2));
        const int pitch = g.out + 16;
        std::vector<int8_t> rounded(size_t(c.Rows()) * c.Columns() * pitch, 77);
        Run(convolution, c, src, dst, {reinterpret_cast<uint8_t*>(rounded.data()), inverse_step.data(), pitch});
        ForOutputs(c, dst, 3.0f, [&](float v, int row, int column, int o) {
          ASSERT_EQ(v, expected(row, column, o, 3)) << row << ", " << column << ", " << o;
          const size_t at = (size_t(row) * c.Columns() + column) * pitch + o;
          ASSERT_EQ(rounded[at], std::clamp(std::nearbyint(v * inverse_step[o]), -127.0f, 127.0f));
          ASSERT_EQ(rounded[at / pitch * pitch + g.out + o % 16], 77) << "written between positions";
        });
      }
    }
  }
}

TEST_F(TileConvolutionTest, Bfloat16) {
  for (const Case& c : Cases()) {
    for (const bool to_halves : {false, true}) {
      SCOPED_TRACE(NameOf(c) + (to_halves ? ", to halves" : ", to floats"));
      const TileConvolution::Geometry& g = c.geometry;
      // Multiples of 1/8: sums in floats are exact, in any order.
      const auto some = [&] { return HalfOf(static_cast<float>(static_cast<int>(random_() % 31) - 15) / 8); };
      std::vector<uint16_t> src(size_t(c.h) * c.w * c.Pitch()), weights(size_t(g.out) * g.in * g.kernel * g.kernel);
      std::generate(src.begin(), src.end(), some);
      std::generate(weights.begin(), weights.end(), some);
      TileConvolution::Epilogue epilogue;
      for (int o = 0; o < g.out; ++o) epilogue.bias.push_back(FloatOf(some()));
      const auto value = [&](int y, int x, int i) { return FloatOf(src[(size_t(y) * c.w + x) * c.Pitch() + i]); };
      const auto weight = [&](int o, int i, int ky, int kx) {
        return FloatOf(weights[((size_t(o) * g.in + i) * g.kernel + ky) * g.kernel + kx]);
      };
      const auto expected = [&](int row, int column, int o) {
        return static_cast<float>(SumOf(c, row, column, o, value, weight) + epilogue.bias[o]);
      };
      const TileConvolution convolution(g, Takes::kBfloat16, weights.data(),
                                        to_halves ? Gives::kBfloat16 : Gives::kFloat32, epilogue);
      if (to_halves) {
        std::vector<uint16_t> dst;
        Run(convolution, c, src, dst);
        ForOutputs(c, dst, uint16_t{77}, [&](uint16_t v, int row, int column, int o) {
          ASSERT_EQ(v, HalfOf(expected(row, column, o))) << row << ", " << column << ", " << o;
        });
      } else {
        std::vector<float> dst;
        Run(convolution, c, src, dst);
        const int pitch = g.out + 32;
        std::vector<uint16_t> rounded(size_t(c.Rows()) * c.Columns() * pitch, 77);
        std::vector<float> unused;
        Run(convolution, c, src, unused, {reinterpret_cast<uint8_t*>(rounded.data()), nullptr, pitch});
        ForOutputs(c, dst, 77.0f, [&](float v, int row, int column, int o) {
          ASSERT_EQ(v, expected(row, column, o)) << row << ", " << column << ", " << o;
          const size_t position = (size_t(row) * c.Columns() + column) * pitch;
          ASSERT_EQ(rounded[position + o], HalfOf(v)) << row << ", " << column << ", " << o;
          ASSERT_EQ(rounded[position + g.out + o % 32], 0) << "beyond the channels";
        });
      }
    }
  }
}

TEST_F(TileConvolutionTest, PitchesAreWholeLines) {
  EXPECT_EQ(TileConvolution::PitchFor(48, Takes::kInt8), 64);
  EXPECT_EQ(TileConvolution::PitchFor(128, Takes::kInt8), 128);
  EXPECT_EQ(TileConvolution::PitchFor(48, Takes::kBfloat16), 64);
  EXPECT_EQ(TileConvolution::PitchFor(32, Takes::kBfloat16), 32);
}

}  // namespace
}  // namespace lichen
