// SPDX-License-Identifier: Apache-2.0
#include "encoder_cli/byte_size.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <sstream>

namespace lichen::cli {

std::optional<uint64_t> ParseByteSize(const std::string& text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) == 0) return std::nullopt;
  // The number is what digits and a point make of the beginning: no exponent, no sign, whatever the locale.
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::istringstream number(text.substr(0, digits));
  number.imbue(std::locale::classic());
  double bytes = 0;
  if (!(number >> bytes) || number.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  std::string unit = text.substr(digits);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  static const std::map<std::string, double> kFactors = {{"", 1},        {"k", 1e3},     {"m", 1e6},    {"g", 1e9},
                                                         {"ki", 0x1p10}, {"mi", 0x1p20}, {"gi", 0x1p30}};
  const auto factor = kFactors.find(unit);
  if (factor == kFactors.end()) return std::nullopt;
  bytes = std::floor(bytes * factor->second);
  if (!(bytes >= 1 && bytes < 0x1p63)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

}  // namespace lichen::cli
