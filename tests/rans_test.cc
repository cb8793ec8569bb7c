// SPDX-License-Identifier: Apache-2.0
#include "bitstream/rans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace lichen::bitstream {
namespace {

using Bytes = std::vector<uint8_t>;

CdfTable Table(const std::vector<uint16_t>& frequencies, uint16_t escape) {
  Result<CdfTable> table = CdfTable::Build(frequencies, escape);
  EXPECT_TRUE(table.ok()) << table.status().message();
  return std::move(table).value();
}

// f[0] takes what the others leave.
CdfTable LaplaceTable(int32_t radius, double decay) {
  std::vector<uint16_t> frequencies(static_cast<size_t>(radius) + 1, 1);
  int left = static_cast<int>(kProbabilityTotal) - 3;  // 3 for the escape
  for (size_t r = 1; r < frequencies.size(); ++r) {
    const double share = 32768.0 * (1 - decay) / 2 * std::pow(decay, static_cast<double>(r));
    const int after = 2 * (radius - static_cast<int>(r)) + 1;  // one slot for everybody else
    const int frequency = std::clamp(static_cast<int>(share), 1, (left - after) / 2);
    frequencies[r] = static_cast<uint16_t>(frequency);
    left -= 2 * frequency;
  }
  frequencies[0] = static_cast<uint16_t>(left);
  return Table(frequencies, 3);
}

std::vector<CdfTable> AssortedTables() {
  std::vector<CdfTable> tables;
  tables.push_back(Table({32767}, 1));
  tables.push_back(Table({1}, 32767));
  tables.push_back(Table({16384}, 16384));
  tables.push_back(LaplaceTable(1, 0.1));
  tables.push_back(LaplaceTable(7, 0.6));
  tables.push_back(LaplaceTable(60, 0.9));
  tables.push_back(LaplaceTable(1000, 0.99));
  tables.push_back(LaplaceTable(kMaxRadius, 0.999));
  return tables;
}

struct Symbol {
  const CdfTable* table;
  int32_t residual;
};

Bytes Encode(const std::vector<Symbol>& symbols) {
  RansEncoder encoder;
  for (const Symbol& symbol : symbols) encoder.Put(*symbol.table, symbol.residual);
  return encoder.Finish();
}

void ExpectDecodes(const Bytes& bytes, const std::vector<Symbol>& symbols) {
  RansDecoder decoder(bytes.data(), bytes.size());
  for (size_t n = 0; n < symbols.size(); ++n) {
    ASSERT_EQ(decoder.Get(*symbols[n].table), symbols[n].residual) << "symbol " << n << " of " << symbols.size();
  }
  EXPECT_FALSE(decoder.damaged());
  const Status status = decoder.Finish();
  EXPECT_TRUE(status.ok()) << status.message();
}

void ExpectRoundTrip(const std::vector<Symbol>& symbols) { ExpectDecodes(Encode(symbols), symbols); }

std::vector<Symbol> RandomSymbols(const std::vector<CdfTable>& tables, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Symbol> symbols;
  for (size_t n = 0; n < count; ++n) {
    const CdfTable& table = tables[random() % tables.size()];
    const int32_t reach = random() % 8 == 0 ? kMaxResidual : std::min(kMaxResidual, 2 * table.radius() + 1);
    symbols.push_back({&table, static_cast<int32_t>(random() % (2 * static_cast<uint32_t>(reach) + 1)) - reach});
  }
  return symbols;
}

// The decoder of FORMAT.md, line by line: 64-bit states, a linear search, no interleaving tricks.
struct ReferenceDecoder {
  Bytes bytes;
  size_t position = 16;
  uint64_t x[4];
  uint64_t n = 0;

  explicit ReferenceDecoder(const Bytes& stream) : bytes(stream) {
    for (size_t j = 0; j < 4; ++j) {
      x[j] = 0;
      for (size_t i = 4; i-- > 0;) x[j] = x[j] * 256 + bytes[4 * j + i];
    }
  }

  uint64_t Step(const std::vector<uint64_t>& frequencies) {
    uint64_t& state = x[n % 4];
    n += 1;
    const uint64_t slot = state % 32768;
    uint64_t s = 0, start = 0;
    while (slot >= start + frequencies[s]) start += frequencies[s++];
    state = frequencies[s] * (state / 32768) + slot - start;
    if (state < 65536) {
      state = state * 65536 + bytes.at(position) + 256u * bytes.at(position + 1);
      position += 2;
    }
    return s;
  }

