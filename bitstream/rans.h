// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_BITSTREAM_RANS_H_
#define LICHEN_BITSTREAM_RANS_H_

// Interleaved rANS, the entropy coder (Duda 2013, arXiv:1311.2540; Giesen's ryg_rans).
//
// A state x is one integer that holds all symbols so far. Coding a symbol that owns `frequency` of the 2^15 slots, from
// `start`, makes x larger by the factor 2^15 / frequency; decoding undoes exactly that:
//
//   encode   x' = (x / frequency) * 2^15 + start + x mod frequency
//   decode   slot = x' mod 2^15, which names the symbol;   x = frequency * (x' / 2^15) + slot - start
//
// Three surprises:
//
// 1. Last in, first out. Decoding undoes the *latest* step, so the encoder has to take the symbols in reverse. It
//    collects them first (Put) and runs backwards at the end (Finish); the decoder runs forwards.
// 2. The flush comes first. The encoder's final states are what the decoder starts from, so they stand in front of the
//    words, and the words stand in the reverse of the order in which the encoder sent them.
// 3. One interval makes both sides agree. States are kept in [2^16, 2^32). To stay below 2^32, the encoder sends 16 low
//    bits *before* a step exactly when x >= 2^17 * frequency; to get back above 2^16, the decoder reads 16 bits *after*
//    it exactly when x < 2^16. These match, with one word a step at most, because 2^16 is a multiple of 2^15 and the
//    interval is one word wide: a state that would let the two disagree does not exist.
//
// Coded symbol number n uses state n mod 4. The four chains do not wait for each other, so a CPU overlaps them, and
// they share one sequence of words, since who reads next is known from the states alone.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bitstream/adaptive_bit.h"
#include "bitstream/cdf.h"
#include "lichen/status.h"

namespace lichen::bitstream {

/// Residuals are within [-kMaxResidual, kMaxResidual]; a stream that says otherwise is damaged.
constexpr int32_t kMaxResidual = 1 << 14;

constexpr size_t kRansStates = 4;
constexpr int kRansWordBits = 16;
/// Lower end of the states' interval, and the value of every state before the first and after the last symbol.
constexpr uint32_t kRansLowerBound = 1u << 16;

/// Codes residuals, each under a table of the caller's choice, into one stream of bytes.
class RansEncoder {
 public:
  /// Makes room for so many coded symbols, more of which may come. What is not used is never touched.
  void Reserve(size_t symbols) { symbols_.reserve(symbols); }

  /// Appends one residual; one coded symbol, or up to 31 when it is escaped.
  ///
  /// REQUIRES: |residual| <= kMaxResidual; one beyond is clamped, so that the stream stays legal
  void Put(const CdfTable& table, int32_t residual) {
    const uint32_t index = static_cast<uint32_t>(residual) + static_cast<uint32_t>(table.radius());
    if (index < table.escape_index()) {  // wraps around for residuals below -R
      PutSlots(table.start(index), table.frequency(index));
    } else {
      PutEscaped(table, residual);
    }
  }

  /// The same for `count` residuals, number i under tables[which[i]].
  void Put(const CdfTable* tables, const uint8_t* which, const int16_t* residuals, size_t count);

  /// Appends one bit, 0 or 1, under its probability, and updates that. A 0 owns the lower slots.
  void PutBit(AdaptiveBit& probability, uint32_t bit) {
    const uint32_t ones = probability.SlotsOfOne(), zeros = kProbabilityTotal - ones;
    bit != 0 ? PutSlots(zeros, ones) : PutSlots(0, zeros);
    probability.Update(bit);
  }
  /// Appends one bit of probability 1/2.
  void PutBit(uint32_t bit) { PutSlots(bit << (kProbabilityBits - 1), kProbabilityTotal / 2); }

  /// The stream of everything put so far: at least 16 bytes, owned by the caller. Leaves the encoder empty, ready
  /// for the next stream.
  std::vector<uint8_t> Finish();

 private:
  struct Slots {
    uint16_t start, frequency;
  };

  void PutSlots(uint32_t start, uint32_t frequency) {
    symbols_.push_back({static_cast<uint16_t>(start), static_cast<uint16_t>(frequency)});
  }
  void PutEscaped(const CdfTable& table, int32_t residual);
  void MakeRoom(size_t symbols);

  std::vector<Slots> symbols_;  // in coding order, escape bits included
};

/// Decodes a stream of RansEncoder, given the same tables in the same order.
///
/// Safe on any bytes: a read past the end yields zero bits, residuals stay within kMaxResidual, the work per residual
/// is bounded. The first contradiction is remembered, and Finish reports it, so that the inner loop checks nothing.
class RansDecoder {
 public:
  /// data  the stream, borrowed, must outlive the decoder; may be null when size is 0
  RansDecoder(const uint8_t* data, size_t size);

  /// The next residual; meaningless once damaged().
  int32_t Get(const CdfTable& table) {
    uint32_t& x = NextState();
    const uint32_t slot = x & (kProbabilityTotal - 1);
    const uint32_t index = table.Find(slot);
    x = table.frequency(index) * (x >> kProbabilityBits) + slot - table.start(index);
    Renormalise(x);
    if (index == table.escape_index()) return GetEscaped(table);
    return static_cast<int32_t>(index) - table.radius();
  }

  /// The next bit, and the update of its probability.
  uint32_t GetBit(AdaptiveBit& probability) {
    uint32_t& x = NextState();
    const uint32_t zeros = kProbabilityTotal - probability.SlotsOfOne();
    const uint32_t slot = x & (kProbabilityTotal - 1);
    const uint32_t bit = slot >= zeros ? 1 : 0;
    const uint32_t frequency = bit != 0 ? kProbabilityTotal - zeros : zeros;
    x = frequency * (x >> kProbabilityBits) + slot - (bit != 0 ? zeros : 0);
    Renormalise(x);
    probability.Update(bit);
    return bit;
  }
  /// The next bit of probability 1/2.
  uint32_t GetBit();

  /// Whether a contradiction has shown already; a caller may stop early then.
  bool damaged() const { return damage_ != nullptr; }

  /// Call after the last residual.
  ///
  /// errors  kDamaged unless no read went past the end, every state is back at its initial value and every byte is
  ///         used. This also catches most streams decoded with the wrong tables.
  Status Finish() const;

 private:
  uint32_t& NextState() { return states_[turn_++ % kRansStates]; }

  void Renormalise(uint32_t& x) {
    if (x < kRansLowerBound) x = x << kRansWordBits | NextWord();
  }

  uint32_t NextWord() {
    if (size_ - position_ < 2) return NoWord();
    const uint32_t word = data_[position_] | static_cast<uint32_t>(data_[position_ + 1]) << 8;
    position_ += 2;
    return word;
  }

  uint32_t NoWord();
  int32_t GetEscaped(const CdfTable& table);
  void SetDamage(const char* what);

  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
  std::array<uint32_t, kRansStates> states_;
  uint32_t turn_ = 0;             // only its residue mod 4 matters, so it may wrap
  const char* damage_ = nullptr;  // the first contradiction
};

}  // namespace lichen::bitstream

#endif  // LICHEN_BITSTREAM_RANS_H_
