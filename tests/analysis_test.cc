// SPDX-License-Identifier: Apache-2.0
#include "codec/analysis.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "test_data.h"

namespace lichen {
namespace {

using test::SyntheticImage;
using test::ToyModel;

TEST(AnalysisTest, TheSplitCountsWhatIsBetween) {
  FloatLayer depth, convolution, gain;
  depth.type = FloatLayer::Type::kSpaceToDepth;
  depth.factor = 4;
  convolution.a.in = 48;
  convolution.a.out = 128;
  convolution.a.stride = 2;
  gain.type = FloatLayer::Type::kGain;
  gain.channels = 128;
  const std::vector<FloatLayer> layers = {depth, convolution, gain, convolution};
  const SplitTransform split(layers);
  EXPECT_EQ(split.first.size(), 2u);
  EXPECT_EQ(split.last.size(), 2u);
  EXPECT_EQ(split.stride, 8);
  EXPECT_EQ(split.ElementsBetween(3, 5), 3u * 5 * 4 * 128);
  EXPECT_EQ(SplitTransform({layers.data() + 2, layers.data() + 4}).ElementsBetween(1, 1), 256u * 3);
  bitstream::Header header;
  header.width = 5760;
  header.height = 5760;  // 33 megapixels
  EXPECT_TRUE(FitsKeptBytes(split, TileGrid(header)));
  header.height = 6000;
  EXPECT_FALSE(FitsKeptBytes(split, TileGrid(header)));
}

/// What a pass over strips of 4 latent rows gets.
std::vector<float> Pass(Analysis& analysis, const TileGrid& grid) {
  std::vector<float> all;
  EXPECT_TRUE(analysis.Begin().ok());
  for (const Span rows : Strips({0, grid.height()}, 4, 0)) {
    const auto strip = analysis.Next(rows);
    EXPECT_TRUE(strip.ok());
    const size_t row = analysis.g_a().ElementsBetween(1, grid.width()) * analysis.g_a().stride / kLatentPixels;
    all.insert(all.end(), strip->rows, strip->rows + strip->h * row);
  }
  EXPECT_EQ(all.size(), analysis.g_a().ElementsBetween(grid.height(), grid.width()));
  return all;
}

TEST(AnalysisTest, LaterPassesGetTheSameFromWhatIsKeptOrReadAgain) {
  Image image = SyntheticImage(150, 170, 4);
  image.icc = {1, 2, 3};
  bitstream::Header header;
  header.width = image.width;
  header.height = image.height;
  header.colour_type = 4;
  const TileGrid grid(header);
  std::vector<float> first;
  for (const bool keep : {true, false}) {
    test::ImageRows source(image);
    Workers one_thread(1);
    Analysis analysis(source, header, DataOf(*ToyModel()), one_thread, keep);
    std::vector<uint8_t> alpha;
    for (int pass = 1; pass <= 3; ++pass) {
      const std::vector<float> between = Pass(analysis, grid);
      ASSERT_FALSE(between.empty());
      if (first.empty()) first = between;
      EXPECT_EQ(between, first);
      EXPECT_EQ(source.rows_read, keep ? 170u : 170u * pass);
      uint32_t colour_type = 0;
      const auto attachments = analysis.Attach(false, &colour_type);
      ASSERT_TRUE(attachments.ok());
      EXPECT_EQ(colour_type, 4u);
      EXPECT_EQ((*attachments)->metadata[0], image.icc);
      if (pass == 1) alpha = (*attachments)->alpha;
      EXPECT_FALSE(alpha.empty());
      EXPECT_EQ((*attachments)->alpha, alpha);
    }
  }
}

}  // namespace
}  // namespace lichen
