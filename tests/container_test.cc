// SPDX-License-Identifier: Apache-2.0
#include "bitstream/container.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "bitstream/alpha.h"
#include "bitstream/byte_writer.h"
#include "bitstream/checksum.h"

namespace {
size_t largest_allocation = 0;  // bytes, since a test last set it to 0
}  // namespace

// Not inlined, or GCC sees free() meet operator new and warns.
[[gnu::noinline]] void* operator new(size_t size) {
  largest_allocation = std::max(largest_allocation, size);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace lichen::bitstream {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kSignatureSize = 8;
constexpr size_t kSmallHeadSize = 28;  // type, length, 19 bytes, CRC-32; with sides of 128 to 16383 pixels

Header SmallHeader() {
  Header header;
  header.model_id = {1, 2, 3, 4, 5, 6, 7, 8};
  header.width = 150;
  header.height = 128;
  header.quality_index = 448;
  header.tile_size_log2 = 6;  // 3 x 2 tiles
  return header;
}

Header SmallDctHeader() {
  Header header = SmallHeader();
  header.trellis_bits = 0;
  return header;
}

std::vector<Bytes> SmallTiles() {
  std::vector<Bytes> tiles;
  for (size_t i = 0; i < 6; ++i) tiles.push_back(Bytes(i == 2 ? 0 : 16 + i, static_cast<uint8_t>(0x30 + i)));
  return tiles;
}

Bytes SmallFile() { return WriteContainer(SmallHeader(), SmallTiles()).value(); }

Status CheckFile(const Bytes& bytes) {
  const Result<Container> container = ParseContainer(bytes.data(), bytes.size());
  LICHEN_RETURN_IF_ERROR(container.status());
  return CheckAllTiles(*container, bytes.data(), bytes.size());
}

Status CheckFile(const Bytes& bytes, size_t size) {
  return CheckFile(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
}

void Append(const std::string& type, const Bytes& payload, Bytes* bytes) {
  const size_t start = bytes->size();
  bytes->insert(bytes->end(), type.begin(), type.end());
  ByteWriter writer(bytes);
  writer.WriteVarint(static_cast<uint32_t>(payload.size()));
  writer.WriteBytes(payload.data(), payload.size());
  writer.WriteU32(Crc32(bytes->data() + start, bytes->size() - start));
}

Bytes Head(const Header& header, const Bytes& extra = {}) {
  Bytes payload;
  ByteWriter writer(&payload);
  writer.WriteU8(static_cast<uint8_t>(header.format_version));
  writer.WriteBytes(header.model_id.data(), header.model_id.size());
  writer.WriteVarint(header.width);
  writer.WriteVarint(header.height);
  writer.WriteU8(static_cast<uint8_t>(header.colour_type));
  writer.WriteU8(static_cast<uint8_t>(header.bit_depth));
  writer.WriteU16(static_cast<uint16_t>(header.quality_index));
  writer.WriteU8(static_cast<uint8_t>(header.tile_size_log2));
  writer.WriteU8(static_cast<uint8_t>(header.trellis_bits));
  writer.WriteBytes(extra.data(), extra.size());
  return payload;
}

Bytes Signature() { return {0x89, 'L', 'I', 'C', '\r', '\n', 0x1A, '\n'}; }

// A file of SmallHeader's picture with `change` applied to its header, and sound checksums.
template <typename Change>
Status ParseChanged(Change change) {
  Header header = SmallHeader();
  change(header);
  Bytes bytes = Signature();
  Append("HEAD", Head(header), &bytes);
  const Bytes small = SmallFile();
  bytes.insert(bytes.end(), small.begin() + kSignatureSize + kSmallHeadSize, small.end());
  return CheckFile(bytes);
}

Bytes WithChunks(const std::vector<std::string>& types) {
  Bytes bytes = SmallFile();
  Bytes chunks;
  for (const std::string& type : types) Append(type, {9, 8, 7}, &chunks);
  bytes.insert(bytes.begin() + kSignatureSize + kSmallHeadSize, chunks.begin(), chunks.end());
  return bytes;
}

// DATA with a sound checksum over a table of the test's choice.
Bytes WithData(const Header& header, uint32_t length, const Bytes& table, const Bytes& tiles) {
  Bytes bytes = Signature();
  Append("HEAD", Head(header), &bytes);
  const size_t start = bytes.size();
  for (const char c : {'D', 'A', 'T', 'A'}) bytes.push_back(static_cast<uint8_t>(c));
  ByteWriter writer(&bytes);
  writer.WriteVarint(length);
  writer.WriteBytes(table.data(), table.size());
  writer.WriteU32(Crc32(bytes.data() + start, bytes.size() - start));
  writer.WriteBytes(tiles.data(), tiles.size());
  return bytes;
}

void ExpectError(const Status& status, StatusCode code, const std::string& message) {
  EXPECT_EQ(status.code(), code);
  EXPECT_EQ(status.message(), message);
}

TEST(ContainerTest, TheChunkSaysHowTheTilesAreCoded) {
  const Bytes learned = SmallFile(), dct = WriteContainer(SmallDctHeader(), SmallTiles(), {}, Coding::kDct).value();
  EXPECT_EQ(ParseContainer(learned.data(), learned.size())->coding, Coding::kLearned);
  const auto container = ParseContainer(dct.data(), dct.size());
  ASSERT_TRUE(container.ok()) << container.status().message();
  EXPECT_EQ(container->coding, Coding::kDct);
  EXPECT_EQ(container->tiles.size(), SmallTiles().size());
  EXPECT_EQ(dct.size(), learned.size());
}

TEST(ContainerTest, RoundTripsHeaderAndTiles) {
  const Bytes bytes = SmallFile();
  const Result<Container> container = ParseContainer(bytes.data(), bytes.size());
  ASSERT_TRUE(container.ok()) << container.status().message();
  EXPECT_TRUE(CheckAllTiles(*container, bytes.data(), bytes.size()).ok());

  const Header& header = container->header;
  EXPECT_EQ(header.format_version, 0u);
  EXPECT_EQ(header.model_id, SmallHeader().model_id);
  EXPECT_EQ(header.width, 150u);
  EXPECT_EQ(header.height, 128u);
  EXPECT_EQ(header.colour_type, 3u);
  EXPECT_EQ(header.bit_depth, 8u);
  EXPECT_EQ(header.quality_index, 448u);
  EXPECT_EQ(header.tile_size_log2, 6u);

  const std::vector<Bytes> tiles = SmallTiles();
  ASSERT_EQ(container->tiles.size(), tiles.size());
  for (size_t i = 0; i < tiles.size(); ++i) {
    const TileSpan& span = container->tiles[i];
    ASSERT_EQ(span.size, tiles[i].size());
    EXPECT_TRUE(std::equal(tiles[i].begin(), tiles[i].end(), bytes.begin() + static_cast<std::ptrdiff_t>(span.offset)));
  }
}

TEST(ContainerTest, WritesTheBytesOfTheFormatDocument) {
  Header header;
  header.model_id = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
  header.width = 768;
  header.height = 512;
  header.quality_index = 448;
  const Bytes bytes = WriteContainer(header, {{0xAB, 0xCD}}).value();
  const Bytes expected = {0x89, 0x4C, 0x49, 0x43, 0x0D, 0x0A, 0x1A, 0x0A, 0x48, 0x45, 0x41, 0x44, 0x13,
                          0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x80, 0x06, 0x80, 0x04,
                          0x03, 0x08, 0xC0, 0x01, 0x0A, 0x06, 0x44, 0x2C, 0x1F, 0x6E, 0x44, 0x41, 0x54,
                          0x41, 0x0B, 0x02, 0xD0, 0xC9, 0xFF, 0xE9, 0x42, 0x4B, 0xFD, 0x6C, 0xAB, 0xCD};
  EXPECT_EQ(bytes, expected);
}

TEST(ContainerTest, SpendsAtMost57BytesAroundOneTile) {
  Header header = SmallHeader();
  header.width = 768;
  header.height = 512;
  header.tile_size_log2 = 10;
  for (const size_t size : {size_t{0}, size_t{4900}, size_t{1000000}}) {
    const Bytes bytes = WriteContainer(header, {Bytes(size)}).value();
    EXPECT_LE(bytes.size() - size, 57u);
  }
}

TEST(ContainerTest, CountsTilesRoundedUp) {
  Header header = SmallHeader();
  EXPECT_EQ(TileColumns(header), 3u);
  EXPECT_EQ(TileRows(header), 2u);
  header.width = 64;
  header.height = 65;
  EXPECT_EQ(TileColumns(header), 1u);
  EXPECT_EQ(TileRows(header), 2u);
  header.width = header.height = 1u << 24;
  EXPECT_EQ(TileCount(header), uint64_t{1} << 36);
}

TEST(ContainerTest, ParsesHeaderOfAFileStillArriving) {
  const Bytes bytes = SmallFile();
  const Result<Header> header = ParseHeader(bytes.data(), kSignatureSize + kSmallHeadSize);
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->width, 150u);
}

TEST(ContainerTest, RejectsTruncatedHeader) {
  const Bytes bytes = SmallFile();
  for (size_t size = 0; size < kSignatureSize + kSmallHeadSize; ++size) {
    EXPECT_EQ(ParseHeader(bytes.data(), size).status().code(), StatusCode::kTruncated) << size;
  }
}

const Attachments& SomeAttachments() {
  static const Attachments attachments = [] {
    Attachments made;
    for (size_t kind = 0; kind < kMetadataKinds; ++kind) {
      for (size_t i = 0; i < 300; ++i) made.metadata[kind].push_back(static_cast<uint8_t>(i * i + kind));
    }
    AlphaWriter writer(150, 128, 8);
    Bytes row(150);
    for (int y = 0; y < 128; ++y) {
      for (size_t x = 0; x < row.size(); ++x) row[x] = static_cast<uint8_t>(x * 2 > 100 ? 255 : x * 2);
      EXPECT_TRUE(writer.AddRow(row.data(), 1).ok());
    }
    made.alpha = writer.Finish().value();
    return made;
  }();
  return attachments;
}

/// SmallFile with alpha and all metadata.
Bytes FullFile() {
  Header header = SmallHeader();
  header.colour_type = 4;
  return WriteContainer(header, SmallTiles(), SomeAttachments()).value();
}

/// SmallFile of another colour type with chunks of the test's choice, their checksums sound.
Bytes WithPayloads(uint32_t colour_type, const std::vector<std::pair<std::string, Bytes>>& chunks) {
  Header header = SmallHeader();
  header.colour_type = colour_type;
  Bytes bytes = Signature();
  Append("HEAD", Head(header), &bytes);
  for (const auto& [type, payload] : chunks) Append(type, payload, &bytes);
  const Bytes small = SmallFile();
  bytes.insert(bytes.end(), small.begin() + kSignatureSize + kSmallHeadSize, small.end());
  return bytes;
}

/// The payload of a chunk of metadata that says it has `size` bytes.
Bytes MetadataPayload(uint32_t size, const Bytes& content) {
  Bytes payload;
  ByteWriter(&payload).WriteVarint(size);
  const Bytes frame = CompressFrame(content.data(), content.size()).value();
  payload.insert(payload.end(), frame.begin(), frame.end());
  return payload;
}

TEST(ContainerTest, RoundTripsAlphaAndMetadata) {
  const Bytes bytes = FullFile();
  const Result<Container> container = ParseContainer(bytes.data(), bytes.size());
  ASSERT_TRUE(container.ok()) << container.status().message();
  EXPECT_TRUE(CheckAllTiles(*container, bytes.data(), bytes.size()).ok());
  EXPECT_EQ(container->header.colour_type, 4u);
  for (size_t kind = 0; kind < kMetadataKinds; ++kind) {
    EXPECT_EQ(container->metadata[kind].content_size, 300u);
    EXPECT_EQ(ReadMetadata(*container, bytes.data(), static_cast<MetadataKind>(kind)).value(),
              SomeAttachments().metadata[kind]);
  }
  const auto alpha = bytes.begin() + static_cast<std::ptrdiff_t>(container->alpha.offset);
  EXPECT_EQ(Bytes(alpha, alpha + static_cast<std::ptrdiff_t>(container->alpha.size)), SomeAttachments().alpha);
}

TEST(ContainerTest, WritesOnlyWhatThereIs) {
  Attachments attachments;
  attachments.metadata[1] = {1, 2, 3};
  const Bytes bytes = WriteContainer(SmallHeader(), SmallTiles(), attachments).value();
  const Container container = ParseContainer(bytes.data(), bytes.size()).value();
  EXPECT_EQ(container.alpha.size, 0u);
  EXPECT_EQ(container.metadata[0].size, 0u);
  EXPECT_TRUE(ReadMetadata(container, bytes.data(), MetadataKind::kIcc).value().empty());
  EXPECT_EQ(ReadMetadata(container, bytes.data(), MetadataKind::kExif).value(), (Bytes{1, 2, 3}));
  EXPECT_EQ(WriteContainer(SmallHeader(), SmallTiles(), {}).value(), SmallFile());
}

TEST(ContainerTest, RejectsDamageToAlphaAndMetadata) {
  const Bytes bytes = FullFile();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(CheckFile(bytes, size).code(), StatusCode::kTruncated) << size;
  }
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const StatusCode code = CheckFile(flipped).code();
    EXPECT_TRUE(code == StatusCode::kDamaged || code == StatusCode::kTruncated) << "bit " << bit;
  }
}

