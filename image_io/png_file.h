// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_PNG_FILE_H_
#define LICHEN_IMAGE_IO_PNG_FILE_H_

// PNG files, read and written row by row. PNG specification, W3C second edition; libpng 1.6.

#include <memory>

#include "image_io/byte_stream.h"
#include "image_io/picture.h"
#include "lichen/status.h"

namespace lichen::image_io {

/// Reads any PNG as gray or RGB of 8 bits, with alpha where the file has it, even if all is opaque: palettes are looked
/// up, 16 bits become 8 by rounding. ICC profile, EXIF and XMP are given as they are, in the header, and the picture is
/// not turned. Interlaced pictures are held in memory whole, others one row at a time.
/// errors: kTruncated, kDamaged, kLimitExceeded, kOutOfMemory; those of `bytes`; they come as late as the last row
Result<std::unique_ptr<PictureSource>> OpenPng(std::unique_ptr<ByteSource> bytes, const ReadOptions& options);

/// errors: kInvalidArgument for pictures that are not gray or RGB of 8 bits; those of `bytes`
std::unique_ptr<PictureSink> CreatePng(std::unique_ptr<ByteSink> bytes, const WriteOptions& options);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_PNG_FILE_H_
