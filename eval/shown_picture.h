// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_SHOWN_PICTURE_H_
#define LICHEN_EVAL_SHOWN_PICTURE_H_

// One picture through every codec at about the same size, to be looked at.

#include <string>
#include <vector>

#include "eval/evaluation.h"

namespace lichen::eval {

struct ShownVersion {
  std::string codec;
  double quality = 0;
  size_t bytes = 0;
  Distortion distortion;
  Image decoded;
};

struct ShownPicture {
  std::string name;
  Image original;
  std::vector<ShownVersion> versions;  // one of each codec
};

/// Searches, for every codec, the quality whose file comes nearest to `bpp` bits per pixel. errors: those of the codecs
Result<ShownPicture> MakeShownPicture(const std::string& name, const Image& image, const std::vector<Run>& runs,
                                      double bpp, int workers);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_SHOWN_PICTURE_H_