TEST(ContainerTest, HoldsAlphaToTheColourType) {
  const Bytes& alpha = SomeAttachments().alpha;
  EXPECT_TRUE(CheckFile(WithPayloads(2, {{"ALPH", alpha}})).ok());
  EXPECT_TRUE(CheckFile(WithPayloads(4, {{"ALPH", alpha}})).ok());
  ExpectError(CheckFile(WithPayloads(3, {{"ALPH", alpha}})), StatusCode::kDamaged,
              "an ALPH chunk, which colour type 3 does not have");
  ExpectError(CheckFile(WithPayloads(4, {})), StatusCode::kDamaged,
              "there is no ALPH chunk, which colour type 4 needs");
  EXPECT_EQ(CheckFile(WithPayloads(4, {{"ALPH", {}}})).code(), StatusCode::kDamaged);
  const Bytes other = CompressFrame(alpha.data(), alpha.size()).value();
  EXPECT_EQ(CheckFile(WithPayloads(4, {{"ALPH", other}})).code(), StatusCode::kDamaged) << "another size";

  Header header = SmallHeader();
  Attachments attachments;
  header.colour_type = 4;
  ExpectError(WriteContainer(header, SmallTiles(), attachments).status(), StatusCode::kInvalidArgument,
              "colour type 4 needs an alpha plane");
  header.colour_type = 1;
  attachments.alpha = alpha;
  ExpectError(WriteContainer(header, SmallTiles(), attachments).status(), StatusCode::kInvalidArgument,
              "colour type 1 does not have an alpha plane");
}

