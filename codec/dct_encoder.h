// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_DCT_ENCODER_H_
#define LICHEN_CODEC_DCT_ENCODER_H_

// Encodes pictures into tiles of DCT coefficients.

#include <cstdint>
#include <vector>

#include "bitstream/container.h"
#include "codec/dct_tile.h"
#include "codec/picture_rows.h"
#include "lichen/codec.h"
#include "lichen/status.h"

namespace lichen {

/// One pass over the rows. header: of the picture; its quality index gives the step. errors: those of the source;
/// kCancelled; those of WriteContainer
/// block_errors  may be null; as for QuantiseTile, of a picture of one tile
Result<std::vector<uint8_t>> EncodeDct(PictureRows& rows, const bitstream::Header& header, const EncodeOptions& options,
                                       BlockErrors* block_errors = nullptr);

/// Bytes that encoding takes besides picture and file.
uint64_t DctEncodeMemory(const bitstream::Header& header, int threads);

}  // namespace lichen

#endif  // LICHEN_CODEC_DCT_ENCODER_H_
