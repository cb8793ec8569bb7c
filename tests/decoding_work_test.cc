// SPDX-License-Identifier: Apache-2.0
// The time to decode any file is bounded in proportion to the size that it declares, and to its own. Time is counted
// in basic blocks that run: the decoder is compiled for this test so that it calls a function at each of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bitstream/alpha.h"
#include "bitstream/cdf.h"
#include "bitstream/container.h"
#include "bitstream/post_filter_code.h"
#include "bitstream/rans.h"
#include "codec/dct_tile.h"
#include "codec/entropy_model.h"
#include "codec/model_data.h"
#include "codec/tiling.h"
#include "edited_model.h"
#include "lichen/codec.h"
#include "mend_checksums.h"
#include "test_data.h"

namespace {
uint64_t basic_blocks = 0;
}  // namespace

extern "C" void __sanitizer_cov_trace_pc() { ++basic_blocks; }

namespace lichen {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kTile = 64;  // pixels a side: the smallest tiles there are, which cost most a pixel

constexpr uint64_t kMaxPixels = 1 << 18;

/// 64x64 areas that the picture touches.
uint64_t Areas(uint64_t width, uint64_t height) {
  return ((width + kTile - 1) / kTile) * ((height + kTile - 1) / kTile);
}

/// The toy model with as large a post-filter as there can be.
std::shared_ptr<const Model> WorkModel() {
  static const std::shared_ptr<const Model> model =
      test::ParseEdited([](test::OpenSection& decoder, test::OpenSection&) { decoder.AddPostFilter(64); }).value();
  return model;
}

/// The basic blocks of one call of Decode.
uint64_t Work(const Bytes& file, bool salvage, Status* status = nullptr) {
  DecodeOptions options;
  options.model = WorkModel();
  options.threads = 1;
  options.max_pixels = kMaxPixels;
  options.salvage = salvage;
  const uint64_t before = basic_blocks;
  const auto picture = Decode(file.data(), file.size(), options);
  if (status != nullptr) *status = picture.status();
  return basic_blocks - before;
}

/// Tiles of coefficients as large as can be, with signs that nothing predicts.
std::vector<Bytes> CostlyDctTiles(const bitstream::Header& header, std::mt19937& random) {
  std::vector<Bytes> tiles;
  for (uint32_t y = 0; y < header.height; y += kTile) {
    for (uint32_t x = 0; x < header.width; x += kTile) {
      DctTile tile;
      tile.columns = BlocksAlong(static_cast<int>(std::min(kTile, header.width - x)));
      tile.rows = BlocksAlong(static_cast<int>(std::min(kTile, header.height - y)));
      tile.step = 640;
      tile.quantised.resize(static_cast<size_t>(tile.columns) * tile.rows * tile.BlockSize());
      for (int16_t& q : tile.quantised) q = random() % 2 == 0 ? 32767 : -32767;
      tiles.push_back(EncodeTile(tile));
    }
  }
  return tiles;
}

/// A coefficient for each component, the last with as long a run of ones as fits.
Bytes CostlyPostFilter(const ModelData& model) {
  bitstream::PostFilterCoefficients coefficients;
  coefficients.values.assign(model.post_filter.sizes.size(), 1);
  Bytes bytes, longer;
  while ((longer = bitstream::WritePostFilter(coefficients, model.post_filter.sizes)).size() <=
         bitstream::kMaxPostFilterBytes) {
    bytes = longer;
    ++coefficients.values.back();
  }
  return bytes;
}

/// A sound file that costs as much as a sound one can: noise at the limits of what can be coded, so that next to all
/// residuals are escaped, in the smallest tiles, and alpha that nothing predicts.
Bytes CostlyFile(uint32_t width, uint32_t height, bitstream::Coding coding = bitstream::Coding::kLearned) {
  const ModelData& model = DataOf(*WorkModel());
  bitstream::Header header;
  header.model_id = model.id;
  header.width = width;
  header.height = height;
  header.colour_type = 4;
  header.bit_depth = 16;
  header.quality_index = 896;
  header.tile_size_log2 = 6;
  if (coding == bitstream::Coding::kLearned) header.post_filter = CostlyPostFilter(model);
  const int trellis_bits = static_cast<int>(header.trellis_bits);
  if (coding == bitstream::Coding::kDct) header.trellis_bits = 0;

  std::mt19937 random(7);
  const auto noise = [&random](size_t size) {
    std::vector<float> values(size);
    for (float& value : values) value = random() % 2 == 0 ? 1e6f : -1e6f;
    return values;
  };
  EntropyModel coder(model, static_cast<int>(header.quality_index), trellis_bits, IntegerEngine::kFast);
  const TileGrid grid(header);
  std::vector<Bytes> tiles;
  Latents latents;
  if (coding == bitstream::Coding::kDct) tiles = CostlyDctTiles(header, random);
  for (int row = 0; row < grid.rows() && coding == bitstream::Coding::kLearned; ++row) {
    for (int column = 0; column < grid.columns(); ++column) {
      const int h = grid.Row(row).size(), w = grid.Column(column).size();
      const auto y = noise(static_cast<size_t>(h) * w * model.latent_channels);
      const auto z = noise(static_cast<size_t>((h + 3) / 4) * ((w + 3) / 4) * model.hyper_channels);
      tiles.push_back(coder.Encode(y.data(), z.data(), h, w, &latents));
    }
  }
  bitstream::AlphaWriter alpha(width, height, header.bit_depth);
  Bytes samples(size_t{width} * 2);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint8_t& sample : samples) sample = static_cast<uint8_t>(random());
    EXPECT_TRUE(alpha.AddRow(samples.data(), 2).ok());
  }
  bitstream::Attachments attachments;
  attachments.alpha = alpha.Finish().value();
  return bitstream::WriteContainer(header, tiles, attachments, coding).value();
}

