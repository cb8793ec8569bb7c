// SPDX-License-Identifier: Apache-2.0
#include "bitstream/zstd_frame.h"

#include <zstd.h>

#include <string>
#include <utility>

namespace lichen::bitstream {
namespace {

constexpr int kLevel = 12;          // above it, time doubles for the last percent; its window is 2^22 bytes
constexpr int kMaxWindowLog2 = 23;  // what RFC 8878 recommends every decoder to support
constexpr size_t kStep = size_t{1} << 16;

Status NoMemory() { return Status(StatusCode::kOutOfMemory, "there is not enough memory for zstd"); }

Status Damaged(const std::string& what) { return Status(StatusCode::kDamaged, "the zstd frame " + what); }

}  // namespace

Status CheckFrame(const uint8_t* data, size_t size, uint64_t content_size) {
  const unsigned long long declared = ZSTD_getFrameContentSize(data, size);
  if (declared == ZSTD_CONTENTSIZE_ERROR) return Damaged("has no legal head");
  if (declared == ZSTD_CONTENTSIZE_UNKNOWN) return Damaged("does not state its content size");
  if (declared != content_size) {
    return Damaged("holds " + std::to_string(declared) + " bytes, " + std::to_string(content_size) + " expected");
  }
  const size_t length = ZSTD_findFrameCompressedSize(data, size);
  if (ZSTD_isError(length) != 0) return Damaged("does not end where it should");
  if (length != size) {
    return Damaged("takes " + std::to_string(length) + " bytes, " + std::to_string(size) + " expected");
  }
  return Status();
}

Result<std::vector<uint8_t>> DecompressFrame(const uint8_t* data, size_t size, size_t content_size) {
  LICHEN_RETURN_IF_ERROR(CheckFrame(data, size, content_size));
  std::vector<uint8_t> content(content_size);
  LICHEN_RETURN_IF_ERROR(DecompressFrame(data, size, content.data(), content.size()));
  return content;
}

Status DecompressFrame(const uint8_t* data, size_t size, uint8_t* content, size_t content_size) {
  LICHEN_RETURN_IF_ERROR(CheckFrame(data, size, content_size));
  const size_t got = ZSTD_decompress(content, content_size, data, size);
  if (ZSTD_isError(got) != 0 || got != content_size) return Damaged("does not decompress");
  return Status();
}

Result<std::vector<uint8_t>> CompressFrame(const uint8_t* data, size_t size) {
  FrameWriter writer(size);
  LICHEN_RETURN_IF_ERROR(writer.Write(data, size));
  return writer.Finish();
}

void FrameWriter::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

FrameWriter::FrameWriter(uint64_t content_size) : context_(ZSTD_createCCtx()), content_size_(content_size) {
  if (context_ == nullptr) return;
  // Neither can fail on a fresh context with these values.
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setPledgedSrcSize(context_.get(), content_size_);
}

Status FrameWriter::Write(const uint8_t* data, size_t size) { return Compress(data, size, false); }

Result<std::vector<uint8_t>> FrameWriter::Finish() {
  LICHEN_RETURN_IF_ERROR(Compress(nullptr, 0, true));
  return std::move(frame_);
}

Status FrameWriter::Compress(const uint8_t* data, size_t size, bool end) {
  if (context_ == nullptr) return NoMemory();
  ZSTD_inBuffer in = {data, size, 0};
  uint8_t buffer[kStep];
  while (true) {
    ZSTD_outBuffer out = {buffer, sizeof buffer, 0};
    const size_t left = ZSTD_compressStream2(context_.get(), &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left) != 0) {
      const std::string name = ZSTD_getErrorName(left);
      if (name.find("memory") != std::string::npos) return NoMemory();
      return Status(StatusCode::kInternal, "zstd: " + name + ", " + std::to_string(content_size_) + " bytes announced");
    }
    frame_.insert(frame_.end(), buffer, buffer + out.pos);
    if (end ? left == 0 : in.pos == in.size) return Status();
  }
}

void FrameReader::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

FrameReader::FrameReader(const uint8_t* data, size_t size) : context_(ZSTD_createDCtx()), data_(data), size_(size) {
  if (context_ != nullptr) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog2);
}

Status FrameReader::Read(uint8_t* out_bytes, size_t size) {
  if (context_ == nullptr) return NoMemory();
  ZSTD_outBuffer out = {out_bytes, size, 0};
  ZSTD_inBuffer in = {data_, size_, position_};
  while (out.pos < out.size) {
    const size_t before = out.pos;
    const size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
    position_ = in.pos;
    ended_ = left == 0;
    if (ZSTD_isError(left) != 0) return Damaged(std::string("does not decompress (") + ZSTD_getErrorName(left) + ")");
    // A call ends when its output is full or its input is used up, or at the end of the frame.
    if (out.pos < out.size && (ended_ || (in.pos == in.size && out.pos == before))) return Damaged("ends too early");
  }
  return Status();
}

Status FrameReader::Finish() {
  if (context_ == nullptr) return NoMemory();
  uint8_t no_room = 0;
  ZSTD_outBuffer out = {&no_room, 0, 0};
  ZSTD_inBuffer in = {data_, size_, position_};
  if (!ended_) ended_ = ZSTD_decompressStream(context_.get(), &out, &in) == 0;
  if (!ended_ || in.pos != size_) return Damaged("goes on after its content");
  return Status();
}

}  // namespace lichen::bitstream
