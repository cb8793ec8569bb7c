// SPDX-License-Identifier: Apache-2.0
#include "eval/page_assets.h"

// Bytes of a file, as the symbols NAME and NAME_end.
#define LICHEN_EMBED(name, path)                                                                       \
  __asm__(".pushsection .rodata\n.global " #name "\n.hidden " #name "\n" #name ":\n.incbin \"" path    \
          "\"\n.global " #name "_end\n.hidden " #name "_end\n" #name "_end:\n.byte 0\n.popsection\n"); \
  extern "C" const char name[], name##_end[]

LICHEN_EMBED(lichen_page_html, LICHEN_EVAL_SOURCE "/page/page.html");
LICHEN_EMBED(lichen_page_style, LICHEN_EVAL_SOURCE "/page/page.css");
LICHEN_EMBED(lichen_page_script, LICHEN_EVAL_SOURCE "/page/page.js");
LICHEN_EMBED(lichen_chart_style, LICHEN_EVAL_SOURCE "/third_party/uplot/uPlot.min.css");
LICHEN_EMBED(lichen_chart_script, LICHEN_EVAL_SOURCE "/third_party/uplot/uPlot.iife.min.js");

namespace lichen::eval {
namespace {

std::string_view Between(const char* begin, const char* end) { return {begin, static_cast<size_t>(end - begin)}; }

}  // namespace

const PageAssets& GetPageAssets() {
  static const PageAssets assets = {
      Between(lichen_page_html, lichen_page_html_end), Between(lichen_page_style, lichen_page_style_end),
      Between(lichen_page_script, lichen_page_script_end), Between(lichen_chart_style, lichen_chart_style_end),
      Between(lichen_chart_script, lichen_chart_script_end)};
  return assets;
}

}  // namespace lichen::eval
