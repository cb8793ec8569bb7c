// SPDX-License-Identifier: Apache-2.0
#include "image_io/background.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace lichen::image_io {
namespace {

constexpr uint32_t kWidth = 700;

uint8_t SampleAt(uint32_t y, size_t x) { return static_cast<uint8_t>(y * 31 + x * 7 + (y >> 8)); }

/// Rows of SampleAt; fails at row `fails_at`; its metadata comes with the last row.
class PatternSource : public PictureSource {
 public:
  PatternSource(uint32_t height, uint32_t fails_at) : fails_at_(fails_at) {
    header_.width = kWidth;
    header_.height = height;
    header_.channels = 3;
  }
  const ImageHeader& header() const override { return header_; }
  Status ReadRow(uint8_t* row) override {
    if (y_ == fails_at_) return Status(StatusCode::kTruncated, "row " + std::to_string(y_));
    for (size_t x = 0; x < header_.RowBytes(); ++x) row[x] = SampleAt(y_, x);
    if (++y_ == header_.height) header_.icc = {1, 2, 3};
    return Status();
  }
  std::vector<std::string> dropped() const override { return {"rows " + std::to_string(y_)}; }

 private:
  ImageHeader header_;
  uint32_t y_ = 0, fails_at_;
};

/// What a sink was given, for longer than the sink lives.
struct Seen {
  ImageHeader header;
  uint32_t rows = 0, wrong = 0;
  bool finished = false;
};

class CheckingSink : public PictureSink {
 public:
  CheckingSink(Seen* seen, uint32_t fails_at) : seen_(seen), fails_at_(fails_at) {}
  Status Begin(const ImageHeader& header) override {
    seen_->header = header;
    return Status();
  }
  Status WriteRow(const uint8_t* row) override {
    if (seen_->rows == fails_at_) return Status(StatusCode::kIoError, "row " + std::to_string(seen_->rows));
    for (size_t x = 0; x < seen_->header.RowBytes(); ++x) seen_->wrong += row[x] != SampleAt(seen_->rows, x) ? 1 : 0;
    ++seen_->rows;
    return Status();
  }
  std::vector<std::string> dropped() const override { return {"nothing"}; }
  Status Finish() override {
    seen_->finished = true;
    return Status();
  }

 private:
  Seen* seen_;
  uint32_t fails_at_;
};

constexpr uint32_t kNever = UINT32_MAX;

class BackgroundTest : public testing::TestWithParam<uint32_t> {};

TEST_P(BackgroundTest, RowsAndMetadataArriveAsTheyAre) {
  const uint32_t height = GetParam();
  const auto source = ReadInBackground(std::make_unique<PatternSource>(height, kNever));
  EXPECT_EQ(source->header().height, height);
  std::vector<uint8_t> row(source->header().RowBytes());
  for (uint32_t y = 0; y < height; ++y) {
    ASSERT_TRUE(source->ReadRow(row.data()).ok());
    for (size_t x = 0; x < row.size(); ++x) ASSERT_EQ(row[x], SampleAt(y, x)) << x << ", " << y;
  }
  EXPECT_EQ(source->header().icc, (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(source->dropped(), std::vector<std::string>{"rows " + std::to_string(height)});
  EXPECT_EQ(source->ReadRow(row.data()).code(), StatusCode::kInvalidArgument);
}

TEST_P(BackgroundTest, RowsAreWrittenInOrder) {
  const uint32_t height = GetParam();
  PatternSource source(height, kNever);
  Seen seen;
  const auto sink = WriteInBackground(std::make_unique<CheckingSink>(&seen, kNever));
  ASSERT_TRUE(sink->Begin(source.header()).ok());
  std::vector<uint8_t> row(source.header().RowBytes());
  for (uint32_t y = 0; y < height; ++y) {
    ASSERT_TRUE(source.ReadRow(row.data()).ok());
    ASSERT_TRUE(sink->WriteRow(row.data()).ok());
  }
  ASSERT_TRUE(sink->Finish().ok());
  EXPECT_EQ(seen.rows, height);
  EXPECT_EQ(seen.wrong, 0u);
  EXPECT_TRUE(seen.finished);
  EXPECT_EQ(sink->dropped(), std::vector<std::string>{"nothing"});
}

// One row, one block, several, more than wait at once.
INSTANTIATE_TEST_SUITE_P(Heights, BackgroundTest, testing::Values(1, 124, 125, 1000, 10000));

TEST(BackgroundSourceTest, AnErrorComesWithItsRow) {
  for (const uint32_t fails_at : {0u, 1u, 124u, 900u, 999u}) {
    const auto source = ReadInBackground(std::make_unique<PatternSource>(1000, fails_at));
    std::vector<uint8_t> row(source->header().RowBytes());
    for (uint32_t y = 0; y < fails_at; ++y) ASSERT_TRUE(source->ReadRow(row.data()).ok()) << y;
    const Status status = source->ReadRow(row.data());
    EXPECT_EQ(status.code(), StatusCode::kTruncated);
    EXPECT_EQ(status.message(), "row " + std::to_string(fails_at));
  }
}

TEST(BackgroundSourceTest, MayBeLeftAtAnyTime) {
  for (const uint32_t rows : {0u, 1u, 500u}) {
    const auto source = ReadInBackground(std::make_unique<PatternSource>(20000, kNever));
    std::vector<uint8_t> row(source->header().RowBytes());
    for (uint32_t y = 0; y < rows; ++y) ASSERT_TRUE(source->ReadRow(row.data()).ok());
  }
}

TEST(BackgroundSinkTest, AnErrorComesAtTheEndAtTheLatestAndNothingIsFinished) {
  for (const uint32_t fails_at : {0u, 1u, 200u, 9999u}) {
    PatternSource source(10000, kNever);
    Seen seen;
    const auto sink = WriteInBackground(std::make_unique<CheckingSink>(&seen, fails_at));
    ASSERT_TRUE(sink->Begin(source.header()).ok());
    std::vector<uint8_t> row(source.header().RowBytes());
    Status status;
    for (uint32_t y = 0; y < 10000 && status.ok(); ++y) {
      ASSERT_TRUE(source.ReadRow(row.data()).ok());
      status = sink->WriteRow(row.data());
    }
    if (status.ok()) status = sink->Finish();
    EXPECT_EQ(status.message(), "row " + std::to_string(fails_at));
    EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_FALSE(seen.finished);
  }
}

TEST(BackgroundSinkTest, MayBeLeftUnfinished) {
  Seen seen;
  {
    PatternSource source(5000, kNever);
    const auto sink = WriteInBackground(std::make_unique<CheckingSink>(&seen, kNever));
    ASSERT_TRUE(sink->Begin(source.header()).ok());
    std::vector<uint8_t> row(source.header().RowBytes());
    for (int y = 0; y < 3000; ++y) {
      ASSERT_TRUE(source.ReadRow(row.data()).ok());
      ASSERT_TRUE(sink->WriteRow(row.data()).ok());
    }
  }
  EXPECT_FALSE(seen.finished);
  EXPECT_EQ(seen.wrong, 0u);
}

}  // namespace
}  // namespace lichen::image_io
