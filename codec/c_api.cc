// SPDX-License-Identifier: Apache-2.0
// The C interface, lichen.h, on top of the C++ one.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "bitstream/container.h"
#include "codec/view.h"
#include "lichen/codec.h"
#include "lichen/lichen.h"

namespace {

using lichen::Status;
using lichen::StatusCode;

static_assert(static_cast<int>(StatusCode::kOk) == LICHEN_OK &&
                  static_cast<int>(StatusCode::kInvalidArgument) == LICHEN_INVALID_ARGUMENT &&
                  static_cast<int>(StatusCode::kIoError) == LICHEN_IO_ERROR &&
                  static_cast<int>(StatusCode::kTruncated) == LICHEN_TRUNCATED &&
                  static_cast<int>(StatusCode::kDamaged) == LICHEN_DAMAGED &&
                  static_cast<int>(StatusCode::kUnsupportedVersion) == LICHEN_UNSUPPORTED_VERSION &&
                  static_cast<int>(StatusCode::kUnknownModel) == LICHEN_UNKNOWN_MODEL &&
                  static_cast<int>(StatusCode::kLimitExceeded) == LICHEN_LIMIT_EXCEEDED &&
                  static_cast<int>(StatusCode::kOutOfMemory) == LICHEN_OUT_OF_MEMORY &&
                  static_cast<int>(StatusCode::kCancelled) == LICHEN_CANCELLED &&
                  static_cast<int>(StatusCode::kInternal) == LICHEN_INTERNAL,
              "the numbers of lichen.h are fixed; add new codes behind the last one");

constexpr int kMetadataKinds = static_cast<int>(lichen::bitstream::kMetadataKinds);

/// What encoders and decoders have in common.
struct Handle {
  std::string error;
  const char* fixed_error = nullptr;  // instead of `error`, where there was no memory for it
};

const char* ErrorOf(const Handle* handle) {
  if (handle == nullptr) return "there is no handle: NULL was given, or there was not enough memory to make it";
  return handle->fixed_error != nullptr ? handle->fixed_error : handle->error.c_str();
}

Status Invalid(const std::string& text) { return Status(StatusCode::kInvalidArgument, text); }

/// Calls `work`, which returns a Status, and keeps its error in the handle. Lets no exception out.
template <typename Work>
lichen_status Call(Handle* handle, Work work) {
  if (handle == nullptr) return LICHEN_INVALID_ARGUMENT;
  handle->fixed_error = nullptr;
  try {
    const Status status = work();
    handle->error = status.message();
    return static_cast<lichen_status>(status.code());
  } catch (const std::bad_alloc&) {
    handle->fixed_error = "there is not enough memory";
    return LICHEN_OUT_OF_MEMORY;
  } catch (...) {
    handle->fixed_error = "unexpected exception; please report it";
    return LICHEN_INTERNAL;
  }
}

Status SetThreads(int threads, int* setting) {
  if (threads < 0 || threads > 1024)
    return Invalid("the number of threads must be from 0 to 1024, not " + std::to_string(threads));
  *setting = threads;
  return Status();
}

Status SetModel(const void* data, size_t size, std::shared_ptr<const lichen::Model>* setting) {
  if (size == 0) return setting->reset(), Status();
  if (data == nullptr) return Invalid("the model is NULL");
  LICHEN_ASSIGN_OR_RETURN(*setting, lichen::Model::Parse(static_cast<const uint8_t*>(data), size));
  return Status();
}

lichen::ProgressCallback CallbackOf(lichen_progress progress, void* user) {
  if (progress == nullptr) return nullptr;
  return [progress, user](double share) { return progress(user, share) != 0; };
}

Status CheckKind(lichen_metadata kind) {
  if (static_cast<int>(kind) >= 0 && static_cast<int>(kind) < kMetadataKinds) return Status();
  return Invalid("metadata of kind " + std::to_string(static_cast<int>(kind)) +
                 "; LICHEN_ICC, LICHEN_EXIF or LICHEN_XMP expected");
}

/// A copy for the caller; NULL and 0 for nothing.
Status Give(const std::vector<uint8_t>& bytes, uint8_t** data, size_t* size) {
  if (bytes.empty()) return Status();
  uint8_t* copy = static_cast<uint8_t*>(std::malloc(bytes.size()));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, bytes.data(), bytes.size());
  *data = copy;
  *size = bytes.size();
  return Status();
}

/// Rows in memory may lie apart. errors: kInvalidArgument
Status CheckStride(const lichen::ImageHeader& header, size_t stride) {
  if (stride == 0 || stride >= header.RowBytes()) return Status();
  return Invalid("a stride of " + std::to_string(stride) + " bytes; a row has " + std::to_string(header.RowBytes()));
}

