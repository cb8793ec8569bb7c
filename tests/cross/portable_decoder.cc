// SPDX-License-Identifier: Apache-2.0
// Prints the latent hash of files, from bitstream/ and the plain C++ integer networks alone: no oneDNN, nothing of x86.
// portable_decoder MODEL.lim FILE.lic...: one line a file, "HASH FILE".
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include "bitstream/container.h"
#include "codec/dct_tile.h"
#include "codec/entropy_model.h"
#include "codec/latent_hash.h"
#include "codec/model_data.h"
#include "codec/tiling.h"

namespace lichen {

std::unique_ptr<IntegerAccumulator> MakeFastAccumulator(const IntegerLayer& layer, const std::vector<int>& outputs, int,
                                                        SourcePitch) {
  return MakePlainAccumulator(layer.in, static_cast<int>(outputs.size()), layer.kernel,
                              WeightsOf(layer, outputs).data());
}

namespace {

std::vector<uint8_t> ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Result<uint64_t> HashOfCoefficients(const bitstream::Container& container, const std::vector<uint8_t>& bytes) {
  const bitstream::Header& header = container.header;
  const uint32_t side = 1u << header.tile_size_log2, columns = bitstream::TileColumns(header);
  LatentHash hash;
  DctTile tile;
  tile.planes = PlanesOf(header);
  for (size_t i = 0; i < container.tiles.size(); ++i) {
    const auto left = static_cast<uint32_t>(i % columns) * side, top = static_cast<uint32_t>(i / columns) * side;
    tile.columns = BlocksAlong(static_cast<int>(std::min(side, header.width - left)));
    tile.rows = BlocksAlong(static_cast<int>(std::min(side, header.height - top)));
    LICHEN_RETURN_IF_ERROR(DecodeTile(bytes.data() + container.tiles[i].offset, container.tiles[i].size, &tile));
    hash.Add(tile.quantised);
  }
  return hash.Digest();
}

Result<uint64_t> HashOf(const ModelData& model, const std::vector<uint8_t>& bytes) {
  LICHEN_ASSIGN_OR_RETURN(const bitstream::Container container, bitstream::ParseContainer(bytes.data(), bytes.size()));
  LICHEN_RETURN_IF_ERROR(bitstream::CheckAllTiles(container, bytes.data(), bytes.size()));
  if (container.coding == bitstream::Coding::kDct) return HashOfCoefficients(container, bytes);
  if (container.header.model_id != model.id) return Status(StatusCode::kUnknownModel, "another model");
  const TileGrid grid(container.header);
  EntropyModel entropy_model(model, static_cast<int>(container.header.quality_index),
                             static_cast<int>(container.header.trellis_bits), IntegerEngine::kPlain);
  LatentHash hash;
  Latents latents;
  for (size_t i = 0; i < container.tiles.size(); ++i) {
    const int row = static_cast<int>(i) / grid.columns(), column = static_cast<int>(i) % grid.columns();
    LICHEN_RETURN_IF_ERROR(entropy_model.Decode(bytes.data() + container.tiles[i].offset, container.tiles[i].size,
                                                grid.Row(row).size(), grid.Column(column).size(), &latents));
    hash.Add(latents);
  }
  return hash.Digest();
}

int Main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::vector<uint8_t> model_bytes = ReadFile(argv[1]);
  const auto model = ParseModel(model_bytes.data(), model_bytes.size());
  if (!model.ok()) {
    std::fprintf(stderr, "%s: %s\n", argv[1], model.status().message().c_str());
    return 1;
  }
  for (int i = 2; i < argc; ++i) {
    const auto hash = HashOf(*model, ReadFile(argv[i]));
    if (!hash.ok()) {
      std::fprintf(stderr, "%s: %s\n", argv[i], hash.status().message().c_str());
      return 1;
    }
    std::printf("%016llx %s\n", static_cast<unsigned long long>(*hash), argv[i]);
  }
  return 0;
}

}  // namespace
}  // namespace lichen

int main(int argc, char** argv) { return lichen::Main(argc, argv); }
