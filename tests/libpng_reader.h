// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_LIBPNG_READER_H_
#define LICHEN_TESTS_LIBPNG_READER_H_

// PNG as libpng alone reads it, which image_io's reader is compared with.

#include <png.h>

#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace lichen::test {

struct LibpngPicture {
  std::string error;  // libpng's; a warning about the image data counts as one. Empty: none
  uint32_t width = 0, height = 0;
  int channels = 0, bit_depth = 0;
  std::vector<uint8_t> pixels;  // as in lichen::Image
};

class LibpngReader {
 public:
  /// max_pixels: of a picture that is read; the size of a larger one is given with the error "too large"
  LibpngPicture Read(const uint8_t* data, size_t size, uint64_t max_pixels) {
    data_ = data;
    left_ = size;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    info_ = png_create_info_struct(png_);
    png_set_read_fn(png_, this, OnRead);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
    static constexpr png_byte kChunks[] = "iCCP\0eXIf\0iTXt\0tEXt\0zTXt\0cICP";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_ALWAYS, kChunks, 6);
    png_set_read_user_chunk_fn(png_, this, OnUnknownChunk);
    if (setjmp(jump_) == 0) ReadAll(max_pixels);
    png_destroy_read_struct(&png_, &info_, nullptr);
    return std::move(picture_);
  }

 private:
  /// No local needs a destructor, which a jump would skip.
  void ReadAll(uint64_t max_pixels) {
    png_read_info(png_, info_);
    picture_.width = png_get_image_width(png_, info_);
    picture_.height = png_get_image_height(png_, info_);
    if (uint64_t{picture_.width} * picture_.height > max_pixels) return Fail("too large");
    png_set_expand(png_);
    png_set_swap(png_);
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    picture_.channels = png_get_channels(png_, info_);
    picture_.bit_depth = png_get_bit_depth(png_, info_);
    const size_t row_bytes = png_get_rowbytes(png_, info_);
    picture_.pixels.resize(row_bytes * picture_.height);
    for (int pass = 0; pass < passes; ++pass) {
      for (uint32_t y = 0; y < picture_.height; ++y) {
        png_read_row(png_, picture_.pixels.data() + row_bytes * y, nullptr);
      }
    }
    png_read_end(png_, info_);
  }
  void Fail(const char* message) {
    if (picture_.error.empty()) picture_.error = message;
  }
  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* reader = static_cast<LibpngReader*>(png_get_error_ptr(png));
    reader->Fail(message);
    longjmp(reader->jump_, 1);
  }
  static void OnWarning(png_structp png, png_const_charp message) {
    if (std::strncmp(message, "IDAT", 4) == 0) static_cast<LibpngReader*>(png_get_error_ptr(png))->Fail(message);
  }
  static void OnRead(png_structp png, png_bytep data, size_t size) {
    auto* reader = static_cast<LibpngReader*>(png_get_io_ptr(png));
    if (size > reader->left_) png_error(png, "the file ends");
    if (size > 0) std::memcpy(data, reader->data_, size);
    reader->data_ += size;
    reader->left_ -= size;
  }
  static int OnUnknownChunk(png_structp, png_unknown_chunkp chunk) { return (chunk->name[0] & 0x20) == 0 ? 0 : 1; }

  std::jmp_buf jump_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  const uint8_t* data_ = nullptr;
  size_t left_ = 0;
  LibpngPicture picture_;
};

}  // namespace lichen::test

#endif  // LICHEN_TESTS_LIBPNG_READER_H_
