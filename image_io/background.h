// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_BACKGROUND_H_
#define LICHEN_IMAGE_IO_BACKGROUND_H_

// Picture files read and written by a thread of their own, so that deflate and the codec work at the same time. At most
// 16 MiB of rows wait in between.

#include <memory>

#include "image_io/picture.h"

namespace lichen::image_io {

/// Reads ahead from `source`, from now on. The header is that of `source` at first; after the last row, with
/// all metadata. An error comes with the row at which `source` gave it.
std::unique_ptr<PictureSource> ReadInBackground(std::unique_ptr<PictureSource> source);

/// Passes rows on to `sink`. An error of it comes with a later row or, at the latest, with Finish.
std::unique_ptr<PictureSink> WriteInBackground(std::unique_ptr<PictureSink> sink);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_BACKGROUND_H_
