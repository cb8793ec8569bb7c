// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_MEMORY_ESTIMATE_H_
#define LICHEN_CODEC_MEMORY_ESTIMATE_H_

// How much memory a picture will take, from its header, before any is taken. File and picture are not counted.

#include <cstdint>

#include "bitstream/container.h"
#include "codec/convolution.h"
#include "codec/model_data.h"
#include "codec/view.h"
#include "lichen/status.h"

namespace lichen {

/// Bytes to decode a view. threads: as in DecodeOptions; every thread works on a tile of its own
uint64_t DecodeMemory(const ModelData& model, const bitstream::Header& header, const View& view,
                      TransformPrecision precision, int threads);

/// Bytes to decode the latents only, tile by tile.
uint64_t HashMemory(const ModelData& model, const bitstream::Header& header, int threads);

/// Bytes to encode a picture. refine: by Refinement; fit_post_filter: FitPostFilter comes after it
uint64_t EncodeMemory(const ModelData& model, const bitstream::Header& header, TransformPrecision precision,
                      int threads, bool refine, bool fit_post_filter);

/// kLimitExceeded when `bytes` are more than `limit`; `work` is "decoding" or "encoding".
Status CheckMemory(uint64_t bytes, uint64_t limit, const char* work);

}  // namespace lichen

#endif  // LICHEN_CODEC_MEMORY_ESTIMATE_H_
