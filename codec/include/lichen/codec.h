// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_H_
#define LICHEN_CODEC_H_

// Compressing and decompressing pictures.
//
//   Result<std::vector<uint8_t>> file = lichen::Encode(image, {});   // then write it to photo.lic
//   Result<lichen::Image> back = lichen::Decode(file->data(), file->size(), {});

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lichen/image.h"
#include "lichen/status.h"

#pragma GCC visibility push(default)  // all of it is seen outside a shared library
namespace lichen {

/// Version of the library, for example "0.1.0".
const char* Version();

/// Trained networks and tables: immutable, shared between threads. See models/README.md for the file. What its layers
/// are made into for the processor, tens of MiB at most, stays with it for the next picture.
class Model {
 public:
  virtual ~Model() = default;

  /// The model built into the library, parsed on first use.
  static Result<std::shared_ptr<const Model>> Default();
  /// errors: kTruncated, kDamaged, kUnsupportedVersion
  static Result<std::shared_ptr<const Model>> Parse(const uint8_t* data, size_t size);
  /// errors: as Parse, and kIoError
  static Result<std::shared_ptr<const Model>> Load(const std::string& path);

  /// First 8 bytes of the SHA-256 of the decoder section, as 16 hexadecimal digits.
  virtual std::string Id() const = 0;
  virtual std::string Name() const = 0;
  /// Multiply-adds per pixel to decode: integer networks and synthesis transform.
  virtual double DecodeMultiplyAddsPerPixel() const = 0;

