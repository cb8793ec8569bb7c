// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PIXELS_H_
#define LICHEN_EVAL_PIXELS_H_

// Gray as RGB and back, for codecs that know only one of them.

#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::eval {

/// The picture with three channels. errors: kInvalidArgument unless it has 1 or 3 channels of 8 bits
Result<Image> ToRgb(const Image& image);

/// BT.601 luma of an RGB picture of 8 bits, rounded; a gray picture as it is.
Image ToGray(const Image& image);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PIXELS_H_
