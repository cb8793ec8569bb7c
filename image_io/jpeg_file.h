// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_JPEG_FILE_H_
#define LICHEN_IMAGE_IO_JPEG_FILE_H_

// JPEG files, read and written row by row. ITU-T T.81; JFIF; libjpeg-turbo.

#include <memory>

#include "image_io/byte_stream.h"
#include "image_io/picture.h"
#include "lichen/status.h"

namespace lichen::image_io {

/// Reads gray, YCbCr or RGB JPEG of 8 bits, with any subsampling, as gray or RGB; EXIF, ICC profile and XMP as they
/// are, and the picture is not turned. CMYK and YCCK become sRGB, see CmykConverter: an Adobe marker means that the
/// samples are inverted, and the profile is not kept, since it describes inks. Of progressive pictures libjpeg holds
/// all coefficients in memory, of others one row of blocks. What libjpeg merely warns of, but means that pixels are
/// guessed, is an error. errors: kTruncated, kDamaged, kLimitExceeded, kOutOfMemory, kInvalidArgument for other kinds
/// of JPEG; those of `bytes`; they come as late as the last row
Result<std::unique_ptr<PictureSource>> OpenJpeg(std::unique_ptr<ByteSource> bytes, const ReadOptions& options);

/// Writes the colours of all pixels, even transparent ones, since JPEG has no alpha, rounded to 8 bits; EXIF of up to
/// 65527 bytes, XMP of up to 65504 and ICC profiles of up to 255 * 65519. errors: kInvalidArgument for pictures that
/// are not gray or RGB of 8 or 16 bits, or with a side over 65500 pixels; those of `bytes`
std::unique_ptr<PictureSink> CreateJpeg(std::unique_ptr<ByteSink> bytes, const WriteOptions& options);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_JPEG_FILE_H_