  int64_t Get(const std::vector<uint64_t>& f, uint64_t escape) {
    const int64_t radius = static_cast<int64_t>(f.size()) - 1;
    std::vector<uint64_t> frequencies;
    for (int64_t r = -radius; r <= radius; ++r) frequencies.push_back(f[static_cast<size_t>(std::abs(r))]);
    frequencies.push_back(escape);
    const int64_t s = static_cast<int64_t>(Step(frequencies));
    if (s <= 2 * radius) return s - radius;

    const std::vector<uint64_t> bit = {16384, 16384};
    int length = 1;
    while (Step(bit) == 1) ++length;
    int64_t magnitude = 1;
    for (int i = 1; i < length; ++i) magnitude = 2 * magnitude + static_cast<int64_t>(Step(bit));
    magnitude += radius;
    return Step(bit) == 1 ? -magnitude : magnitude;
  }
};

TEST(RansTest, EmptyStreamIsFourInitialStates) {
  const Bytes bytes = RansEncoder().Finish();
  EXPECT_EQ(bytes, (Bytes{0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0}));
  EXPECT_TRUE(RansDecoder(bytes.data(), bytes.size()).Finish().ok());
}

TEST(RansTest, MatchesBytesComputedByHand) {
  // Two equal halves, residual 0 is the lower: x' = (2^16 / 2^14) * 2^15 + 2^16 mod 2^14 + 0 = 2^17.
  const CdfTable halves = Table({16384}, 16384);
  EXPECT_EQ(Encode({{&halves, 0}}), (Bytes{0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0}));

  // Frequency 1, five times. Symbols 4, 3, 2, 1 take states 0, 3, 2, 1 from 2^16 to 2^31 without a word, since 2^16 <
  // 2^17 * 1. Symbol 0 comes last and finds 2^31 >= 2^17: it sends the word 0000, and x' = 2^15 * 2^15 = 2^30.
  const CdfTable rare = Table({1}, 32767);
  EXPECT_EQ(Encode(std::vector<Symbol>(5, Symbol{&rare, 0})),
            (Bytes{0, 0, 0, 0x40, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0, 0}));
}

// The example of FORMAT.md; computed by a separate program with unbounded integers.
TEST(RansTest, MatchesTheBytesOfTheFormatDocument) {
  const CdfTable table = Table({16384, 6000, 2000}, 384);
  std::vector<Symbol> symbols;
  for (const int32_t residual : {0, 1, -1, 2, -7, 0, 300, -16384}) symbols.push_back({&table, residual});
  const Bytes expected = {0xBF, 0xDE, 0x7F, 0x04, 0xD3, 0xE7, 0x01, 0x00, 0x6B, 0x89, 0x01, 0x00,
                          0x51, 0x78, 0xF9, 0x00, 0x00, 0xC0, 0x00, 0xC0, 0x00, 0xC0, 0x80, 0x3E};
  EXPECT_EQ(Encode(symbols), expected);
  ExpectDecodes(expected, symbols);
}

TEST(RansTest, AgreesWithTheReferenceDecoder) {
  const std::vector<uint64_t> f = {9000, 5000, 3000, 2000, 1000, 600};
  const CdfTable table = Table({9000, 5000, 3000, 2000, 1000, 600}, 568);
  std::mt19937 random(5);
  std::vector<Symbol> symbols;
  for (int n = 0; n < 5000; ++n) symbols.push_back({&table, static_cast<int32_t>(random() % 17) - 8});
  symbols.push_back({&table, kMaxResidual});

  const Bytes bytes = Encode(symbols);
  ReferenceDecoder reference(bytes);
  for (const Symbol& symbol : symbols) ASSERT_EQ(reference.Get(f, 568), symbol.residual);
  EXPECT_EQ(reference.position, bytes.size());
  for (const uint64_t x : reference.x) EXPECT_EQ(x, 65536u);
}

TEST(RansTest, RoundTripsOneToNineSymbols) {
  const std::vector<CdfTable> tables = AssortedTables();
  for (size_t count = 1; count <= 9; ++count) {
    for (uint32_t seed = 0; seed < 50; ++seed) ExpectRoundTrip(RandomSymbols(tables, count, seed));
  }
}

TEST(RansTest, RoundTripsSingleSymbolAlphabet) {
  const CdfTable sure = Table({32767}, 1);
  const std::vector<Symbol> symbols(100000, Symbol{&sure, 0});
  const Bytes bytes = Encode(symbols);
  EXPECT_LE(bytes.size(), 18u);  // 100000 * log2(32768 / 32767) = 4.4 bits
  ExpectDecodes(bytes, symbols);
}

TEST(RansTest, RoundTripsEveryResidualOfEveryTable) {
  for (const CdfTable& table : AssortedTables()) {
    std::vector<Symbol> symbols;
    for (int32_t residual = -kMaxResidual; residual <= kMaxResidual; ++residual) symbols.push_back({&table, residual});
    ExpectRoundTrip(symbols);
  }
}

TEST(RansTest, RoundTripsRandomTables) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint16_t> frequencies(1 + random() % (round % 10 == 0 ? 4096 : 40), 1);
    uint32_t left = kProbabilityTotal - 2 * static_cast<uint32_t>(frequencies.size());
    for (size_t r = 1; r < frequencies.size(); ++r) {
      const uint32_t extra = static_cast<uint32_t>(random()) % (left / 4 + 1);
      frequencies[r] = static_cast<uint16_t>(1 + extra);
      left -= 2 * extra;
    }
    const uint32_t escape = 1 + static_cast<uint32_t>(random()) % (left + 1);
    frequencies[0] = static_cast<uint16_t>(1 + left - (escape - 1));
    const std::vector<CdfTable> tables = {Table(frequencies, static_cast<uint16_t>(escape))};
    ExpectRoundTrip(RandomSymbols(tables, 300, static_cast<uint32_t>(round)));
  }
}

