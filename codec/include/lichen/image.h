// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_H_
#define LICHEN_IMAGE_H_

// Pictures in memory, and pictures as rows from top to bottom.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lichen/status.h"

#pragma GCC visibility push(default)  // all of it is seen outside a shared library
namespace lichen {

/// What a picture is, apart from its samples.
struct ImageHeader {
  uint32_t width = 0;         // pixels
  uint32_t height = 0;        // pixels
  int channels = 3;           // 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha (not premultiplied)
  int bit_depth = 8;          // bits a sample: 8, or 16 in the byte order of the machine
  std::vector<uint8_t> icc;   // ICC profile; empty: none, which means sRGB
  std::vector<uint8_t> exif;  // from the TIFF header on, without "Exif\0\0"
  std::vector<uint8_t> xmp;   // the XML packet

  /// Bytes in a row: samples are interleaved, rows are not padded.
  size_t RowBytes() const { return size_t{width} * channels * (bit_depth / 8); }
};

/// A whole picture; row y starts at pixels[y * RowBytes()].
struct Image : ImageHeader {
  std::vector<uint8_t> pixels;
};

/// Gives a picture's rows from top to bottom, each once, or as often as Rewind is called.
class RowSource {
 public:
  virtual ~RowSource() = default;
  /// icc, exif and xmp may be incomplete until the last row was read: files can hold them behind the samples.
  virtual const ImageHeader& header() const = 0;
  /// Writes the next row, header().RowBytes() bytes, to `row`. errors: whatever reading the picture can meet
  virtual Status ReadRow(uint8_t* row) = 0;
  /// Whether Rewind works. Only encoding to a target ever asks: it reads a picture more than once.
  virtual bool can_rewind() const { return false; }
  /// Goes back to the first row. errors: kInvalidArgument where that cannot be; whatever reading the picture can meet
  virtual Status Rewind() {
    return Status(StatusCode::kInvalidArgument, "this picture can be read only once; give it as a file");
  }
};

/// Takes a picture's rows from top to bottom, each once.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// Called once, before the first row.
  virtual Status Begin(const ImageHeader& header) = 0;
  /// `row` has RowBytes() bytes of the header given to Begin, and is borrowed for the call only.
  virtual Status WriteRow(const uint8_t* row) = 0;
};

}  // namespace lichen
#pragma GCC visibility pop

#endif  // LICHEN_IMAGE_H_
