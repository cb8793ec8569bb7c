// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_PNG_CHUNKS_H_
#define LICHEN_TESTS_PNG_CHUNKS_H_

// PNG files made chunk by chunk, as no library writes them, and damaged ones whose checksums let the damage pass.

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace lichen::test {

using Bytes = std::vector<uint8_t>;

struct PngShape {
  uint32_t width = 0, height = 0;
  int colour_type = 2;  // 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  int bit_depth = 8;

  int Channels() const { return colour_type == 2 ? 3 : colour_type == 4 ? 2 : colour_type == 6 ? 4 : 1; }
  size_t PixelBytes() const { return static_cast<size_t>(std::max(1, Channels() * bit_depth / 8)); }
  /// With the filter's byte.
  size_t RowBytes() const { return 1 + (size_t{width} * static_cast<size_t>(Channels() * bit_depth) + 7) / 8; }
};

inline void StoreNumber(uint32_t number, uint8_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(number >> (24 - 8 * i));
}

inline Bytes Joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline Bytes Part(const Bytes& bytes, size_t start, size_t size) {
  const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(start);
  return Bytes(first, first + static_cast<std::ptrdiff_t>(size));
}

inline Bytes PngChunk(const char* type, const Bytes& content) {
  const size_t size = content.size();
  Bytes chunk(size + 12);
  StoreNumber(static_cast<uint32_t>(size), chunk.data());
  std::memcpy(chunk.data() + 4, type, 4);
  std::copy(content.begin(), content.end(), chunk.begin() + 8);
  const auto crc = static_cast<uint32_t>(crc32(0, chunk.data() + 4, static_cast<uInt>(size + 4)));
  StoreNumber(crc, chunk.data() + 8 + size);
  return chunk;
}

/// Signature and header.
inline Bytes PngStart(const PngShape& shape) {
  Bytes header(13);
  StoreNumber(shape.width, header.data());
  StoreNumber(shape.height, header.data() + 4);
  header[8] = static_cast<uint8_t>(shape.bit_depth);
  header[9] = static_cast<uint8_t>(shape.colour_type);
  return Joined({{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, PngChunk("IHDR", header)});
}

inline Bytes PngEnd() { return PngChunk("IEND", {}); }

/// The stream in IDAT chunks of `piece` bytes.
inline Bytes PixelChunks(const Bytes& stream, size_t piece) {
  Bytes chunks;
  for (size_t start = 0; start < stream.size(); start += piece) {
    const Bytes chunk = PngChunk("IDAT", Part(stream, start, std::min(piece, stream.size() - start)));
    chunks.insert(chunks.end(), chunk.begin(), chunk.end());
  }
  return chunks;
}

/// level: zlib's; 0 stores. strategy: zlib's
inline Bytes ZlibStream(const Bytes& content, int level, int strategy = Z_DEFAULT_STRATEGY) {
  z_stream z = {};
  deflateInit2(&z, level, Z_DEFLATED, 15, 8, strategy);
  Bytes stream(deflateBound(&z, static_cast<uLong>(content.size())) + 64);
  z.next_in = const_cast<Bytef*>(content.data());
  z.avail_in = static_cast<uInt>(content.size());
  z.next_out = stream.data();
  z.avail_out = static_cast<uInt>(stream.size());
  deflate(&z, Z_FINISH);
  stream.resize(z.total_out);
  deflateEnd(&z);
  return stream;
}

/// Calls visit(start, size) for each chunk that is there as a whole: its start in the file, and the size of its
/// content.
template <typename Visit>
void ForEachChunk(const Bytes& file, const Visit& visit) {
  for (size_t at = 8; at + 12 <= file.size();) {
    const size_t size =
        size_t{file[at]} << 24 | size_t{file[at + 1]} << 16 | size_t{file[at + 2]} << 8 | size_t{file[at + 3]};
    if (size > file.size() - at - 12) return;
    visit(at, size);
    at += size + 12;
  }
}

/// Where the bytes of the first IDAT chunks in a row stand.
inline std::vector<size_t> PixelStream(const Bytes& file) {
  std::vector<size_t> places;
  bool ended = false;
  ForEachChunk(file, [&](size_t at, size_t size) {
    const bool pixels = std::memcmp(&file[at + 4], "IDAT", 4) == 0;
    ended |= !pixels && !places.empty();
    for (size_t i = 0; pixels && !ended && i < size; ++i) places.push_back(at + 8 + i);
  });
  return places;
}

struct ZlibVerdict {
  bool ends = false;        // the deflated data does
  size_t checksum_at = 0;   // in the stream, when it ends
  size_t content_size = 0;  // the same
  uint32_t adler = 0;       // of the content
  bool sound = false;       // with a right checksum
};

/// What zlib says of the whole stream, and what its checksum should be. Content of more than 2^18 bytes counts as
/// damage.
inline ZlibVerdict Judge(const Bytes& stream) {
  ZlibVerdict verdict;
  if (stream.size() < 6) return verdict;
  Bytes content(size_t{1} << 18);
  z_stream z = {};
  inflateInit2(&z, -15);
  z.next_in = const_cast<Bytef*>(stream.data()) + 2;
  z.avail_in = static_cast<uInt>(stream.size() - 2);
  z.next_out = content.data();
  z.avail_out = static_cast<uInt>(content.size());
  if (inflate(&z, Z_FINISH) == Z_STREAM_END) {
    verdict.ends = true;
    verdict.checksum_at = stream.size() - z.avail_in;
    verdict.content_size = z.total_out;
    verdict.adler = static_cast<uint32_t>(adler32(1, content.data(), static_cast<uInt>(z.total_out)));
    uLongf size = content.size();
    verdict.sound = uncompress(content.data(), &size, stream.data(), static_cast<uLong>(stream.size())) == Z_OK;
  }
  inflateEnd(&z);
  return verdict;
}

/// The image data is a sound stream of as much as the header says, which ends where a chunk does. Of the end libpng
/// does not always see that it is otherwise. REQUIRES: a header chunk in its place
inline bool PixelsAreExact(const Bytes& file) {
  const auto number = [&file](size_t at) {
    return uint32_t{file[at]} << 24 | uint32_t{file[at + 1]} << 16 | uint32_t{file[at + 2]} << 8 | file[at + 3];
  };
  const PngShape shape = {number(16), number(20), file[25], file[24]};
  const std::vector<size_t> places = PixelStream(file);
  Bytes stream;
  for (const size_t place : places) stream.push_back(file[place]);
  const ZlibVerdict verdict = Judge(stream);
  const size_t end = verdict.checksum_at + 4;
  return verdict.sound && verdict.content_size == shape.RowBytes() * shape.height &&
         (end == places.size() || places[end] > places[end - 1] + 1);
}

/// Right checksums for the image data, where it can be inflated, and for all chunks up to where they can be followed.
inline void MendPng(Bytes* file) {
  const std::vector<size_t> places = PixelStream(*file);
  Bytes stream;
  for (const size_t place : places) stream.push_back((*file)[place]);
  const ZlibVerdict verdict = Judge(stream);
  for (size_t i = 0; verdict.ends && i < 4 && verdict.checksum_at + i < places.size(); ++i) {
    (*file)[places[verdict.checksum_at + i]] = static_cast<uint8_t>(verdict.adler >> (24 - 8 * i));
  }
  ForEachChunk(*file, [file](size_t at, size_t size) {
    const auto crc = static_cast<uint32_t>(crc32(0, file->data() + at + 4, static_cast<uInt>(size + 4)));
    StoreNumber(crc, file->data() + at + 8 + size);
  });
}

}  // namespace lichen::test

#endif  // LICHEN_TESTS_PNG_CHUNKS_H_
