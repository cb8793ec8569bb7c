// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_MODEL_DATA_H_
#define LICHEN_CODEC_MODEL_DATA_H_

// What a model file holds, checked and ready for the networks. FORMAT.md, "Model file".

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bitstream/cdf.h"
#include "codec/prepared_cache.h"
#include "lichen/codec.h"
#include "lichen/status.h"

namespace lichen {

/// A float convolution with zero padding of kernel / 2. weight: [out][in][kernel][kernel]; bias: [out]; step: [in], of
/// the 8-bit integers that it takes (rounded_convolution.h), or empty where it takes floats; pixels: the integers are
/// samples, 0..255, less 128, and a step is 1/255.
struct FloatConvolutionData {
  int in = 0, out = 0, kernel = 1, stride = 1;
  bool relu = false, pixels = false;
  float slope = 0;  // with relu: of what is below 0
  std::vector<float> weight, bias, step;
  PreparedCache prepared{};
};

/// One layer of g_a, g_s or h_a.
struct FloatLayer {
  enum class Type { kConvolution, kResidual, kSpaceToDepth, kDepthToSpace, kGain };
  Type type = Type::kConvolution;
  FloatConvolutionData a, b;  // kConvolution: a; kResidual: x + b(relu(a(x))), where both have steps or neither
  int factor = 1;             // kSpaceToDepth, kDepthToSpace
  int channels = 0;           // kGain
  std::vector<int16_t> gain;  // kGain: log2 in 1/2048 octaves, [anchor][channel]
};

/// One layer of h_s or of a context network: stride 1, zero padding, then re-quantisation per output channel.
struct IntegerLayer {
  int in = 0, out = 0, kernel = 1;
  bool relu = true;                 // outputs 0..127; false: a head, outputs are signed
  int depth_to_space = 1;           // h_s: 2 where the layer up-samples
  std::vector<int8_t> weight;       // [out][in][kernel][kernel]
  std::vector<int32_t> bias;        // [out], in accumulator units
  std::vector<int32_t> multiplier;  // [out], 0..2^15-1
  std::vector<uint8_t> shift;       // [out], 1..40
  PreparedCache prepared{};
};

inline constexpr int kPostFilterFeatures = 50;
inline constexpr int kMaxPostFilterComponents = 3 * kPostFilterFeatures;  // as many as there are weights

/// Weights of the sums of features that are added to x_hat (post_filter.h). A model without a post-filter has no mean.
struct PostFilterData {
  std::vector<float> mean;         // [anchor][feature][3]
  std::vector<float> components;   // [component][feature][3]
  std::vector<int16_t> amplitude;  // [anchor]: of the components, log2 in 1/2048 octaves
  std::vector<int8_t> sizes;       // [component]: of its coefficients, as for bitstream::WritePostFilter
};

/// Depth-to-space layers are folded into the order of channels: where PyTorch's channel is (c, dy, dx), the
/// convolutions here give (dy, dx, c), so that channels-last rows are moved as they are.
struct ModelData {
  std::string name;
  std::array<uint8_t, 8> id{};

  // Decoder section.
  int latent_channels = 0;     // M, a multiple of 4
  int hyper_channels = 0;      // Z, likewise
  int feature_channels = 0;    // P
  int scale_per_exponent = 0;  // sixteenths of a scale index per exponent unit, times 2^16
  std::vector<FloatLayer> g_s;
  std::vector<IntegerLayer> h_s;
  std::array<std::vector<IntegerLayer>, 4> context;
  std::array<std::vector<IntegerLayer>, 4> context_z;  // of z; empty for its first step, which sees nothing
  std::array<int, 4> phase_order{};
  std::vector<uint16_t> exp2;               // [256]
  std::vector<int16_t> context_exponent;    // [anchor][M]: log2 of context units per step of y
  std::vector<int16_t> inverse_gain_y;      // [anchor][M]: log2 of the quantisation step, in 1/2048 octaves
  std::vector<int16_t> z_exponent;          // [anchor][Z]: log2 of context units per step of z
  std::vector<int16_t> z_scale;             // [anchor][Z]: sixteenths of a scale index
  std::vector<bitstream::CdfTable> tables;  // [3][64]: of z, and of quantiser 0 and 1 of y
  PostFilterData post_filter;

  // Encoder section.
  std::vector<FloatLayer> g_a, h_a;
  std::vector<int16_t> gain_y;  // [anchor][M]
};

/// From now on the model stays as it is, and what its layers are made into for their libraries stays with them.
void KeepPrepared(ModelData* model);

/// The tables at one quality index.
struct QualityTables {
  std::vector<int> context_exponent;  // [M]
  std::vector<int> z_exponent;        // [Z]
  std::vector<int> z_scale;           // [Z]: sixteenths of a scale index
  std::vector<float> inverse_gain_y;  // [M]
  std::vector<float> gain_y;          // [M]
  std::vector<float> z_gain;          // [Z]: steps of z per unit of h_a's output
};

/// A row of [anchor][channel] exponents at a quality index.
std::vector<int> ExponentsAtQuality(const std::vector<int16_t>& table, int channels, int quality_index);
/// A row of [anchor][channel] gains at a quality index, as factors.
std::vector<float> GainsAtQuality(const std::vector<int16_t>& table, int channels, int quality_index);
/// REQUIRES: 0 <= quality_index <= kMaxQualityIndex
QualityTables TablesAtQuality(const ModelData& model, int quality_index);

/// What of a model is wanted. kEncoding: all but g_s, which stays empty. kDecoding: all but the encoder section, which
/// is not even looked at: g_a, h_a and gain_y stay empty.
enum class ModelParts { kAll, kEncoding, kDecoding };

/// Whether the checksums of a model file are compared with its bytes, or these are known to be sound.
enum class Checksums { kCompared, kTrusted };

/// errors: kTruncated, kDamaged, kUnsupportedVersion
Result<ModelData> ParseModel(const uint8_t* data, size_t size, ModelParts parts = ModelParts::kAll,
                             Checksums checksums = Checksums::kCompared);

/// The built-in model, prepared on first use; what is not wanted costs most of the time to load it.
Result<std::shared_ptr<const Model>> DefaultModel(ModelParts parts);

/// The data behind a Model that the library made.
const ModelData& DataOf(const Model& model);

}  // namespace lichen

#endif  // LICHEN_CODEC_MODEL_DATA_H_
