// SPDX-License-Identifier: Apache-2.0
#include "image_io/image_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>
#include <utility>

#include "image_io/input_file.h"
#include "image_io/jpeg_file.h"
#include "image_io/png_file.h"

namespace lichen::image_io {
namespace {

constexpr size_t kPeekBytes = 16;

bool Matches(const std::vector<uint8_t>& bytes, size_t offset, const std::string& text) {
  return bytes.size() >= offset + text.size() && std::equal(text.begin(), text.end(), bytes.begin() + offset,
                                                            [](char a, uint8_t b) { return uint8_t(a) == b; });
}

/// Other kinds of picture that people have, so that the message can name them; empty: unknown.
std::string OtherKind(const std::vector<uint8_t>& bytes) {
  if (Matches(bytes, 0, "GIF8")) return "GIF";
  if (Matches(bytes, 0, "RIFF") && Matches(bytes, 8, "WEBP")) return "WebP";
  if (Matches(bytes, 0, std::string("II*\0", 4)) || Matches(bytes, 0, std::string("MM\0*", 4))) return "TIFF";
  if (Matches(bytes, 4, "ftypavi")) return "AVIF";
  if (Matches(bytes, 4, "ftyphei") || Matches(bytes, 4, "ftypmif1")) return "HEIC";
  if (Matches(bytes, 0, "\xff\x0a") || Matches(bytes, 4, "JXL \r\n")) return "JPEG XL";
  if (Matches(bytes, 0, "BM")) return "BMP";
  return "";
}

/// The first bytes in quotation marks, others than printable ASCII as dots.
std::string Quoted(const std::vector<uint8_t>& bytes) {
  std::string text = "\"";
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 8); ++i) {
    text += bytes[i] >= 0x20 && bytes[i] < 0x7f ? static_cast<char>(bytes[i]) : '.';
  }
  return text + "\"";
}

Status NotAPicture(const std::vector<uint8_t>& bytes) {
  if (bytes.empty()) return Status(StatusCode::kInvalidArgument, "this file is empty; give a PNG or JPEG picture");
  const std::string kind = OtherKind(bytes);
  if (!kind.empty()) {
    return Status(StatusCode::kInvalidArgument, "this looks like a " + kind + " file; convert it to PNG or JPEG first");
  }
  return Status(StatusCode::kInvalidArgument,
                "this is not a PNG or JPEG file (it starts with " + Quoted(bytes) + "); give a PNG or JPEG picture");
}

Result<std::unique_ptr<PictureSource>> OpenOnce(const std::string& path, const ReadOptions& options) {
  LICHEN_ASSIGN_OR_RETURN(std::unique_ptr<InputFile> file, InputFile::Open(path));
  LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> first_bytes, file->Peek(kPeekBytes));
  const std::optional<PictureType> type = TypeOfContent(first_bytes);
  if (!type) return NotAPicture(first_bytes);
  return *type == PictureType::kPng ? OpenPng(std::move(file), options) : OpenJpeg(std::move(file), options);
}

/// A regular file, which can be opened again.
class RewindableFile : public PictureSource {
 public:
  RewindableFile(std::string path, const ReadOptions& options, std::unique_ptr<PictureSource> source)
      : path_(std::move(path)), options_(options), source_(std::move(source)) {}

  const ImageHeader& header() const override { return source_->header(); }
  Status ReadRow(uint8_t* row) override { return source_->ReadRow(row); }
  std::vector<std::string> dropped() const override { return source_->dropped(); }
  bool can_rewind() const override { return true; }
  Status Rewind() override {
    LICHEN_ASSIGN_OR_RETURN(std::unique_ptr<PictureSource> again, OpenOnce(path_, options_));
    const ImageHeader &before = header(), &now = again->header();
    if (now.width != before.width || now.height != before.height || now.channels != before.channels ||
        now.bit_depth != before.bit_depth) {
      return Status(StatusCode::kIoError, "the file was replaced while it was read; try again");
    }
    source_ = std::move(again);
    return Status();
  }

 private:
  std::string path_;
  ReadOptions options_;
  std::unique_ptr<PictureSource> source_;
};

}  // namespace

std::optional<PictureType> TypeOfName(const std::string& path) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string::npos || path[dot] == '/') return std::nullopt;
  std::string extension = path.substr(dot + 1);
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == "png") return PictureType::kPng;
  if (extension == "jpg" || extension == "jpeg") return PictureType::kJpeg;
  return std::nullopt;
}

std::optional<PictureType> TypeOfContent(const std::vector<uint8_t>& first_bytes) {
  if (Matches(first_bytes, 0, "\x89PNG\r\n\x1a\n")) return PictureType::kPng;
  if (Matches(first_bytes, 0, "\xff\xd8\xff")) return PictureType::kJpeg;
  return std::nullopt;
}

Result<std::unique_ptr<PictureSource>> OpenPicture(const std::string& path, const ReadOptions& options) {
  LICHEN_ASSIGN_OR_RETURN(std::unique_ptr<PictureSource> source, OpenOnce(path, options));
  std::error_code error;
  if (path == "-" || !std::filesystem::is_regular_file(path, error)) return source;
  return std::unique_ptr<PictureSource>(new RewindableFile(path, options, std::move(source)));
}

Result<std::unique_ptr<PictureSink>> CreatePicture(const std::string& path, const WriteOptions& options) {
  LICHEN_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file, OutputFile::Open(path, options.no_clobber));
  return TypeOfName(path) == PictureType::kJpeg ? CreateJpeg(std::move(file), options)
                                                : CreatePng(std::move(file), options);
}

Result<Image> ReadPicture(const std::string& path, const ReadOptions& options) {
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<PictureSource> source, OpenPicture(path, options));
  Image image;
  static_cast<ImageHeader&>(image) = source->header();
  image.pixels.resize(image.RowBytes() * image.height);
  for (uint32_t y = 0; y < image.height; ++y) {
    LICHEN_RETURN_IF_ERROR(source->ReadRow(image.pixels.data() + image.RowBytes() * y));
  }
  static_cast<ImageHeader&>(image) = source->header();  // again: the metadata is complete now
  return image;
}

Status WritePicture(const Image& image, const std::string& path, const WriteOptions& options) {
  LICHEN_ASSIGN_OR_RETURN(const std::unique_ptr<PictureSink> sink, CreatePicture(path, options));
  LICHEN_RETURN_IF_ERROR(sink->Begin(image));
  for (uint32_t y = 0; y < image.height; ++y) {
    LICHEN_RETURN_IF_ERROR(sink->WriteRow(image.pixels.data() + image.RowBytes() * y));
  }
  return sink->Finish();
}

}  // namespace lichen::image_io
