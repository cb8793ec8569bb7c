// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <sstream>
#include <utility>

#include "eval/report.h"
#include "temporary_folder.h"

namespace lichen::eval {
namespace {

// Writes files of `quality` * bytes_per_quality zeros and gives every picture back as gray.
class FakeCodec : public Codec {
 public:
  FakeCodec(std::string name, size_t bytes_per_quality)
      : name_(std::move(name)), bytes_per_quality_(bytes_per_quality) {}

  std::string Name() const override { return name_; }
  std::string Version() const override { return "fake 1.0"; }
  std::vector<double> DefaultQualities() const override { return {10, 20}; }
  std::vector<double> SizeLadder() const override { return Steps(1, 100, 99); }
  Status CheckQuality(double) const override { return Status(); }
  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    if (image.width == 13) return Status(StatusCode::kInvalidArgument, "thirteen is too unlucky");
    ++encodes;
    width_ = image.width;
    height_ = image.height;
    return std::vector<uint8_t>(static_cast<size_t>(quality) * bytes_per_quality_);
  }
  Result<Image> Decode(const std::vector<uint8_t>&) const override {
    Image image;
    image.width = width_;
    image.height = height_;
    image.pixels.assign(image.RowBytes() * image.height, 128);
    return image;
  }

  mutable std::atomic<int> encodes = 0;

 private:
  std::string name_;
  size_t bytes_per_quality_;
  mutable std::atomic<uint32_t> width_ = 0, height_ = 0;
};

// Smooth colours with some texture.
Image MakePhoto(uint32_t width, uint32_t height) {
  Image image;
  image.width = width;
  image.height = height;
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double value = 128 + 60 * std::sin(x * 0.07 + c) + 40 * std::cos(y * 0.11 - c) + (x * 7 + y * 13) % 17;
        image.pixels.push_back(static_cast<uint8_t>(value));
      }
    }
  }
  return image;
}

Evaluation MakeEvaluation() {
  Evaluation evaluation;
  for (const auto& [name, bytes] : {std::pair("lichen", 10), std::pair("jpeg", 20)}) {
    Run& run = evaluation.runs.emplace_back();
    run.codec = std::make_unique<FakeCodec>(name, bytes);
    run.qualities = {10, 20};
  }
  return evaluation;
}

const Effort kPlain;

// A curve of two points a given factor above another in rate.
std::vector<Point> MakeCurve(double factor, double low_db, double high_db) {
  Point low, high;
  low.bpp = factor * 0.1;
  low.psnr = low_db;
  high.bpp = factor * 2;
  high.psnr = high_db;
  return {low, high};
}

TEST(EvaluationTest, AddsAllTrialsOfAPicture) {
  Evaluation evaluation = MakeEvaluation();
  ASSERT_TRUE(AddPicture("a.png", MakePhoto(40, 20), nullptr, kPlain, &evaluation).ok());
  ASSERT_TRUE(AddPicture("b.png", MakePhoto(20, 20), nullptr, kPlain, &evaluation).ok());
  ASSERT_EQ(evaluation.pictures.size(), 2u);
  const std::vector<Point> points = AverageCurve(evaluation.runs[0]);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_DOUBLE_EQ(points[0].bpp, (8 * 100 / 800.0 + 8 * 100 / 400.0) / 2);
  EXPECT_DOUBLE_EQ(points[1].bpp, 2 * points[0].bpp);
  EXPECT_FALSE(points[0].ms_ssim);
  EXPECT_FALSE(points[0].speed);
  EXPECT_EQ(static_cast<const FakeCodec&>(*evaluation.runs[0].codec).encodes, 4);
}

TEST(EvaluationTest, ManyWorkersGiveTheSameTrialsInTheSameOrder) {
  Evaluation one = MakeEvaluation(), many = MakeEvaluation();
  Effort effort;
  effort.workers = 8;
  std::atomic<int> steps = 0;
  effort.on_step = [&](const Codec&, double, bool cached) { steps += cached ? 100 : 1; };
  ASSERT_TRUE(AddPicture("a.png", MakePhoto(40, 20), nullptr, kPlain, &one).ok());
  ASSERT_TRUE(AddPicture("a.png", MakePhoto(40, 20), nullptr, effort, &many).ok());
  EXPECT_EQ(ToCsv(one), ToCsv(many));
  EXPECT_EQ(steps, 4);
}

