// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_ENCODER_CLI_BYTE_SIZE_H_
#define LICHEN_ENCODER_CLI_BYTE_SIZE_H_

#include <cstdint>
#include <optional>
#include <string>

namespace lichen::cli {

/// "120000", "120k", "120kB", "1.5M" or "117KiB" as bytes, rounded down: k and M are 1000 and 1000000 as on disks, Ki
/// and Mi 1024 and 1048576; B and the case do not matter. Nothing for other text, and for less than one byte.
std::optional<uint64_t> ParseByteSize(const std::string& text);

}  // namespace lichen::cli

#endif  // LICHEN_ENCODER_CLI_BYTE_SIZE_H_
