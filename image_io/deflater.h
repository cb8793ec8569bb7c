// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_DEFLATER_H_
#define LICHEN_IMAGE_IO_DEFLATER_H_

// A zlib stream (RFC 1950), made piece by piece: the rows of PNG files.

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lichen::image_io {

class Deflater {
 public:
  virtual ~Deflater() = default;
  /// What comes next, once all before has been used up; the caller keeps it alive until then. size: below 2^32;
  /// last: nothing comes after it.
  virtual void SetInput(const uint8_t* data, size_t size, bool last) = 0;
  /// Writes the next bytes of the stream and returns how many: fewer than `size` only when the input is used up, and
  /// after the last one, when the stream is complete.
  virtual size_t Output(uint8_t* data, size_t size) = 0;
};

/// By zlib. level: effort, 0 (stored) to 9. errors: std::bad_alloc
std::unique_ptr<Deflater> MakeZlibDeflater(int level);

/// By ISA-L, at its level 2, which is fast; null when it was not there to build with. errors: std::bad_alloc
std::unique_ptr<Deflater> MakeIsalDeflater();

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_DEFLATER_H_