TEST(ContainerTest, HoldsMetadataAndAlphaToTheirOrder) {
  const Bytes block = MetadataPayload(3, {1, 2, 3});
  const std::pair<std::string, Bytes> icc = {"iccp", block}, exif = {"exif", block}, xmp = {"xmpd", block};
  const std::pair<std::string, Bytes> alpha = {"ALPH", SomeAttachments().alpha}, other = {"abcd", {1}};
  EXPECT_TRUE(CheckFile(WithPayloads(4, {icc, exif, xmp, alpha})).ok());
  EXPECT_TRUE(CheckFile(WithPayloads(4, {other, icc, other, xmp, other, alpha, other})).ok());
  ExpectError(CheckFile(WithPayloads(4, {exif, icc, alpha})), StatusCode::kDamaged,
              "a second iccp chunk, or one behind its place");
  EXPECT_EQ(CheckFile(WithPayloads(4, {alpha, xmp})).code(), StatusCode::kDamaged);
  for (const auto& twice : {icc, exif, xmp, alpha}) {
    EXPECT_EQ(CheckFile(WithPayloads(4, {twice, twice})).code(), StatusCode::kDamaged) << twice.first;
  }
}

TEST(ContainerTest, RejectsMetadataOfTheWrongSize) {
  const auto check = [](const Bytes& payload) { return CheckFile(WithPayloads(3, {{"exif", payload}})); };
  EXPECT_TRUE(check(MetadataPayload(3, {1, 2, 3})).ok());
  ExpectError(check(MetadataPayload(4, {1, 2, 3})), StatusCode::kDamaged,
              "exif chunk: the zstd frame holds 3 bytes, 4 expected");
  ExpectError(check(MetadataPayload(0, {})), StatusCode::kDamaged,
              "exif chunk: a size of 0 bytes, 1 to 67108864 expected");
  EXPECT_EQ(check({}).code(), StatusCode::kDamaged);
  EXPECT_EQ(check({3}).code(), StatusCode::kDamaged);
  Bytes longer = MetadataPayload(3, {1, 2, 3});
  longer.push_back(0);
  EXPECT_EQ(check(longer).code(), StatusCode::kDamaged);
}