/// The rows of a picture in the caller's memory.
class MemoryRows : public lichen::RowSource {
 public:
  MemoryRows(const lichen::ImageHeader& header, const uint8_t* pixels, size_t stride)
      : header_(header), pixels_(pixels), stride_(stride == 0 ? header.RowBytes() : stride) {}
  const lichen::ImageHeader& header() const override { return header_; }
  Status ReadRow(uint8_t* row) override {
    std::memcpy(row, pixels_ + stride_ * next_++, header_.RowBytes());
    return Status();
  }

 private:
  const lichen::ImageHeader& header_;
  const uint8_t* pixels_;
  size_t stride_;
  size_t next_ = 0;
};

}  // namespace

struct lichen_encoder : Handle {
  lichen::EncodeOptions options;
  uint64_t max_pixels = uint64_t{1} << 30;
  lichen::ImageHeader header;  // its metadata
};

struct lichen_decoder : Handle {
  lichen::DecodeOptions options;
  uint64_t max_metadata = uint64_t{1} << 26;
  const uint8_t* data = nullptr;  // the caller's; null: no file is open
  size_t size = 0;
  lichen::Info info;
  uint32_t output_width = 0, output_height = 0;  // of the region at the scale; 0 where it is not inside the picture
};

namespace {

/// Writes rows to the caller's memory.
class MemorySink : public lichen::RowSink {
 public:
  MemorySink(uint8_t* pixels, size_t size, size_t stride) : pixels_(pixels), size_(size), stride_(stride) {}

  Status Begin(const lichen::ImageHeader& header) override {
    LICHEN_RETURN_IF_ERROR(CheckStride(header, stride_));
    row_bytes_ = header.RowBytes();
    if (stride_ == 0) stride_ = row_bytes_;
    const size_t steps = header.height - 1;
    if (row_bytes_ > size_ || (steps > 0 && stride_ > (size_ - row_bytes_) / steps)) {
      return Invalid("memory of " + std::to_string(size_) + " bytes for " + std::to_string(header.height) +
                     " rows of " + std::to_string(row_bytes_) + " bytes at a stride of " + std::to_string(stride_));
    }
    return Status();
  }
  Status WriteRow(const uint8_t* row) override {
    std::memcpy(pixels_ + stride_ * next_++, row, row_bytes_);
    return Status();
  }

 private:
  uint8_t* pixels_;
  size_t size_;
  size_t stride_;
  size_t row_bytes_ = 0, next_ = 0;
};

uint64_t MetadataBytes(const lichen::Info& info, int kind) {
  const uint64_t bytes[kMetadataKinds] = {info.icc_bytes, info.exif_bytes, info.xmp_bytes};
  return bytes[kind];
}

/// errors: kLimitExceeded
Status CheckLimits(const lichen::Info& info, const lichen_decoder& decoder) {
  const uint64_t pixels = uint64_t{info.width} * info.height;
  if (pixels > decoder.options.max_pixels) {
    return Status(StatusCode::kLimitExceeded, "the picture has " + std::to_string(info.width) + "x" +
                                                  std::to_string(info.height) + " pixels, at most " +
                                                  std::to_string(decoder.options.max_pixels) + " are allowed");
  }
  const uint64_t metadata = info.icc_bytes + info.exif_bytes + info.xmp_bytes;
  if (metadata > decoder.max_metadata) {
    return Status(StatusCode::kLimitExceeded, "the file has " + std::to_string(metadata) +
                                                  " bytes of metadata, at most " +
                                                  std::to_string(decoder.max_metadata) + " are allowed");
  }
  return Status();
}

/// Sets the size of the output. errors: kInvalidArgument where the region is not inside the picture
Status SetOutput(lichen_decoder* decoder) {
  decoder->output_width = decoder->output_height = 0;
  lichen::bitstream::Header header;
  header.width = decoder->info.width;
  header.height = decoder->info.height;
  LICHEN_ASSIGN_OR_RETURN(const lichen::View view,
                          lichen::MakeView(header, decoder->options.region, decoder->options.scale));
  decoder->output_width = static_cast<uint32_t>(view.columns.size());
  decoder->output_height = static_cast<uint32_t>(view.rows.size());
  return Status();
}

Status CheckOpen(const lichen_decoder& decoder) {
  return decoder.data != nullptr ? Status() : Invalid("no file is open; call lichen_decoder_open first");
}

}  // namespace

const char* lichen_version(void) { return lichen::Version(); }

