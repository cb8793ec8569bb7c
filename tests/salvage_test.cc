// SPDX-License-Identifier: Apache-2.0
// Damaged files: the error names the tile, and salvage gives the rest of the picture.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "bitstream/container.h"
#include "image_io/image_file.h"
#include "lichen/codec.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::SyntheticImage;
using test::ToyModel;
using Bytes = std::vector<uint8_t>;

Bytes Compressed(const Image& image, std::shared_ptr<const Model> model, uint32_t tile_size) {
  EncodeOptions options;
  options.quality = 80;
  options.tile_size = tile_size;
  options.coding = Coding::kLearned;
  options.model = std::move(model);
  return Encode(image, options).value();
}

DecodeOptions ToyOptions() {
  DecodeOptions options;
  options.model = ToyModel();
  return options;
}

/// Decodes with salvage and keeps what it reports.
struct Salvaged {
  Image image;
  std::vector<Damage> damage;

  Salvaged(const Bytes& file, DecodeOptions options) {
    options.salvage = true;
    options.damage = [this](const Damage& found) { damage.push_back(found); };
    auto decoded = Decode(file.data(), file.size(), options);
    EXPECT_TRUE(decoded.ok()) << decoded.status().message();
    if (decoded.ok()) image = std::move(*decoded);
  }
};

/// Flips a bit of a tile, counted from 0.
Bytes WithDamagedTile(Bytes file, size_t tile) {
  const auto container = bitstream::ParseContainer(file.data(), file.size()).value();
  file[container.tiles[tile].offset + container.tiles[tile].size / 2] ^= 0x10;
  return file;
}

bool IsGray(const Image& image, uint32_t x, uint32_t y) {
  const uint8_t* pixel = image.pixels.data() + y * image.RowBytes() + size_t{x} * image.channels;
  return std::all_of(pixel, pixel + (image.channels <= 2 ? 1 : 3), [](uint8_t v) { return v == 128; });
}

/// Mean squared difference over a rectangle.
double Error(const Image& a, const Image& b, const Region& r) {
  double sum = 0;
  for (uint32_t y = r.y; y < r.y + r.height; ++y) {
    for (size_t i = size_t{r.x} * 3; i < size_t{r.x + r.width} * 3; ++i) {
      const double d = double(a.pixels[y * a.RowBytes() + i]) - b.pixels[y * b.RowBytes() + i];
      sum += d * d;
    }
  }
  return sum / (3.0 * r.width * r.height);
}

TEST(SalvageTest, WithoutItTheErrorNamesTheTile) {
  const Bytes file = WithDamagedTile(Compressed(SyntheticImage(300, 200), ToyModel(), 64), 7);  // 5 x 4 tiles
  const auto image = Decode(file.data(), file.size(), ToyOptions());
  EXPECT_EQ(image.status().code(), StatusCode::kDamaged);
  EXPECT_EQ(image.status().message(), "tile 8 of 20 (column 3, row 2) is damaged: its checksum is wrong");
}

TEST(SalvageTest, OnlyTheDamagedTileIsGray) {
  const Bytes sound = Compressed(SyntheticImage(300, 200), ToyModel(), 64);
  const Image whole = Decode(sound.data(), sound.size(), ToyOptions()).value();
  const Salvaged salvaged(WithDamagedTile(sound, 7), ToyOptions());
  ASSERT_EQ(salvaged.damage.size(), 1u);
  EXPECT_NE(salvaged.damage[0].message.find("tile 8 of 20 (column 3, row 2)"), std::string::npos);
  const Region& hole = salvaged.damage[0].pixels;
  EXPECT_EQ(hole.x, 128u);
  EXPECT_EQ(hole.y, 64u);
  EXPECT_EQ(hole.width, 64u);
  EXPECT_EQ(hole.height, 64u);
  int gray_outside = 0, gray_before = 0;
  for (uint32_t y = 0; y < 200; ++y) {
    for (uint32_t x = 0; x < 300; ++x) {
      if (x - hole.x < hole.width && y - hole.y < hole.height) {
        ASSERT_TRUE(IsGray(salvaged.image, x, y)) << x << "," << y;
      } else {
        gray_outside += IsGray(salvaged.image, x, y);
        gray_before += IsGray(whole, x, y);
      }
    }
  }
  EXPECT_LE(gray_outside, gray_before + 10);
  // Beyond the reach of the synthesis transform nothing changes.
  EXPECT_EQ(Error(salvaged.image, whole, {0, 0, 40, 200}), 0);
  EXPECT_EQ(Error(salvaged.image, whole, {280, 0, 20, 200}), 0);
}

TEST(SalvageTest, ASoundFileIsDecodedAsEver) {
  const Bytes file = Compressed(SyntheticImage(150, 100, 4), ToyModel(), 64);
  const Salvaged salvaged(file, ToyOptions());
  EXPECT_TRUE(salvaged.damage.empty());
  EXPECT_EQ(salvaged.image.pixels, Decode(file.data(), file.size(), ToyOptions())->pixels);
}