TEST(ContainerTest, AllocatesNothingForBombs) {
  const Bytes zeros((size_t{1} << 26) + 1);
  const Bytes payload = MetadataPayload(static_cast<uint32_t>(zeros.size()), zeros);
  EXPECT_LT(payload.size(), 20000u);
  const Bytes over = WithPayloads(3, {{"iccp", payload}});
  Bytes lying = MetadataPayload(1000, zeros);
  const Bytes smaller = WithPayloads(3, {{"iccp", lying}});
  largest_allocation = 0;
  const Status status = ParseContainer(over.data(), over.size()).status();
  EXPECT_EQ(ParseContainer(smaller.data(), smaller.size()).status().code(), StatusCode::kDamaged);
  EXPECT_LT(largest_allocation, 1024u);
  ExpectError(status, StatusCode::kDamaged, "iccp chunk: a size of 67108865 bytes, 1 to 67108864 expected");
  Attachments attachments;
  attachments.metadata[0] = zeros;
  EXPECT_EQ(WriteContainer(SmallHeader(), SmallTiles(), attachments).status().code(), StatusCode::kLimitExceeded);
}

TEST(ContainerTest, RejectsEveryTruncation) {
  const Bytes bytes = WithChunks({"abCd", "wxyz"});
  ASSERT_TRUE(CheckFile(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Status status = CheckFile(bytes, size);
    EXPECT_EQ(status.code(), StatusCode::kTruncated) << size << ": " << status.message();
  }
}

TEST(ContainerTest, RejectsEverySingleBitFlip) {
  const Bytes bytes = WithChunks({"abCd"});
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const Status status = CheckFile(flipped);
    EXPECT_FALSE(status.ok()) << "bit " << bit;
    EXPECT_FALSE(status.message().empty());
    EXPECT_TRUE(status.code() == StatusCode::kDamaged || status.code() == StatusCode::kTruncated) << "bit " << bit;
  }
}

