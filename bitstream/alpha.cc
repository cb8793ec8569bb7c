// SPDX-License-Identifier: Apache-2.0
#include "bitstream/alpha.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace lichen::bitstream {
namespace {

enum Filter : uint8_t { kNone, kSub, kUp, kAverage, kPaeth, kFilters };

constexpr uint8_t kOpaque = 255;

/// Of left, up and upper left, the one nearest to left + up - upper left; ties in this order. PNG, section 9.4.
int Paeth(int left, int up, int upper_left) {
  const int to_left = std::abs(up - upper_left), to_up = std::abs(left - upper_left);
  const int to_upper_left = std::abs(left + up - 2 * upper_left);
  if (to_left <= to_up && to_left <= to_upper_left) return left;
  return to_up <= to_upper_left ? up : upper_left;
}

int Predict(Filter filter, int left, int up, int upper_left) {
  switch (filter) {
    case kSub:
      return left;
    case kUp:
      return up;
    case kAverage:
      return (left + up) / 2;
    case kPaeth:
      return Paeth(left, up, upper_left);
    default:
      return 0;
  }
}

/// Writes the filter's number and the row less its predictions; returns the sum of the differences' magnitudes.
uint64_t Apply(Filter filter, const std::vector<uint8_t>& row, const std::vector<uint8_t>& previous,
               std::vector<uint8_t>* filtered) {
  (*filtered)[0] = filter;
  uint64_t sum = 0;
  int left = 0, upper_left = 0;
  for (size_t x = 0; x < row.size(); ++x) {
    const auto difference = static_cast<uint8_t>(row[x] - Predict(filter, left, previous[x], upper_left));
    (*filtered)[x + 1] = difference;
    sum += static_cast<uint64_t>(std::min<int>(difference, 256 - difference));
    left = row[x];
    upper_left = previous[x];
  }
  return sum;
}

}  // namespace

AlphaWriter::AlphaWriter(uint32_t width, uint32_t height)
    : width_(width),
      height_(height),
      row_(width),
      previous_(width),
      filtered_(size_t{width} + 1),
      best_(size_t{width} + 1) {}

Status AlphaWriter::AddRow(const uint8_t* samples, size_t stride) {
  for (uint32_t x = 0; x < width_; ++x) row_[x] = samples[x * stride];
  if (!frame_) {
    if (std::all_of(row_.begin(), row_.end(), [](uint8_t a) { return a == kOpaque; })) {
      ++opaque_rows_;
      return Status();
    }
    frame_.emplace(AlphaContentSize(width_, height_));
    std::vector<uint8_t> row(width_, kOpaque);
    row_.swap(row);
    for (; opaque_rows_ > 0; --opaque_rows_) LICHEN_RETURN_IF_ERROR(Compress());
    row_.swap(row);
  }
  return Compress();
}

Result<std::vector<uint8_t>> AlphaWriter::Finish() { return frame_->Finish(); }

/// Writes row_ with the filter that leaves the least, as PNG encoders choose it; then row_ is the previous one.
Status AlphaWriter::Compress() {
  uint64_t least = UINT64_MAX;
  // The simple ones last: they win ties, and leave zstd the same bytes for the same rows.
  for (const Filter filter : {kPaeth, kAverage, kSub, kNone, kUp}) {
    const uint64_t sum = Apply(filter, row_, previous_, &filtered_);
    if (sum > least) continue;
    least = sum;
    best_.swap(filtered_);
  }
  previous_ = row_;
  return frame_->Write(best_.data(), best_.size());
}

AlphaReader::AlphaReader(const uint8_t* data, size_t size, uint32_t width)
    : frame_(data, size), previous_(width), filtered_(size_t{width} + 1) {}

Status AlphaReader::ReadRow(uint8_t* samples) {
  LICHEN_RETURN_IF_ERROR(frame_.Read(filtered_.data(), filtered_.size()).Prefixed("ALPH chunk"));
  if (filtered_[0] >= kFilters) {
    return Status(StatusCode::kDamaged, "ALPH chunk: filter " + std::to_string(filtered_[0]) + ", 0 to 4 expected");
  }
  const auto filter = static_cast<Filter>(filtered_[0]);
  int left = 0, upper_left = 0;
  for (size_t x = 0; x < previous_.size(); ++x) {
    const int up = previous_[x];
    left = static_cast<uint8_t>(filtered_[x + 1] + Predict(filter, left, up, upper_left));
    upper_left = up;
    previous_[x] = samples[x] = static_cast<uint8_t>(left);
  }
  return Status();
}

}  // namespace lichen::bitstream
