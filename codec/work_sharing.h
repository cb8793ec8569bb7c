// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_WORK_SHARING_H_
#define LICHEN_CODEC_WORK_SHARING_H_

#include <functional>

namespace lichen {

/// How work is shared out, for code that knows no threads.
struct Sharing {
  using Work = std::function<void(int lane, int i)>;

  int lanes = 1;
  /// Calls work(lane, i) for i in 0..count-1, several at once, in different lanes; empty: one after the other in lane
  /// 0.
  std::function<void(int count, const Work& work)> share{};

  void ForEach(int count, const Work& work) const {
    if (share && count > 1) return share(count, work);
    for (int i = 0; i < count; ++i) work(0, i);
  }
};

}  // namespace lichen

#endif  // LICHEN_CODEC_WORK_SHARING_H_