TEST(ContainerTest, RejectsTrailingBytes) {
  Bytes bytes = SmallFile();
  bytes.push_back(0);
  ExpectError(CheckFile(bytes), StatusCode::kDamaged, "1 byte after the end of the image");
}

TEST(ContainerTest, SaysWhatATruncatedFileLacks) {
  const Bytes bytes = SmallFile();
  ExpectError(CheckFile({}), StatusCode::kTruncated, "the file is empty");
  ExpectError(CheckFile(bytes, 5), StatusCode::kTruncated, "the file ends inside its signature: 5 bytes of 8");
  ExpectError(CheckFile(bytes, 8), StatusCode::kTruncated, "the file ends before its HEAD chunk");
  ExpectError(CheckFile(bytes, 20), StatusCode::kTruncated,
              "the file ends inside the HEAD chunk: 7 bytes left, 19 expected");
  ExpectError(CheckFile(bytes, 36), StatusCode::kTruncated, "the file ends before its image data");
  // 6 tiles of 16, 17, 0, 19, 20 and 21 bytes: the last byte belongs to tile 6.
  ExpectError(CheckFile(bytes, bytes.size() - 1), StatusCode::kTruncated,
              "the file ends inside tile 6 of 6 (column 3, row 2): 20 bytes of 21");
  ExpectError(CheckFile(bytes, bytes.size() - 42), StatusCode::kTruncated,
              "the file ends inside tile 4 of 6 (column 1, row 2): 18 bytes of 19");
}

TEST(ContainerTest, NamesTheDamagedTileAndParsesTheRest) {
  Bytes bytes = SmallFile();
  bytes[bytes.size() - 21 - 1] ^= 1;  // the last byte of tile 5
  const Result<Container> container = ParseContainer(bytes.data(), bytes.size());
  ASSERT_TRUE(container.ok()) << container.status().message();
  const std::string message = "tile 5 of 6 (column 2, row 2) is damaged: its checksum is wrong";
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(CheckTile(*container, bytes.data(), bytes.size(), i).ok(), i != 4);
  ExpectError(CheckTile(*container, bytes.data(), bytes.size(), 4), StatusCode::kDamaged, message);
  ExpectError(CheckAllTiles(*container, bytes.data(), bytes.size()), StatusCode::kDamaged, message);
}

TEST(ContainerTest, RefusesTilesThatAreNotThere) {
  const Bytes bytes = SmallFile();
  const Container container = ParseContainer(bytes.data(), bytes.size()).value();
  EXPECT_EQ(CheckTile(container, bytes.data(), bytes.size(), 6).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckTile(container, bytes.data(), bytes.size() - 1, 5).code(), StatusCode::kTruncated);
}

TEST(ContainerTest, NamesTheDamagedChunk) {
  Bytes head = SmallFile();
  head[kSignatureSize + 10] ^= 1;
  ExpectError(CheckFile(head), StatusCode::kDamaged, "the HEAD chunk is damaged: its checksum is wrong");
  Bytes table = SmallFile();
  table[kSignatureSize + kSmallHeadSize + 7] ^= 1;
  ExpectError(CheckFile(table), StatusCode::kDamaged, "the tile table is damaged: its checksum is wrong");
}

