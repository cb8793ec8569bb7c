// SPDX-License-Identifier: Apache-2.0
#include "bitstream/container.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "bitstream/alpha.h"
#include "bitstream/byte_reader.h"
#include "bitstream/byte_writer.h"
#include "bitstream/checksum.h"
#include "bitstream/post_filter_code.h"
#include "bitstream/zstd_frame.h"

namespace lichen::bitstream {
namespace {

// As in PNG: a byte that is not ASCII, the name, and line ends of both kinds, so that a transfer as text shows.
constexpr std::array<uint8_t, 8> kSignature = {0x89, 'L', 'I', 'C', '\r', '\n', 0x1A, '\n'};

constexpr char kHeadType[] = "HEAD";
constexpr char kAlphaType[] = "ALPH";

// By Coding.
constexpr std::array<const char*, 2> kDataTypes = {"DATA", "DCTD"};

// By MetadataKind, in the order they have in a file.
struct MetadataType {
  const char* type;
  const char* name;
};
constexpr std::array<MetadataType, kMetadataKinds> kMetadataTypes = {
    {{"iccp", "ICC profile"}, {"exif", "EXIF data"}, {"xmpd", "XMP data"}}};

constexpr size_t kTypeSize = 4;
constexpr size_t kCrcSize = 4;
constexpr uint64_t kMinTableEntry = 1 + kCrcSize;  // a length of one byte, and a checksum

std::string CountOf(uint64_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

Status Damaged(const std::string& message) { return Status(StatusCode::kDamaged, message); }
Status Truncated(const std::string& message) { return Status(StatusCode::kTruncated, message); }

// ---- Header fields: listed once, visited by the reader and by the writer ----

enum class Encoding { kU8, kU16, kVarint };

struct Field {
  const char* name;
  Encoding encoding;
  bool (*legal)(uint32_t);
  const char* expected;  // completes "this build reads ..." or "..., expected"
  StatusCode failure;    // of an illegal value in a file
};

// `AnyHeader` is Header to read and const Header to write. Stops at the first error, so that nothing behind an unknown
// format version is interpreted.
template <typename AnyHeader, typename Visitor>
Status VisitFields(AnyHeader& header, Visitor&& visit) {
  constexpr StatusCode kUnsupported = StatusCode::kUnsupportedVersion;
  constexpr auto kIsSide = [](uint32_t v) { return v >= 1 && v <= 1u << 24; };
  const auto number = [&](const Field& field, auto& value) { return visit.Number(field, value); };

  LICHEN_RETURN_IF_ERROR(number({"format version", Encoding::kU8, [](uint32_t v) { return v == 0; }, "0", kUnsupported},
                                header.format_version));
  LICHEN_RETURN_IF_ERROR(visit.Bytes(header.model_id));
  LICHEN_RETURN_IF_ERROR(
      number({"width", Encoding::kVarint, kIsSide, "1 to 16777216", StatusCode::kDamaged}, header.width));
  LICHEN_RETURN_IF_ERROR(
      number({"height", Encoding::kVarint, kIsSide, "1 to 16777216", StatusCode::kDamaged}, header.height));
  LICHEN_RETURN_IF_ERROR(number({"colour type", Encoding::kU8, [](uint32_t v) { return v >= 1 && v <= 4; },
                                 "1 (gray) to 4 (RGB and alpha)", kUnsupported},
                                header.colour_type));
  LICHEN_RETURN_IF_ERROR(
      number({"bit depth", Encoding::kU8, [](uint32_t v) { return v == 8 || v == 16; }, "8 or 16", kUnsupported},
             header.bit_depth));
  LICHEN_RETURN_IF_ERROR(
      number({"quality index", Encoding::kU16, [](uint32_t v) { return v <= 896; }, "0 to 896", StatusCode::kDamaged},
             header.quality_index));
  LICHEN_RETURN_IF_ERROR(number({"tile size exponent", Encoding::kU8, [](uint32_t v) { return v >= 6 && v <= 15; },
                                 "6 to 15", StatusCode::kDamaged},
                                header.tile_size_log2));
  LICHEN_RETURN_IF_ERROR(
      number({"number of bits of the trellis", Encoding::kU8, [](uint32_t v) { return v == 0 || (v >= 4 && v <= 8); },
              "0 or 4 to 8", StatusCode::kDamaged},
             header.trellis_bits));
  return visit.Rest(header.post_filter);
}

class FieldReader {
 public:
  explicit FieldReader(ByteReader* reader) : reader_(reader) {}

  Status Number(const Field& field, uint32_t& value) {
    LICHEN_ASSIGN_OR_RETURN(value, Read(field.encoding));
    if (field.legal(value)) return Status();
    const std::string found = std::string(field.name) + " " + std::to_string(value);
    if (field.failure == StatusCode::kUnsupportedVersion) {
      return Status(field.failure, found + ", this build reads " + field.expected + "; update the decoder");
    }
    return Status(field.failure, "HEAD chunk: " + found + ", " + field.expected + " expected");
  }

  Status Bytes(std::array<uint8_t, 8>& bytes) {
    LICHEN_ASSIGN_OR_RETURN(const uint8_t* source, reader_->ReadBytes(bytes.size()));
    std::copy_n(source, bytes.size(), bytes.begin());
    return Status();
  }

  /// All that is left.
  Status Rest(std::vector<uint8_t>& bytes) {
    const size_t size = reader_->remaining();
    if (size > kMaxPostFilterBytes) {
      return Damaged("HEAD chunk: " + CountOf(size, "byte") + " behind the last field, at most " +
                     std::to_string(kMaxPostFilterBytes) + " expected");
    }
    LICHEN_ASSIGN_OR_RETURN(const uint8_t* source, reader_->ReadBytes(size));
    bytes.assign(source, source + size);
    return Status();
  }

 private:
  Result<uint32_t> Read(Encoding encoding) {
    if (encoding == Encoding::kVarint) return reader_->ReadVarint();
    if (encoding == Encoding::kU8) {
      LICHEN_ASSIGN_OR_RETURN(const uint32_t value, reader_->ReadU8());
      return value;
    }
    LICHEN_ASSIGN_OR_RETURN(const uint32_t value, reader_->ReadU16());
    return value;
  }

  ByteReader* reader_;
};

class FieldWriter {
 public:
  explicit FieldWriter(ByteWriter* writer) : writer_(writer) {}

  Status Number(const Field& field, uint32_t value) {
    if (!field.legal(value)) {
      return Status(StatusCode::kInvalidArgument, std::string(field.name) + " " + std::to_string(value) +
                                                      " cannot be written, " + field.expected + " expected");
    }
    switch (field.encoding) {
      case Encoding::kU8:
        writer_->WriteU8(static_cast<uint8_t>(value));
        break;
      case Encoding::kU16:
        writer_->WriteU16(static_cast<uint16_t>(value));
        break;
      case Encoding::kVarint:
        writer_->WriteVarint(value);
        break;
    }
    return Status();
  }

  Status Bytes(const std::array<uint8_t, 8>& bytes) {
    writer_->WriteBytes(bytes.data(), bytes.size());
    return Status();
  }

  Status Rest(const std::vector<uint8_t>& bytes) {
    if (bytes.size() > kMaxPostFilterBytes) {
      return Status(StatusCode::kInvalidArgument, "a post-filter of " + CountOf(bytes.size(), "byte") +
                                                      " cannot be written, at most " +
                                                      std::to_string(kMaxPostFilterBytes) + " expected");
    }
    writer_->WriteBytes(bytes.data(), bytes.size());
    return Status();
  }

 private:
  ByteWriter* writer_;
};

// ---- Signature ----

struct KnownFile {
  std::string start;
  const char* message;
};

bool StartsWith(const uint8_t* data, size_t size, const std::string& start) {
  return size >= start.size() && std::memcmp(data, start.data(), start.size()) == 0;
}

Status CheckSignature(const uint8_t* data, size_t size) {
  if (size == 0) return Truncated("the file is empty");
  const size_t common = std::min(size, kSignature.size());
  if (std::equal(data, data + common, kSignature.begin())) {
    if (common == kSignature.size()) return Status();
    return Truncated("the file ends inside its signature: " + CountOf(size, "byte") + " of 8");
  }

  static constexpr char kTextMode[] =
      "the line ends of this Lichen file were converted, it went through a transfer as text; transfer it again as "
      "binary";
  static constexpr char kRecoded[] =
      "the bytes of this Lichen file were changed as if they were text; transfer it again as binary";
  const KnownFile known_files[] = {
      {"\x89LIC\n", kTextMode},          // CRLF became LF, or CR became LF
      {"\x89LIC\r\r\n", kTextMode},      // LF became CRLF
      {"\x89LIC\r\n\x1A\r", kTextMode},  // the lone LF became CRLF, or LF became CR
      {"\x89LIC\r\x1A", kTextMode},      // CRLF became CR
      {"\x89LIC\r\r\x1A", kTextMode},    // LF became CR
      {"\tLIC", kRecoded},               // the eighth bit was lost
      {"\xC2\x89LIC", kRecoded},         // Latin-1 became UTF-8
      {"\xEF\xBF\xBDLIC", kRecoded},     // what is not UTF-8 was replaced
      {"\x89PNG", "this is a PNG file, not a Lichen file"},
      {"\xFF\xD8\xFF", "this is a JPEG file, not a Lichen file"},
      {"\xFF\x0A", "this is a JPEG XL file, not a Lichen file"},
      {std::string("\0\0\0\x0CJXL ", 8), "this is a JPEG XL file, not a Lichen file"},
      {"RIFF", "this is a RIFF file, perhaps WebP, not a Lichen file"},
      {"GIF8", "this is a GIF file, not a Lichen file"},
  };
  for (const KnownFile& known : known_files) {
    if (StartsWith(data, size, known.start)) return Damaged(known.message);
  }
  return Damaged("this is not a Lichen file: its first bytes are not the signature");
}

// ---- Chunks ----

struct Chunk {
  std::string type;
  size_t start = 0;     // offset of the type in the file
  uint32_t length = 0;  // bytes of payload
};

bool IsLetter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// Reads type and length; the reader then stands at the payload.
Result<Chunk> ReadChunkStart(ByteReader& file) {
  Chunk chunk;
  chunk.start = file.position();
  file.set_context("the file ends inside a chunk's type");
  LICHEN_ASSIGN_OR_RETURN(const uint8_t* type, file.ReadBytes(kTypeSize));
  chunk.type.assign(type, type + kTypeSize);
  if (!std::all_of(chunk.type.begin(), chunk.type.end(), IsLetter)) {
    return Damaged("at byte " + std::to_string(chunk.start) + " stands no chunk: its type is not four letters");
  }
  file.set_context(chunk.type + " chunk, length");
  LICHEN_ASSIGN_OR_RETURN(chunk.length, file.ReadVarint());
  return chunk;
}

// Checks the CRC-32 that stands at the reader and covers everything from the chunk's type up to it.
Status CheckCrc(ByteReader& file, const uint8_t* data, const Chunk& chunk, const std::string& what) {
  const size_t end = file.position();
  file.set_context("the file ends inside the checksum of the " + what);
  LICHEN_ASSIGN_OR_RETURN(const uint32_t stored, file.ReadU32());
  if (!ChecksumMatches(stored, data + chunk.start, end - chunk.start)) {
    return Damaged("the " + what + " is damaged: its checksum is wrong");
  }
  return Status();
}

// Passes over payload and checksum of a chunk; the payload, borrowed, is sound.
Result<const uint8_t*> ReadPayload(ByteReader& file, const uint8_t* data, const Chunk& chunk) {
  file.set_context("the file ends inside the " + chunk.type + " chunk");
  LICHEN_ASSIGN_OR_RETURN(const uint8_t* payload, file.ReadBytes(chunk.length));
  LICHEN_RETURN_IF_ERROR(CheckCrc(file, data, chunk, chunk.type + " chunk"));
  return payload;
}

Result<Header> ReadHead(ByteReader& file, const uint8_t* data) {
  if (file.remaining() == 0) return Truncated("the file ends before its HEAD chunk");
  LICHEN_ASSIGN_OR_RETURN(const Chunk chunk, ReadChunkStart(file));
  if (chunk.type != kHeadType) return Damaged("the first chunk is " + chunk.type + ", HEAD expected");
  LICHEN_ASSIGN_OR_RETURN(const uint8_t* payload, ReadPayload(file, data, chunk));

  ByteReader fields(payload, chunk.length, "HEAD chunk", StatusCode::kDamaged);
  Header header;
  LICHEN_RETURN_IF_ERROR(VisitFields(header, FieldReader(&fields)));
  return header;
}

bool HasAlpha(const Header& header) { return header.colour_type == 2 || header.colour_type == 4; }

// The payload of a chunk of metadata: its size, and a frame that fills the rest.
Result<FrameSpan> ReadMetadataChunk(ByteReader& file, const uint8_t* data, const Chunk& chunk) {
  LICHEN_ASSIGN_OR_RETURN(const uint8_t* payload, ReadPayload(file, data, chunk));
  ByteReader fields(payload, chunk.length, chunk.type + " chunk", StatusCode::kDamaged);
  FrameSpan span;
  LICHEN_ASSIGN_OR_RETURN(span.content_size, fields.ReadVarint());
  if (span.content_size < 1 || span.content_size > kMaxMetadataBytes) {
    return Damaged(chunk.type + " chunk: a size of " + std::to_string(span.content_size) + " bytes, 1 to " +
                   std::to_string(kMaxMetadataBytes) + " expected");
  }
  span.size = fields.remaining();
  LICHEN_ASSIGN_OR_RETURN(const uint8_t* frame, fields.ReadBytes(span.size));
  span.offset = static_cast<size_t>(frame - data);
  LICHEN_RETURN_IF_ERROR(CheckFrame(frame, span.size, span.content_size).Prefixed(chunk.type + " chunk"));
  return span;
}

// The payload of ALPH: a frame whose size follows from the picture's.
Result<FrameSpan> ReadAlphaChunk(ByteReader& file, const uint8_t* data, const Chunk& chunk, const Header& header) {
  LICHEN_ASSIGN_OR_RETURN(const uint8_t* payload, ReadPayload(file, data, chunk));
  if (!HasAlpha(header)) {
    return Damaged("an ALPH chunk, which colour type " + std::to_string(header.colour_type) + " does not have");
  }
  const FrameSpan span = {static_cast<size_t>(payload - data), chunk.length,
                          AlphaContentSize(header.width, header.height, header.bit_depth)};
  LICHEN_RETURN_IF_ERROR(CheckFrame(payload, span.size, span.content_size).Prefixed("ALPH chunk"));
  return span;
}

// The place of a chunk among those that have a fixed order between HEAD and DATA, from 0; kMetadataKinds for ALPH, one
// more for others, which may stand anywhere.
size_t PlaceOf(const std::string& type) {
  size_t place = 0;
  while (place < kMetadataKinds && type != kMetadataTypes[place].type) ++place;
  return place < kMetadataKinds || type == kAlphaType ? place : kMetadataKinds + 1;
}

Status SkipAncillary(ByteReader& file, const uint8_t* data, const Chunk& chunk) {
  if (chunk.type == kHeadType) return Damaged("a second HEAD chunk");
  LICHEN_RETURN_IF_ERROR(ReadPayload(file, data, chunk).status());
  const bool critical = chunk.type[0] >= 'A' && chunk.type[0] <= 'Z';
  if (!critical) return Status();
  return Status(StatusCode::kUnsupportedVersion,
                "chunk " + chunk.type + " is needed to show this file but unknown to this build; update the decoder");
}

// ---- DATA and DCTD: the tile table, then the tiles ----

// Reads the table and its checksum; offsets count from the first tile.
Result<std::vector<TileSpan>> ReadTileTable(ByteReader& file, const uint8_t* data, const Chunk& chunk,
                                            uint64_t tile_count) {
  // Before anything is allocated: can the payload hold the table at all, and can the file?
  const uint64_t least = tile_count * kMinTableEntry + kCrcSize;
  if (least > chunk.length) {
    return Damaged(chunk.type + " chunk: " + CountOf(chunk.length, "byte") + " cannot hold the table of " +
                   CountOf(tile_count, "tile"));
  }
  if (least > file.remaining()) {
    return Truncated("the file ends inside the tile table: " + CountOf(file.remaining(), "byte") + " left, " +
                     std::to_string(least) + " or more expected");
  }

  // Past the payload's end is damage, past the file's end is truncation.
  const size_t available = std::min<size_t>(chunk.length, file.remaining());
  const bool whole = available == chunk.length;
  ByteReader table(data + file.position(), available,
                   whole ? "tile table" : "tile table, cut off by the end of the file",
                   whole ? StatusCode::kDamaged : StatusCode::kTruncated);
  std::vector<TileSpan> tiles(static_cast<size_t>(tile_count));
  size_t offset = 0;
  for (TileSpan& tile : tiles) {
    LICHEN_ASSIGN_OR_RETURN(tile.size, table.ReadVarint());
    LICHEN_ASSIGN_OR_RETURN(tile.crc, table.ReadU32());
    tile.offset = offset;
    offset += tile.size;
  }
  LICHEN_RETURN_IF_ERROR(file.ReadBytes(table.position()).status());
  LICHEN_RETURN_IF_ERROR(CheckCrc(file, data, chunk, "tile table"));
  return tiles;
}

// Checks that the tiles fill exactly what the chunk and the file have left, and moves their offsets there.
Status PlaceTiles(const ByteReader& file, const Chunk& chunk, uint64_t payload_left, const Header& header,
                  std::vector<std::string>* damage, std::vector<TileSpan>& tiles) {
  uint64_t total = 0;  // below 2^30 * 2^32
  for (const TileSpan& tile : tiles) total += tile.size;
  if (total != payload_left) {
    return Damaged(chunk.type + " chunk: the tiles take " + CountOf(total, "byte") + ", " +
                   std::to_string(payload_left) + " expected");
  }
  const size_t first = file.position();
  for (size_t i = 0; i < tiles.size(); ++i) {
    const size_t present = file.remaining() - std::min(tiles[i].offset, file.remaining());
    if (tiles[i].size > present && damage == nullptr) {
      return Truncated("the file ends inside " + TileName(header, i) + ": " + CountOf(present, "byte") + " of " +
                       std::to_string(tiles[i].size));
    }
    tiles[i].offset += first;
  }
  if (file.remaining() <= total) return Status();
  const std::string message = CountOf(file.remaining() - total, "byte") + " after the end of the image";
  if (damage == nullptr) return Damaged(message);
  damage->push_back(message);
  return Status();
}

Result<std::vector<TileSpan>> ReadData(ByteReader& file, const uint8_t* data, const Chunk& chunk, const Header& header,
                                       std::vector<std::string>* damage) {
  const size_t payload_start = file.position();
  LICHEN_ASSIGN_OR_RETURN(std::vector<TileSpan> tiles, ReadTileTable(file, data, chunk, TileCount(header)));
  const uint64_t used = file.position() - payload_start;
  if (used > chunk.length) return Damaged(chunk.type + " chunk: the tile table is longer than the chunk");
  LICHEN_RETURN_IF_ERROR(PlaceTiles(file, chunk, chunk.length - used, header, damage, tiles));
  return tiles;
}

// ---- Writing ----

void WriteChunkStart(const char* type, uint32_t length, std::vector<uint8_t>* bytes) {
  bytes->insert(bytes->end(), type, type + kTypeSize);
  ByteWriter(bytes).WriteVarint(length);
}

// Appends the CRC-32 of everything from `start`, where the chunk's type stands.
void WriteCrc(size_t start, std::vector<uint8_t>* bytes) {
  ByteWriter(bytes).WriteU32(Crc32(bytes->data() + start, bytes->size() - start));
}

Status WriteChunk(const char* type, const std::vector<uint8_t>& payload, std::vector<uint8_t>* bytes) {
  if (payload.size() > UINT32_MAX) {
    return Status(StatusCode::kLimitExceeded, std::string("the ") + type + " chunk takes " +
                                                  std::to_string(payload.size()) + " bytes, 4294967295 can be written");
  }
  const size_t start = bytes->size();
  WriteChunkStart(type, static_cast<uint32_t>(payload.size()), bytes);
  bytes->insert(bytes->end(), payload.begin(), payload.end());
  WriteCrc(start, bytes);
  return Status();
}

Status WriteHead(const Header& header, std::vector<uint8_t>* bytes) {
  std::vector<uint8_t> payload;
  ByteWriter writer(&payload);
  LICHEN_RETURN_IF_ERROR(VisitFields(header, FieldWriter(&writer)));
  return WriteChunk(kHeadType, payload, bytes);
}

Status WriteAttachments(const Header& header, const Attachments& attachments, std::vector<uint8_t>* bytes) {
  for (size_t kind = 0; kind < kMetadataKinds; ++kind) {
    const std::vector<uint8_t>& content = attachments.metadata[kind];
    if (content.empty()) continue;
    if (content.size() > kMaxMetadataBytes) {
      return Status(StatusCode::kLimitExceeded,
                    std::string("the ") + kMetadataTypes[kind].name + " takes " + std::to_string(content.size()) +
                        " bytes, " + std::to_string(kMaxMetadataBytes) + " can be written; strip the metadata");
    }
    std::vector<uint8_t> payload;
    ByteWriter(&payload).WriteVarint(static_cast<uint32_t>(content.size()));
    LICHEN_ASSIGN_OR_RETURN(const std::vector<uint8_t> frame, CompressFrame(content.data(), content.size()));
    payload.insert(payload.end(), frame.begin(), frame.end());
    LICHEN_RETURN_IF_ERROR(WriteChunk(kMetadataTypes[kind].type, payload, bytes));
  }
  if (HasAlpha(header) == attachments.alpha.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "colour type " + std::to_string(header.colour_type) +
                      (HasAlpha(header) ? " needs an alpha plane" : " does not have an alpha plane"));
  }
  return HasAlpha(header) ? WriteChunk(kAlphaType, attachments.alpha, bytes) : Status();
}

Status WriteData(const char* type, const std::vector<std::vector<uint8_t>>& tiles, std::vector<uint8_t>* bytes) {
  std::vector<uint8_t> table;
  ByteWriter writer(&table);
  uint64_t length = kCrcSize;
  for (const std::vector<uint8_t>& tile : tiles) {
    writer.WriteVarint(static_cast<uint32_t>(tile.size()));
    writer.WriteU32(Crc32(tile.data(), tile.size()));
    length += tile.size();
  }
  length += table.size();
  if (length > UINT32_MAX) {
    return Status(StatusCode::kLimitExceeded,
                  "the image data takes " + std::to_string(length) + " bytes, 4294967295 can be written");
  }

  const size_t start = bytes->size();
  constexpr size_t kLengthSize = 5;                          // at most
  bytes->reserve(start + kTypeSize + kLengthSize + length);  // large files are not copied while they grow
  WriteChunkStart(type, static_cast<uint32_t>(length), bytes);
  bytes->insert(bytes->end(), table.begin(), table.end());
  WriteCrc(start, bytes);
  for (const std::vector<uint8_t>& tile : tiles) bytes->insert(bytes->end(), tile.begin(), tile.end());
  return Status();
}

uint32_t TilesAlong(uint32_t pixels, const Header& header) {
  return ((pixels - 1) >> header.tile_size_log2) + 1;  // pixels / tile size, rounded up
}

}  // namespace

uint32_t TileColumns(const Header& header) { return TilesAlong(header.width, header); }
uint32_t TileRows(const Header& header) { return TilesAlong(header.height, header); }
uint64_t TileCount(const Header& header) { return static_cast<uint64_t>(TileColumns(header)) * TileRows(header); }

std::string TileName(const Header& header, uint64_t index) {
  const uint32_t columns = TileColumns(header);
  return "tile " + std::to_string(index + 1) + " of " + std::to_string(TileCount(header)) + " (column " +
         std::to_string(index % columns + 1) + ", row " + std::to_string(index / columns + 1) + ")";
}

Result<Header> ParseHeader(const uint8_t* data, size_t size) {
  LICHEN_RETURN_IF_ERROR(CheckSignature(data, size));
  ByteReader file(data, size, "file");
  LICHEN_RETURN_IF_ERROR(file.ReadBytes(kSignature.size()).status());
  return ReadHead(file, data);
}

Result<Container> ParseContainer(const uint8_t* data, size_t size, std::vector<std::string>* damage) {
  LICHEN_RETURN_IF_ERROR(CheckSignature(data, size));
  ByteReader file(data, size, "file");
  LICHEN_RETURN_IF_ERROR(file.ReadBytes(kSignature.size()).status());
  // Damage in a chunk shows once the reader has passed its checksum, so that reading can go on behind it.
  const auto tolerate = [damage](Status status) {
    if (damage == nullptr || status.code() != StatusCode::kDamaged) return status;
    damage->push_back(status.message());
    return Status();
  };

  Container container;
  LICHEN_ASSIGN_OR_RETURN(container.header, ReadHead(file, data));
  bool alpha_seen = false;
  size_t next_place = 0;
  while (file.remaining() > 0) {
    LICHEN_ASSIGN_OR_RETURN(const Chunk chunk, ReadChunkStart(file));
    const size_t place = PlaceOf(chunk.type);
    if (place < next_place) return Damaged("a second " + chunk.type + " chunk, or one behind its place");
    if (place <= kMetadataKinds) {
      next_place = place + 1;
      alpha_seen |= place == kMetadataKinds;
      const auto span = place == kMetadataKinds ? ReadAlphaChunk(file, data, chunk, container.header)
                                                : ReadMetadataChunk(file, data, chunk);
      LICHEN_RETURN_IF_ERROR(tolerate(span.status()));
      if (span.ok()) (place == kMetadataKinds ? container.alpha : container.metadata[place]) = *span;
      continue;
    }
    const auto data_type = std::find(kDataTypes.begin(), kDataTypes.end(), chunk.type);
    if (data_type != kDataTypes.end()) {
      if (HasAlpha(container.header) && !alpha_seen) {
        LICHEN_RETURN_IF_ERROR(tolerate(Damaged("there is no ALPH chunk, which colour type " +
                                                std::to_string(container.header.colour_type) + " needs")));
      }
      container.coding = static_cast<Coding>(data_type - kDataTypes.begin());
      if (container.coding == Coding::kDct && !container.header.post_filter.empty()) {
        return Damaged("HEAD chunk: a post-filter, which a block transform does not have");
      }
      if ((container.coding == Coding::kDct) != (container.header.trellis_bits == 0)) {
        return Damaged(container.header.trellis_bits == 0
                           ? "HEAD chunk: no trellis, which latents have"
                           : "HEAD chunk: a trellis, which a block transform does not have");
      }
      LICHEN_ASSIGN_OR_RETURN(container.tiles, ReadData(file, data, chunk, container.header, damage));
      return container;
    }
    const Status skipped = SkipAncillary(file, data, chunk);
    const bool critical = chunk.type[0] >= 'A' && chunk.type[0] <= 'Z';
    LICHEN_RETURN_IF_ERROR(critical ? skipped : tolerate(skipped));
  }
  return Truncated("the file ends before its image data");
}

Result<std::vector<uint8_t>> ReadMetadata(const Container& container, const uint8_t* data, MetadataKind kind) {
  const FrameSpan& span = container.metadata[static_cast<size_t>(kind)];
  if (span.size == 0) return std::vector<uint8_t>();
  auto content = DecompressFrame(data + span.offset, span.size, static_cast<size_t>(span.content_size));
  if (!content.ok()) {
    return content.status().Prefixed(std::string(kMetadataTypes[static_cast<size_t>(kind)].type) + " chunk");
  }
  return content;
}

Status CheckTile(const Container& container, const uint8_t* data, size_t size, size_t index) {
  const std::string name = TileName(container.header, index);
  if (index >= container.tiles.size()) return Status(StatusCode::kInvalidArgument, "there is no " + name);
  const TileSpan& tile = container.tiles[index];
  if (tile.offset > size || tile.size > size - tile.offset) {
    return Truncated(name + " is missing: the file ends after " + CountOf(size, "byte"));
  }
  if (!ChecksumMatches(tile.crc, data + tile.offset, tile.size)) {
    return Damaged(name + " is damaged: its checksum is wrong");
  }
  return Status();
}

Status CheckAllTiles(const Container& container, const uint8_t* data, size_t size) {
  for (size_t i = 0; i < container.tiles.size(); ++i) {
    LICHEN_RETURN_IF_ERROR(CheckTile(container, data, size, i));
  }
  return Status();
}

Result<std::vector<uint8_t>> WriteContainer(const Header& header, const std::vector<std::vector<uint8_t>>& tiles,
                                            const Attachments& attachments, Coding coding) {
  if (coding == Coding::kDct && !header.post_filter.empty()) {
    return Status(StatusCode::kInvalidArgument, "a block transform has no post-filter");
  }
  if ((coding == Coding::kDct) != (header.trellis_bits == 0)) {
    return Status(StatusCode::kInvalidArgument, "a trellis is for latents, and a block transform has none");
  }
  std::vector<uint8_t> bytes(kSignature.begin(), kSignature.end());
  LICHEN_RETURN_IF_ERROR(WriteHead(header, &bytes));
  if (tiles.size() != TileCount(header)) {
    return Status(StatusCode::kInvalidArgument,
                  CountOf(tiles.size(), "tile") + " given, " + std::to_string(TileCount(header)) + " expected");
  }
  LICHEN_RETURN_IF_ERROR(WriteAttachments(header, attachments, &bytes));
  LICHEN_RETURN_IF_ERROR(WriteData(kDataTypes[static_cast<size_t>(coding)], tiles, &bytes));
  return bytes;
}

}  // namespace lichen::bitstream
