// SPDX-License-Identifier: Apache-2.0
#include "eval/picture.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "image_io/image_file.h"
#include "image_io/input_file.h"
#include "lichen/codec.h"

namespace lichen::eval {
namespace {

namespace fs = std::filesystem;

bool HasExtension(const fs::path& path, const std::vector<std::string>& extensions) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

Result<Image> ReadRows(image_io::PictureSource& source) {
  Image image;
  static_cast<ImageHeader&>(image) = source.header();
  image.pixels.resize(image.RowBytes() * image.height);
  for (uint32_t y = 0; y < image.height; ++y) {
    LICHEN_RETURN_IF_ERROR(source.ReadRow(image.pixels.data() + y * image.RowBytes()));
  }
  static_cast<ImageHeader&>(image) = source.header();  // again: the metadata is complete now
  return image;
}

/// Leaves gray or RGB alone, which is what is measured, and says what else there was.
void KeepSamplesOnly(Image* image, std::vector<std::string>* dropped) {
  const auto drop = [dropped](const char* name, std::vector<uint8_t>* block) {
    if (!block->empty()) dropped->push_back(image_io::DescribeBlock(name, block->size()));
    block->clear();
  };
  drop("ICC profile", &image->icc);
  drop("EXIF data", &image->exif);
  drop("XMP data", &image->xmp);
  if (image->channels % 2 != 0) return;
  const int channels = image->channels--;
  bool transparent = false;
  size_t kept = 0;
  for (size_t i = 0; i < image->pixels.size(); ++i) {
    const bool is_alpha = i % channels == static_cast<size_t>(channels) - 1;
    if (is_alpha) transparent |= image->pixels[i] != 255;
    if (!is_alpha) image->pixels[kept++] = image->pixels[i];
  }
  image->pixels.resize(kept);
  if (transparent) dropped->push_back("alpha channel");
}

Result<Image> ReadLichen(const std::string& path, const LichenSettings& settings) {
  std::vector<uint8_t> file;
  LICHEN_ASSIGN_OR_RETURN(file, image_io::ReadFile(path));
  std::unique_ptr<Codec> codec;
  LICHEN_ASSIGN_OR_RETURN(codec, MakeLichenCodec(settings));
  return codec->Decode(file);
}

Result<Image> ReadPngOrJpeg(const std::string& path, std::vector<std::string>* dropped) {
  std::unique_ptr<image_io::PictureSource> source;
  image_io::ReadOptions options;
  options.max_bit_depth = 8;
  LICHEN_ASSIGN_OR_RETURN(source, image_io::OpenPicture(path, options));
  Result<Image> image = ReadRows(*source);
  *dropped = source->dropped();
  return image;
}

}  // namespace

Result<Image> ReadPicture(const std::string& path, const LichenSettings& settings, std::vector<std::string>* dropped) {
  dropped->clear();
  Result<Image> image = HasExtension(path, {".lic"}) ? ReadLichen(path, settings) : ReadPngOrJpeg(path, dropped);
  if (!image.ok()) return image.status().Prefixed(path);
  KeepSamplesOnly(&image.value(), dropped);
  return image;
}

std::vector<std::string> ExpandFolders(const std::vector<std::string>& paths) {
  std::vector<std::string> expanded;
  for (const std::string& path : paths) {
    std::vector<std::string> inside;
    std::error_code not_a_folder;
    for (const fs::directory_entry& entry : fs::directory_iterator(path, not_a_folder)) {
      if (HasExtension(entry.path(), {".png", ".jpg", ".jpeg"})) inside.push_back(entry.path().string());
    }
    std::sort(inside.begin(), inside.end());
    if (not_a_folder || inside.empty()) inside = {path};  // reading it will say what is wrong, if anything
    expanded.insert(expanded.end(), inside.begin(), inside.end());
  }
  return expanded;
}

}  // namespace lichen::eval
