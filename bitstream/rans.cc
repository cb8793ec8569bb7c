// SPDX-License-Identifier: Apache-2.0
#include "bitstream/rans.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "bitstream/byte_reader.h"
#include "bitstream/byte_writer.h"

namespace lichen::bitstream {
namespace {

constexpr size_t kStatesSize = 4 * kRansStates;  // bytes

// Escaped magnitudes are coded as |residual| - R >= 1, at most 2^14: 15 bits, so at most 14 ones come before the zero.
constexpr int kMaxEscapeBits = 15;

int BitLength(uint32_t value) {
  int length = 0;
  for (; value != 0; value >>= 1) ++length;
  return length;
}

}  // namespace

void RansEncoder::Put(const CdfTable* tables, const uint8_t* which, const int16_t* residuals, size_t count) {
  constexpr size_t kMost = 512;  // for which room is made at a time, without looking at the vector's size for each
  for (size_t i = 0; i < count;) {
    const size_t before = symbols_.size(), end = i + std::min(count - i, kMost);
    MakeRoom(end - i);
    symbols_.resize(before + end - i);
    Slots* to = symbols_.data() + before;
    for (; i < end; ++i) {
      const CdfTable& table = tables[which[i]];
      const uint32_t index = static_cast<uint32_t>(residuals[i]) + static_cast<uint32_t>(table.radius());
      if (index >= table.escape_index()) break;
      *to++ = {static_cast<uint16_t>(table.start(index)), static_cast<uint16_t>(table.frequency(index))};
    }
    symbols_.resize(static_cast<size_t>(to - symbols_.data()));
    if (i < end) {
      PutEscaped(tables[which[i]], residuals[i]);
      ++i;
    }
  }
}

/// A vector grows to its double by itself, of which there may not be memory.
void RansEncoder::MakeRoom(size_t symbols) {
  const size_t wanted = symbols_.size() + symbols;
  if (wanted > symbols_.capacity()) symbols_.reserve(wanted + wanted / 8);
}

void RansEncoder::PutEscaped(const CdfTable& table, int32_t residual) {
  residual = std::clamp(residual, -kMaxResidual, kMaxResidual);
  MakeRoom(2 * kMaxEscapeBits + 1);
  PutSlots(table.start(table.escape_index()), table.frequency(table.escape_index()));

  // Exp-Golomb of order 0. R = 3, residual -8: magnitude 5 = 101 is 11 0 01, the leading one implied; then sign 1.
  const uint32_t magnitude = static_cast<uint32_t>(std::abs(residual) - table.radius());
  const int length = BitLength(magnitude);
  for (int i = 1; i < length; ++i) PutBit(1);
  PutBit(0);
  for (int i = length - 2; i >= 0; --i) PutBit((magnitude >> i) & 1);
  PutBit(residual < 0 ? 1 : 0);
}

std::vector<uint8_t> RansEncoder::Finish() {
  std::array<uint32_t, kRansStates> states;
  states.fill(kRansLowerBound);
  // The last word first, one a symbol at most: what is not used is never touched.
  const size_t room = 2 * symbols_.size();
  const std::unique_ptr<uint8_t[]> words(new uint8_t[room]);
  uint8_t* first = words.get() + room;
  const auto put = [&](uint32_t& x, Slots slots) {
    const uint32_t frequency = slots.frequency;
    // Without a branch, which would be guessed wrong once in 16 bits: 2^17 * frequency < 2^32, since frequency < 2^15.
    const uint32_t full = x >= frequency << (kRansWordBits + 1) ? 1 : 0;
    first[-2] = static_cast<uint8_t>(x);
    first[-1] = static_cast<uint8_t>(x >> 8);
    first -= 2 * full;
    x >>= full * kRansWordBits;
    x = ((x / frequency) << kProbabilityBits) + slots.start + x % frequency;
  };
  size_t n = symbols_.size();
  if (n > 0) {
    while (n % kRansStates != 0) --n, put(states[n % kRansStates], symbols_[n]);
    for (const Slots* slots = symbols_.data() + n; n > 0; n -= kRansStates) {
      for (size_t i = kRansStates; i-- > 0;) put(states[i], *--slots);
    }
  }
  symbols_.clear();

  const auto size = static_cast<size_t>(words.get() + room - first);
  std::vector<uint8_t> bytes;
  bytes.reserve(kStatesSize + size);
  ByteWriter writer(&bytes);
  for (const uint32_t x : states) writer.WriteU32(x);
  bytes.insert(bytes.end(), first, first + size);
  return bytes;
}

RansDecoder::RansDecoder(const uint8_t* data, size_t size) : data_(data), size_(size) {
  states_.fill(kRansLowerBound);
  ByteReader reader(data, size, "rANS states");
  for (uint32_t& x : states_) {
    const Result<uint32_t> state = reader.ReadU32();
    if (!state.ok()) {
      SetDamage("it is shorter than its states");
      break;
    }
    if (*state < kRansLowerBound) {
      SetDamage("a state is below 2^16");
      continue;
    }
    x = *state;
  }
  position_ = reader.position();
}

Status RansDecoder::Finish() const {
  const std::string damaged = "entropy-coded data is damaged: ";
  if (damage_ != nullptr) return Status(StatusCode::kDamaged, damaged + damage_);
  for (const uint32_t x : states_) {
    if (x == kRansLowerBound) continue;
    return Status(StatusCode::kDamaged, damaged + "a state ends at " + std::to_string(x) + ", " +
                                            std::to_string(kRansLowerBound) + " expected");
  }
  if (position_ != size_) {
    return Status(StatusCode::kDamaged, damaged + std::to_string(size_ - position_) + " of its " +
                                            std::to_string(size_) + " bytes are unused");
  }
  return Status();
}

uint32_t RansDecoder::NoWord() {
  SetDamage("it ends before its last symbol");
  return 0;
}

uint32_t RansDecoder::GetBit() {
  uint32_t& x = NextState();
  const uint32_t slot = x & (kProbabilityTotal - 1);
  const uint32_t bit = slot >> (kProbabilityBits - 1);
  x = (kProbabilityTotal / 2) * (x >> kProbabilityBits) + (slot & (kProbabilityTotal / 2 - 1));
  Renormalise(x);
  return bit;
}

int32_t RansDecoder::GetEscaped(const CdfTable& table) {
  int length = 1;
  while (GetBit() == 1) {
    if (++length > kMaxEscapeBits) {
      SetDamage("an escaped residual is too long");
      return 0;
    }
  }
  int32_t magnitude = 1;
  for (int i = 1; i < length; ++i) magnitude = 2 * magnitude + static_cast<int32_t>(GetBit());
  magnitude += table.radius();
  const bool negative = GetBit() == 1;
  if (magnitude > kMaxResidual) {
    SetDamage("an escaped residual is too large");
    return 0;
  }
  return negative ? -magnitude : magnitude;
}

void RansDecoder::SetDamage(const char* what) {
  if (damage_ == nullptr) damage_ = what;
}

}  // namespace lichen::bitstream
