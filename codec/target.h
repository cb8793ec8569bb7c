// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TARGET_H_
#define LICHEN_CODEC_TARGET_H_

// Encoding to a size or a PSNR: trials at the qualities that a search chooses.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lichen/codec.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

bool HasTarget(const EncodeOptions& options);

/// errors: kInvalidArgument for targets out of range, and for more than one
Status CheckTarget(const EncodeOptions& options);

/// Rows that can be read as often as needed: `source`, or what is kept of it where it cannot rewind and `rereads` says
/// that it has to. Borrows `source`. errors: kLimitExceeded when more than kKeptBytes would be kept
Result<std::unique_ptr<RowSource>> MakeRepeatable(RowSource& source, bool rereads);

/// Encodes at a quality index.
using TrialEncoder = std::function<Result<std::vector<uint8_t>>(int quality_index, const ProgressCallback& progress)>;

/// The file at the quality that meets the target of the options, as EncodeOptions promises.
/// rows    of MakeRepeatable, of the picture that `encode` encodes
/// errors  kInvalidArgument for a target out of reach; those of `encode` and `rows`
Result<std::vector<uint8_t>> SearchTarget(const EncodeOptions& options, RowSource& rows, const TrialEncoder& encode);

}  // namespace lichen

#endif  // LICHEN_CODEC_TARGET_H_
