// SPDX-License-Identifier: Apache-2.0
#include "image_io/zlib_stream.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "image_io/deflater.h"

namespace lichen::image_io {
namespace {

struct InflateStream {
  z_stream z = {};
  ~InflateStream() { inflateEnd(&z); }
};

class ZlibDeflater : public Deflater {
 public:
  explicit ZlibDeflater(int level) {
    if (deflateInit(&z_, level) != Z_OK) throw std::bad_alloc();
  }
  ~ZlibDeflater() override { deflateEnd(&z_); }

  void SetInput(const uint8_t* data, size_t size, bool last) override {
    z_.next_in = const_cast<Bytef*>(data);  // zlib only reads it
    z_.avail_in = static_cast<uInt>(size);
    last_ = last;
  }

  size_t Output(uint8_t* data, size_t size) override {
    z_.next_out = data;
    z_.avail_out = static_cast<uInt>(size);
    deflate(&z_, last_ ? Z_FINISH : Z_NO_FLUSH);  // cannot fail: at worst there is nothing to do
    return size - z_.avail_out;
  }

 private:
  z_stream z_ = {};
  bool last_ = false;
};

}  // namespace

std::optional<std::vector<uint8_t>> Inflate(const uint8_t* data, size_t size, size_t limit) {
  constexpr size_t kStep = size_t{1} << 14;
  if (size > UINT32_MAX) return std::nullopt;
  InflateStream stream;
  if (inflateInit(&stream.z) != Z_OK) throw std::bad_alloc();
  stream.z.next_in = const_cast<Bytef*>(data);  // zlib only reads it
  stream.z.avail_in = static_cast<uInt>(size);
  std::vector<uint8_t> content;
  while (true) {
    const size_t have = content.size();
    const size_t room = std::min(std::max(have, kStep), limit + 1 - have);
    content.resize(have + room);
    stream.z.next_out = content.data() + have;
    stream.z.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream.z, Z_NO_FLUSH);
    content.resize(content.size() - stream.z.avail_out);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (content.size() > limit) return std::nullopt;
    if (result == Z_STREAM_END) return content;
    if (result != Z_OK || stream.z.avail_out > 0) return std::nullopt;  // room left: the input has ended
  }
}

std::vector<uint8_t> Deflate(const std::vector<uint8_t>& content, int level) {
  uLongf size = compressBound(static_cast<uLong>(content.size()));
  std::vector<uint8_t> stream(size);
  // With all the room it may need, it fails for want of memory only.
  if (compress2(stream.data(), &size, content.data(), static_cast<uLong>(content.size()), level) != Z_OK) {
    throw std::bad_alloc();
  }
  stream.resize(size);
  return stream;
}

std::unique_ptr<Deflater> MakeZlibDeflater(int level) { return std::make_unique<ZlibDeflater>(level); }

}  // namespace lichen::image_io
