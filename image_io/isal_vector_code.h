// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_IMAGE_IO_ISAL_VECTOR_CODE_H_
#define LICHEN_IMAGE_IO_ISAL_VECTOR_CODE_H_

// What to do after a call of ISA-L.

namespace lichen::image_io {

// Its kernels may return with the upper halves of AVX registers in use; on AMD's Zen 5 every SSE instruction then waits
// for what its target register held before, and the loops of the same thread take up to six times as long.
#ifdef __x86_64__
__attribute__((target("avx"))) inline void ClearUpperHalves() { __builtin_ia32_vzeroupper(); }
inline void LeaveVectorCode() {
  static const bool kHasAvx = __builtin_cpu_supports("avx") != 0;
  if (kHasAvx) ClearUpperHalves();
}
#else
inline void LeaveVectorCode() {}
#endif

}  // namespace lichen::image_io

#endif  // LICHEN_IMAGE_IO_ISAL_VECTOR_CODE_H_
