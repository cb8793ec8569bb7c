// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_EVAL_PARALLEL_H_
#define LICHEN_EVAL_PARALLEL_H_

// Independent pieces of work on several threads.

#include <cstddef>
#include <functional>

#include "lichen/status.h"

namespace lichen::eval {

/// Calls work(0) .. work(count - 1) from at most `workers` threads. After an error nothing new is begun; the error of
/// the lowest number is returned. Exceptions of `work` come back as kInternal.
Status ParallelFor(size_t count, int workers, const std::function<Status(size_t)>& work);

}  // namespace lichen::eval

#endif  // LICHEN_EVAL_PARALLEL_H_
