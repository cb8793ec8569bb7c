// SPDX-License-Identifier: Apache-2.0
#include "bitstream/cdf.h"

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace lichen::bitstream {
namespace {

Status CheckFrequencies(const std::vector<uint16_t>& frequencies, uint16_t escape_frequency) {
  constexpr size_t kMaxCount = kMaxRadius + 1;
  if (frequencies.empty() || frequencies.size() > kMaxCount) {
    return Status(StatusCode::kDamaged, "CDF table: " + std::to_string(frequencies.size()) + " frequencies, 1 to " +
                                            std::to_string(kMaxCount) + " expected");
  }
  if (escape_frequency == 0) return Status(StatusCode::kDamaged, "CDF table: the escape has frequency 0");

  uint32_t total = escape_frequency;  // at most 2^16 + 2 * 2^12 * 2^16: no overflow
  for (size_t r = 0; r < frequencies.size(); ++r) {
    if (frequencies[r] == 0) {
      return Status(StatusCode::kDamaged, "CDF table: residual " + std::to_string(r) + " has frequency 0");
    }
    total += frequencies[r] * (r == 0 ? 1u : 2u);
  }
  if (total != kProbabilityTotal) {
    return Status(StatusCode::kDamaged, "CDF table: the frequencies add up to " + std::to_string(total) + ", " +
                                            std::to_string(kProbabilityTotal) + " expected");
  }
  return Status();
}

}  // namespace

Result<CdfTable> CdfTable::Build(const std::vector<uint16_t>& frequencies, uint16_t escape_frequency) {
  LICHEN_RETURN_IF_ERROR(CheckFrequencies(frequencies, escape_frequency));

  CdfTable table(static_cast<int32_t>(frequencies.size()) - 1);
  table.starts_.reserve(table.escape_index() + 2);
  uint32_t start = 0;
  for (int32_t residual = -table.radius_; residual <= table.radius_; ++residual) {
    table.starts_.push_back(static_cast<uint16_t>(start));
    start += frequencies[static_cast<size_t>(std::abs(residual))];
  }
  table.starts_.push_back(static_cast<uint16_t>(start));
  table.starts_.push_back(static_cast<uint16_t>(kProbabilityTotal));

  uint32_t index = 0;
  for (uint32_t bucket = 0; bucket < table.first_in_bucket_.size(); ++bucket) {
    while ((bucket << kBucketBits) >= table.starts_[index + 1]) ++index;
    table.first_in_bucket_[bucket] = static_cast<uint16_t>(index);
  }
  return table;
}

double BitsOf(const CdfTable& table, int32_t residual) {
  const int32_t beyond = std::abs(residual) - table.radius();
  const uint32_t symbol = beyond > 0 ? table.escape_index() : static_cast<uint32_t>(residual + table.radius());
  const double escape = beyond > 0 ? 2 * std::floor(std::log2(beyond)) + 2 : 0;
  return kProbabilityBits - std::log2(table.frequency(symbol)) + escape;
}

}  // namespace lichen::bitstream