TEST(ContainerTest, RecognisesTransfersAsText) {
  const std::string converted =
      "the line ends of this Lichen file were converted, it went through a transfer as text; transfer it again as "
      "binary";
  for (const std::string start : {"\x89LIC\n\x1A\n", "\x89LIC\r\r\n\x1A\r\n", "\x89LIC\r\n\x1A\r\n", "\x89LIC\r\x1A\n",
                                  "\x89LIC\n\n\x1A\n", "\x89LIC\r\r\x1A\r"}) {
    Bytes bytes(start.begin(), start.end());
    bytes.insert(bytes.end(), 60, 'x');
    ExpectError(CheckFile(bytes), StatusCode::kDamaged, converted);
  }
  for (const std::string start : {"\tLIC\r\n\x1A\n", "\xC2\x89LIC\r\n\x1A\n", "\xEF\xBF\xBDLIC\r\n\x1A\n"}) {
    ExpectError(CheckFile(Bytes(start.begin(), start.end())), StatusCode::kDamaged,
                "the bytes of this Lichen file were changed as if they were text; transfer it again as binary");
  }
}

TEST(ContainerTest, RecognisesOtherFiles) {
  ExpectError(CheckFile({0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}), StatusCode::kDamaged,
              "this is a PNG file, not a Lichen file");
  ExpectError(CheckFile({0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 'J', 'F', 'I', 'F'}), StatusCode::kDamaged,
              "this is a JPEG file, not a Lichen file");
  ExpectError(CheckFile({0, 0, 0, 12, 'J', 'X', 'L', ' ', '\r', '\n'}), StatusCode::kDamaged,
              "this is a JPEG XL file, not a Lichen file");
  ExpectError(CheckFile({'h', 'e', 'l', 'l', 'o'}), StatusCode::kDamaged,
              "this is not a Lichen file: its first bytes are not the signature");
}

TEST(ContainerTest, SkipsUnknownAncillaryChunks) { EXPECT_TRUE(CheckFile(WithChunks({"abcd", "eXIF", "abcd"})).ok()); }

TEST(ContainerTest, RejectsUnknownCriticalChunks) {
  ExpectError(CheckFile(WithChunks({"abcd", "Abcd"})), StatusCode::kUnsupportedVersion,
              "chunk Abcd is needed to show this file but unknown to this build; update the decoder");
}

TEST(ContainerTest, RejectsDamagedAncillaryChunks) {
  Bytes bytes = WithChunks({"abcd"});
  bytes[kSignatureSize + kSmallHeadSize + 6] ^= 1;
  ExpectError(CheckFile(bytes), StatusCode::kDamaged, "the abcd chunk is damaged: its checksum is wrong");
}

TEST(ContainerTest, RejectsChunksOutOfOrder) {
  ExpectError(CheckFile(WithChunks({"HEAD"})), StatusCode::kDamaged, "a second HEAD chunk");
  Bytes bytes = Signature();
  Append("abcd", {}, &bytes);
  ExpectError(CheckFile(bytes), StatusCode::kDamaged, "the first chunk is abcd, HEAD expected");
  ExpectError(CheckFile(WithChunks({"ab d"})), StatusCode::kDamaged,
              "at byte 36 stands no chunk: its type is not four letters");
}

TEST(ContainerTest, AsksForAnUpdateOnUnknownVersions) {
  ExpectError(ParseChanged([](Header& h) { h.format_version = 3; }), StatusCode::kUnsupportedVersion,
              "format version 3, this build reads 0; update the decoder");
  ExpectError(ParseChanged([](Header& h) { h.colour_type = 5; }), StatusCode::kUnsupportedVersion,
              "colour type 5, this build reads 1 (gray) to 4 (RGB and alpha); update the decoder");
  ExpectError(ParseChanged([](Header& h) { h.bit_depth = 12; }), StatusCode::kUnsupportedVersion,
              "bit depth 12, this build reads 8 or 16; update the decoder");
}

TEST(ContainerTest, ReadsNothingBehindAnUnknownVersion) {
  Bytes bytes = Signature();
  Append("HEAD", {1, 0xFF, 0xFF}, &bytes);
  ExpectError(ParseHeader(bytes.data(), bytes.size()).status(), StatusCode::kUnsupportedVersion,
              "format version 1, this build reads 0; update the decoder");
}

