// SPDX-License-Identifier: Apache-2.0
// rANS: a stream that decodes to its end is the only one for its residuals, and residuals come back.
//
// Input: u8 seed of the tables, u8 count of residuals, then the bytes of a stream.
#include <algorithm>

#include "bitstream/rans.h"
#include "fuzz_target.h"

namespace lichen::bitstream {
namespace {

constexpr size_t kTables = 4;

/// Four legal tables; radius 0 to 40, so that escapes are frequent in some.
std::vector<CdfTable> MakeTables(uint32_t seed) {
  std::vector<CdfTable> tables;
  uint32_t state = seed * 2654435761u + 1;
  const auto next = [&state] {
    state = state * 1664525u + 1013904223u;
    return state >> 24;
  };
  for (size_t i = 0; i < kTables; ++i) {
    const uint32_t radius = i == 0 ? 0 : next() % 41;
    std::vector<uint16_t> frequencies(radius + 1);
    const auto escape = static_cast<uint16_t>(1 + (i == 1 ? 64 * next() : next()));
    uint32_t rest = kProbabilityTotal - escape;
    for (uint32_t r = 1; r <= radius; ++r) {
      frequencies[r] = static_cast<uint16_t>(1 + next() % 128);
      rest -= 2u * frequencies[r];  // at most 2 * 40 * 128 of 2^15 - 2^14
    }
    frequencies[0] = static_cast<uint16_t>(rest);
    auto table = CdfTable::Build(frequencies, escape);
    LICHEN_FUZZ_REQUIRE(table.ok());
    tables.push_back(std::move(table).value());
  }
  return tables;
}

/// Which table codes residual i: a choice that depends on the residual before, as in the codec.
const CdfTable& TableFor(const std::vector<CdfTable>& tables, size_t i, int32_t previous) {
  return tables[(i + static_cast<uint32_t>(previous)) % kTables];
}

void CheckStream(const std::vector<CdfTable>& tables, size_t count, const uint8_t* data, size_t size) {
  RansDecoder decoder(data, size);
  std::vector<int32_t> residuals;
  for (size_t i = 0; i < count && !decoder.damaged(); ++i) {
    residuals.push_back(decoder.Get(TableFor(tables, i, i == 0 ? 0 : residuals[i - 1])));
  }
  const Status status = decoder.Finish();
  if (!status.ok()) {
    LICHEN_FUZZ_REQUIRE_ERROR(status);
    return;
  }
  RansEncoder encoder;
  for (size_t i = 0; i < count; ++i) {
    LICHEN_FUZZ_REQUIRE(residuals[i] >= -kMaxResidual && residuals[i] <= kMaxResidual);
    encoder.Put(TableFor(tables, i, i == 0 ? 0 : residuals[i - 1]), residuals[i]);
  }
  const std::vector<uint8_t> again = encoder.Finish();
  LICHEN_FUZZ_REQUIRE(again.size() == size && std::equal(again.begin(), again.end(), data));
}

/// The bytes as residuals: mostly small, some up to the limit.
void CheckResiduals(const std::vector<CdfTable>& tables, const uint8_t* data, size_t size) {
  std::vector<int32_t> residuals;
  for (size_t i = 0; i < size; ++i) {
    const auto value = static_cast<int8_t>(data[i]);
    residuals.push_back(i % 5 == 0 ? std::clamp(value * 130, -kMaxResidual, kMaxResidual) : value / 4);
  }
  RansEncoder encoder;
  for (size_t i = 0; i < size; ++i) encoder.Put(TableFor(tables, i, i == 0 ? 0 : residuals[i - 1]), residuals[i]);
  const std::vector<uint8_t> stream = encoder.Finish();
  RansDecoder decoder(stream.data(), stream.size());
  for (size_t i = 0; i < size; ++i) {
    LICHEN_FUZZ_REQUIRE(decoder.Get(TableFor(tables, i, i == 0 ? 0 : residuals[i - 1])) == residuals[i]);
  }
  LICHEN_FUZZ_REQUIRE(decoder.Finish().ok());
}

/// The bytes as a table: an error, or one in which every slot has its symbol.
void CheckTable(const uint8_t* data, size_t size) {
  if (size < 2) return;
  std::vector<uint16_t> frequencies;
  for (size_t i = 2; i + 1 < size; i += 2) {
    frequencies.push_back(static_cast<uint16_t>(data[i] | data[i + 1] << 8));
  }
  const auto table = CdfTable::Build(frequencies, static_cast<uint16_t>(data[0] | data[1] << 8));
  if (!table.ok()) {
    LICHEN_FUZZ_REQUIRE_ERROR(table.status());
    return;
  }
  for (uint32_t slot = 0; slot < kProbabilityTotal; ++slot) {
    const uint32_t index = table->Find(slot);
    LICHEN_FUZZ_REQUIRE(index <= table->escape_index() && slot >= table->start(index) &&
                        slot - table->start(index) < table->frequency(index));
  }
}

}  // namespace
}  // namespace lichen::bitstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lichen::bitstream;
  if (size < 2) return 0;
  const std::vector<CdfTable> tables = MakeTables(data[0]);
  CheckStream(tables, data[1], data + 2, size - 2);
  CheckResiduals(tables, data + 2, size - 2);
  CheckTable(data + 2, size - 2);
  return 0;
}
