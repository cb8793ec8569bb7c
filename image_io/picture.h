// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_PICTURE_H_
#define LICHEN_IMAGE_IO_PICTURE_H_

// Picture files as rows: what the PNG and the JPEG code have in common.
//
// Errors here never name the file, because a byte stream has no name; who knows it puts it in front
// with Status::Prefixed.

#include <cstdint>
#include <string>
#include <vector>

#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::image_io {

/// Longest side that is read, in pixels: as much as a .lic file can hold.
constexpr uint32_t kMaxSide = uint32_t{1} << 24;

struct ReadOptions {
  uint64_t max_pixels = uint64_t{1} << 30;  // a picture that declares more is refused with kLimitExceeded
  uint64_t max_memory = uint64_t{2} << 30;  // bytes; the same for a picture that has to be held as a whole
  int max_bit_depth = 16;                   // 8: samples of 16 bits are rounded to 8
};

struct WriteOptions {
  int png_level = 1;        // deflate effort 0..9; 1 is ISA-L's where it is installed, see docs/performance.md
  int jpeg_quality = 95;    // 1..100, without chroma subsampling
  bool no_clobber = false;  // refuse an output file that exists
};

/// Bytes that a block of metadata may have: as many as a .lic file can hold.
constexpr size_t kMaxMetadataBytes = size_t{1} << 26;

/// "ICC profile (3144 bytes)"
std::string DescribeBlock(const std::string& name, size_t size);

/// A picture file read as gray or RGB of 8 or 16 bits a sample, with or without alpha. The metadata in its header is
/// complete after the last row.
class PictureSource : public RowSource {
 public:
  /// What neither the rows nor the header carry: "16-bit samples", "gamma 1.0000", ... Complete after the last row.
  virtual std::vector<std::string> dropped() const = 0;
};

/// A picture file written from gray or RGB of 8 or 16 bits a sample, with or without alpha.
class PictureSink : public RowSink {
 public:
  /// What the kind of file cannot hold: "alpha channel", "XMP data (70000 bytes)", ... Complete after Begin.
  virtual std::vector<std::string> dropped() const = 0;
  /// Call once, after the last row: the file is complete, and in its place, only from then on.
  virtual Status Finish() = 0;
};

/// kLimitExceeded, with a sentence, when a picture of this size is not to be read.
Status CheckSize(uint32_t width, uint32_t height, const ReadOptions& options);

/// kLimitExceeded, with a sentence, when a picture cannot be read row by row and takes too much memory as a whole.
/// kind: "an interlaced PNG picture"; remedy: "save it without interlacing"
Status CheckMemory(uint64_t bytes, const ReadOptions& options, const std::string& kind, const std::string& remedy);
/// Rounds `count` samples of 16 bits, in the byte order of the machine, to 8; whether some had no exact 8-bit value.
bool RoundTo8Bits(const uint8_t* samples, size_t count, uint8_t* bytes);

/// kInvalidArgument when PNG or JPEG files of ours cannot hold such a picture.
Status CheckWritable(const ImageHeader& header);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_PICTURE_H_
