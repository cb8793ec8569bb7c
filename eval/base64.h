// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_BASE64_H_
#define LICHEN_EVAL_BASE64_H_

// Bytes as text. RFC 4648, section 4.

#include <cstdint>
#include <string>
#include <vector>

namespace lichen::eval {

std::string ToBase64(const std::vector<uint8_t>& bytes);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_BASE64_H_
