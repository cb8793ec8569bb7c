// SPDX-License-Identifier: Apache-2.0
// The container: any bytes are an error or a file whose parts lie inside it, and which written again says the same.
#include "bitstream/alpha.h"
#include "bitstream/container.h"
#include "fuzz_target.h"

namespace lichen::bitstream {
namespace {

constexpr uint64_t kMaxContent = 1 << 16;  // bytes of metadata or alpha that are worth the fuzzer's time

bool SameHeader(const Header& a, const Header& b) {
  return a.format_version == b.format_version && a.model_id == b.model_id && a.width == b.width &&
         a.height == b.height && a.colour_type == b.colour_type && a.bit_depth == b.bit_depth &&
         a.quality_index == b.quality_index && a.tile_size_log2 == b.tile_size_log2 &&
         a.trellis_bits == b.trellis_bits &&
         a.post_filter == b.post_filter;
}

bool Inside(size_t offset, size_t length, size_t size) { return offset <= size && length <= size - offset; }

void ReadAlpha(const Container& container, const uint8_t* data) {
  if (container.alpha.content_size == 0 || container.alpha.content_size > kMaxContent) return;
  const Header& header = container.header;
  AlphaReader reader(data + container.alpha.offset, container.alpha.size, header.width, header.bit_depth);
  std::vector<uint8_t> row(size_t{header.width} * header.bit_depth / 8);
  for (uint32_t y = 0; y < container.header.height; ++y) {
    const Status status = reader.ReadRow(row.data());
    if (status.ok()) continue;
    LICHEN_FUZZ_REQUIRE_ERROR(status);
    return;
  }
  const Status status = reader.Finish();
  if (!status.ok()) LICHEN_FUZZ_REQUIRE_ERROR(status);
}

void Check(const uint8_t* data, size_t size) {
  const auto head = ParseHeader(data, size);
  const auto parsed = ParseContainer(data, size);
  if (!head.ok()) LICHEN_FUZZ_REQUIRE(!parsed.ok());
  if (!parsed.ok()) {
    LICHEN_FUZZ_REQUIRE_ERROR(parsed.status());
    return;
  }
  const Container& container = *parsed;
  LICHEN_FUZZ_REQUIRE(SameHeader(*head, container.header));
  LICHEN_FUZZ_REQUIRE(container.tiles.size() == TileCount(container.header));
  LICHEN_FUZZ_REQUIRE(CheckAllTiles(container, data, size).ok());

  std::vector<std::vector<uint8_t>> tiles;
  for (const TileSpan& tile : container.tiles) {
    LICHEN_FUZZ_REQUIRE(Inside(tile.offset, tile.size, size));
    tiles.emplace_back(data + tile.offset, data + tile.offset + tile.size);
  }
  Attachments attachments;
  LICHEN_FUZZ_REQUIRE(Inside(container.alpha.offset, container.alpha.size, size));
  attachments.alpha.assign(data + container.alpha.offset, data + container.alpha.offset + container.alpha.size);
  for (size_t kind = 0; kind < kMetadataKinds; ++kind) {
    const FrameSpan& span = container.metadata[kind];
    LICHEN_FUZZ_REQUIRE(Inside(span.offset, span.size, size));
    if (span.content_size > kMaxContent) return;
    auto content = ReadMetadata(container, data, static_cast<MetadataKind>(kind));
    if (!content.ok()) {
      LICHEN_FUZZ_REQUIRE_ERROR(content.status());
      return;
    }
    LICHEN_FUZZ_REQUIRE(content->size() == span.content_size);
    attachments.metadata[kind] = *content;
  }
  ReadAlpha(container, data);

  const auto written = WriteContainer(container.header, tiles, attachments, container.coding);
  LICHEN_FUZZ_REQUIRE(written.ok());
  const auto again = ParseContainer(written->data(), written->size());
  LICHEN_FUZZ_REQUIRE(again.ok());
  LICHEN_FUZZ_REQUIRE(SameHeader(again->header, container.header));
  LICHEN_FUZZ_REQUIRE(again->coding == container.coding);
  for (size_t i = 0; i < tiles.size(); ++i) LICHEN_FUZZ_REQUIRE(again->tiles[i].size == tiles[i].size());
}

}  // namespace
}  // namespace lichen::bitstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lichen::bitstream::Check(data, size);
  return 0;
}