TEST(RansTest, ClampsResidualsBeyondTheLimit) {
  const CdfTable table = LaplaceTable(7, 0.6);
  const Bytes bytes = Encode({{&table, INT32_MIN}, {&table, INT32_MAX}, {&table, kMaxResidual + 1}});
  ExpectDecodes(bytes, {{&table, -kMaxResidual}, {&table, kMaxResidual}, {&table, kMaxResidual}});
}

TEST(RansTest, ManyAtOnceMakeTheSameStreamAsOneByOne) {
  const std::vector<CdfTable> tables = AssortedTables();
  std::mt19937 random(5);
  for (const size_t count : {0u, 1u, 2u, 512u, 3000u, 400000u}) {
    std::vector<uint8_t> which;
    std::vector<int16_t> residuals;
    RansEncoder one_by_one, at_once;
    for (size_t i = 0; i < count; ++i) {
      which.push_back(static_cast<uint8_t>(random() % tables.size()));
      // Many are escaped, up to the limit.
      const int most = random() % 10 == 0 ? kMaxResidual : 4;
      residuals.push_back(static_cast<int16_t>(static_cast<int>(random() % (2 * most + 1)) - most));
      one_by_one.Put(tables[which[i]], residuals[i]);
    }
    at_once.Put(tables.data(), which.data(), residuals.data(), count);
    EXPECT_EQ(at_once.Finish(), one_by_one.Finish()) << count;
  }
}

TEST(RansTest, EncoderStartsAnewAfterFinish) {
  const CdfTable table = LaplaceTable(7, 0.6);
  RansEncoder encoder;
  encoder.Put(table, 3);
  const Bytes first = encoder.Finish();
  encoder.Put(table, 3);
  EXPECT_EQ(encoder.Finish(), first);
}

TEST(RansTest, MillionSymbolsComeWithinATenthOfAPercentOfTheIdealLength) {
  for (const double decay : {0.02, 0.3, 0.7, 0.95}) {
    const CdfTable table = LaplaceTable(40, decay);
    std::mt19937 random(11);
    std::vector<Symbol> symbols;
    double ideal_bits = 0;
    for (int n = 0; n < 1000000; ++n) {
      const uint32_t index =
          table.Find(static_cast<uint32_t>(random()) % kProbabilityTotal);  // drawn from the table's own distribution
      ideal_bits -= std::log2(table.frequency(index) / 32768.0);
      int32_t residual = static_cast<int32_t>(index) - table.radius();
      if (index == table.escape_index()) {
        residual = -table.radius() - 1;  // "0" and the sign
        ideal_bits += 2;
      }
      symbols.push_back({&table, residual});
    }
    const Bytes bytes = Encode(symbols);
    EXPECT_LE(static_cast<double>(bytes.size()), 1.001 * ideal_bits / 8 + 16);
    ExpectDecodes(bytes, symbols);
  }
}

