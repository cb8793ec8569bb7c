// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_POST_FILTER_H_
#define LICHEN_CODEC_POST_FILTER_H_

// What a decoder adds to x_hat: sums of features of each pixel and its neighbours, of which an encoder chose some
// weights for the picture. FORMAT.md, "Post-filter". Adaptive loop filters of video codecs (Tsai et al., IEEE JSTSP
// 2013) send a weight for each tap; here the model has components that combine many, so that few numbers do.

#include <array>
#include <vector>

#include "bitstream/post_filter_code.h"
#include "codec/model_data.h"
#include "codec/scratch.h"
#include "codec/transform.h"
#include "codec/workers.h"

namespace lichen {

/// Pixels on each side of one on which the filtered one depends, of a picture at 1/scale; 0 where only the pixel itself
/// counts. Quick previews, at 1/8 and 1/16, whose pixels lie far apart, do without neighbours.
int PostFilterReach(const ModelData& model, int scale);

/// [feature][3]: the weights at a quality, with the coefficients that the file has.
/// REQUIRES: a model with a post-filter; no more coefficients than components
std::vector<float> PostFilterWeights(const PostFilterData& filter, int quality_index,
                                     const bitstream::PostFilterCoefficients& coefficients);

/// Leaves those of the pixel itself.
void DropNeighbours(std::vector<float>* weights);

/// Three rows of x_hat as Y, U and V, limited to what samples can be, the outer two repeated at either end. They are
/// those around one row of which features are asked.
class PostFilterRows {
 public:
  /// Pixels whose features are computed at a time.
  static constexpr int kPixels = 128;

  /// Starts at a row. rows: of x_hat, R G B interleaved; above, below: the row itself where there is no other
  void Begin(const float* above, const float* row, const float* below, int width);
  /// Goes to the next row. below: what follows it
  void Next(const float* below);
  /// Of the row's pixels from x on: [feature][kPixels], of which `pixels` are set. REQUIRES: x + pixels <= width
  void Features(int x, int pixels, float* features) const;

 private:
  using Planes = std::vector<float>;  // [3][width + 2]
  void Set(const float* row, Planes* planes) const;

  int width_ = 0;
  std::array<Planes, 3> rows_;  // above, the row, below
};

/// Filters a canvas from top to bottom.
class PostFilter {
 public:
  /// Borrows `workers`. weights: of PostFilterWeights
  PostFilter(std::vector<float> weights, Workers& workers) : weights_(std::move(weights)), workers_(workers) {}

  /// Starts a canvas of `width` pixels.
  void Begin(int width);
  /// Takes the next rows of x_hat, [h][width][3], and gives those that are complete then, one fewer in all before the
  /// `last` call; valid until the next. A canvas' edges are repeated.
  Strip Next(Strip x_hat, bool last);

  /// Bytes that it takes for strips of h rows at most.
  static uint64_t Memory(int h, int width, int threads);

 private:
  void Filter(PostFilterRows& around, const float* row, float* to) const;

  std::vector<float> weights_;
  Workers& workers_;
  int width_ = 0;
  bool begun_ = false;
  std::vector<float> before_, row_;  // the last two rows: the one above what comes next, and the next
  Scratch<float> out_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_POST_FILTER_H_
