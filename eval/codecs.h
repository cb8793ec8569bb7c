// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_CODECS_H_
#define LICHEN_EVAL_CODECS_H_

// The codecs that lichen-eval can compare, behind one interface: whole files in memory, one picture each.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen::eval {

/// A codec with everything fixed but its quality.
class Codec {
 public:
  virtual ~Codec() = default;

  /// As on the command line, for example "jpeg-444".
  virtual std::string Name() const = 0;
  /// Library, version and the settings that matter for the result.
  virtual std::string Version() const = 0;
  /// All that the result depends on beside picture and quality: two codecs with one identity write the same files.
  virtual std::string Identity() const { return Version(); }
  /// Settings that span the codec's useful range.
  virtual std::vector<double> DefaultQualities() const = 0;
  /// Qualities in small steps, from the smallest file to the largest: what to try for a file of a given size.
  virtual std::vector<double> SizeLadder() const = 0;

  /// errors: kInvalidArgument when the codec has no such quality
  virtual Status CheckQuality(double quality) const = 0;
  /// The bytes of a complete file. `image` is gray or RGB of 8 bits a sample.
  /// errors: as CheckQuality; whatever the codec reports
  virtual Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const = 0;
  /// The picture that was encoded, of its size; a gray one may come back as RGB.
  virtual Result<Image> Decode(const std::vector<uint8_t>& file) const = 0;
};

struct LichenSettings {
  std::string model;  // path of a model file; empty: the built-in model
  int threads = 0;    // at most this many, for every codec that can use several; 0: as many as the machine has
};

/// effort: as in EncodeOptions. errors: those of Model::Load
Result<std::unique_ptr<Codec>> MakeLichenCodec(const LichenSettings& settings, int effort = 1);

enum class ChromaSampling { k420, k444 };

/// libjpeg-turbo, optimised Huffman tables, progressive; qualities are whole numbers 1..100.
std::unique_ptr<Codec> MakeJpegCodec(ChromaSampling sampling);

/// libwebp, lossy, method 6, sharp YUV; qualities are 0..100. Only in builds that found libwebp.
std::unique_ptr<Codec> MakeWebpCodec(int threads);

/// libjxl, lossy, effort 7; qualities are butteraugli distances 0.1..15, the smaller the better. Only in builds that
/// found libjxl.
std::unique_ptr<Codec> MakeJxlCodec(int threads);

/// libavif with libaom, 4:4:4, 8 bits, constant quality; qualities are cq-levels, whole numbers 0..63, the smaller the
/// better. `speed` is 0 (slow) .. 10. Only in builds that found libavif.
std::unique_ptr<Codec> MakeAvifCodec(int speed, int threads);

/// "lichen, jpeg, ...": the names that MakeCodec knows, whether this build has them or not.
std::string CodecNames();

/// Empty when this build has the codec called `name` or when there is no such codec; else a sentence that says what to
/// install.
std::string HowToInstall(const std::string& name);

/// The codec called `name`.
/// errors: kInvalidArgument for other names and for codecs that this build lacks; those of MakeLichenCodec
Result<std::unique_ptr<Codec>> MakeCodec(const std::string& name, const LichenSettings& settings);

/// Numbers from..to in equal steps, both ends included; `to` may be the smaller one.
std::vector<double> Steps(double from, double to, int count);

/// "50", "12.5": no more digits than the number needs.
std::string FormatQuality(double quality);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_CODECS_H_
