// SPDX-License-Identifier: Apache-2.0

// JPEG XL as cjxl -e 7 -d DISTANCE writes it and djxl decodes it: libjxl, XYB, a bare codestream.

#include <jxl/decode_cxx.h>
#include <jxl/encode_cxx.h>
#include <jxl/thread_parallel_runner_cxx.h>

#include "eval/codecs.h"

namespace lichen::eval {
namespace {

std::string FormatVersion(uint32_t version) {
  return std::to_string(version / 1000000) + "." + std::to_string(version / 1000 % 1000) + "." +
         std::to_string(version % 1000);
}

Status Failure(const std::string& what) { return Status(StatusCode::kInternal, "libjxl cannot " + what); }

class JxlCodec : public Codec {
 public:
  explicit JxlCodec(int threads)
      : threads_(threads > 0 ? static_cast<size_t>(threads) : JxlThreadParallelRunnerDefaultNumWorkerThreads()) {}

  std::string Name() const override { return "jxl"; }
  std::string Version() const override { return "libjxl " + FormatVersion(JxlEncoderVersion()) + ", effort 7"; }
  std::vector<double> DefaultQualities() const override { return {13, 8, 5, 3.3, 2.2, 1.5, 1.0, 0.6}; }
  std::vector<double> SizeLadder() const override { return Steps(15, 0.1, 298); }

  Status CheckQuality(double quality) const override {
    if (quality >= 0.1 && quality <= 15) return Status();
    return Status(StatusCode::kInvalidArgument,
                  "jxl has no quality " + FormatQuality(quality) + "; use a distance of 0.1 (best) .. 15");
  }

  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    LICHEN_RETURN_IF_ERROR(CheckQuality(quality));
    if (image.bit_depth != 8 || (image.channels != 1 && image.channels != 3)) {
      return Status(StatusCode::kInvalidArgument, "jxl takes 1 or 3 channels of 8 bits");
    }
    const JxlEncoderPtr encoder = JxlEncoderMake(nullptr);
    const JxlThreadParallelRunnerPtr runner = JxlThreadParallelRunnerMake(nullptr, threads_);
    JxlBasicInfo info;
    JxlEncoderInitBasicInfo(&info);
    info.xsize = image.width;
    info.ysize = image.height;
    info.bits_per_sample = 8;
    info.num_color_channels = static_cast<uint32_t>(image.channels);
    info.uses_original_profile = JXL_FALSE;
    JxlColorEncoding colour;
    JxlColorEncodingSetToSRGB(&colour, image.channels == 1);
    JxlEncoderFrameSettings* settings = JxlEncoderFrameSettingsCreate(encoder.get(), nullptr);
    const bool ready =
        JxlEncoderSetParallelRunner(encoder.get(), JxlThreadParallelRunner, runner.get()) == JXL_ENC_SUCCESS &&
        JxlEncoderSetBasicInfo(encoder.get(), &info) == JXL_ENC_SUCCESS &&
        JxlEncoderSetColorEncoding(encoder.get(), &colour) == JXL_ENC_SUCCESS &&
        JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_EFFORT, 7) == JXL_ENC_SUCCESS &&
        JxlEncoderSetFrameDistance(settings, static_cast<float>(quality)) == JXL_ENC_SUCCESS;
    const JxlPixelFormat format = Format(image.channels);
    if (!ready ||
        JxlEncoderAddImageFrame(settings, &format, image.pixels.data(), image.pixels.size()) != JXL_ENC_SUCCESS) {
      return Failure("take the picture");
    }
    JxlEncoderCloseInput(encoder.get());
    return Finish(encoder.get());
  }

  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    const JxlDecoderPtr decoder = JxlDecoderMake(nullptr);
    const JxlThreadParallelRunnerPtr runner = JxlThreadParallelRunnerMake(nullptr, threads_);
    if (JxlDecoderSetParallelRunner(decoder.get(), JxlThreadParallelRunner, runner.get()) != JXL_DEC_SUCCESS ||
        JxlDecoderSubscribeEvents(decoder.get(), JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE) != JXL_DEC_SUCCESS ||
        JxlDecoderSetInput(decoder.get(), file.data(), file.size()) != JXL_DEC_SUCCESS) {
      return Failure("be set up");
    }
    JxlDecoderCloseInput(decoder.get());
    Image image;
    for (;;) {
      switch (JxlDecoderProcessInput(decoder.get())) {
        case JXL_DEC_BASIC_INFO: {
          JxlBasicInfo info;
          if (JxlDecoderGetBasicInfo(decoder.get(), &info) != JXL_DEC_SUCCESS) return Failure("read its own file");
          image.width = info.xsize;
          image.height = info.ysize;
          image.channels = static_cast<int>(info.num_color_channels);
          image.pixels.resize(image.RowBytes() * image.height);
          break;
        }
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER: {
          const JxlPixelFormat format = Format(image.channels);
          if (JxlDecoderSetImageOutBuffer(decoder.get(), &format, image.pixels.data(), image.pixels.size()) !=
              JXL_DEC_SUCCESS) {
            return Failure("write the picture");
          }
          break;
        }
        case JXL_DEC_FULL_IMAGE:
          return image;
        default:
          return Failure("decompress its own file");
      }
    }
  }

 private:
  static JxlPixelFormat Format(int channels) {
    return {static_cast<uint32_t>(channels), JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
  }

  // The bytes of a file whose picture has been handed over.
  static Result<std::vector<uint8_t>> Finish(JxlEncoder* encoder) {
    std::vector<uint8_t> file(size_t{1} << 16);
    uint8_t* next = file.data();
    size_t left = file.size();
    for (;;) {
      const JxlEncoderStatus status = JxlEncoderProcessOutput(encoder, &next, &left);
      const size_t written = file.size() - left;
      if (status == JXL_ENC_ERROR) return Failure("compress the picture");
      if (status == JXL_ENC_SUCCESS) {
        file.resize(written);
        return file;
      }
      file.resize(file.size() * 2);
      next = file.data() + written;
      left = file.size() - written;
    }
  }

  size_t threads_;
};

}  // namespace

std::unique_ptr<Codec> MakeJxlCodec(int threads) { return std::make_unique<JxlCodec>(threads); }

}  // namespace lichen::eval
