// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_CMYK_H_
#define LICHEN_IMAGE_IO_CMYK_H_

// Printing colours to sRGB, with Little CMS.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lichen::image_io {

class CmykConverter {
 public:
  /// icc       the picture's profile, whose colours are shown in sRGB by relative colorimetric intent with black point
  ///           compensation. Without one, or with one that is not for CMYK: R = 255 (1 - C) (1 - K), G and B alike from
  ///           M and Y, with inks from 0 to 1
  /// inverted  samples are 255 for no ink, as Adobe's programs write them, rather than 0
  CmykConverter(const std::vector<uint8_t>& icc, bool inverted);
  ~CmykConverter();

  /// Whether the profile is used.
  bool has_profile() const { return transform_ != nullptr; }
  /// cmyk: 4 bytes a pixel; rgb: 3 bytes a pixel
  void ConvertRow(const uint8_t* cmyk, size_t pixels, uint8_t* rgb) const;

 private:
  struct Delete {
    void operator()(void* transform) const;
  };
  std::unique_ptr<void, Delete> transform_;
  bool inverted_;
};

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_CMYK_H_