TEST(SalvageTest, NeighboursOfADamagedTileKeepTheirQuality) {
  const Image photo = image_io::ReadPicture(std::string(LICHEN_TEST_DATA) + "/colosseum.png").value();
  const Bytes file = Compressed(photo, nullptr, 128);  // 4 x 4 tiles
  const Salvaged salvaged(WithDamagedTile(file, 5), {});
  ASSERT_EQ(salvaged.damage.size(), 1u);
  const Image whole = Decode(file.data(), file.size(), {}).value();
  // A frame of 16 pixels around the hole, and then one of 16 around that.
  const auto psnr = [&](uint32_t distance) {
    const uint32_t at = 128 - distance, size = 128 + 2 * distance;
    const double sum = Error(salvaged.image, whole, {at, at, size, 16}) +
                       Error(salvaged.image, whole, {at, at, 16, size}) +
                       Error(salvaged.image, whole, {at, at + size - 16, size, 16}) +
                       Error(salvaged.image, whole, {at + size - 16, at, 16, size});
    return 10 * std::log10(255.0 * 255.0 / std::max(sum / 4, 1e-9));
  };
  RecordProperty("psnr_16", std::to_string(psnr(16)));
  RecordProperty("psnr_32", std::to_string(psnr(32)));
  EXPECT_GT(psnr(16), 40);  // 35 with zeros for the latents of the hole
  EXPECT_GT(psnr(32), 45);
}

TEST(SalvageTest, AFileThatEndsEarlyGivesTheTilesItHas) {
  const Bytes sound = Compressed(SyntheticImage(300, 200), ToyModel(), 64);
  const auto container = bitstream::ParseContainer(sound.data(), sound.size()).value();
  const Bytes cut(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(container.tiles[12].offset + 3));
  EXPECT_EQ(Decode(cut.data(), cut.size(), ToyOptions()).status().code(), StatusCode::kTruncated);
  const Salvaged salvaged(cut, ToyOptions());
  EXPECT_EQ(salvaged.damage.size(), 8u);  // tiles 13 to 20
  EXPECT_NE(salvaged.damage[0].message.find("tile 13 of 20"), std::string::npos) << salvaged.damage[0].message;
  const Image whole = Decode(sound.data(), sound.size(), ToyOptions()).value();
  EXPECT_EQ(Error(salvaged.image, whole, {0, 0, 300, 40}), 0);
  EXPECT_TRUE(IsGray(salvaged.image, 299, 199));
}

TEST(SalvageTest, WorksAtAScaleAndInARegion) {
  const Bytes file = WithDamagedTile(Compressed(SyntheticImage(300, 200), ToyModel(), 64), 7);
  DecodeOptions options = ToyOptions();
  options.scale = 8;
  const Salvaged small(file, options);
  for (uint32_t y = 8; y < 16; ++y) {
    for (uint32_t x = 16; x < 24; ++x) EXPECT_TRUE(IsGray(small.image, x, y)) << x << "," << y;
  }
  options.scale = 1;
  options.region = {190, 60, 20, 10};  // two columns and six rows of the hole
  const Salvaged part(file, options);
  ASSERT_EQ(part.damage.size(), 1u);
  EXPECT_EQ(part.damage[0].pixels.x, 190u);
  EXPECT_EQ(part.damage[0].pixels.y, 64u);
  EXPECT_EQ(part.damage[0].pixels.width, 2u);
  EXPECT_EQ(part.damage[0].pixels.height, 6u);
  EXPECT_TRUE(IsGray(part.image, 1, 9));
  options.region = {0, 0, 4, 4};  // far from it
  EXPECT_TRUE(Salvaged(file, options).damage.empty());
}

TEST(SalvageTest, AllTilesMayBeDamaged) {
  Bytes file = Compressed(SyntheticImage(130, 70), ToyModel(), 64);
  const auto container = bitstream::ParseContainer(file.data(), file.size()).value();
  for (size_t tile = 0; tile < container.tiles.size(); ++tile) file = WithDamagedTile(file, tile);
  const Salvaged salvaged(file, ToyOptions());
  EXPECT_EQ(salvaged.damage.size(), 6u);
  for (uint32_t i = 0; i < 130 * 70; ++i) ASSERT_TRUE(IsGray(salvaged.image, i % 130, i / 130)) << i;
}

TEST(SalvageTest, DamagedAlphaIsOpaqueAndDamagedMetadataLeftOut) {
  Image image = test::GoldenAlphaImage();
  Bytes file = Compressed(image, ToyModel(), 64);
  const auto container = bitstream::ParseContainer(file.data(), file.size()).value();
  file[container.alpha.offset + container.alpha.size / 2] ^= 1;
  file[container.metadata[0].offset + 5] ^= 1;
  EXPECT_EQ(Decode(file.data(), file.size(), ToyOptions()).status().code(), StatusCode::kDamaged);
  const Salvaged salvaged(file, ToyOptions());
  ASSERT_EQ(salvaged.damage.size(), 2u);
  EXPECT_EQ(salvaged.damage[0].pixels.width, 0u);
  ASSERT_EQ(salvaged.image.channels, 4);
  for (size_t i = 3; i < salvaged.image.pixels.size(); i += 4) ASSERT_EQ(salvaged.image.pixels[i], 255);
  EXPECT_TRUE(salvaged.image.icc.empty());
  EXPECT_EQ(salvaged.image.exif, image.exif);
}

TEST(SalvageTest, ADamagedHeaderOrTileTableIsStillAnError) {
  Bytes file = Compressed(SyntheticImage(150, 100), ToyModel(), 64);
  const auto container = bitstream::ParseContainer(file.data(), file.size()).value();
  DecodeOptions options = ToyOptions();
  options.salvage = true;
  for (const size_t at : {size_t{12}, container.tiles[0].offset - 6}) {
    Bytes damaged = file;
    damaged[at] ^= 1;
    EXPECT_EQ(Decode(damaged.data(), damaged.size(), options).status().code(), StatusCode::kDamaged) << at;
  }
}

}  // namespace
}  // namespace lichen
