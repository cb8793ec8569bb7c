// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_LATENT_ARITHMETIC_H_
#define LICHEN_CODEC_LATENT_ARITHMETIC_H_

// The arithmetic of fixed_point.h on rows of channels. It decides symbols, so every result is that of the integers
// there.
//
// Integers are carried by doubles, which vectorise on every instruction set where 64-bit shifts do not: all products
// here are below 2^53, factors are an integer times a power of two, and floor(product + 1/2) is therefore exact.

#include <cstdint>

namespace lichen {

/// A head's outputs at one position -> means, in sixteenths of a quantisation step, and scale indices, 0..63.
///
/// means, scales  of the head, `count` each, within +-kHeadLimit
/// factor         Exp2Multiplier::AsFloat() of each channel
/// offset         sixteenths of an index, by channel
void MeansAndIndices(const int32_t* means, const int32_t* scales, const double* factor, const int32_t* offset,
                     int count, int32_t* mean, int32_t* index);

/// y in quantisation steps, less its mean, exact and then rounded and limited to what can be coded; a NaN, which a
/// broken encoder network could give, counts as 0. mean: sixteenths
void RoundResiduals(const float* y, const int32_t* mean, int count, float* exact, int32_t* residual);

/// The same without rounding, limited to what can be coded.
void ExactResiduals(const float* y, const int32_t* mean, int count, float* exact);

/// value = mean + unit * residual, and its context units as two activations, of which one is 0.
/// factor: Exp2Multiplier::AsFloat() of each channel; positive, negative: 0..127
void ValuesAndUnits(const int32_t* mean, const int32_t* residual, int32_t unit, const double* factor, int count,
                    int32_t* value, uint8_t* positive, uint8_t* negative);

/// floor((acc + bias) * scale + 1/2) within +-kHeadLimit. |acc + bias| < 2^24; scale: a multiplier below 2^15 over 2^1
/// to 2^40
void RequantiseHead(const int32_t* acc, const int32_t* bias, const double* scale, int count, int32_t* dst);

}  // namespace lichen

#endif  // LICHEN_CODEC_LATENT_ARITHMETIC_H_