// Decodes `count` symbols from a heap copy of exactly the stream's size, so that the address sanitizer sees any read
// beyond it.
Status Decode(const Bytes& bytes, const CdfTable& table, size_t count) {
  const auto copy = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  RansDecoder decoder(copy.get(), bytes.size());
  for (size_t n = 0; n < count; ++n) {
    const int32_t residual = decoder.Get(table);
    EXPECT_LE(std::abs(residual), kMaxResidual);
  }
  const Status status = decoder.Finish();
  EXPECT_TRUE(status.ok() || decoder.damaged() || status.code() == StatusCode::kDamaged);
  return status;
}

Bytes SomeStream(const CdfTable& table, size_t count) {
  RansEncoder encoder;
  std::mt19937 random(3);
  for (size_t n = 0; n < count; ++n) encoder.Put(table, static_cast<int32_t>(random() % 21) - 10);
  return encoder.Finish();
}

TEST(RansTest, RejectsEveryTruncation) {
  const CdfTable table = LaplaceTable(7, 0.6);
  const Bytes bytes = SomeStream(table, 100);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Status status = Decode(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)), table, 100);
    EXPECT_EQ(status.code(), StatusCode::kDamaged) << size;
  }
}

TEST(RansTest, RejectsUnusedBytes) {
  const CdfTable table = LaplaceTable(7, 0.6);
  Bytes bytes = SomeStream(table, 100);
  bytes.push_back(0);
  EXPECT_NE(Decode(bytes, table, 100).message().find("bytes are unused"), std::string::npos);
  bytes.push_back(0);
  EXPECT_EQ(Decode(bytes, table, 100).code(), StatusCode::kDamaged);
}

TEST(RansTest, RejectsTooFewAndTooManySymbols) {
  const CdfTable table = LaplaceTable(7, 0.6);
  const Bytes bytes = SomeStream(table, 100);
  EXPECT_TRUE(Decode(bytes, table, 100).ok());
  EXPECT_EQ(Decode(bytes, table, 99).code(), StatusCode::kDamaged);
  EXPECT_EQ(Decode(bytes, table, 101).code(), StatusCode::kDamaged);
}

TEST(RansTest, RejectsTheWrongTable) {
  const Bytes bytes = SomeStream(LaplaceTable(7, 0.6), 100);
  EXPECT_EQ(Decode(bytes, LaplaceTable(7, 0.61), 100).code(), StatusCode::kDamaged);
}

TEST(RansTest, RejectsStatesBelowTheInterval) {
  const CdfTable table = LaplaceTable(7, 0.6);
  const Status status = Decode({0xFF, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0}, table, 0);
  EXPECT_EQ(status.code(), StatusCode::kDamaged);
  EXPECT_EQ(status.message(), "entropy-coded data is damaged: a state is below 2^16");
}

TEST(RansTest, RejectsEscapesBeyondTheLimit) {
  // The halves' table codes bits, and an escape is bits: 15 ones after the escape are one too many.
  const CdfTable halves = Table({16384}, 16384);
  const Bytes ones(64, 0xFF);
  const Status too_long = Decode(ones, halves, 1);
  EXPECT_EQ(too_long.message(), "entropy-coded data is damaged: an escaped residual is too long");

  // The escape flag, 14 ones and a zero, 14 low bits, the sign: magnitude 2^14 + 1, which no encoder writes.
  std::vector<uint32_t> bits(15, 1);
  bits.insert(bits.end(), 14, 0);
  bits.insert(bits.end(), {1, 0});
  std::array<uint32_t, 4> states = {65536, 65536, 65536, 65536};
  std::vector<uint16_t> words;
  for (size_t n = bits.size(); n-- > 0;) {
    uint32_t& x = states[n % 4];
    if (x >= 1u << 31) {
      words.push_back(static_cast<uint16_t>(x & 0xFFFF));
      x >>= 16;
    }
    x = ((x >> 14) << 15) + (bits[n] << 14) + (x & 16383);
  }
  Bytes bytes;
  for (const uint32_t x : states) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(x >> (8 * i)));
  }
  for (size_t i = words.size(); i-- > 0;) {
    bytes.push_back(static_cast<uint8_t>(words[i]));
    bytes.push_back(static_cast<uint8_t>(words[i] >> 8));
  }
  EXPECT_EQ(Decode(bytes, halves, 1).message(), "entropy-coded data is damaged: an escaped residual is too large");
}