TEST(ContainerTest, RejectsHeaderFieldsOutOfRange) {
  EXPECT_TRUE(ParseChanged([](Header&) {}).ok());
  EXPECT_TRUE(ParseChanged([](Header& h) { h.colour_type = 1; }).ok());
  EXPECT_TRUE(ParseChanged([](Header& h) { h.bit_depth = 16; }).ok());
  ExpectError(ParseChanged([](Header& h) { h.width = 0; }), StatusCode::kDamaged,
              "HEAD chunk: width 0, 1 to 16777216 expected");
  ExpectError(ParseChanged([](Header& h) { h.height = (1u << 24) + 1; }), StatusCode::kDamaged,
              "HEAD chunk: height 16777217, 1 to 16777216 expected");
  ExpectError(ParseChanged([](Header& h) { h.quality_index = 897; }), StatusCode::kDamaged,
              "HEAD chunk: quality index 897, 0 to 896 expected");
  ExpectError(ParseChanged([](Header& h) { h.tile_size_log2 = 5; }), StatusCode::kDamaged,
              "HEAD chunk: tile size exponent 5, 6 to 15 expected");
  EXPECT_EQ(ParseChanged([](Header& h) { h.tile_size_log2 = 16; }).code(), StatusCode::kDamaged);
  ExpectError(ParseChanged([](Header& h) { h.trellis_bits = 3; }), StatusCode::kDamaged,
              "HEAD chunk: number of bits of the trellis 3, 0 or 4 to 8 expected");
  EXPECT_EQ(ParseChanged([](Header& h) { h.trellis_bits = 9; }).code(), StatusCode::kDamaged);
  EXPECT_TRUE(ParseChanged([](Header& h) { h.trellis_bits = 8; }).ok());
  ExpectError(ParseChanged([](Header& h) { h.trellis_bits = 0; }), StatusCode::kDamaged,
              "HEAD chunk: no trellis, which latents have");
}

TEST(ContainerTest, BytesBehindTheLastFieldAreThePostFilter) {
  EXPECT_TRUE(ParseContainer(SmallFile().data(), SmallFile().size())->header.post_filter.empty());
  for (const size_t size : {1, 30, 255}) {
    Header header = SmallHeader();
    header.post_filter.assign(size, 0xA5);
    Bytes head = Signature();
    Append("HEAD", Head(SmallHeader(), header.post_filter), &head);
    const Bytes file = WriteContainer(header, SmallTiles()).value();
    ASSERT_GT(file.size(), head.size());
    EXPECT_TRUE(std::equal(head.begin(), head.end(), file.begin())) << size;
    const auto container = ParseContainer(file.data(), file.size());
    ASSERT_TRUE(container.ok()) << container.status().message();
    EXPECT_EQ(container->header.post_filter, header.post_filter);
    EXPECT_EQ(container->header.tile_size_log2, header.tile_size_log2);
    EXPECT_TRUE(CheckFile(file).ok());
  }
  Header header = SmallHeader();
  header.post_filter.assign(256, 1);
  ExpectError(WriteContainer(header, SmallTiles()).status(), StatusCode::kInvalidArgument,
              "a post-filter of 256 bytes cannot be written, at most 255 expected");
}

TEST(ContainerTest, BlockTransformsHaveNoPostFilter) {
  Header header = SmallDctHeader();
  header.post_filter = {1};
  ExpectError(WriteContainer(header, SmallTiles(), {}, Coding::kDct).status(), StatusCode::kInvalidArgument,
              "a block transform has no post-filter");
  const Bytes plain = WriteContainer(SmallDctHeader(), SmallTiles(), {}, Coding::kDct).value();
  Bytes file = Signature();
  Append("HEAD", Head(header, header.post_filter), &file);
  file.insert(file.end(), plain.begin() + kSignatureSize + kSmallHeadSize, plain.end());
  ExpectError(CheckFile(file), StatusCode::kDamaged,
              "HEAD chunk: a post-filter, which a block transform does not have");
}

TEST(ContainerTest, ATrellisIsForLatentsAlone) {
  const std::string wrong = "a trellis is for latents, and a block transform has none";
  ExpectError(WriteContainer(SmallHeader(), SmallTiles(), {}, Coding::kDct).status(), StatusCode::kInvalidArgument,
              wrong);
  ExpectError(WriteContainer(SmallDctHeader(), SmallTiles()).status(), StatusCode::kInvalidArgument, wrong);
  const Bytes plain = WriteContainer(SmallDctHeader(), SmallTiles(), {}, Coding::kDct).value();
  Bytes file = Signature();
  Append("HEAD", Head(SmallHeader()), &file);
  file.insert(file.end(), plain.begin() + kSignatureSize + kSmallHeadSize, plain.end());
  ExpectError(CheckFile(file), StatusCode::kDamaged,
              "HEAD chunk: a trellis, which a block transform does not have");
}

