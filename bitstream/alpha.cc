// SPDX-License-Identifier: Apache-2.0
#include "bitstream/alpha.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

namespace lichen::bitstream {
namespace {

enum Filter : uint8_t { kNone, kSub, kUp, kAverage, kPaeth, kFilters };

constexpr uint16_t MostOf(uint32_t bit_depth) { return static_cast<uint16_t>((1u << bit_depth) - 1); }

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
uint64_t Apply(Filter filter, const std::vector<uint16_t>& row, const std::vector<uint16_t>& previous, int most,
               std::vector<uint8_t>* filtered) {
  uint8_t* to = filtered->data();
  *to++ = filter;
  uint64_t sum = 0;
  int left = 0, upper_left = 0;
  for (size_t x = 0; x < row.size(); ++x) {
    const int difference = (row[x] - Predict(filter, left, previous[x], upper_left)) & most;
    if (most > UINT8_MAX) to[row.size() + x] = static_cast<uint8_t>(difference);  // low bytes after the high ones
    to[x] = static_cast<uint8_t>(most > UINT8_MAX ? difference >> 8 : difference);
    sum += static_cast<uint64_t>(std::min(difference, most + 1 - difference));
    left = row[x];
    upper_left = previous[x];
  }
  return sum;
}

}  // namespace

AlphaWriter::AlphaWriter(uint32_t width, uint32_t height, uint32_t bit_depth)
    : width_(width),
      height_(height),
      bit_depth_(bit_depth),
      row_(width),
      previous_(width),
      filtered_(AlphaContentSize(width, 1, bit_depth)),
      best_(filtered_.size()) {}

Status AlphaWriter::AddRow(const uint8_t* samples, size_t stride) {
  for (uint32_t x = 0; x < width_; ++x, samples += stride) {
    if (bit_depth_ == 8) {
      row_[x] = *samples;
    } else {
      std::memcpy(&row_[x], samples, sizeof row_[x]);
    }
  }
  if (!frame_) {
    const uint16_t opaque = MostOf(bit_depth_);
    if (std::all_of(row_.begin(), row_.end(), [opaque](uint16_t a) { return a == opaque; })) {
      ++opaque_rows_;
      return Status();
    }
    frame_.emplace(AlphaContentSize(width_, height_, bit_depth_));
    std::vector<uint16_t> row(width_, opaque);
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
    const uint64_t sum = Apply(filter, row_, previous_, MostOf(bit_depth_), &filtered_);
    if (sum > least) continue;
    least = sum;
    best_.swap(filtered_);
  }
  previous_ = row_;
  return frame_->Write(best_.data(), best_.size());
}

AlphaReader::AlphaReader(const uint8_t* data, size_t size, uint32_t width, uint32_t bit_depth)
    : frame_(data, size), bit_depth_(bit_depth), previous_(width), filtered_(AlphaContentSize(width, 1, bit_depth)) {}

Status AlphaReader::ReadRow(uint8_t* samples) {
  LICHEN_RETURN_IF_ERROR(frame_.Read(filtered_.data(), filtered_.size()).Prefixed("ALPH chunk"));
  if (filtered_[0] >= kFilters) {
    return Status(StatusCode::kDamaged, "ALPH chunk: filter " + std::to_string(filtered_[0]) + ", 0 to 4 expected");
  }
  const auto filter = static_cast<Filter>(filtered_[0]);
  const uint8_t* from = filtered_.data() + 1;
  const size_t width = previous_.size();
  int left = 0, upper_left = 0;
  for (size_t x = 0; x < width; ++x) {
    const int up = previous_[x];
    const int difference = bit_depth_ == 8 ? from[x] : from[x] << 8 | from[width + x];
    left = (difference + Predict(filter, left, up, upper_left)) & MostOf(bit_depth_);
    upper_left = up;
    previous_[x] = static_cast<uint16_t>(left);
    if (bit_depth_ == 8) {
      samples[x] = static_cast<uint8_t>(left);
    } else {
      std::memcpy(samples + x * sizeof previous_[x], &previous_[x], sizeof previous_[x]);
    }
  }
  return Status();
}

}  // namespace lichen::bitstream