TEST(RansTest, SurvivesRandomBytes) {
  const std::vector<CdfTable> tables = AssortedTables();
  std::mt19937 random(13);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 80);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    EXPECT_FALSE(Decode(bytes, tables[random() % tables.size()], 200).ok());
  }
}

// A flip within equally likely symbols, such as the two signs, can make another legal stream; checksums catch those.
TEST(RansTest, BitFlipsAreRejectedOrMakeAnotherLegalStream) {
  const CdfTable table = LaplaceTable(7, 0.6);
  const Bytes bytes = SomeStream(table, 100);
  size_t accepted = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    if (!Decode(flipped, table, 100).ok()) continue;

    ++accepted;
    RansDecoder decoder(flipped.data(), flipped.size());
    RansEncoder encoder;
    for (int n = 0; n < 100; ++n) encoder.Put(table, decoder.Get(table));
    EXPECT_EQ(encoder.Finish(), flipped) << "bit " << bit;
  }
  EXPECT_LT(accepted, bytes.size());  // fewer than one in eight
}

TEST(AdaptiveBitTest, ProbabilitiesStayWithinTheirRange) {
  for (const uint32_t bit : {0u, 1u}) {
    AdaptiveBit probability;
    EXPECT_EQ(probability.SlotsOfOne(), kProbabilityTotal / 2);
    for (int n = 0; n < 5000; ++n) {
      probability.Update(bit);
      ASSERT_GE(probability.SlotsOfOne(), 31u);
      ASSERT_LE(probability.SlotsOfOne(), 32736u);
    }
    EXPECT_EQ(probability.SlotsOfOne(), bit == 0 ? 31u : 32736u);
  }
  // Whatever comes first.
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    AdaptiveBit probability;
    const auto often = static_cast<uint32_t>(random() % 101);
    for (int n = 0; n < 200; ++n) {
      probability.Update(random() % 100 < often ? 1 : 0);
      ASSERT_GE(probability.SlotsOfOne(), 31u);
      ASSERT_LE(probability.SlotsOfOne(), 32736u);
    }
  }
}

TEST(RansTest, AdaptiveBitsComeBackAmongResidualsAtTheirEntropy) {
  const CdfTable table = LaplaceTable(7, 0.6);
  std::mt19937 random(4);
  constexpr int kBits = 20000;
  std::vector<uint32_t> bits(kBits);
  for (uint32_t& bit : bits) bit = random() % 20 == 0;  // 0.286 bits each
  RansEncoder encoder;
  AdaptiveBit probability;
  for (int n = 0; n < kBits; ++n) {
    encoder.PutBit(probability, bits[n]);
    if (n % 100 == 0) encoder.Put(table, n % 5 - 2);
    if (n % 1000 == 0) encoder.PutBit(n / 1000 % 2);
  }
  const Bytes bytes = encoder.Finish();
  EXPECT_LT(bytes.size(), 0.286 * 1.06 * kBits / 8 + 16 + 100);
  RansDecoder decoder(bytes.data(), bytes.size());
  AdaptiveBit same;
  for (int n = 0; n < kBits; ++n) {
    ASSERT_EQ(decoder.GetBit(same), bits[n]) << n;
    if (n % 100 == 0) {
      ASSERT_EQ(decoder.Get(table), n % 5 - 2);
    }
    if (n % 1000 == 0) {
      ASSERT_EQ(decoder.GetBit(), static_cast<uint32_t>(n / 1000 % 2));
    }
  }
  EXPECT_TRUE(decoder.Finish().ok());
}

}  // namespace
}  // namespace lichen::bitstream
