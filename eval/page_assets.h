// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PAGE_ASSETS_H_
#define LICHEN_EVAL_PAGE_ASSETS_H_

// The parts of the HTML report that do not depend on what was measured, built into the program.

#include <string_view>

namespace lichen::eval {

struct PageAssets {
  std::string_view html, style, script;        // eval/page/
  std::string_view chart_style, chart_script;  // eval/third_party/uplot/
};

const PageAssets& GetPageAssets();

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PAGE_ASSETS_H_
