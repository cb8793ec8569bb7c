// SPDX-License-Identifier: Apache-2.0

// JPEG as most of its users write it: libjpeg-turbo, optimised Huffman tables, progressive. The same settings as
// cjpeg -optimize -progressive -sample 2x2 (or 1x1), decoded as djpeg does.

#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

// clang-format off
#include <jpeglib.h>  // after <cstdio>, whose types it needs
// clang-format on

#include "eval/codecs.h"

namespace lichen::eval {
namespace {

// libjpeg leaves a failing call by longjmp, so functions that call it hold no objects with destructors.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

void LeaveByLongjmp(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  info->err->format_message(info, manager->message);
  std::longjmp(manager->escape, 1);
}

void KeepQuiet(j_common_ptr, int) {}

jpeg_error_mgr* Install(ErrorManager* manager) {
  jpeg_std_error(&manager->base);
  manager->base.error_exit = LeaveByLongjmp;
  manager->base.emit_message = KeepQuiet;
  manager->message[0] = '\0';
  return &manager->base;
}

// Writes a JPEG to *file, allocated with malloc and owned by the caller. Returns success.
bool Compress(const Image& image, int quality, int luma_sampling, unsigned char** file, unsigned long* size,
              ErrorManager* errors) {
  jpeg_compress_struct info;
  info.err = Install(errors);
  if (setjmp(errors->escape) != 0) {
    jpeg_destroy_compress(&info);
    *file = nullptr;  // libjpeg may have moved its buffer without saying so: leave the last one to it
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, file, size);
  info.image_width = image.width;
  info.image_height = image.height;
  info.input_components = image.channels;
  info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, FALSE);  // as cjpeg: the coarsest steps may take 16 bits
  info.optimize_coding = TRUE;
  info.comp_info[0].h_samp_factor = luma_sampling;
  info.comp_info[0].v_samp_factor = luma_sampling;
  jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPLE*>(image.pixels.data() + info.next_scanline * image.RowBytes());
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return true;
}

// Reads a JPEG into *pixels, allocated with malloc and owned by the caller even on failure. Returns success.
bool Decompress(const std::vector<uint8_t>& file, ImageHeader* header, unsigned char** pixels, ErrorManager* errors) {
  jpeg_decompress_struct info;
  info.err = Install(errors);
  if (setjmp(errors->escape) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, file.data(), file.size());
  jpeg_read_header(&info, TRUE);
  jpeg_start_decompress(&info);
  header->width = info.output_width;
  header->height = info.output_height;
  header->channels = info.output_components;
  *pixels = static_cast<unsigned char*>(std::malloc(header->RowBytes() * header->height));
  if (*pixels != nullptr) {
    while (info.output_scanline < info.output_height) {
      JSAMPLE* row = *pixels + info.output_scanline * header->RowBytes();
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  }
  jpeg_destroy_decompress(&info);
  return *pixels != nullptr;
}

Status Failure(const char* what, const ErrorManager& errors) {
  return Status(StatusCode::kInternal, std::string("libjpeg-turbo cannot ") + what + ": " + errors.message);
}

class JpegCodec : public Codec {
 public:
  explicit JpegCodec(ChromaSampling sampling) : sampling_(sampling) {}

  std::string Name() const override { return sampling_ == ChromaSampling::k420 ? "jpeg" : "jpeg-444"; }
  std::string Version() const override {
    const int number = LIBJPEG_TURBO_VERSION_NUMBER;  // 2001005 is 2.1.5
    const std::string version = std::to_string(number / 1000000) + "." + std::to_string(number / 1000 % 1000) + "." +
                                std::to_string(number % 1000);
    return "libjpeg-turbo " + version + ", " + (sampling_ == ChromaSampling::k420 ? "4:2:0" : "4:4:4") +
           ", optimised, progressive";
  }
  std::vector<double> DefaultQualities() const override { return {5, 10, 20, 35, 50, 65, 80, 90, 94}; }
  std::vector<double> SizeLadder() const override { return Steps(1, 100, 99); }

  Status CheckQuality(double quality) const override {
    if (quality >= 1 && quality <= 100 && quality == std::floor(quality)) return Status();
    return Status(StatusCode::kInvalidArgument,
                  Name() + " has no quality " + FormatQuality(quality) + "; use a whole number 1..100");
  }

  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    LICHEN_RETURN_IF_ERROR(CheckQuality(quality));
    if (image.width > JPEG_MAX_DIMENSION || image.height > JPEG_MAX_DIMENSION) {
      return Status(StatusCode::kInvalidArgument, Name() + " takes at most " + std::to_string(JPEG_MAX_DIMENSION) +
                                                      " pixels a side; the picture is " + std::to_string(image.width) +
                                                      "x" + std::to_string(image.height));
    }
    if (image.bit_depth != 8 || (image.channels != 1 && image.channels != 3)) {
      return Status(StatusCode::kInvalidArgument, Name() + " takes 1 or 3 channels of 8 bits");
    }
    unsigned char* file = nullptr;
    unsigned long size = 0;
    ErrorManager errors;
    const int luma_sampling = sampling_ == ChromaSampling::k420 && image.channels == 3 ? 2 : 1;
    const bool done = Compress(image, static_cast<int>(quality), luma_sampling, &file, &size, &errors);
    const std::unique_ptr<unsigned char, decltype(&std::free)> owner(file, &std::free);
    if (!done) return Failure("compress the picture", errors);
    return std::vector<uint8_t>(file, file + size);
  }

  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    Image image;
    unsigned char* pixels = nullptr;
    ErrorManager errors;
    const bool done = Decompress(file, &image, &pixels, &errors);
    const std::unique_ptr<unsigned char, decltype(&std::free)> owner(pixels, &std::free);
    if (!done) return Failure("decompress its own file", errors);
    image.pixels.assign(pixels, pixels + image.RowBytes() * image.height);
    return image;
  }

 private:
  ChromaSampling sampling_;
};

}  // namespace

std::unique_ptr<Codec> MakeJpegCodec(ChromaSampling sampling) { return std::make_unique<JpegCodec>(sampling); }

}  // namespace lichen::eval