TEST(EvaluationTest, KnownResultsAreNotMeasuredAgain) {
  const TemporaryFolder folder;
  const Image photo = MakePhoto(40, 20), other = MakePhoto(40, 21);
  Evaluation first = MakeEvaluation(), second = MakeEvaluation();
  Effort effort;
  {
    const auto cache = ResultCache::Open(folder / "cache.jsonl");
    ASSERT_TRUE(cache.ok());
    effort.cache = cache->get();
    ASSERT_TRUE(AddPicture("a.png", photo, nullptr, effort, &first).ok());
  }
  const auto cache = ResultCache::Open(folder / "cache.jsonl");  // as after a restart
  ASSERT_TRUE(cache.ok());
  effort.cache = cache->get();
  second.runs[1].qualities = {10, 30};  // one of them new
  ASSERT_TRUE(AddPicture("renamed.png", photo, nullptr, effort, &second).ok());
  EXPECT_EQ(static_cast<const FakeCodec&>(*second.runs[0].codec).encodes, 0);
  EXPECT_EQ(static_cast<const FakeCodec&>(*second.runs[1].codec).encodes, 1);
  EXPECT_EQ(AverageCurve(second.runs[0])[1].psnr, AverageCurve(first.runs[0])[1].psnr);
  ASSERT_TRUE(AddPicture("other.png", other, nullptr, effort, &second).ok());
  EXPECT_EQ(static_cast<const FakeCodec&>(*second.runs[0].codec).encodes, 2);
}

TEST(EvaluationTest, TimingsJoinTheirTrials) {
  Evaluation evaluation = MakeEvaluation();
  for (auto& run : evaluation.runs) run.timed_codec = std::make_unique<FakeCodec>(run.codec->Name(), 1);
  std::string order;
  Effort effort;
  effort.on_step = [&](const Codec& codec, double quality, bool) {
    order += codec.Name() + " " + FormatQuality(quality) + ", ";
  };
  const Image photo = MakePhoto(40, 20);
  const Result<PictureTimings> timings = TimePicture(evaluation.runs, photo, effort);
  ASSERT_TRUE(timings.ok()) << timings.status().message();
  EXPECT_EQ(order, "lichen 10, jpeg 10, lichen 20, jpeg 20, ");
  ASSERT_TRUE(AddPicture("a.png", photo, &*timings, kPlain, &evaluation).ok());
  ASSERT_TRUE(AddPicture("b.png", photo, nullptr, kPlain, &evaluation).ok());
  const std::optional<Speed> speed = AverageCurve(evaluation.runs[1])[0].speed;
  ASSERT_TRUE(speed);
  const double seconds = std::max(1e-6, (*timings)[1][0].encode.wall_seconds);
  EXPECT_NEAR(speed->encode_wall, 0.0008 / seconds, 1e-6 * speed->encode_wall);
  EXPECT_GT(speed->decode_peak_bytes, 1e5);
  EXPECT_NE(ToJson(evaluation, "").find("\"enc_peak_bytes\""), std::string::npos);
  std::ostringstream table;
  PrintTable(evaluation, "a machine", table);
  EXPECT_NE(table.str().find("speed over all qualities, 1 picture,"), std::string::npos);
}

TEST(EvaluationTest, AnyCodecCanBeTheAnchor) {
  Evaluation evaluation = MakeEvaluation();
  ASSERT_TRUE(AddPicture("a.png", MakePhoto(40, 20), nullptr, kPlain, &evaluation).ok());
  evaluation.anchor = "lichen";
  std::ostringstream table;
  PrintTable(evaluation, "a machine", table);
  EXPECT_NE(table.str().find("BD-rate of jpeg against lichen"), std::string::npos);
  EXPECT_EQ(table.str().find("BD-rate of lichen"), std::string::npos);
  evaluation.anchor = "absent";
  EXPECT_EQ(FindAnchor(evaluation), nullptr);
}

TEST(EvaluationTest, FailedPictureLeavesNoTrace) {
  Evaluation evaluation = MakeEvaluation();
  ASSERT_TRUE(AddPicture("a.png", MakePhoto(40, 20), nullptr, kPlain, &evaluation).ok());
  const Status status = AddPicture("bad.png", MakePhoto(13, 20), nullptr, kPlain, &evaluation);
  EXPECT_EQ(status.message(), "lichen at 10: thirteen is too unlucky");
  EXPECT_EQ(evaluation.pictures.size(), 1u);
  EXPECT_EQ(evaluation.runs[0].trials[0].size(), 1u);
}