constexpr bitstream::Coding kCodings[] = {bitstream::Coding::kLearned, bitstream::Coding::kDct};

class DecodingWorkTest : public testing::Test {
 protected:
  /// Not for the suite: tests whose suite fails to set up count as skipped.
  void SetUp() override {
    for (const bitstream::Coding coding : kCodings) {
      const Bytes small = CostlyFile(kTile, kTile, coding), large = CostlyFile(4 * kTile, 4 * kTile, coding);
      Work(small, false);  // what is made once is made now
      Status status;
      const uint64_t small_work = Work(small, false, &status);
      ASSERT_TRUE(status.ok()) << status.message();
      const uint64_t large_work = Work(large, false, &status);
      ASSERT_TRUE(status.ok()) << status.message();
      Cost& cost = costs_[static_cast<size_t>(coding)];
      cost.per_area = static_cast<double>(large_work - small_work) / 15;
      cost.fixed = static_cast<double>(small_work) - cost.per_area;
      std::cout << "  costliest sound files: " << cost.fixed << " basic blocks, and " << cost.per_area
                << " for 64x64 pixels\n";
    }
  }

  /// What a file may cost: as much as the costliest sound file of the size that it declares, and a tenth for shapes.
  static double Bound(const Bytes& file) {
    const auto header = bitstream::ParseHeader(file.data(), file.size());
    const bool refused = !header.ok() || uint64_t{header->width} * header->height > kMaxPixels;
    std::vector<std::string> damage;
    const auto container = bitstream::ParseContainer(file.data(), file.size(), &damage);
    const Cost& cost = costs_[static_cast<size_t>(container.ok() ? container->coding : bitstream::Coding::kLearned)];
    return 1.1 *
           (cost.fixed + cost.per_area * (refused ? 0 : static_cast<double>(Areas(header->width, header->height))));
  }

  void Try(const Bytes& file, const std::string& what) {
    for (const bool salvage : {false, true}) {
      Status status;
      const double share = static_cast<double>(Work(file, salvage, &status)) / Bound(file);
      EXPECT_LE(share, 1) << what << (salvage ? ", salvaged: " : ": ") << status.message();
      if (share > largest_share_) costliest_ = what + (salvage ? ", salvaged" : "");
      largest_share_ = std::max(largest_share_, share);
      ++(status.ok() ? pictures_ : errors_);
    }
  }

  void TearDown() override {
    if (pictures_ + errors_ == 0) return;
    std::cout << "  " << pictures_ << " pictures, " << errors_ << " errors, at most " << largest_share_
              << " of the bound: " << costliest_ << "\n";
  }

