// SPDX-License-Identifier: Apache-2.0
#include "codec/sample_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "test_data.h"

namespace lichen {
namespace {

constexpr int kChannels = 3;

/// width, height: latent positions
bitstream::Header HeaderOf(int width, int height, uint32_t tile_size_log2 = 6) {
  bitstream::Header header;
  header.width = static_cast<uint32_t>(width * kLatentPixels);
  header.height = static_cast<uint32_t>(height * kLatentPixels);
  header.tile_size_log2 = tile_size_log2;
  return header;
}

SampleWindows WindowsOf(int width, int height) { return SampleWindows(TileGrid(HeaderOf(width, height)), kChannels); }

constexpr std::pair<int, int> kSmall[] = {{1, 1}, {1, 2048}, {2048, 1}, {45, 45}, {64, 32}, {7, 200}};
constexpr std::pair<int, int> kLarge[] = {{2049, 1},  {1, 2049},  {46, 45},     {64, 33},      {33, 64},
                                          {100, 80},  {80, 100},  {1250, 1250}, {65536, 1},    {1, 65536},
                                          {11, 5000}, {5000, 11}, {13, 700},    {1 << 20, 25}, {25, 1 << 20}};

int64_t Positions(const SampleWindows& samples) {
  int64_t positions = 0;
  for (const SampleWindows::Window& window : samples.windows()) {
    positions += int64_t{window.rows.size()} * window.columns.size();
  }
  return positions;
}

TEST(SampleWindowsTest, SmallCanvasesAreTakenWhole) {
  for (const auto& [width, height] : kSmall) {
    const SampleWindows samples = WindowsOf(width, height);
    EXPECT_TRUE(samples.whole());
    EXPECT_TRUE(SampleWindows::AreWhole(TileGrid(HeaderOf(width, height))));
    ASSERT_EQ(samples.windows().size(), 1u);
    const SampleWindows::Window& window = samples.windows()[0];
    EXPECT_EQ(window.rows.begin, 0);
    EXPECT_EQ(window.rows.end, height);
    EXPECT_EQ(window.columns.begin, 0);
    EXPECT_EQ(window.columns.end, width);
  }
  for (const auto& [width, height] : kLarge) {
    EXPECT_FALSE(WindowsOf(width, height).whole());
    EXPECT_FALSE(SampleWindows::AreWhole(TileGrid(HeaderOf(width, height))));
  }
}

TEST(SampleWindowsTest,
     NoWindowIsAlone) {  // which leaves out a part, with none to tell how well it stands for the rest
  for (int width = 1; width <= 60; ++width) {
    for (int height = 1; height <= 60; ++height) {
      for (const bool quick : {false, true}) {
        const SampleWindows samples(TileGrid(HeaderOf(width, height)), 1, quick);
        EXPECT_EQ(samples.whole(), samples.windows().size() == 1) << width << "x" << height << " " << quick;
      }
    }
  }
}

TEST(SampleWindowsTest, WindowsLieApartInsideTheCanvas) {
  for (const auto& [width, height] : kLarge) {
    const SampleWindows samples = WindowsOf(width, height);
    const auto& windows = samples.windows();
    EXPECT_GE(windows.size(), 4u) << width << "x" << height;
    EXPECT_LE(windows.size(), 16u * 12 / std::min({width, height, 12})) << width << "x" << height;
    for (size_t i = 0; i < windows.size(); ++i) {
      const auto& [rows, columns, pixels, y_hat] = windows[i];
      EXPECT_GE(rows.begin, 0);
      EXPECT_LE(rows.end, height);
      EXPECT_EQ(rows.size(), std::min(height, SampleWindows::kSide));
      EXPECT_GE(columns.begin, 0);
      EXPECT_LE(columns.end, width);
      EXPECT_EQ(columns.size(), std::min(width, SampleWindows::kSide));
      EXPECT_EQ(pixels.size(), size_t(rows.size()) * columns.size() * 16 * 16 * 3);
      EXPECT_EQ(y_hat.size(), size_t(rows.size()) * columns.size() * kChannels);
      for (size_t j = 0; j < i; ++j) {
        const Span r = windows[j].rows, c = windows[j].columns;
        const bool apart =
            r.end <= rows.begin || rows.end <= r.begin || c.end <= columns.begin || columns.end <= c.begin;
        EXPECT_TRUE(apart) << i << " and " << j << " of " << width << "x" << height;
      }
    }
  }
}

TEST(SampleWindowsTest, WindowsAreSpreadEvenly) {
  const SampleWindows samples = WindowsOf(1000, 1000);
  ASSERT_EQ(samples.windows().size(), 16u);
  for (size_t i = 0; i < 16; ++i) {
    const int row = static_cast<int>(i) / 4, column = static_cast<int>(i) % 4;
    EXPECT_EQ(samples.windows()[i].rows.begin, 125 + 250 * row - 6);
    EXPECT_EQ(samples.windows()[i].columns.begin, 125 + 250 * column - 6);
  }
  EXPECT_EQ(WindowsOf(5000, 12).windows().size(), 16u) << "a panorama has them in a row";
  EXPECT_EQ(WindowsOf(12, 5000).windows().size(), 16u);
  EXPECT_EQ(WindowsOf(5000, 1).windows().size(), 192u) << "as many positions";
  EXPECT_EQ(WindowsOf(2, 5000).windows().size(), 96u);
}

TEST(SampleWindowsTest, MemoryIsThatOfTheWindowsAtMost) {
  const auto bytes = [](const SampleWindows& samples) {
    uint64_t sum = 0;
    for (const SampleWindows::Window& window : samples.windows()) {
      sum += window.samples.size() * sizeof(uint16_t) + window.y_hat.size() * sizeof(float);
    }
    return sum;
  };
  for (const auto& [width, height] : kSmall) {
    EXPECT_EQ(bytes(WindowsOf(width, height)), SampleWindows::Memory(TileGrid(HeaderOf(width, height)), kChannels));
  }
  for (const auto& [width, height] : kLarge) {
    const SampleWindows samples = WindowsOf(width, height);
    EXPECT_LE(bytes(samples), SampleWindows::Memory(TileGrid(HeaderOf(width, height)), kChannels));
    EXPECT_LE(Positions(samples), 16 * 12 * 12);
  }
}

/// What stands for y_hat at a position of the canvas, in sixteenths of a step.
int32_t LatentAt(int row, int column, int channel) { return (row * 1009 + column * 31 + channel * 7) % 4096 - 2048; }

TEST(SampleWindowsTest, TilesGiveTheLatentsOfTheCanvas) {
  for (const auto& [width, height] : {std::pair{45, 41}, {97, 61}, {3000, 2}, {2, 3000}}) {
    const TileGrid grid(HeaderOf(width, height));  // tiles of 4 x 4 positions
    SampleWindows tiled(grid, kChannels), whole(grid, kChannels);
    for (int row = 0; row < grid.rows(); ++row) {
      for (int column = 0; column < grid.columns(); ++column) {
        const Span rows = grid.Row(row), columns = grid.Column(column);
        Latents latents;
        latents.h = rows.size(), latents.w = columns.size();
        for (int v = rows.begin; v < rows.end; ++v) {
          for (int u = columns.begin; u < columns.end; ++u) {
            for (int c = 0; c < kChannels; ++c) latents.y_hat.push_back(LatentAt(v, u, c));
          }
        }
        tiled.TakeLatents(rows, columns, latents);
      }
    }
    const std::vector<float> steps_of_1 = {4, 0.5f, 1};
    std::vector<float> y;
    for (int v = 0; v < height; ++v) {
      for (int u = 0; u < width; ++u) {
        for (int c = 0; c < kChannels; ++c) {
          y.push_back(static_cast<float>(LatentAt(v, u, c)) / 16 / steps_of_1[c]);
        }
      }
    }
    whole.TakeLatents(y.data(), steps_of_1);
    for (size_t i = 0; i < tiled.windows().size(); ++i) {
      const SampleWindows::Window& window = tiled.windows()[i];
      ASSERT_EQ(window.y_hat, whole.windows()[i].y_hat) << i << " of " << width << "x" << height;
      const float first = static_cast<float>(LatentAt(window.rows.begin, window.columns.begin, 0)) / 16;
      EXPECT_EQ(window.y_hat.front(), first);
      const float last = static_cast<float>(LatentAt(window.rows.end - 1, window.columns.end - 1, kChannels - 1)) / 16;
      EXPECT_EQ(window.y_hat.back(), last);
    }
  }
}

TEST(SampleWindowsTest, TheRowsThatTheyWantAreThoseThatTheyTake) {
  const SampleWindows samples = WindowsOf(100, 80);
  int wanted = 0, rows_there = 0;
  for (int top = 0; top < 80; top += 4) {
    for (int left = 0; left < 100; left += 4) {
      const std::vector<bool> rows = samples.RowsWanted({top, top + 4}, {left, left + 4});
      ASSERT_EQ(rows.size(), 4u);
      for (int v = top; v < top + 4; ++v) {
        bool takes = false;
        for (const SampleWindows::Window& window : samples.windows()) {
          takes = takes || (window.rows.begin <= v && v < window.rows.end && window.columns.begin < left + 4 &&
                            left < window.columns.end);
        }
        EXPECT_EQ(rows[v - top], takes) << left << ", " << v;
        wanted += takes ? 1 : 0;
        ++rows_there;
      }
    }
  }
  EXPECT_GT(wanted, 0);
  EXPECT_LT(wanted, rows_there);
}

TEST(SampleWindowsTest, StripsGiveThePixelsOfTheCanvas) {
  for (const auto& [width, height] : {std::pair{333u, 250u}, {1000u, 777u}, {33000u, 5u}, {5u, 33000u}}) {
    const Image image = test::SyntheticImage(width, height);
    bitstream::Header header;
    header.width = width;
    header.height = height;
    header.colour_type = 3;
    const TileGrid grid(header);
    test::ImageRows source(image);
    PictureRows rows(source, header);
    ASSERT_TRUE(rows.Begin().ok());
    SampleWindows samples(grid, kChannels);
    for (int begin = 0; begin < grid.height();) {
      const int end = std::min(begin + 5, grid.height());
      ASSERT_TRUE(rows.Provide(begin * kLatentPixels, end * kLatentPixels).ok());
      samples.TakePixels(rows, {begin, end});
      begin = end;
    }
    for (const SampleWindows::Window& window : samples.windows()) {
      size_t at = 0;
      int wrong = 0;
      for (int y = window.rows.begin * kLatentPixels; y < window.rows.end * kLatentPixels; ++y) {
        for (int x = window.columns.begin * kLatentPixels; x < window.columns.end * kLatentPixels; ++x) {
          for (int c = 0; c < 3; ++c) {
            const size_t row = std::min<size_t>(y, height - 1), column = std::min<size_t>(x, width - 1);
            wrong += window.samples[at++] != image.pixels[(row * width + column) * 3 + c] * 257;
          }
        }
      }
      EXPECT_EQ(at, window.samples.size());
      EXPECT_EQ(wrong, 0) << width << "x" << height;
    }
  }
}

}  // namespace
}  // namespace lichen
