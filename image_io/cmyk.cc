// SPDX-License-Identifier: Apache-2.0
#include "image_io/cmyk.h"

#include <lcms2.h>

namespace lichen::image_io {
namespace {

struct CloseProfile {
  void operator()(void* profile) const { cmsCloseProfile(profile); }
};
using Profile = std::unique_ptr<void, CloseProfile>;

/// From a CMYK profile to sRGB; null when it is none, or damaged.
cmsHTRANSFORM MakeTransform(const std::vector<uint8_t>& icc, bool inverted) {
  if (icc.empty() || icc.size() > UINT32_MAX) return nullptr;
  const Profile from(cmsOpenProfileFromMem(icc.data(), static_cast<cmsUInt32Number>(icc.size())));
  if (from == nullptr || cmsGetColorSpace(from.get()) != cmsSigCmykData) return nullptr;
  const Profile to(cmsCreate_sRGBProfile());
  return cmsCreateTransform(from.get(), inverted ? TYPE_CMYK_8_REV : TYPE_CMYK_8, to.get(), TYPE_RGB_8,
                            INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_BLACKPOINTCOMPENSATION);
}

}  // namespace

void CmykConverter::Delete::operator()(void* transform) const { cmsDeleteTransform(transform); }

CmykConverter::CmykConverter(const std::vector<uint8_t>& icc, bool inverted)
    : transform_(MakeTransform(icc, inverted)), inverted_(inverted) {}

CmykConverter::~CmykConverter() = default;

void CmykConverter::ConvertRow(const uint8_t* cmyk, size_t pixels, uint8_t* rgb) const {
  if (transform_ != nullptr) {
    cmsDoTransform(transform_.get(), cmyk, rgb, static_cast<cmsUInt32Number>(pixels));
    return;
  }
  for (size_t i = 0; i < pixels; ++i, cmyk += 4) {
    const unsigned flip = inverted_ ? 0 : 255;
    const unsigned light = cmyk[3] ^ flip;  // what black ink leaves, 0..255
    for (int c = 0; c < 3; ++c) *rgb++ = static_cast<uint8_t>(((cmyk[c] ^ flip) * light + 127) / 255);
  }
}

}  // namespace lichen::image_io