  struct Cost {
    double fixed = 0, per_area = 0;  // basic blocks
  };
  static Cost costs_[2];  // of the costliest sound files, by coding
  double largest_share_ = 0;
  std::string costliest_;
  size_t pictures_ = 0, errors_ = 0;
};

DecodingWorkTest::Cost DecodingWorkTest::costs_[2];

TEST_F(DecodingWorkTest, IsCountedWhereTheWorkIs) {
  const Bytes sound = test::ReadTestFile("golden/rgb.lic");
  EXPECT_GT(Work(sound, false), 70u * 50) << "more than a block a pixel";
  EXPECT_LT(static_cast<double>(Work(sound, false)), Bound(sound)) << "less than noise";
  EXPECT_EQ(Work(sound, false), Work(sound, false)) << "no clock";
}

TEST_F(DecodingWorkTest, SoundFilesCostInProportionToTheirPixels) {
  for (const auto& [width, height] : {std::pair{256, 512}, {64, 640}, {640, 64}, {257, 100}, {16, 1024}, {1, 1}}) {
    for (const bitstream::Coding coding : kCodings) {
      const Bytes file = CostlyFile(static_cast<uint32_t>(width), static_cast<uint32_t>(height), coding);
      Try(file, std::to_string(width) + "x" + std::to_string(height));
    }
  }
  EXPECT_EQ(errors_, 0u);
}

TEST_F(DecodingWorkTest, FlippedBytesCostNoMore) {
  std::mt19937 random(20260201);
  for (const Bytes& sound :
       {test::ReadTestFile("golden/tiles.lic"), test::ReadTestFile("golden/alpha.lic"), CostlyFile(100, 80),
        test::ReadTestFile("golden/dct.lic"), CostlyFile(100, 80, bitstream::Coding::kDct)}) {
    for (int i = 0; i < 600; ++i) {
      Bytes file = sound;
      // A third of them in front, where sizes are declared.
      const size_t at = random() % (i % 3 == 0 ? std::min<size_t>(file.size(), 64) : file.size());
      file[at] ^= static_cast<uint8_t>(1 + random() % 255);
      test::MendChecksums(&file);
      Try(file, "byte " + std::to_string(at));
    }
  }
  EXPECT_GT(errors_, 0u);
  EXPECT_GT(pictures_, 0u);
}

/// The file with other bytes for its tiles, each as long as `size_of` says of its size.
template <typename SizeOf, typename Next>
Bytes WithTiles(const Bytes& sound, const SizeOf& size_of, Next&& next) {
  const auto container = bitstream::ParseContainer(sound.data(), sound.size()).value();
  std::vector<Bytes> tiles;
  for (const bitstream::TileSpan& span : container.tiles) {
    Bytes tile(size_of(size_t{span.size}));
    for (uint8_t& byte : tile) byte = static_cast<uint8_t>(next());
    tiles.push_back(std::move(tile));
  }
  bitstream::Attachments attachments;
  attachments.alpha.assign(sound.begin() + static_cast<std::ptrdiff_t>(container.alpha.offset),
                           sound.begin() + static_cast<std::ptrdiff_t>(container.alpha.offset + container.alpha.size));
  return bitstream::WriteContainer(container.header, tiles, attachments, container.coding).value();
}

TEST_F(DecodingWorkTest, OtherPostFiltersCostNoMore) {
  const Bytes sound = CostlyFile(100, 80);
  const auto container = bitstream::ParseContainer(sound.data(), sound.size()).value();
  const auto found =
      std::search(sound.begin(), sound.end(), container.header.post_filter.begin(), container.header.post_filter.end());
  ASSERT_NE(found, sound.end());
  const size_t at = static_cast<size_t>(found - sound.begin());
  std::mt19937 random(20261122);
  for (int i = 0; i < 300; ++i) {
    Bytes file = sound;
    for (size_t k = 0; k < container.header.post_filter.size(); ++k) {
      file[at + k] = static_cast<uint8_t>(i % 3 == 0 ? 0xFF : i % 3 == 1 ? random() : random() | random() | random());
    }
    file[at] = static_cast<uint8_t>(i);
    file[at + container.header.post_filter.size() - 1] = static_cast<uint8_t>(random());
    test::MendChecksums(&file);
    Try(file, "post-filter " + std::to_string(i));
  }
  EXPECT_GT(errors_, 0u);
  EXPECT_GT(pictures_, 0u);
}