TEST(EvaluationTest, ComparisonSaysWhatTheCurvesCover) {
  const Comparison wide = Compare(MakeCurve(0.5, 25, 40), MakeCurve(1, 25, 40));
  ASSERT_TRUE(wide.psnr && wide.psnr_middle);
  EXPECT_NEAR(wide.psnr->percent, -50, 1e-9);
  EXPECT_NEAR(wide.psnr_middle->percent, -50, 1e-9);
  EXPECT_FALSE(wide.overlap_is_short);
  EXPECT_FALSE(wide.ssim);
  ASSERT_TRUE(wide.psnr_gain);
  EXPECT_NEAR(wide.psnr_gain->decibels, 15 * std::log(2) / std::log(20), 1e-9);  // slope times shift

  const Comparison narrow = Compare(MakeCurve(0.5, 30, 40), MakeCurve(1, 25, 36));
  EXPECT_TRUE(narrow.psnr);
  EXPECT_FALSE(narrow.psnr_middle);
  EXPECT_TRUE(narrow.overlap_is_short);
  EXPECT_TRUE(Compare(MakeCurve(1, 20, 21), MakeCurve(1, 25, 40)).overlap_is_short);
}

TEST(EvaluationTest, MatchSizeFindsTheNearestFile) {
  const Image photo = MakePhoto(40, 20);
  const FakeCodec codec("fake", 100);
  EXPECT_EQ(MatchSize(codec, photo, 5030)->quality, 50);
  EXPECT_EQ(MatchSize(codec, photo, 5080)->quality, 51);
  EXPECT_EQ(MatchSize(codec, photo, 1)->quality, 1);
  EXPECT_EQ(MatchSize(codec, photo, 1000000)->quality, 100);
  EXPECT_EQ(MatchSize(codec, photo, 5030)->file.size(), 5000u);
}

TEST(EvaluationTest, CsvHasOneLineForEachTrial) {
  Evaluation evaluation = MakeEvaluation();
  ASSERT_TRUE(AddPicture("a, \"b\".png", MakePhoto(40, 20), nullptr, kPlain, &evaluation).ok());
  std::istringstream csv(ToCsv(evaluation));
  std::string header, first;
  ASSERT_TRUE(std::getline(csv, header) && std::getline(csv, first));
  EXPECT_EQ(header.rfind("codec,quality,picture,width,height,bytes,bpp,psnr,", 0), 0u);
  EXPECT_EQ(first.rfind("lichen,10,\"a, \"\"b\"\".png\",40,20,100,1.000000,", 0), 0u) << first;
  int lines = 2;
  for (std::string line; std::getline(csv, line);) ++lines;
  EXPECT_EQ(lines, 5);
}

TEST(EvaluationTest, TableAndJsonTakeAPictureWithoutCurves) {
  Evaluation evaluation = MakeEvaluation();
  ASSERT_TRUE(AddPicture("a.png", MakePhoto(40, 20), nullptr, kPlain, &evaluation).ok());
  std::ostringstream table, warnings;
  PrintTable(evaluation, "a machine", table);
  PrintWarnings(evaluation, warnings);
  EXPECT_NE(table.str().find("no overlap"), std::string::npos);
  EXPECT_NE(warnings.str().find("27.5 .. 39 dB"), std::string::npos);
  EXPECT_NE(ToJson(evaluation, "a machine").find("\"ms_ssim\": null"), std::string::npos);
}

TEST(JpegCodecTest, RoundTripsGrayAndRgbOfAnySize) {
  for (const ChromaSampling sampling : {ChromaSampling::k420, ChromaSampling::k444}) {
    const std::unique_ptr<Codec> codec = MakeJpegCodec(sampling);
    for (const int channels : {1, 3}) {
      Image image = MakePhoto(channels == 1 ? 111 : 37, 21);
      if (channels == 1) image.channels = 1, image.pixels.resize(image.RowBytes() * image.height);
      const Result<Trial> trial = RunTrial(*codec, 95, image);
      ASSERT_TRUE(trial.ok()) << trial.status().message();
      EXPECT_GT(trial->distortion.psnr, 30);
      EXPECT_GT(trial->bytes, 100u);
    }
  }
}

TEST(JpegCodecTest, RefusesWhatJpegDoesNotHave) {
  const std::unique_ptr<Codec> codec = MakeJpegCodec(ChromaSampling::k420);
  EXPECT_FALSE(codec->CheckQuality(0).ok());
  EXPECT_FALSE(codec->CheckQuality(50.5).ok());
  EXPECT_TRUE(codec->CheckQuality(100).ok());
  EXPECT_EQ(codec->Encode(MakePhoto(65501, 1), 50).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(codec->Decode({0xff, 0xd8, 0xff}).status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace lichen::eval
