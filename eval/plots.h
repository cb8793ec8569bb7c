// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PLOTS_H_
#define LICHEN_EVAL_PLOTS_H_

// Plots for papers and slides, drawn by gnuplot.

#include <string>

#include "eval/evaluation.h"

namespace lichen::eval {

/// A gnuplot script that holds its data and writes psnr.svg, ssim.svg and ms_ssim.svg (each over bits per pixel) and,
/// where speeds were measured, speed.svg to the folder it is run in. A plot without data is left out.
std::string ToGnuplot(const Evaluation& evaluation);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PLOTS_H_
