// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_ERROR_MAP_H_
#define LICHEN_CODEC_ERROR_MAP_H_

// Where a picture that is coded by the block transform errs, and where the networks are likely to.

#include <vector>

#include "codec/dct_tile.h"
#include "lichen/image.h"

namespace lichen {

inline constexpr int kErrorSide = 64;  // pixels of a square

/// Squared errors in levels of 8 bits, summed over the samples of squares of 64 x 64 pixels: [rows][columns].
struct ErrorMap {
  int rows = 0, columns = 0;
  std::vector<double> dct;      // of the block transform
  std::vector<double> learned;  // of the networks, as a guess: from 0.5 to 1.4 times what it is, on 145 pictures
};

/// Of a whole picture: squared errors in levels of 8 bits, summed over its samples.
struct PictureError {
  double squared = 0;
  bool is_exact = false;  // all of the picture was looked at, not some of its rows
};

/// For BlockErrors: squared coefficients so weighed are what the networks lose of a block however high the quality.
const float* LostDetail();

/// errors  of QuantiseTile, on a picture of 8 bits, weighed by LostDetail
ErrorMap MapErrors(const BlockErrors& errors, const ImageHeader& picture);

}  // namespace lichen

#endif  // LICHEN_CODEC_ERROR_MAP_H_
