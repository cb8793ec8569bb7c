// SPDX-License-Identifier: Apache-2.0
#include "codec/memory_estimate.h"

#include <algorithm>
#include <string>

#include "codec/convolution.h"
#include "codec/integer_network.h"
#include "codec/post_filter.h"
#include "codec/post_filter_fit.h"
#include "codec/refined_tiles.h"
#include "codec/scaled_synthesis.h"
#include "codec/transform.h"
#include "codec/trellis.h"
#include "codec/workers.h"

namespace lichen {
namespace {

/// Parsed weights, copies of them in the layout in which they are multiplied, and oneDNN's code.
uint64_t FixedMemory(const ModelData& model) {
  uint64_t floats = 0, bytes = 0;
  for (const auto* layers : {&model.g_a, &model.g_s, &model.h_a}) {
    for (const FloatLayer& layer : *layers) floats += layer.a.weight.size() + layer.b.weight.size();
  }
  for (const IntegerLayer& layer : model.h_s) bytes += layer.weight.size();
  for (const auto* networks : {&model.context, &model.context_z}) {
    for (const auto& layers : *networks) {
      for (const IntegerLayer& layer : layers) bytes += layer.weight.size();
    }
  }
  const uint64_t other = uint64_t{MultipliesInTiles() ? 12u : 24u} << 20;
  return other + (MultipliesInTiles() ? 2 : 3) * (floats * sizeof(float) + bytes);
}

uint64_t LargestTile(const TileGrid& grid) {
  return uint64_t(grid.Column(0).size()) * static_cast<uint64_t>(grid.Row(0).size());
}

/// The entropy model at work on the largest tile.
uint64_t TileMemory(const ModelData& model, const TileGrid& grid, int threads) {
  const uint64_t positions = LargestTile(grid);
  const uint64_t m = model.latent_channels, p = model.feature_channels;
  uint64_t widest = p;
  for (const auto& layers : model.context) {
    for (const IntegerLayer& layer : layers) widest = std::max<uint64_t>(widest, layer.relu ? layer.out : 0);
  }
  const uint64_t latents = m * sizeof(int32_t), inputs = p + 2 * m, heads = 2 * m;
  // Sums of one layer at a time, of each thread that helps with the tile; heads compute a group at a time.
  uint64_t sums = 0;
  for (const IntegerLayer& layer : model.h_s) sums = std::max<uint64_t>(sums, layer.out);
  for (const auto& layers : model.context) {
    for (const IntegerLayer& layer : layers) sums = std::max<uint64_t>(sums, layer.relu ? layer.out : layer.out / 4);
  }
  const int available = AvailableThreads(threads);
  const uint64_t lanes = grid.columns() < available ? static_cast<uint64_t>(available) : 1;
  const uint64_t piece = kPiecePositions + static_cast<uint64_t>(grid.Column(0).size());
  return positions * (latents + inputs + p + 3 * widest + heads) + lanes * piece * sums * sizeof(int32_t);
}

/// How many tiles of a row with `columns` columns of latents are worked on at a time.
uint64_t TilesAtATime(const TileGrid& grid, Span columns, int threads) {
  const int tiles = (columns.end - 1) / grid.tile() + 1 - columns.begin / grid.tile();
  const int64_t positions = int64_t{grid.Row(0).size()} * columns.size();
  return static_cast<uint64_t>(ThreadsForTiles(threads, tiles, positions * kLatentPixels * kLatentPixels));
}

/// Rows of latents in the largest strip, the first or the last: with it come those that lag behind.
int LargestStrip(int rows, int columns, int margin) { return std::min(StripRows(rows, columns) + margin, rows); }

}  // namespace

uint64_t DecodeMemory(const ModelData& model, const bitstream::Header& header, const View& view,
                      TransformPrecision precision, int threads) {
  const TileGrid grid(header);
  const ScaledSynthesis synthesis = SynthesisAtScale(model, view.scale);
  const int reach = PostFilterReach(model, view.scale), margin = MarginOf(*synthesis.layers, reach);
  const Span columns = WithMargin(view.LatentColumns(), margin, grid.width());
  const int rows = WithMargin(view.LatentRows(), margin, grid.height()).size();
  const int strip = LargestStrip(rows, columns.size(), margin);
  // Rows of tiles are held whole, and those above that are not yet a strip; to salvage, a margin more.
  const int held = std::min(grid.Row(0).size() + strip, grid.height());
  const uint64_t latents = uint64_t(held) * columns.size() * model.latent_channels * sizeof(float);
  const uint64_t transform =
      Transform::Memory(*synthesis.layers, model.latent_channels, strip, columns.size(), precision, true);
  const uint64_t samples = uint64_t(strip) * view.SamplesPerLatent() * view.columns.size() * 3;
  uint64_t post_filter = 0;
  if (!model.post_filter.mean.empty()) {
    const int pixels = view.SamplesPerLatent() * synthesis.box, w = columns.size() * pixels;
    post_filter = PostFilter::Memory(strip * pixels, w, ThreadsFor(threads, int64_t{rows} * pixels * w));
  }
  return FixedMemory(model) + TilesAtATime(grid, columns, threads) * TileMemory(model, grid, threads) + latents +
         transform + samples + post_filter;
}

uint64_t HashMemory(const ModelData& model, const bitstream::Header& header, int threads) {
  const TileGrid grid(header);
  return FixedMemory(model) + TilesAtATime(grid, {0, grid.width()}, threads) * TileMemory(model, grid, threads);
}

uint64_t EncodeMemory(const ModelData& model, const bitstream::Header& header, TransformPrecision precision,
                      int threads, bool refine, bool fit_post_filter) {
  const TileGrid grid(header);
  const int margin = (MarginOf(model.g_a) + kLatentPixels - 1) / kLatentPixels;
  const int strip = LargestStrip(grid.height(), grid.width(), margin);
  const uint64_t tile = LargestTile(grid), m = model.latent_channels;
  // A row of tiles is coded while the next one comes.
  const int held = refine ? grid.height() : std::min(grid.Row(0).size() + strip, grid.height());
  const uint64_t bands = refine || grid.rows() == 1 ? 1 : 2;
  const uint64_t latents = bands * held * grid.width() * m * (refine ? sizeof(float) : sizeof(uint16_t));
  const int h = strip * kLatentPixels, w = grid.width() * kLatentPixels;  // pixels
  uint64_t canvas = uint64_t(h) * w * 3;
  if (refine) canvas += uint64_t(grid.height()) * kLatentPixels * w * 3 * sizeof(uint16_t);
  TransformPrecision of_pixels = precision;
  of_pixels.fractions = header.bit_depth > 8;
  const uint64_t transform = Transform::Memory(model.g_a, 3, h, w, of_pixels, true);
  const int fitting = ThreadsFor(threads, int64_t{header.width} * header.height);
  const uint64_t post_filter = fit_post_filter ? PostFilterFitMemory(model, grid, fitting, transform) : 0;
  const uint64_t hyper = Transform::Memory(model.h_a, model.latent_channels, TileEncoder::kStrip,
                                           (grid.Column(0).size() + 3) / 4 * 4, precision, true);
  // Symbols are kept until the tile's stream is written backwards, as words and then as bytes: noise at a high quality
  // takes a byte or little more for each.
  const uint64_t symbols = tile * m * (4 + 1 + 1);
  // What a step codes, for the search, and the search's own.
  const uint64_t search = tile * m / 4 * 15 + TrellisSearch::Memory(static_cast<int>(header.trellis_bits));
  const uint64_t refinement = refine ? RefinedTiles::Memory(model, grid, precision) : 0;
  return FixedMemory(model) + latents + canvas + transform + refinement + post_filter +
         TilesAtATime(grid, {0, grid.width()}, threads) * (TileMemory(model, grid, threads) + hyper + symbols + search);
}

Status CheckMemory(uint64_t bytes, uint64_t limit, const char* work) {
  if (bytes <= limit) return Status();
  const auto mib = [](uint64_t count) { return std::to_string((count + (1 << 20) - 1) >> 20) + " MiB"; };
  return Status(StatusCode::kLimitExceeded, std::string(work) + " this picture takes about " + mib(bytes) +
                                                " of memory, at most " + mib(limit) +
                                                " are allowed; raise the limit (max memory)");
}

}  // namespace lichen
