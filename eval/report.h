// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_REPORT_H_
#define LICHEN_EVAL_REPORT_H_

// What was measured, as a table to read and as files for other programs.

#include <iosfwd>
#include <string>

#include "eval/evaluation.h"

namespace lichen::eval {

/// The points of every codec, averaged over pictures, speed and memory of each, then BD-rate and BD-PSNR against the
/// anchor with the interval of each.
/// `machine` says what the speeds were measured on. REQUIRES: at least one picture
void PrintTable(const Evaluation& evaluation, const std::string& machine, std::ostream& out);

/// One sentence for every codec whose curve shares too little with the anchor's to trust the BD-rate.
void PrintWarnings(const Evaluation& evaluation, std::ostream& messages);

/// One line for every picture, codec and quality, under a line of column names.
std::string ToCsv(const Evaluation& evaluation);

/// A table in Markdown with a line for every codec: BD-rates against the anchor, and speeds where they were measured.
std::string ToMarkdown(const Evaluation& evaluation);

/// An object with one member per codec: {"version", "images", "megapixels", "points": [means], "bd_rate": {...},
/// "per_image": {quality: {picture: {...}}}}. Rates are in bits per pixel, SSIM and MS-SSIM are not in dB, speeds are
/// in megapixels per second of CPU or wall time; null stands for what was not or could not be measured.
std::string ToJson(const Evaluation& evaluation, const std::string& machine);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_REPORT_H_
