// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_IMAGE_FILE_H_
#define LICHEN_IMAGE_IO_IMAGE_FILE_H_

// Picture files by name. What a file is, is seen from its content; what to write, from the name's extension.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image_io/output_file.h"
#include "image_io/picture.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::image_io {

enum class PictureType { kPng, kJpeg };

/// By ".png", ".jpg" or ".jpeg" at the end of the name, in any case.
std::optional<PictureType> TypeOfName(const std::string& path);
/// By the first bytes, of which eight are enough.
std::optional<PictureType> TypeOfContent(const std::vector<uint8_t>& first_bytes);

/// Opens a PNG or JPEG file; "-" is standard input. Regular files can rewind, by being opened again.
/// errors: kIoError, kInvalidArgument for other kinds of file; those of OpenPng and OpenJpeg
Result<std::unique_ptr<PictureSource>> OpenPicture(const std::string& path, const ReadOptions& options = {});

/// Creates a file of the type that the name says, a PNG where it says none (for "-", devices and pipes).
/// errors: kIoError
Result<std::unique_ptr<PictureSink>> CreatePicture(const std::string& path, const WriteOptions& options = {});

/// A whole picture at once; see OpenPicture and CreatePicture. What is dropped is not reported.
Result<Image> ReadPicture(const std::string& path, const ReadOptions& options = {});
Status WritePicture(const Image& image, const std::string& path, const WriteOptions& options = {});

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_IMAGE_FILE_H_
