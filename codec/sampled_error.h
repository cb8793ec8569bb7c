// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_SAMPLED_ERROR_H_
#define LICHEN_CODEC_SAMPLED_ERROR_H_

// The squared error of a picture coded by the networks, from parts of it: to know it needs g_s, which takes most of the
// time of decoding.

#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/coding_choice.h"
#include "codec/entropy_model.h"
#include "codec/error_map.h"
#include "codec/model_data.h"
#include "codec/post_filter.h"
#include "codec/transform.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

/// Runs g_s on some of the squares, chosen by chance in proportion to the error that is likely there, so that few of
/// them tell much of all. The chances are fixed: the result is the same every time.
class SampledError {
 public:
  /// Borrows everything.
  /// head     holds all rows, of 8 bits a sample
  /// model    with g_s
  /// header   of the file
  /// latents  of all of the picture
  SampledError(const HeadRows& head, const ModelData& model, const bitstream::Header& header, const Latents& latents,
               const ErrorMap& errors);

  struct Estimate {
    double sum = 0;       // of squared errors, over all samples
    double variance = 0;  // of what a single draw tells, as seen
    int draws = 0;        // 0: the sum is exact
  };
  /// From `draws` draws, those of smaller numbers among them; exact where there are no more squares than that.
  /// draws: kFewest, or that doubled as often as kMost allows. errors: those of Transform
  Result<Estimate> Measure(int draws);

  static constexpr int kFewest = 4, kMost = 32;
  /// Bytes that it takes, besides the model.
  static uint64_t Memory(const ModelData& model);

 private:
  Result<double> ErrorOf(int square);

  const HeadRows& head_;
  const Latents& latents_;
  std::vector<float> step_;  // of quantisation, by channel, in sixteenths
  Workers one_thread_{1};    // a square is too small for more
  Transform g_s_;
  std::optional<PostFilter> post_filter_;
  int columns_;                     // of squares
  std::vector<int> order_;          // of the squares, by likely error
  std::vector<double> cumulative_;  // chances, in that order
  std::vector<std::optional<double>> known_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_SAMPLED_ERROR_H_
