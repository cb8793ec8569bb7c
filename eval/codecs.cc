// SPDX-License-Identifier: Apache-2.0
#include "eval/codecs.h"

#include <cstdio>

namespace lichen::eval {

Result<std::unique_ptr<Codec>> MakeCodec(const std::string& name, const LichenSettings& settings) {
  if (name == "lichen") return MakeLichenCodec(settings);
  if (name == "jpeg") return MakeJpegCodec(ChromaSampling::k420);
  if (name == "jpeg-444") return MakeJpegCodec(ChromaSampling::k444);
  return Status(StatusCode::kInvalidArgument, "no codec is called " + name + "; there are lichen, jpeg and jpeg-444");
}

std::string FormatQuality(double quality) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", quality);
  return text;
}

}  // namespace lichen::eval