int lichen_c_api_version(void) { return LICHEN_C_API_VERSION; }

void lichen_free(void* memory) { std::free(memory); }

lichen_encoder* lichen_encoder_new(void) {
  try {
    return new lichen_encoder;
  } catch (...) {
    return nullptr;
  }
}

void lichen_encoder_free(lichen_encoder* encoder) { delete encoder; }

const char* lichen_encoder_error(const lichen_encoder* encoder) { return ErrorOf(encoder); }

lichen_status lichen_encoder_set_quality(lichen_encoder* encoder, double quality) {
  return Call(encoder, [&] {
    if (!(quality >= 0 && quality <= 100))
      return Invalid("the quality must be from 0 to 100, not " + std::to_string(quality));
    encoder->options.quality = quality;
    return Status();
  });
}

lichen_status lichen_encoder_set_threads(lichen_encoder* encoder, int threads) {
  return Call(encoder, [&] { return SetThreads(threads, &encoder->options.threads); });
}

lichen_status lichen_encoder_set_coding(lichen_encoder* encoder, lichen_coding coding) {
  return Call(encoder, [&] {
    switch (coding) {
      case LICHEN_CODING_AUTO:
        encoder->options.coding = lichen::Coding::kAuto;
        return Status();
      case LICHEN_CODING_LEARNED:
        encoder->options.coding = lichen::Coding::kLearned;
        return Status();
      case LICHEN_CODING_DCT:
        encoder->options.coding = lichen::Coding::kDct;
        return Status();
    }
    return Invalid("no coding has the number " + std::to_string(static_cast<int>(coding)));
  });
}

lichen_status lichen_encoder_set_effort(lichen_encoder* encoder, int effort) {
  return Call(encoder, [&] {
    if (effort < 0 || effort > lichen::kMaxEffort)
      return Invalid("the effort must be 0 to " + std::to_string(lichen::kMaxEffort) + ", not " +
                     std::to_string(effort));
    encoder->options.effort = effort;
    return Status();
  });
}

lichen_status lichen_encoder_set_tile_size(lichen_encoder* encoder, uint32_t tile_size) {
  return Call(encoder, [&] {
    if (tile_size < 64 || tile_size > 32768 || (tile_size & (tile_size - 1)) != 0) {
      return Invalid("the tile size must be 64, 128, 256, ... or 32768, not " + std::to_string(tile_size));
    }
    encoder->options.tile_size = tile_size;
    return Status();
  });
}

lichen_status lichen_encoder_set_max_pixels(lichen_encoder* encoder, uint64_t max_pixels) {
  return Call(encoder, [&] { return encoder->max_pixels = max_pixels, Status(); });
}

lichen_status lichen_encoder_set_target_bytes(lichen_encoder* encoder, uint64_t bytes) {
  return Call(encoder, [&] { return encoder->options.target_bytes = bytes, Status(); });
}

lichen_status lichen_encoder_set_target_bits_per_pixel(lichen_encoder* encoder, double bits) {
  return Call(encoder, [&] {
    if (!(bits >= 0 && std::isfinite(bits))) return Invalid("bits per pixel must be 0 or more");
    encoder->options.target_bits_per_pixel = bits;
    return Status();
  });
}

lichen_status lichen_encoder_set_target_psnr(lichen_encoder* encoder, double psnr) {
  return Call(encoder, [&] {
    if (!(psnr >= 0 && std::isfinite(psnr))) return Invalid("the PSNR must be 0 dB or more");
    encoder->options.target_psnr = psnr;
    return Status();
  });
}

lichen_status lichen_encoder_set_max_memory(lichen_encoder* encoder, uint64_t max_bytes) {
  return Call(encoder, [&] { return encoder->options.max_memory_bytes = max_bytes, Status(); });
}

lichen_status lichen_encoder_set_metadata(lichen_encoder* encoder, lichen_metadata kind, const void* data,
                                          size_t size) {
  return Call(encoder, [&]() -> Status {
    LICHEN_RETURN_IF_ERROR(CheckKind(kind));
    if (data == nullptr && size > 0) return Invalid("the metadata is NULL");
    if (size > lichen::bitstream::kMaxMetadataBytes) {
      return Invalid("metadata of " + std::to_string(size) + " bytes; at most " +
                     std::to_string(lichen::bitstream::kMaxMetadataBytes) + " can be kept");
    }
    std::vector<uint8_t>* blocks[kMetadataKinds] = {&encoder->header.icc, &encoder->header.exif, &encoder->header.xmp};
    const uint8_t* bytes = static_cast<const uint8_t*>(data);
    *blocks[kind] = size == 0 ? std::vector<uint8_t>() : std::vector<uint8_t>(bytes, bytes + size);
    return Status();
  });
}

