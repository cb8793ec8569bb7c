// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_DCT_DECODER_H_
#define LICHEN_CODEC_DCT_DECODER_H_

// Decodes files whose tiles hold DCT coefficients.

#include <cstddef>
#include <cstdint>

#include "bitstream/container.h"
#include "codec/view.h"
#include "lichen/codec.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

/// As Decode. data, size: the file that `container` was parsed from
Status DecodeDct(const uint8_t* data, size_t size, const bitstream::Container& container, const View& view,
                 const DecodeOptions& options, RowSink& sink);

/// As HashLatents, of the quantised coefficients of all tiles. REQUIRES: CheckAllTiles
Result<uint64_t> HashDct(const uint8_t* data, const bitstream::Container& container, int threads);

/// Bytes that decoding takes besides file and picture, and those of HashDct.
uint64_t DctDecodeMemory(const bitstream::Header& header, const View& view, int threads);
uint64_t DctHashMemory(const bitstream::Header& header, int threads);

}  // namespace lichen

#endif  // LICHEN_CODEC_DCT_DECODER_H_
