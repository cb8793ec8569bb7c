// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PROCESS_H_
#define LICHEN_EVAL_PROCESS_H_

// Other programs, run without a shell.

#include <string>
#include <vector>

#include "lichen/status.h"

namespace lichen::eval {

/// Runs words[0], looked up on PATH, with the other words as they are, and waits for it. It reads nothing; what it
/// prints is dropped. It works in `folder`, or in the present one. errors: kIoError when it cannot be started, fails or
/// is killed, with the last line that it wrote to standard error
Status RunProgram(const std::vector<std::string>& words, const std::string& folder = "");

/// Where PATH leads to; `name` itself when it holds a slash; empty when there is no such program.
std::string FindProgram(const std::string& name);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PROCESS_H_
