// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_FUZZ_FUZZ_TARGET_H_
#define LICHEN_TESTS_FUZZ_FUZZ_TARGET_H_

// What the fuzz targets share. A target is one function, called by libFuzzer, or by run_corpus.cc with files.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Ends the process, which is a finding, when what must hold does not.
#define LICHEN_FUZZ_REQUIRE(condition)                                                    \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

/// The same, for a Status that must be a legal error: one with a sentence, and no mistake of our own.
#define LICHEN_FUZZ_REQUIRE_ERROR(status)                                                           \
  do {                                                                                              \
    const lichen::Status& lichen_status = (status);                                                 \
    if (lichen_status.message().empty() || lichen_status.code() == lichen::StatusCode::kInternal || \
        lichen_status.code() == lichen::StatusCode::kOutOfMemory) {                                 \
      std::fprintf(stderr, "%s:%d: not a legal error: %d %s\n", __FILE__, __LINE__,                 \
                   static_cast<int>(lichen_status.code()), lichen_status.message().c_str());        \
      std::abort();                                                                                 \
    }                                                                                               \
  } while (false)

#endif  // LICHEN_TESTS_FUZZ_FUZZ_TARGET_H_
