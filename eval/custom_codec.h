// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_CUSTOM_CODEC_H_
#define LICHEN_EVAL_CUSTOM_CODEC_H_

// Any codec that has commands to encode a PNG and to decode to one.

#include <memory>
#include <string>
#include <vector>

#include "eval/codecs.h"
#include "lichen/status.h"

namespace lichen::eval {

/// What --custom says, "name: enc {in} {out} -q {q}; dec {in} {out}; q=10,30,50; ext=abc".
struct CustomSpec {
  std::string name;
  std::vector<std::string> encode, decode;  // words, with {in}, {out} and {q} still in them
  std::vector<double> qualities;            // from the smallest file to the largest
  std::string extension = "bin";            // of the compressed file
};

/// Commands are split into words at blanks, as a shell does; '...', "..." and a backslash keep blanks and semicolons.
/// Nothing is expanded. errors: kInvalidArgument
Result<CustomSpec> ParseCustomSpec(const std::string& text);

/// A codec that runs the commands, without a shell, in a temporary folder: {in} and {out} become paths there, {q} the
/// quality. Pictures are handed over as PNG without compression, and taken as PNG or JPEG.
/// errors of its calls: kIoError with the last line that a failing command wrote to standard error
std::unique_ptr<Codec> MakeCustomCodec(const CustomSpec& spec);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_CUSTOM_CODEC_H_
