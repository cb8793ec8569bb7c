// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_ZSTD_FRAME_H_
#define LICHEN_BITSTREAM_ZSTD_FRAME_H_

// Single zstd frames that state their content size, whole or piece by piece. RFC 8878. The only user of zstd.h.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lichen/status.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace lichen::bitstream {

/// Checks, without decompressing, that the bytes are one frame, nothing before or behind it, that says it holds
/// `content_size` bytes. errors: kDamaged
Status CheckFrame(const uint8_t* data, size_t size, uint64_t content_size);

/// The `content_size` bytes of a frame; they are allocated only once CheckFrame has agreed. errors: kDamaged
Result<std::vector<uint8_t>> DecompressFrame(const uint8_t* data, size_t size, size_t content_size);

/// The same, to `content`, room for `content_size` bytes.
Status DecompressFrame(const uint8_t* data, size_t size, uint8_t* content, size_t content_size);

/// errors: kOutOfMemory
Result<std::vector<uint8_t>> CompressFrame(const uint8_t* data, size_t size);

/// Compresses pieces into one frame, which stays in memory; the pieces do not.
class FrameWriter {
 public:
  /// content_size  bytes of all pieces together
  explicit FrameWriter(uint64_t content_size);

  /// errors: kOutOfMemory; kInternal for more bytes than were announced
  Status Write(const uint8_t* data, size_t size);
  /// The frame; call once. errors: kOutOfMemory; kInternal for fewer bytes than were announced
  Result<std::vector<uint8_t>> Finish();

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };

  Status Compress(const uint8_t* data, size_t size, bool end);

  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  uint64_t content_size_;
  std::vector<uint8_t> frame_;
};

/// Decompresses one frame piece by piece, in at most 2^23 bytes and a little.
class FrameReader {
 public:
  /// data, size  what CheckFrame has accepted; borrowed, must outlive the reader
  FrameReader(const uint8_t* data, size_t size);

  /// Writes the next `size` bytes. errors: kOutOfMemory; kDamaged, also for frames with a window over 2^23 bytes
  Status Read(uint8_t* out, size_t size);
  /// Checks that nothing is left. errors: kDamaged
  Status Finish();

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
  bool ended_ = false;
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_ZSTD_FRAME_H_