lichen_status lichen_encoder_set_model(lichen_encoder* encoder, const void* data, size_t size) {
  return Call(encoder, [&] { return SetModel(data, size, &encoder->options.model); });
}

lichen_status lichen_encoder_set_progress(lichen_encoder* encoder, lichen_progress progress, void* user) {
  return Call(encoder, [&] { return encoder->options.progress = CallbackOf(progress, user), Status(); });
}

lichen_status lichen_encoder_encode(lichen_encoder* encoder, const void* pixels, uint32_t width, uint32_t height,
                                    int channels, int bit_depth, size_t stride, uint8_t** data, size_t* size) {
  if (data != nullptr) *data = nullptr;
  if (size != nullptr) *size = 0;
  return Call(encoder, [&]() -> Status {
    if (pixels == nullptr || data == nullptr || size == nullptr) return Invalid("pixels, data or size is NULL");
    if (channels < 1 || channels > 4)
      return Invalid("a picture of " + std::to_string(channels) + " channels; 1 to 4 expected");
    if (bit_depth != 8 && bit_depth != 16)
      return Invalid("samples of " + std::to_string(bit_depth) + " bits; 8 or 16 expected");
    const uint64_t count = uint64_t{width} * height;
    if (count > encoder->max_pixels) {
      return Status(StatusCode::kLimitExceeded, "the picture has " + std::to_string(width) + "x" +
                                                    std::to_string(height) + " pixels, at most " +
                                                    std::to_string(encoder->max_pixels) + " are allowed");
    }
    lichen::ImageHeader& header = encoder->header;
    header.width = width;
    header.height = height;
    header.channels = channels;
    header.bit_depth = bit_depth;
    LICHEN_RETURN_IF_ERROR(CheckStride(header, stride));
    MemoryRows rows(header, static_cast<const uint8_t*>(pixels), stride);
    LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> file, lichen::Encode(rows, encoder->options));
    return Give(file, data, size);
  });
}

lichen_decoder* lichen_decoder_new(void) {
  try {
    return new lichen_decoder;
  } catch (...) {
    return nullptr;
  }
}

void lichen_decoder_free(lichen_decoder* decoder) { delete decoder; }

const char* lichen_decoder_error(const lichen_decoder* decoder) { return ErrorOf(decoder); }

lichen_status lichen_decoder_set_threads(lichen_decoder* decoder, int threads) {
  return Call(decoder, [&] { return SetThreads(threads, &decoder->options.threads); });
}

lichen_status lichen_decoder_set_max_pixels(lichen_decoder* decoder, uint64_t max_pixels) {
  return Call(decoder, [&] { return decoder->options.max_pixels = max_pixels, Status(); });
}

lichen_status lichen_decoder_set_max_metadata(lichen_decoder* decoder, uint64_t max_bytes) {
  return Call(decoder, [&] { return decoder->max_metadata = max_bytes, Status(); });
}

lichen_status lichen_decoder_set_max_memory(lichen_decoder* decoder, uint64_t max_bytes) {
  return Call(decoder, [&] { return decoder->options.max_memory_bytes = max_bytes, Status(); });
}

lichen_status lichen_decoder_set_model(lichen_decoder* decoder, const void* data, size_t size) {
  return Call(decoder, [&] { return SetModel(data, size, &decoder->options.model); });
}

lichen_status lichen_decoder_set_progress(lichen_decoder* decoder, lichen_progress progress, void* user) {
  return Call(decoder, [&] { return decoder->options.progress = CallbackOf(progress, user), Status(); });
}

lichen_status lichen_decoder_set_region(lichen_decoder* decoder, uint32_t x, uint32_t y, uint32_t width,
                                        uint32_t height) {
  return Call(decoder, [&]() -> Status {
    const bool whole = x == 0 && y == 0 && width == 0 && height == 0;
    if (!whole && (width == 0 || height == 0)) {
      return Invalid("a region of " + std::to_string(width) + "x" + std::to_string(height) +
                     " pixels is empty; give all four as 0 for the whole picture");
    }
    const lichen::Region before = decoder->options.region;
    decoder->options.region = {x, y, width, height};
    const Status status = decoder->data != nullptr ? SetOutput(decoder) : Status();
    if (!status.ok()) {
      decoder->options.region = before;
      (void)SetOutput(decoder);
    }
    return status;
  });
}

