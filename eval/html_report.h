// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_HTML_REPORT_H_
#define LICHEN_EVAL_HTML_REPORT_H_

// The report as one HTML file that needs nothing else, no network either.

#include <string>
#include <vector>

#include "eval/evaluation.h"
#include "eval/shown_picture.h"

namespace lichen::eval {

/// Rate-distortion curves, Bjontegaard deltas, speed over rate, and the pictures to compare, which are embedded as PNG.
/// `machine` says what the speeds were measured on. errors: those of writing PNG
Result<std::string> ToHtml(const Evaluation& evaluation, const std::string& machine,
                           const std::vector<ShownPicture>& shown);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_HTML_REPORT_H_
