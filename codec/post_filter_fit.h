// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_POST_FILTER_FIT_H_
#define LICHEN_CODEC_POST_FILTER_FIT_H_

// The post-filter's coefficients for a picture: least squares on parts of it, and what they cost weighed against what
// they save.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/error_map.h"
#include "codec/model_data.h"
#include "codec/sample_windows.h"
#include "codec/transform.h"
#include "codec/workers.h"
#include "lichen/status.h"

namespace lichen {

struct FittedPostFilter {
  std::vector<uint8_t> bytes;         // for the HEAD chunk, none where the mean is as good
  std::optional<PictureError> error;  // of what decoders give with it, where windows are all of the picture
};

/// The same on any number of threads.
/// model    with g_s and a post-filter
/// samples  pixels and latents taken
/// memory   null, or tensors of a transform that has ended
/// errors   kOutOfMemory, kInternal
Result<FittedPostFilter> FitPostFilter(const ModelData& model, const bitstream::Header& header,
                                       const SampleWindows& samples, Workers& workers,
                                       std::shared_ptr<TransformMemory> memory);

/// Whether it is worth the time: the model has a post-filter, and the picture is not tiny.
bool IsWorthAPostFilter(const ModelData& model, const bitstream::Header& header);

/// Bytes that it takes, at most, SampleWindows included, besides `of_memory` bytes that `memory` has already.
uint64_t PostFilterFitMemory(const ModelData& model, const TileGrid& grid, int threads, uint64_t of_memory);

}  // namespace lichen

#endif  // LICHEN_CODEC_POST_FILTER_FIT_H_
