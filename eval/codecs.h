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
  /// Settings that span the codec's useful range.
  virtual std::vector<double> DefaultQualities() const = 0;

  /// errors: kInvalidArgument when the codec has no such quality
  virtual Status CheckQuality(double quality) const = 0;
  /// The bytes of a complete file. `image` is gray or RGB of 8 bits a sample.
  /// errors: as CheckQuality; whatever the codec reports
  virtual Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const = 0;
  /// A picture of the size and kind that was encoded.
  virtual Result<Image> Decode(const std::vector<uint8_t>& file) const = 0;
};

struct LichenSettings {
  std::string model;  // path of a model file; empty: the built-in model
  int threads = 0;    // at most this many; 0: as many as the machine has
};

/// errors: those of Model::Load
Result<std::unique_ptr<Codec>> MakeLichenCodec(const LichenSettings& settings);

enum class ChromaSampling { k420, k444 };

/// libjpeg-turbo, optimised Huffman tables, progressive; qualities are whole numbers 1..100.
std::unique_ptr<Codec> MakeJpegCodec(ChromaSampling sampling);

/// The codec called `name`: lichen, jpeg (4:2:0) or jpeg-444. errors: kInvalidArgument for other names; as above
Result<std::unique_ptr<Codec>> MakeCodec(const std::string& name, const LichenSettings& settings);

/// "50", "12.5": no more digits than the number needs.
std::string FormatQuality(double quality);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_CODECS_H_