TEST(ContainerTest, RejectsHeadersOfTheWrongLength) {
  Bytes longer = Signature();
  Append("HEAD", Head(SmallHeader(), Bytes(256, 1)), &longer);
  ExpectError(ParseHeader(longer.data(), longer.size()).status(), StatusCode::kDamaged,
              "HEAD chunk: 256 bytes behind the last field, at most 255 expected");
  Bytes shorter = Signature();
  Bytes payload = Head(SmallHeader());
  payload.pop_back();
  Append("HEAD", payload, &shorter);
  ExpectError(ParseHeader(shorter.data(), shorter.size()).status(), StatusCode::kDamaged,
              "HEAD chunk: 0 bytes left, 1 expected");
}

TEST(ContainerTest, AllocatesNothingForAbsurdDimensions) {
  Header header = SmallHeader();
  header.width = header.height = 1u << 24;  // 2^36 tiles
  const Bytes table(64, 0);
  for (const uint32_t length : {0u, 1000u, UINT32_MAX}) {
    const Bytes bytes = WithData(header, length, table, {});
    largest_allocation = 0;
    const Status status = ParseContainer(bytes.data(), bytes.size()).status();
    EXPECT_LT(largest_allocation, 1024u);
    EXPECT_EQ(status.code(), StatusCode::kDamaged);
  }

  header.width = 1u << 24;
  header.height = 64;  // 2^18 tiles: DATA could hold their table, the file does not
  const Bytes bytes = WithData(header, UINT32_MAX, table, {});
  largest_allocation = 0;
  const Status status = ParseContainer(bytes.data(), bytes.size()).status();
  EXPECT_LT(largest_allocation, 1024u);
  ExpectError(status, StatusCode::kTruncated,
              "the file ends inside the tile table: 68 bytes left, 1310724 or more expected");
}

TEST(ContainerTest, RejectsTileLengthsThatDoNotFillTheChunk) {
  Header header = SmallHeader();
  header.width = header.height = 64;  // one tile
  const Bytes tile(10, 7);
  Bytes table;
  ByteWriter writer(&table);
  writer.WriteVarint(10);
  writer.WriteU32(Crc32(tile.data(), tile.size()));
  EXPECT_TRUE(CheckFile(WithData(header, 5 + 4 + 10, table, tile)).ok());
  ExpectError(CheckFile(WithData(header, 5 + 4 + 11, table, tile)), StatusCode::kDamaged,
              "DATA chunk: the tiles take 10 bytes, 11 expected");
  EXPECT_EQ(CheckFile(WithData(header, 5 + 4 + 9, table, tile)).code(), StatusCode::kDamaged);
  ExpectError(CheckFile(WithData(header, 5, table, tile)), StatusCode::kDamaged,
              "DATA chunk: 5 bytes cannot hold the table of 1 tile");
}

TEST(ContainerTest, RejectsTileTablesLongerThanTheirChunk) {
  Header header = SmallHeader();
  header.width = header.height = 64;
  const Bytes table = {0xFF, 0xFF, 0x03, 1, 2, 3, 4};  // 7 bytes and the checksum's 4, in a chunk of 9 or 10
  for (const uint32_t length : {9u, 10u}) {
    EXPECT_EQ(CheckFile(WithData(header, length, table, Bytes(100, 0))).code(), StatusCode::kDamaged);
  }
}

TEST(ContainerTest, RefusesToWriteIllegalHeaders) {
  Header header = SmallHeader();
  header.quality_index = 897;
  ExpectError(WriteContainer(header, SmallTiles()).status(), StatusCode::kInvalidArgument,
              "quality index 897 cannot be written, 0 to 896 expected");
  header = SmallHeader();
  header.width = 0;
  EXPECT_EQ(WriteContainer(header, SmallTiles()).status().code(), StatusCode::kInvalidArgument);
}

TEST(ContainerTest, RefusesToWriteTheWrongNumberOfTiles) {
  ExpectError(WriteContainer(SmallHeader(), {Bytes(20)}).status(), StatusCode::kInvalidArgument,
              "1 tile given, 6 expected");
}

}  // namespace
}  // namespace lichen::bitstream
