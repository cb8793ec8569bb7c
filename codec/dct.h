// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_DCT_H_
#define LICHEN_CODEC_DCT_H_

// The discrete cosine transform of blocks of 8x8 pixels, and the colours it sees. What the decoder computes is integer
// arithmetic with one result, defined in FORMAT.md; the encoder uses floats.
//
// Colours are rotated: Y along (1, 1, 1), and two opponent colours along (1, 0, -1) and (1, -2, 1), all of length 1, so
// that an error in a coefficient is as large in the picture.

#include <cstdint>

namespace lichen {

inline constexpr int kBlockSide = 8;       // pixels
inline constexpr int kBlockSize = 64;      // coefficients, row by row: index 8 * v + u of vertical frequency v
inline constexpr int kStepsPerLevel = 64;  // units of a quantisation step, and of what InverseDct gives, per level
inline constexpr int kMaxLevel = 32767;    // of a quantised coefficient, either sign

/// samples  64 values in levels of 8 bits, about 0
/// coefficients  64 of an orthonormal transform
void ForwardDct(const float* samples, float* coefficients);

/// Quantised coefficients to samples in 1/64 levels, saturated to 16 bits. Uses the integer matrix of H.265.
/// step  1..65535, in 1/64 levels
void InverseDct(const int16_t* quantised, int step, int16_t* samples);

/// Rotates `count` pixels from R, G, B, interleaved, as the analysis transform takes them (-0.5 to 0.5), to three
/// planes in levels of 8 bits about 0, `plane` floats apart.
void RotateColours(const float* rgb, int count, int plane, float* planes);

/// One sample of a decoded picture from what InverseDct gives at a pixel, in units of 2^-20 levels of 8 bits: 0 to
/// 255 * 2^20.
inline int32_t ClampSample(int32_t value) {
  constexpr int32_t kMiddle = 128 << 20, kMost = 255 << 20;
  const int32_t sample = value + kMiddle;
  return sample < 0 ? 0 : sample > kMost ? kMost : sample;
}

/// Rotates `count` pixels back: three planes of InverseDct to R, G, B, interleaved, as ClampSample gives them.
void RotateBack(const int16_t* y, const int16_t* c1, const int16_t* c2, int count, int32_t* rgb);
/// The same for gray pictures, whose one plane is not rotated.
void ClampGray(const int16_t* y, int count, int32_t* gray);

}  // namespace lichen

#endif  // LICHEN_CODEC_DCT_H_
