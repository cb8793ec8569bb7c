// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_ZLIB_STREAM_H_
#define LICHEN_IMAGE_IO_ZLIB_STREAM_H_

// Whole zlib streams in memory: the metadata of PNG files. RFC 1950. The only user of zlib.h, which makes the streams
// of deflater.h too.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace lichen::image_io {

/// The content of a zlib stream; none when it is damaged, incomplete or larger than `limit` bytes, which also bounds
/// what is allocated. Bytes after the stream are ignored.
std::optional<std::vector<uint8_t>> Inflate(const uint8_t* data, size_t size, size_t limit);

/// A zlib stream of the content. level: effort, 0 (stored) to 9
std::vector<uint8_t> Deflate(const std::vector<uint8_t>& content, int level = 9);

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_ZLIB_STREAM_H_