 private:
  friend class ParsedModel;  // the only kind there is
  Model() = default;
};

/// Called with the share of the work done, 0..1; returning false stops the work with kCancelled.
using ProgressCallback = std::function<bool(double)>;

/// How a file holds its picture.
enum class Coding {
  kAuto,     // to encode: whichever of the others costs less at the quality, as tried on all of a picture of up to 2^20
             // pixels and one tile, or on parts of a larger one's top 1024 rows; kLearned for samples of 16 bits, and when a model is given
  kLearned,  // latents of the networks: the best for photographs up to about 37 dB
  kDct       // a block transform without networks: the best for screen content, and at the highest qualities
};

/// How long to look for latents or coefficients that cost least: of latents, among paths through a trellis of 16 states
/// with 0, of 64 with 1. 2 and 3: latents are refined for the picture at hand besides, in 12 and 50 iterations of 256
/// states, which takes many times as long, and a model with all its parts.
inline constexpr int kMaxEffort = 3;

struct EncodeOptions {
  double quality = 50;               // 0 (smallest) .. 100 (best), decimals allowed, steps of 100/896
  uint64_t target_bytes = 0;         // the size of the file instead of a quality; 0: none
  double target_bits_per_pixel = 0;  // the same as bits per pixel of the picture; 0: none
  double target_psnr = 0;            // dB, over the colours of the picture as Decode gives it; 0: none
  Coding coding = Coding::kAuto;
  int effort = 1;                    // 0..kMaxEffort
  int threads = 0;                   // at most this many; 0: as many as the machine has
  uint32_t tile_size = 1024;         // pixels a side of what can be decoded alone: 64, 128, ..., 32768
  std::shared_ptr<const Model> model;             // null: the default model
  bool strip_metadata = false;                    // leave out ICC profile, EXIF and XMP
  ProgressCallback progress;                      // may be empty
  uint64_t max_memory_bytes = uint64_t{2} << 30;  // of what encoding needs besides picture and file; estimated
};

/// A rectangle of a picture, in pixels.
struct Region {
  uint32_t x = 0, y = 0;  // of its upper left corner
  uint32_t width = 0, height = 0;
};

/// A part of a file that could not be decoded, and what stands for it.
struct Damage {
  std::string message;  // names the part
  Region pixels;        // of the full-size picture: gray instead; empty where no pixels are lost
};
using DamageCallback = std::function<void(const Damage&)>;

struct DecodeOptions {
  int threads = 0;                          // as in EncodeOptions
  uint64_t max_pixels = uint64_t{1} << 30;  // a picture that declares more is refused with kLimitExceeded
  int bit_depth = 0;                        // of the samples: 8, 16, or 0: as the file says
  std::shared_ptr<const Model> model;       // null: the default model
  ProgressCallback progress;                // may be empty
  Region region;                            // the part to decode; all of it while all four are 0
  // 1, 2, 4, 8 or 16: a sample is the mean of a square of this many pixels a side, for all squares that the region
  // touches. At 8 and 16 an approximation, some 38 to 40 dB, which leaves out most of the synthesis transform.
  int scale = 1;
  // Where a tile is damaged or missing, a gray area stands for it; damaged alpha is opaque, damaged metadata is left
  // out. Only a damaged header or tile table is still an error.
  bool salvage = false;
  DamageCallback damage;                            // is told of each part that salvage replaced; may be empty
  uint64_t max_metadata_bytes = uint64_t{3} << 26;  // ICC profile, EXIF and XMP together
  uint64_t max_memory_bytes = uint64_t{2} << 30;    // of what decoding needs besides file and picture; estimated
};

/// Facts that a file declares, without decoding it.
struct Info {
  int format_version = 0;
  Coding coding = Coding::kLearned;
  std::string model_id;  // 16 hexadecimal digits; empty: it needs none
  uint32_t width = 0, height = 0;
  int channels = 0;    // as in ImageHeader
  int bit_depth = 0;   // 8 or 16
  double quality = 0;  // 0..100
  uint32_t tile_size = 0;
  uint32_t tiles = 0;
  uint64_t file_bytes = 0;
  uint64_t alpha_bytes = 0;                               // as stored; 0: opaque
  uint64_t icc_bytes = 0, exif_bytes = 0, xmp_bytes = 0;  // uncompressed; 0: none
};

/// Compresses gray or RGB of 8 or 16 bits a sample, which enter the analysis transform as they are; the file says which
/// it was. Alpha is kept without loss, and left out where all of it is opaque; metadata is kept byte for byte, read
/// from `source` after the last row.
///
/// With a target, the quality is searched for. The file has at most the size, and at least 99 % of it; the PSNR is at
/// least the target, and at most 0.05 dB more. Where the steps of the quality are coarser than that, as for tiny
/// pictures, it is the nearest on that side. The search encodes the picture some two to four times, but runs the
/// layers of the analysis transform that do not depend on the quality once if their output fits into 256 MiB, for
/// pictures of up to 33 megapixels. Beyond that, and for a PSNR, it reads `source` again, or keeps its rows in memory
/// when it cannot rewind.
///
/// errors: kInvalidArgument for other pictures, sides of 0 or more than 2^24, options out of range, more than one
///         target, or a target out of reach, with the range that can be reached; kLimitExceeded for over 2^26 bytes of
///         one kind of metadata, over 256 MiB of rows to keep, or more memory than max_memory_bytes;
///         those of `source`
Result<std::vector<uint8_t>> Encode(RowSource& source, const EncodeOptions& options);
Result<std::vector<uint8_t>> Encode(const Image& image, const EncodeOptions& options);

/// Decompresses into rows, of 8 or 16 bits a sample, rounded once from the output of the synthesis transform. Checksums of
/// all that is needed are verified before the first row is written; other damage may show later. Limits hold before
/// memory is taken. A region takes time and memory for the tiles that it touches; its samples differ by at most 1 level
/// of 8 bits from those of the whole.
/// errors: kTruncated, kDamaged, kUnsupportedVersion, kUnknownModel, kLimitExceeded; kInvalidArgument for options out of
/// range or a region that is not in the picture; those of `sink`
Status Decode(const uint8_t* data, size_t size, const DecodeOptions& options, RowSink& sink);
Result<Image> Decode(const uint8_t* data, size_t size, const DecodeOptions& options);

/// A hash (XXH64) of all z_hat and y_hat of a file, or of its coefficients: the same on every machine that decodes it rightly.
/// errors: as Decode
Result<uint64_t> HashLatents(const uint8_t* data, size_t size, const DecodeOptions& options);

/// errors: kTruncated, kDamaged, kUnsupportedVersion
Result<Info> Inspect(const uint8_t* data, size_t size);

}  // namespace lichen
#pragma GCC visibility pop

#endif  // LICHEN_CODEC_H_
