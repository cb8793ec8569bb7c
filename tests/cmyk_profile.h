// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_CMYK_PROFILE_H_
#define LICHEN_TESTS_CMYK_PROFILE_H_

// ICC profiles for tests, made with Little CMS.

#include <gtest/gtest.h>
#include <lcms2.h>

#include <cstdint>
#include <vector>

namespace lichen::test {

inline std::vector<uint8_t> Saved(cmsHPROFILE profile) {
  cmsUInt32Number size = 0;
  EXPECT_TRUE(cmsSaveProfileToMem(profile, nullptr, &size));
  std::vector<uint8_t> bytes(size);
  EXPECT_TRUE(cmsSaveProfileToMem(profile, bytes.data(), &size));
  cmsCloseProfile(profile);
  return bytes;
}

inline std::vector<uint8_t> RgbProfile() { return Saved(cmsCreate_sRGBProfile()); }

/// A printer in which inks have the wrong colours, so that it shows whether the profile was used: cyan ink takes away
/// green, magenta ink blue and yellow ink red, all multiplied, and black ink all of them.
inline std::vector<uint8_t> CmykProfile() {
  const cmsHPROFILE srgb = cmsCreate_sRGBProfile(), lab = cmsCreateLab4Profile(nullptr);
  cmsHTRANSFORM to_lab =
      cmsCreateTransform(srgb, TYPE_RGB_DBL, lab, TYPE_Lab_DBL, INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_NOOPTIMIZE);
  const cmsUInt32Number kGridPoints = 17;
  cmsStage* grid = cmsStageAllocCLut16bit(nullptr, kGridPoints, 4, 3, nullptr);
  const auto sample = [](const cmsUInt16Number in[], cmsUInt16Number out[], void* transform) -> cmsInt32Number {
    const double light = 1 - in[3] / 65535.0;
    const double rgb[3] = {(1 - in[2] / 65535.0) * light, (1 - in[0] / 65535.0) * light, (1 - in[1] / 65535.0) * light};
    cmsCIELab colour;
    cmsDoTransform(transform, rgb, &colour, 1);
    cmsFloat2LabEncoded(out, &colour);
    return TRUE;
  };
  EXPECT_TRUE(cmsStageSampleCLut16bit(grid, sample, to_lab, 0));
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 4, 3);
  for (cmsStage* stage :
       {cmsStageAllocToneCurves(nullptr, 4, nullptr), grid, cmsStageAllocToneCurves(nullptr, 3, nullptr)}) {
    EXPECT_TRUE(cmsPipelineInsertStage(pipeline, cmsAT_END, stage));  // curves that change nothing, which the tag needs
  }
  const cmsHPROFILE profile = cmsCreateProfilePlaceholder(nullptr);
  cmsSetProfileVersion(profile, 4.3);
  cmsSetDeviceClass(profile, cmsSigOutputClass);
  cmsSetColorSpace(profile, cmsSigCmykData);
  cmsSetPCS(profile, cmsSigLabData);
  EXPECT_TRUE(cmsWriteTag(profile, cmsSigAToB0Tag, pipeline));
  EXPECT_TRUE(cmsLinkTag(profile, cmsSigAToB1Tag, cmsSigAToB0Tag));
  cmsPipelineFree(pipeline);
  cmsDeleteTransform(to_lab);
  cmsCloseProfile(lab);
  cmsCloseProfile(srgb);
  return Saved(profile);
}

}  // namespace lichen::test

#endif  // LICHEN_TESTS_CMYK_PROFILE_H_
