// SPDX-License-Identifier: Apache-2.0

// AVIF with the settings of avifenc -c aom -y 444 -d 8 --min 0 --max 63 -a end-usage=q -a cq-level=Q -s SPEED.

#include <avif/avif.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "eval/codecs.h"
#include "eval/pixels.h"

namespace lichen::eval {
namespace {

using ImagePointer = std::unique_ptr<avifImage, decltype(&avifImageDestroy)>;
using EncoderPointer = std::unique_ptr<avifEncoder, decltype(&avifEncoderDestroy)>;
using DecoderPointer = std::unique_ptr<avifDecoder, decltype(&avifDecoderDestroy)>;

struct Output {
  Output() = default;
  ~Output() { avifRWDataFree(&data); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  avifRWData data = AVIF_DATA_EMPTY;
};

Status Failure(const std::string& what, avifResult result) {
  return Status(StatusCode::kInternal, "libavif cannot " + what + ": " + avifResultToString(result));
}

// A view of an RGB picture for libavif, which does not write to it when it is a source.
avifRGBImage View(const avifImage* like, uint8_t* pixels, size_t row_bytes) {
  avifRGBImage view;
  avifRGBImageSetDefaults(&view, like);
  view.format = AVIF_RGB_FORMAT_RGB;
  view.depth = 8;
  view.pixels = pixels;
  view.rowBytes = static_cast<uint32_t>(row_bytes);
  return view;
}

/// An option of libaom's. Before libavif 1.0 the call returned nothing.
Status SetOption(avifEncoder* encoder, const char* key, const std::string& value) {
#if AVIF_VERSION >= 1000000
  const avifResult set = avifEncoderSetCodecSpecificOption(encoder, key, value.c_str());
  if (set != AVIF_RESULT_OK) return Failure(std::string("take the option ") + key, set);
#else
  avifEncoderSetCodecSpecificOption(encoder, key, value.c_str());
#endif
  return Status();
}

class AvifCodec : public Codec {
 public:
  AvifCodec(int speed, int threads)
      : speed_(speed), threads_(threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency())) {}

  std::string Name() const override { return speed_ == 6 ? "avif" : "avif-s" + std::to_string(speed_); }
  std::string Version() const override {
    char codecs[256];
    avifCodecVersions(codecs);
    return std::string("libavif ") + avifVersion() + " (" + codecs + "), libaom, 4:4:4, speed " +
           std::to_string(speed_);
  }
  std::vector<double> DefaultQualities() const override { return {56, 48, 41, 33, 25, 18, 12}; }
  std::vector<double> SizeLadder() const override { return Steps(63, 0, 63); }

  Status CheckQuality(double quality) const override {
    if (quality >= 0 && quality <= 63 && quality == std::floor(quality)) return Status();
    return Status(StatusCode::kInvalidArgument,
                  Name() + " has no quality " + FormatQuality(quality) + "; use a whole number 0 (best) .. 63");
  }

  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    LICHEN_RETURN_IF_ERROR(CheckQuality(quality));
    Image rgb;
    LICHEN_ASSIGN_OR_RETURN(rgb, ToRgb(image));
    const avifPixelFormat format = image.channels == 1 ? AVIF_PIXEL_FORMAT_YUV400 : AVIF_PIXEL_FORMAT_YUV444;
    const ImagePointer planes(avifImageCreate(static_cast<int>(rgb.width), static_cast<int>(rgb.height), 8, format),
                              &avifImageDestroy);
    const EncoderPointer encoder(avifEncoderCreate(), &avifEncoderDestroy);
    if (planes == nullptr || encoder == nullptr) return Failure("be set up", AVIF_RESULT_OUT_OF_MEMORY);
    planes->yuvRange = AVIF_RANGE_FULL;
    planes->colorPrimaries = AVIF_COLOR_PRIMARIES_BT709;
    planes->transferCharacteristics = AVIF_TRANSFER_CHARACTERISTICS_SRGB;
    planes->matrixCoefficients = AVIF_MATRIX_COEFFICIENTS_BT601;
    const avifRGBImage view = View(planes.get(), rgb.pixels.data(), rgb.RowBytes());
    const avifResult converted = avifImageRGBToYUV(planes.get(), &view);
    if (converted != AVIF_RESULT_OK) return Failure("take the picture", converted);

    encoder->codecChoice = AVIF_CODEC_CHOICE_AOM;
    encoder->maxThreads = std::max(2, threads_);  // with one, libaom writes another file than with two or more
    encoder->speed = speed_;
    encoder->minQuantizer = AVIF_QUANTIZER_BEST_QUALITY;
    encoder->maxQuantizer = AVIF_QUANTIZER_WORST_QUALITY;
    LICHEN_RETURN_IF_ERROR(SetOption(encoder.get(), "end-usage", "q"));
    LICHEN_RETURN_IF_ERROR(SetOption(encoder.get(), "cq-level", FormatQuality(quality)));
    Output output;
    const avifResult written = avifEncoderWrite(encoder.get(), planes.get(), &output.data);
    if (written != AVIF_RESULT_OK) return Failure("compress the picture", written);
    return std::vector<uint8_t>(output.data.data, output.data.data + output.data.size);
  }

  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    const DecoderPointer decoder(avifDecoderCreate(), &avifDecoderDestroy);
    const ImagePointer planes(avifImageCreateEmpty(), &avifImageDestroy);
    if (planes == nullptr || decoder == nullptr) return Failure("be set up", AVIF_RESULT_OUT_OF_MEMORY);
    decoder->maxThreads = threads_;
    const avifResult read = avifDecoderReadMemory(decoder.get(), planes.get(), file.data(), file.size());
    if (read != AVIF_RESULT_OK) return Failure("decompress its own file", read);
    Image image;
    image.width = planes->width;
    image.height = planes->height;
    image.pixels.resize(image.RowBytes() * image.height);
    avifRGBImage view = View(planes.get(), image.pixels.data(), image.RowBytes());
    const avifResult converted = avifImageYUVToRGB(planes.get(), &view);
    if (converted != AVIF_RESULT_OK) return Failure("write the picture", converted);
    return image;
  }

 private:
  int speed_;
  int threads_;
};

}  // namespace

std::unique_ptr<Codec> MakeAvifCodec(int speed, int threads) { return std::make_unique<AvifCodec>(speed, threads); }

}  // namespace lichen::eval
