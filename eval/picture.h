// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PICTURE_H_
#define LICHEN_EVAL_PICTURE_H_

// Files as pictures that can be measured.

#include <string>
#include <vector>

#include "eval/codecs.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::eval {

/// The picture in a PNG or JPEG file, or in a .lic file, which is decoded as `settings` say: gray or RGB of 8 bits.
/// dropped  receives what the picture had and the samples do not carry: "alpha channel", ...
/// errors   those of reading and decoding; messages begin with the path
Result<Image> ReadPicture(const std::string& path, const LichenSettings& settings, std::vector<std::string>* dropped);

/// `paths` with every folder replaced by the PNG and JPEG files in it, in order of their names.
std::vector<std::string> ExpandFolders(const std::vector<std::string>& paths);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PICTURE_H_
