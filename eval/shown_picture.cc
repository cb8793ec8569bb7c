// SPDX-License-Identifier: Apache-2.0
#include "eval/shown_picture.h"

#include <utility>

#include "eval/parallel.h"
#include "eval/pixels.h"

namespace lichen::eval {
namespace {

Result<ShownVersion> MakeVersion(const Codec& codec, const Image& image, size_t bytes) {
  ShownVersion version;
  version.codec = codec.Name();
  Result<SizeMatch> match = MatchSize(codec, image, bytes);
  if (!match.ok()) return match.status().Prefixed(version.codec);
  version.quality = match->quality;
  version.bytes = match->file.size();
  Result<Image> decoded = codec.Decode(match->file);
  if (!decoded.ok()) return decoded.status().Prefixed(version.codec);
  version.decoded = image.channels == 1 ? ToGray(*decoded) : std::move(decoded).value();
  LICHEN_ASSIGN_OR_RETURN(version.distortion, Measure(image, version.decoded));
  return version;
}

}  // namespace

Result<ShownPicture> MakeShownPicture(const std::string& name, const Image& image, const std::vector<Run>& runs,
                                      double bpp, int workers) {
  const double pixels = double{1} * image.width * image.height;
  const size_t bytes = static_cast<size_t>(pixels * bpp / 8);
  ShownPicture shown{name, image, std::vector<ShownVersion>(runs.size())};
  LICHEN_RETURN_IF_ERROR(ParallelFor(runs.size(), workers, [&](size_t i) -> Status {
    LICHEN_ASSIGN_OR_RETURN(shown.versions[i], MakeVersion(*runs[i].codec, image, bytes));
    return Status();
  }));
  return shown;
}

}  // namespace lichen::eval
