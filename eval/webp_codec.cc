// SPDX-License-Identifier: Apache-2.0

// WebP at its best for PSNR: libwebp with the settings of cwebp -m 6 -sharp_yuv, decoded as dwebp does.

#include <webp/decode.h>
#include <webp/encode.h>

#include <algorithm>

#include "eval/codecs.h"
#include "eval/pixels.h"

namespace lichen::eval {
namespace {

// What libwebp allocates, freed at the end of the scope.
struct Picture : WebPPicture {
  Picture() { ready = WebPPictureInit(this) != 0; }
  ~Picture() { WebPPictureFree(this); }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;
  bool ready;
};

struct MemoryWriter : WebPMemoryWriter {
  MemoryWriter() { WebPMemoryWriterInit(this); }
  ~MemoryWriter() { WebPMemoryWriterClear(this); }
  MemoryWriter(const MemoryWriter&) = delete;
  MemoryWriter& operator=(const MemoryWriter&) = delete;
};

std::string FormatVersion(int version) {
  return std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." + std::to_string(version & 255);
}

class WebpCodec : public Codec {
 public:
  explicit WebpCodec(int threads) : threads_(threads) {}

  std::string Name() const override { return "webp"; }
  std::string Version() const override {
    return "libwebp " + FormatVersion(WebPGetEncoderVersion()) + ", method 6, sharp YUV";
  }
  std::vector<double> DefaultQualities() const override { return {0, 5, 15, 35, 55, 72, 85, 93, 97}; }
  std::vector<double> SizeLadder() const override { return Steps(0, 100, 200); }

  Status CheckQuality(double quality) const override {
    if (quality >= 0 && quality <= 100) return Status();
    return Status(StatusCode::kInvalidArgument, "webp has no quality " + FormatQuality(quality) + "; use 0..100");
  }

  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    LICHEN_RETURN_IF_ERROR(CheckQuality(quality));
    if (std::max(image.width, image.height) > WEBP_MAX_DIMENSION) {
      return Status(StatusCode::kInvalidArgument, "webp takes at most " + std::to_string(WEBP_MAX_DIMENSION) +
                                                      " pixels a side; the picture is " + std::to_string(image.width) +
                                                      "x" + std::to_string(image.height));
    }
    Image rgb;
    LICHEN_ASSIGN_OR_RETURN(rgb, ToRgb(image));
    WebPConfig config;
    Picture picture;
    MemoryWriter writer;
    if (!picture.ready || !WebPConfigInit(&config)) return Failure("be set up");
    config.quality = static_cast<float>(quality);
    config.method = 6;
    config.use_sharp_yuv = 1;
    config.thread_level = threads_ == 1 ? 0 : 1;
    picture.use_argb = 1;  // sharp YUV starts from full RGB
    picture.width = static_cast<int>(rgb.width);
    picture.height = static_cast<int>(rgb.height);
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
    if (!WebPPictureImportRGB(&picture, rgb.pixels.data(), static_cast<int>(rgb.RowBytes())) ||
        !WebPEncode(&config, &picture)) {
      return Failure("compress the picture, error " + std::to_string(picture.error_code));
    }
    return std::vector<uint8_t>(writer.mem, writer.mem + writer.size);
  }

  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return Failure("be set up");
    if (WebPGetFeatures(file.data(), file.size(), &config.input) != VP8_STATUS_OK) return Failure("read its own file");
    Image image;
    image.width = static_cast<uint32_t>(config.input.width);
    image.height = static_cast<uint32_t>(config.input.height);
    image.pixels.resize(image.RowBytes() * image.height);
    config.options.use_threads = threads_ == 1 ? 0 : 1;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image.pixels.data();
    config.output.u.RGBA.stride = static_cast<int>(image.RowBytes());
    config.output.u.RGBA.size = image.pixels.size();
    const VP8StatusCode decoded = WebPDecode(file.data(), file.size(), &config);
    if (decoded != VP8_STATUS_OK) return Failure("decompress its own file, error " + std::to_string(decoded));
    return image;
  }

 private:
  static Status Failure(const std::string& what) { return Status(StatusCode::kInternal, "libwebp cannot " + what); }

  int threads_;
};

}  // namespace

std::unique_ptr<Codec> MakeWebpCodec(int threads) { return std::make_unique<WebpCodec>(threads); }

}  // namespace lichen::eval
