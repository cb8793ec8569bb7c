// SPDX-License-Identifier: Apache-2.0
#include "image_io/cmyk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "cmyk_profile.h"

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Converted(const CmykConverter& converter, const Bytes& cmyk) {
  Bytes rgb(cmyk.size() / 4 * 3);
  converter.ConvertRow(cmyk.data(), cmyk.size() / 4, rgb.data());
  return rgb;
}

// No ink; cyan, magenta, yellow, black; half of cyan; all inks; half black on magenta.
const Bytes kInks = {0, 0, 0, 0,   255, 0, 0, 0, 0,   255, 0,   0,   0, 0,   255, 0,
                     0, 0, 0, 255, 128, 0, 0, 0, 255, 255, 255, 255, 0, 255, 0,   128};

Bytes Inverted(Bytes samples) {
  for (uint8_t& sample : samples) sample = static_cast<uint8_t>(255 - sample);
  return samples;
}

TEST(CmykTest, WithoutAProfileInksMultiply) {
  const Bytes expected = {255, 255, 255, 0,   255, 255, 255, 0, 255, 255, 255, 0,
                          0,   0,   0,   127, 255, 255, 0,   0, 0,   127, 0,   127};
  const CmykConverter plain({}, false), adobe({}, true);
  EXPECT_FALSE(plain.has_profile());
  EXPECT_EQ(Converted(plain, kInks), expected);
  EXPECT_EQ(Converted(adobe, Inverted(kInks)), expected);
}

TEST(CmykTest, TheProfileSaysWhatInksLookLike) {
  // In this one, cyan ink looks magenta, magenta ink yellow and yellow ink cyan.
  const Bytes icc = test::CmykProfile();
  const Bytes expected = {255, 255, 255, 255, 0,   255, 255, 255, 0, 0,   255, 255,
                          0,   0,   0,   255, 127, 255, 0,   0,   0, 127, 127, 0};
  for (const bool inverted : {false, true}) {
    const CmykConverter converter(icc, inverted);
    ASSERT_TRUE(converter.has_profile());
    const Bytes rgb = Converted(converter, inverted ? Inverted(kInks) : kInks);
    for (size_t i = 0; i < rgb.size(); ++i) EXPECT_NEAR(rgb[i], expected[i], 3) << "sample " << i;
  }
}

TEST(CmykTest, ProfilesOfOtherColoursAndDamagedOnesAreNotUsed) {
  Bytes icc = test::CmykProfile();
  EXPECT_FALSE(CmykConverter(test::RgbProfile(), false).has_profile());
  EXPECT_FALSE(CmykConverter({1, 2, 3}, false).has_profile());
  icc.resize(icc.size() / 2);
  EXPECT_FALSE(CmykConverter(icc, false).has_profile());
}

TEST(CmykTest, DamagedProfilesDoNoHarm) {
  const Bytes icc = test::CmykProfile();
  int used = 0, refused = 0;
  for (size_t i = 0; i < 300; i += 7) {  // header, tag table and the start of the first tag
    Bytes damaged = icc;
    damaged[i] ^= 0xA5;
    const CmykConverter converter(damaged, true);
    ++(converter.has_profile() ? used : refused);
    EXPECT_EQ(Converted(converter, kInks).size(), kInks.size() / 4 * 3);
  }
  EXPECT_GT(used, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace lichen::image_io
