// SPDX-License-Identifier: Apache-2.0
#include "eval/html_report.h"

#include <gtest/gtest.h>

#include <utility>

#include "eval/plots.h"
#include "test_data.h"

namespace lichen::eval {
namespace {

Result<Evaluation> EvaluateJpeg(const Image& image) {
  Evaluation evaluation;
  for (ChromaSampling sampling : {ChromaSampling::k420, ChromaSampling::k444}) {
    Run& run = evaluation.runs.emplace_back();
    run.codec = MakeJpegCodec(sampling);
    run.qualities = {10, 50, 90};
  }
  const Status status = AddPicture("</script>.png", image, nullptr, Effort(), &evaluation);
  if (!status.ok()) return status;
  return evaluation;
}

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(HtmlReportTest, NeedsNothingFromOutside) {
  const Image image = test::SyntheticImage(64, 48);
  const Result<Evaluation> evaluation = EvaluateJpeg(image);
  ASSERT_TRUE(evaluation.ok());
  const Result<ShownPicture> shown = MakeShownPicture("</script>.png", image, evaluation->runs, 2, 2);
  ASSERT_TRUE(shown.ok()) << shown.status().message();
  const Result<std::string> page = ToHtml(*evaluation, "a machine", {*shown});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->find("{{"), std::string::npos);
  for (const char* outside : {"<link", "src=", "@import", "url("}) EXPECT_EQ(page->find(outside), std::string::npos);
  EXPECT_EQ(Count(*page, "data:image/png;base64,"), 3u);  // the original and two codecs
  EXPECT_EQ(Count(*page, "</script>"), 3u);               // names of files cannot end a script
}

TEST(ShownPictureTest, SizesAreMatched) {
  const Image image = test::SyntheticImage(160, 120);
  const Result<Evaluation> evaluation = EvaluateJpeg(image);
  ASSERT_TRUE(evaluation.ok());
  const Result<ShownPicture> shown = MakeShownPicture("a.png", image, evaluation->runs, 1.5, 1);
  ASSERT_TRUE(shown.ok());
  ASSERT_EQ(shown->versions.size(), 2u);
  for (const ShownVersion& version : shown->versions) {
    EXPECT_NEAR(static_cast<double>(version.bytes), 160 * 120 * 1.5 / 8, 100) << version.codec;
    EXPECT_EQ(version.decoded.pixels.size(), image.pixels.size());
  }
}

TEST(PlotsTest, LeavesOutWhatWasNotMeasured) {
  const Result<Evaluation> evaluation = EvaluateJpeg(test::SyntheticImage(64, 48));
  ASSERT_TRUE(evaluation.ok());
  const std::string script = ToGnuplot(*evaluation);
  EXPECT_NE(script.find("set output 'psnr.svg'"), std::string::npos);
  EXPECT_NE(script.find("title 'jpeg-444'"), std::string::npos);
  EXPECT_EQ(script.find("ms_ssim.svg"), std::string::npos);  // the picture is too small
  EXPECT_EQ(script.find("speed.svg"), std::string::npos);
}

}  // namespace
}  // namespace lichen::eval
