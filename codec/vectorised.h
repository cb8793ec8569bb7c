// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_VECTORISED_H_
#define LICHEN_CODEC_VECTORISED_H_

// LICHEN_VECTORISED before a function compiles its loops for several instruction sets, chosen when the program loads.
// Only for loops whose result cannot depend on the choice; a product and a sum are therefore never fused.
// Floating-point exceptions are nobody's concern here, and comparisons that could raise them would keep loops from
// being vectorised. Nor are functions of other options put in line, std::min and std::max of floats among them: limits
// are written out.
//
// LICHEN_NOT_VECTORISED: for loops that load from tables, which vectors would be put together from piece by piece.
//
// LICHEN_VECTORISED_FINITE: for loops that may leave it open what becomes of what is no number and of the sign of 0,
// and see nothing infinite but to limit it. Limits of floats then take an instruction each, in place of comparisons.

#if defined(__GNUC__) && !defined(__clang__)
#define LICHEN_NOT_VECTORISED __attribute__((optimize("no-tree-vectorize")))
#else
#define LICHEN_NOT_VECTORISED
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LICHEN_VECTORISED                                                      \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), \
                 optimize("O3", "fp-contract=off", "no-trapping-math")))
#define LICHEN_VECTORISED_FINITE                                               \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), \
                 optimize("O3", "fp-contract=off", "no-trapping-math", "finite-math-only", "no-signed-zeros")))
#else
#define LICHEN_VECTORISED
#define LICHEN_VECTORISED_FINITE
#endif

#endif  // LICHEN_CODEC_VECTORISED_H_
