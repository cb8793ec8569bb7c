// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_TRELLIS_H_
#define LICHEN_CODEC_TRELLIS_H_

// Dependent quantisation of residuals: trellis-coded quantisation, Marcellin and Fischer 1990, entropy-coded as in
// Schwarz et al., "Hybrid Video Coding with Trellis-Coded Quantization", DCC 2019.
//
// A residual may have any level, a multiple of 3/4 of a quantisation step; but a single symbol does not tell them
// apart. There are two quantisers, one with the even levels, the other with the odd ones and 0, and the symbols before,
// by nothing but their being even or odd, decide which of them is meant: they move a machine of 16 to 256 states, of
// which every other one means the second quantiser. So a symbol costs no more than with steps of 1 1/2, and the
// encoder, which searches all paths through the machine, gets errors as from steps of little more than 3/4. Files of
// the same error take 5 to 6 % less. Decoders look up one state more; the number of states is the encoder's choice.
//
// FORMAT.md, "Dependent quantisation". No dependencies, as training uses it, too.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/scratch.h"
#include "codec/trellis_step.h"
#include "codec/work_sharing.h"

namespace lichen {

/// Sixteenths of a quantisation step from one level to the next.
constexpr int32_t kLevelSixteenths = 12;

/// The level of a symbol in quantiser 0 or 1.
constexpr int32_t LevelOf(int quantiser, int32_t symbol) {
  return 2 * symbol - (quantiser == 0 ? 0 : (symbol > 0 ? 1 : 0) - (symbol < 0 ? 1 : 0));
}

/// The symbol of a quantiser whose level is the nearest to a residual, in quantisation steps.
inline int32_t NearestSymbol(int quantiser, float exact) {
  const float size = exact < 0 ? -exact : exact, shift = quantiser == 0 ? 0.0f : kLevelSixteenths / 16.0f;
  auto symbol = static_cast<int32_t>((size + shift) / (2 * kLevelSixteenths / 16.0f) + 0.5f);
  if (symbol == 1 && size < shift / 2) symbol = 0;
  return exact < 0 ? -symbol : symbol;
}

/// The machine of 2^bits states. REQUIRES: kLeastTrellisBits <= bits <= kMostTrellisBits
class TrellisCode {
 public:
  explicit TrellisCode(int bits);

  int states() const { return static_cast<int>(next_.size() / 2); }
  /// The quantiser of a state.
  static int Quantiser(uint32_t state) { return static_cast<int>(state & 1); }
  /// The state after a symbol.
  uint32_t Next(uint32_t state, int32_t symbol) const { return next_[2 * state + (static_cast<uint32_t>(symbol) & 1)]; }

  /// Of a state's predecessors the one with an even or an odd symbol. parity: 0 or 1
  uint32_t Before(uint32_t state, uint32_t parity) const { return before_[2 * state + parity]; }

 private:
  std::vector<uint8_t> next_, before_;  // [state][parity of the symbol]
};

/// Finds symbols of very nearly the least cost, bits and squared error, for a sequence of residuals: Viterbi's search,
/// in 16 parts of the sequence side by side, each a lane of vectors, which begin before and end behind what they
/// decide; 32, which two threads can share, of a long one. An encoder's; not for use by two threads at once: it holds
/// scratch memory.
class TrellisSearch {
 public:
  /// Symbols of larger magnitude cost as much as this one.
  static constexpr int kLargest = 63;
  /// Marks residuals for which errors count `at_sides` times as much.
  static constexpr uint8_t kAtSide = 0x80;
  static constexpr int kTables = 64;

  /// cost      bits [quantiser][table][magnitude 0..kLargest], known to 1/32
  /// weight    bits that a squared quantisation step of error is worth
  /// at_sides  times as many where residuals are marked so
  /// sharing   of the work; what is found does not depend on it
  TrellisSearch(int bits, std::vector<float> cost, double weight, double at_sides, Sharing sharing = {});

  /// As in the constructor, from now on.
  void SetWeight(double weight) {
    weight_ = static_cast<float>(weight);
    weight_at_sides_ = static_cast<float>(weight * at_sides_);
  }

  /// exact     [count], in quantisation steps, finite
  /// table     of each, less than kTables, perhaps with kAtSide; becomes its quantiser * kTables + table
  /// state     before the first, becomes that after the last
  /// symbols   [count], what is found
  void Run(const float* exact, uint8_t* table, size_t count, uint32_t* state, int16_t* symbols);

  const TrellisCode& code() const { return code_; }

  /// Bytes that one takes.
  static uint64_t Memory(int bits);

 private:
  /// Of the sequence, what is not decided yet.
  struct Rest {
    const float* exact;
    uint8_t* table;
    int64_t count;
  };
  /// What is decided at once.
  struct Block {
    int lanes;
    int of_lane, beside;  // symbols that a lane decides, and that it sees before and after them
    int steps;
    int64_t decided;        // symbols
    int last, end_of_last;  // the last lane that decides some, and the step after the last of these
  };
  /// Of a block, 16 lanes.
  struct Part {
    Scratch<int16_t> candidates;  // [chunk][quantiser, parity][step][lane]: symbols of the branches
    Scratch<uint16_t> odd;        // [step][state], a bit a lane: whether the best way to it has an odd symbol last
    Scratch<int16_t> chosen;      // [step][lane]: symbols
    Scratch<uint8_t> before;      // [step][lane]: states before them
    std::array<uint16_t, kTrellisLanes> at_begin{}, at_end{};  // states before and after what a lane decides
    uint32_t last_state = 0;                                   // after the last symbol, where that is in this part
  };

  static Block BlockOf(int64_t count);
  void Search(const Rest& rest, const Block& block, int number, uint32_t first_state, Part& part) const;
  void MakeBranches(const Rest& rest, int64_t first, int of_lane, int16_t* branches, int16_t* candidates) const;
  void Join(const Block& block);
  void Redo(const Block& block, Part& part, int lane, uint32_t state) const;
  static void Write(const Rest& rest, const Block& block, int number, const Part& part, int16_t* symbols);

  int bits_;
  TrellisCode code_;
  TrellisOrder order_;
  TrellisStep step_;
  Sharing sharing_;
  // [quantiser][table][kLargest + 3]: cost of a magnitude and, in the lower half, of the one below.
  std::vector<uint32_t> costs_;
  double at_sides_;
  float weight_ = 0, weight_at_sides_ = 0;
  // The state before is twice the state, without the bit that is too many, with these bits the other way: after an odd
  // symbol, and in the upper half of the states.
  std::array<uint16_t, 2> flips_{};
  std::array<Part, 2> parts_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_TRELLIS_H_