lichen_status lichen_decoder_set_scale(lichen_decoder* decoder, int denominator) {
  return Call(decoder, [&]() -> Status {
    if (denominator != 1 && denominator != 2 && denominator != 4 && denominator != 8 && denominator != 16) {
      return Invalid("the scale must be 1/1, 1/2, 1/4, 1/8 or 1/16, not 1/" + std::to_string(denominator));
    }
    decoder->options.scale = denominator;
    if (decoder->data != nullptr) (void)SetOutput(decoder);  // fails only where it did before
    return Status();
  });
}

lichen_status lichen_decoder_open(lichen_decoder* decoder, const void* data, size_t size) {
  return Call(decoder, [&]() -> Status {
    decoder->data = nullptr;
    decoder->size = 0;
    decoder->info = {};
    decoder->output_width = decoder->output_height = 0;
    if (data == nullptr) return Invalid("the file is NULL");
    LICHEN_ASSIGN_OR_RETURN(lichen::Info info, lichen::Inspect(static_cast<const uint8_t*>(data), size));
    LICHEN_RETURN_IF_ERROR(CheckLimits(info, *decoder));
    decoder->data = static_cast<const uint8_t*>(data);
    decoder->size = size;
    decoder->info = std::move(info);
    (void)SetOutput(decoder);  // of a region outside the picture decoding tells
    return Status();
  });
}

uint32_t lichen_decoder_width(const lichen_decoder* decoder) { return decoder != nullptr ? decoder->info.width : 0; }

uint32_t lichen_decoder_height(const lichen_decoder* decoder) { return decoder != nullptr ? decoder->info.height : 0; }

int lichen_decoder_channels(const lichen_decoder* decoder) { return decoder != nullptr ? decoder->info.channels : 0; }

int lichen_decoder_bit_depth(const lichen_decoder* decoder) { return decoder != nullptr ? decoder->info.bit_depth : 0; }

double lichen_decoder_quality(const lichen_decoder* decoder) { return decoder != nullptr ? decoder->info.quality : 0; }

const char* lichen_decoder_model_id(const lichen_decoder* decoder) {
  return decoder != nullptr ? decoder->info.model_id.c_str() : "";
}

uint32_t lichen_decoder_output_width(const lichen_decoder* decoder) {
  return decoder != nullptr ? decoder->output_width : 0;
}

uint32_t lichen_decoder_output_height(const lichen_decoder* decoder) {
  return decoder != nullptr ? decoder->output_height : 0;
}

uint64_t lichen_decoder_pixel_bytes(const lichen_decoder* decoder) {
  if (decoder == nullptr) return 0;
  const lichen::Info& info = decoder->info;  // sides of at most 2^24 and 8 bytes a pixel: no overflow
  return uint64_t{decoder->output_width} * decoder->output_height *
         static_cast<uint64_t>(info.channels * (info.bit_depth / 8));
}

uint64_t lichen_decoder_metadata_bytes(const lichen_decoder* decoder, lichen_metadata kind) {
  if (decoder == nullptr || static_cast<int>(kind) < 0 || static_cast<int>(kind) >= kMetadataKinds) return 0;
  return MetadataBytes(decoder->info, kind);
}

lichen_status lichen_decoder_metadata(lichen_decoder* decoder, lichen_metadata kind, uint8_t** data, size_t* size) {
  if (data != nullptr) *data = nullptr;
  if (size != nullptr) *size = 0;
  return Call(decoder, [&]() -> Status {
    if (data == nullptr || size == nullptr) return Invalid("data or size is NULL");
    LICHEN_RETURN_IF_ERROR(CheckOpen(*decoder));
    LICHEN_RETURN_IF_ERROR(CheckKind(kind));
    namespace bitstream = lichen::bitstream;
    LICHEN_ASSIGN_OR_RETURN(const bitstream::Container container,
                            bitstream::ParseContainer(decoder->data, decoder->size));
    LICHEN_ASSIGN_OR_RETURN(
        const std::vector<uint8_t> bytes,
        bitstream::ReadMetadata(container, decoder->data, static_cast<bitstream::MetadataKind>(kind)));
    return Give(bytes, data, size);
  });
}

lichen_status lichen_decoder_decode(lichen_decoder* decoder, void* pixels, size_t size, size_t stride) {
  return Call(decoder, [&]() -> Status {
    if (pixels == nullptr) return Invalid("pixels is NULL");
    LICHEN_RETURN_IF_ERROR(CheckOpen(*decoder));
    MemorySink sink(static_cast<uint8_t*>(pixels), size, stride);
    return lichen::Decode(decoder->data, decoder->size, decoder->options, sink);
  });
}