TEST_F(DecodingWorkTest, OtherPayloadsCostNoMore) {
  const Bytes learned = CostlyFile(150, 70), dct = CostlyFile(150, 70, bitstream::Coding::kDct);
  std::mt19937 random(20260202);
  for (int i = 0; i < 200; ++i) {
    const Bytes& sound = i < 100 ? learned : dct;
    const size_t least = static_cast<size_t>(i) % 4 * 8;
    const auto longer = [&](size_t size) { return std::max(least, size >> (i % 10) << (i % 3)); };
    Try(WithTiles(sound, longer, random), "random bytes");
    // Runs of one bit, which escape codes count.
    const uint8_t byte = i % 2 == 0 ? 0xFF : static_cast<uint8_t>(i);
    Try(WithTiles(sound, longer, [byte] { return byte; }), "bytes of " + std::to_string(byte));
  }
  EXPECT_EQ(pictures_, 400u) << "only salvage gives one";
}

/// The most basic blocks behind rANS's inner loop that one of `count` residuals takes.
uint64_t CostliestResidual(const Bytes& stream, const bitstream::CdfTable& table, size_t count) {
  bitstream::RansDecoder decoder(stream.data(), stream.size());
  uint64_t most = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t before = basic_blocks;
    decoder.Get(table);
    most = std::max(most, basic_blocks - before);
  }
  return most;
}

TEST_F(DecodingWorkTest, NoResidualCostsMoreThanALongEscape) {
  // Escapes and their bits look alike: halves. The longest sound one has 31 symbols.
  const auto halves = bitstream::CdfTable::Build({16384}, 16384);
  ASSERT_TRUE(halves.ok()) << halves.status().message();
  bitstream::RansEncoder encoder;
  for (int i = 0; i < 100; ++i) encoder.Put(*halves, -bitstream::kMaxResidual);
  const uint64_t longest = CostliestResidual(encoder.Finish(), *halves, 100);
  EXPECT_GE(longest, 31u);

  std::mt19937 random(20260203);
  for (int i = 0; i < 256; ++i) {
    Bytes stream(1 << 16, static_cast<uint8_t>(i));
    EXPECT_LE(CostliestResidual(stream, *halves, 10000), 2 * longest) << "bytes of " << i;
    for (uint8_t& byte : stream) byte = static_cast<uint8_t>(random() | (i % 2 == 0 ? 0 : random()));
    stream.resize(random() % 1000);  // and beyond the end
    EXPECT_LE(CostliestResidual(stream, *halves, 10000), 2 * longest) << "random bytes " << i;
  }
}

TEST_F(DecodingWorkTest, WhereDamageShowsEarlyTheRestIsNotDecoded) {
  const Bytes sound = CostlyFile(150, 70);
  const Bytes empty = WithTiles(
      sound, [](size_t) { return size_t{16}; }, [] { return 0; });
  EXPECT_LT(Work(empty, false), Work(sound, false) / 10);
}

TEST_F(DecodingWorkTest, ManyEmptyChunksCostInProportionToTheirBytes) {
  const Bytes sound = test::ReadTestFile("golden/1x1.lic");
  const Bytes chunk = {'j', 'u', 'n', 'k', 0, 0, 0, 0, 0};
  const std::string name = "DATA";
  const auto data = std::search(sound.begin(), sound.end(), name.begin(), name.end());
  ASSERT_NE(data, sound.end());
  const auto work_with = [&](int chunks) {
    Bytes file(sound.begin(), data);
    for (int i = 0; i < chunks; ++i) file.insert(file.end(), chunk.begin(), chunk.end());
    file.insert(file.end(), data, sound.end());
    test::MendChecksums(&file);
    Status status;
    const uint64_t work = Work(file, false, &status);
    EXPECT_TRUE(status.ok()) << status.message();
    return static_cast<double>(work - Work(sound, false));
  };
  const double few = work_with(1000), many = work_with(100000);
  std::cout << "  " << many / (100000.0 * static_cast<double>(chunk.size())) << " basic blocks a byte\n";
  EXPECT_NEAR(many / few, 100, 5);
}

}  // namespace
}  // namespace lichen
