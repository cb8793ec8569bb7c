// SPDX-License-Identifier: Apache-2.0
#include "codec/trellis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

namespace lichen {
namespace {

constexpr int kRow = TrellisSearch::kLargest + 1;
constexpr double kWeight = 14, kAtSides = 1.25;

/// Bits of symbols that get larger from table to table.
std::vector<float> Costs() {
  std::vector<float> costs;
  for (int quantiser = 0; quantiser < 2; ++quantiser) {
    for (int table = 0; table < TrellisSearch::kTables; ++table) {
      const double scale = 0.3 * std::pow(1.1, table);
      for (int k = 0; k < kRow; ++k) {
        costs.push_back(static_cast<float>(std::log2(1 + scale) + k / scale + (k > 0 ? 1 : 0) - 0.1 * quantiser));
      }
    }
  }
  return costs;
}

struct Sequence {
  std::vector<float> exact;
  std::vector<uint8_t> table;
};

Sequence RandomSequence(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  Sequence sequence;
  for (size_t i = 0; i < count; ++i) {
    const auto table = static_cast<uint32_t>(1 + random() % 40);
    sequence.exact.push_back(normal(random) * 0.5f * std::pow(1.1f, static_cast<float>(table)));
    sequence.table.push_back(static_cast<uint8_t>(table | (random() % 4 == 0 ? TrellisSearch::kAtSide : 0)));
  }
  return sequence;
}

double CostOf(int quantiser, float exact, uint8_t table, int32_t symbol) {
  static const std::vector<float> costs = Costs();
  const double weight = table >= TrellisSearch::kAtSide ? kWeight * kAtSides : kWeight;
  const double error = exact - LevelOf(quantiser, symbol) * kLevelSixteenths / 16.0;
  return weight * error * error + costs[(quantiser * TrellisSearch::kTables + table % TrellisSearch::kTables) * kRow +
                                        std::min(std::abs(symbol), TrellisSearch::kLargest)];
}

double CostOf(const TrellisCode& code, const Sequence& sequence, uint32_t state, const std::vector<int16_t>& symbols) {
  double cost = 0;
  for (size_t i = 0; i < symbols.size(); ++i) {
    cost += CostOf(TrellisCode::Quantiser(state), sequence.exact[i], sequence.table[i], symbols[i]);
    state = code.Next(state, symbols[i]);
  }
  return cost;
}

/// The least that any symbols cost, without any of the search's tricks.
double LeastCost(const TrellisCode& code, const Sequence& sequence, uint32_t state) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<double> costs(code.states(), kNever), next;
  costs[state] = 0;
  for (size_t i = 0; i < sequence.exact.size(); ++i) {
    next.assign(costs.size(), kNever);
    for (uint32_t s = 0; s < costs.size(); ++s) {
      if (costs[s] == kNever) continue;
      const auto middle = static_cast<int32_t>(sequence.exact[i] / 1.5f);
      for (int32_t symbol = middle - 3; symbol <= middle + 3; ++symbol) {
        double& cost = next[code.Next(s, symbol)];
        cost =
            std::min(cost, costs[s] + CostOf(TrellisCode::Quantiser(s), sequence.exact[i], sequence.table[i], symbol));
      }
    }
    costs = next;
  }
  return *std::min_element(costs.begin(), costs.end());
}

/// What a search finds; the quantisers that it tells are those of the states.
std::vector<int16_t> Search(TrellisSearch& search, const Sequence& sequence, uint32_t* state) {
  std::vector<int16_t> symbols(sequence.exact.size());
  std::vector<uint8_t> table = sequence.table;
  uint32_t follows = *state;
  search.Run(sequence.exact.data(), table.data(), symbols.size(), state, symbols.data());
  for (size_t i = 0; i < symbols.size(); ++i) {
    const int expected =
        TrellisCode::Quantiser(follows) * TrellisSearch::kTables + sequence.table[i] % TrellisSearch::kTables;
    EXPECT_EQ(table[i], expected) << i;
    follows = search.code().Next(follows, symbols[i]);
  }
  EXPECT_EQ(*state, follows);
  return symbols;
}

class TrellisTest : public testing::TestWithParam<int> {};

TEST_P(TrellisTest, EveryStateHasTwoSuccessorsAndTwoPredecessors) {
  const TrellisCode code(GetParam());
  ASSERT_EQ(code.states(), 1 << GetParam());
  std::vector<int> reached(code.states());
  for (uint32_t state = 0; state < reached.size(); ++state) {
    EXPECT_NE(code.Next(state, 0), code.Next(state, 1));
    for (int32_t symbol = -5; symbol <= 5; ++symbol) {
      const uint32_t next = code.Next(state, symbol), parity = static_cast<uint32_t>(std::abs(symbol)) % 2;
      EXPECT_EQ(next, code.Next(state, static_cast<int32_t>(parity)));
      EXPECT_EQ(code.Before(next, parity), state);
    }
    ++reached[code.Next(state, 0)], ++reached[code.Next(state, 1)];
  }
  EXPECT_EQ(reached, std::vector<int>(code.states(), 2));
}

/// Two paths that part and meet again differ by levels of one subset in the first and the last symbol, 4 apart, and by
/// more in between: by how much tells how good the code is.
TEST_P(TrellisTest, PathsThatPartMeetAgainFarApart) {
  const TrellisCode code(GetParam());
  // Squared distances, in levels, of the subsets D0 to D3, and Ungerboeck's free distances of these codes.
  constexpr int kSquares[4] = {0, 1, 4, 1}, kFree[] = {11, 13, 14, 16, 16};
  const auto subset = [](uint32_t state, int parity) { return parity * 2 + TrellisCode::Quantiser(state); };
  const int states = code.states();
  std::vector<int> least(static_cast<size_t>(states) * states, 1 << 20);
  std::vector<std::pair<uint32_t, uint32_t>> changed;
  const auto reach = [&](uint32_t a, uint32_t b, int distance) {
    int& known = least[a * states + b];
    if (distance < known) known = distance, changed.emplace_back(a, b);
  };
  for (int s = 0; s < states; ++s) {
    const auto state = static_cast<uint32_t>(s);
    reach(code.Next(state, 0), code.Next(state, 1), kSquares[2]);
  }
  int meeting = 16;  // of parallel branches, in one subset
  while (!changed.empty()) {
    const auto [a, b] = changed.back();
    changed.pop_back();
    const int distance = least[a * states + b];
    for (int p = 0; p < 2; ++p) {
      for (int q = 0; q < 2; ++q) {
        const int sum = distance + kSquares[std::abs(subset(a, p) - subset(b, q))];
        const uint32_t to_a = code.Next(a, p), to_b = code.Next(b, q);
        if (to_a == to_b) {
          meeting = std::min(meeting, sum);
        } else {
          reach(to_a, to_b, sum);
        }
      }
    }
  }
  EXPECT_EQ(meeting, kFree[GetParam() - kLeastTrellisBits]);
}

TEST_P(TrellisTest, FindsTheBestOfAllPaths) {
  const int bits = GetParam();
  TrellisSearch search(bits, Costs(), kWeight, kAtSides);
  for (const size_t count : {1u, 2u, 7u, 250u}) {
    for (const uint32_t begin : {0u, 5u}) {
      const Sequence sequence = RandomSequence(count, static_cast<uint32_t>(count) + begin);
      uint32_t state = begin;
      const std::vector<int16_t> symbols = Search(search, sequence, &state);
      const double least = LeastCost(search.code(), sequence, begin);
      // Costs are rounded to 1/32 of a bit.
      EXPECT_NEAR(CostOf(search.code(), sequence, begin, symbols), least, 1e-4 * least + 0.1) << count << " " << begin;
    }
  }
}

TEST_P(TrellisTest, LongSequencesAreSearchedInPartsAtLittleLoss) {
  TrellisSearch search(GetParam(), Costs(), kWeight, kAtSides);
  // A lane and a little, lanes of all lengths, and three blocks of 16 lanes.
  for (const size_t count : {257u, 600u, 20000u, 140001u}) {
    if (count > 20000 && GetParam() != 5) continue;  // the other search takes its time
    const Sequence sequence = RandomSequence(count, 3);
    uint32_t state = 3;
    const std::vector<int16_t> symbols = Search(search, sequence, &state);
    const double least = LeastCost(search.code(), sequence, 3), cost = CostOf(search.code(), sequence, 3, symbols);
    EXPECT_GE(cost, least * (1 - 1e-5));
    EXPECT_LE(cost, least * (count < 20000 ? 1.003 : 1.0005)) << count;
  }
}

/// Where nearly all symbols are 0 whatever the way, ways take long to meet.
TEST_P(TrellisTest, LanesThatMeetLateCostLittle) {
  TrellisSearch search(GetParam(), Costs(), kWeight, kAtSides);
  Sequence sequence = RandomSequence(60000, 5);
  for (size_t i = 0; i < sequence.exact.size(); ++i) {
    if (i % 40 != 0) sequence.exact[i] = 0, sequence.table[i] = 0;
  }
  uint32_t state = 0;
  const std::vector<int16_t> symbols = Search(search, sequence, &state);
  EXPECT_LE(CostOf(search.code(), sequence, 0, symbols), 1.005 * LeastCost(search.code(), sequence, 0));
}

TEST_P(TrellisTest, MoreStatesCostLess) {
  if (GetParam() == kLeastTrellisBits) return;
  const Sequence sequence = RandomSequence(20000, 4);
  double costs[2];
  for (int less = 0; less < 2; ++less) {
    TrellisSearch search(GetParam() - less, Costs(), kWeight, kAtSides);
    uint32_t state = 0;
    costs[less] = CostOf(search.code(), sequence, 0, Search(search, sequence, &state));
  }
  EXPECT_LT(costs[0], costs[1]);
}

INSTANTIATE_TEST_SUITE_P(Bits, TrellisTest, testing::Range(kLeastTrellisBits, kMostTrellisBits + 1));

/// What the step for any processor makes of random costs, the ones for some processors make, too.
template <int bits>
void ExpectStepsAgree() {
  struct Costs {
    alignas(64) TrellisCosts of_states[1 << bits];
  } before, expected{}, found{};
  std::mt19937 random(bits);
  const auto draw = [&](uint32_t most) { return static_cast<int16_t>(random() % most); };
  std::vector<int16_t> branches(4 * kTrellisRow);
  for (int16_t& cost : branches) cost = draw(50);
  for (TrellisCosts& costs : before.of_states) {
    for (int lane = 0; lane < kTrellisLanes; ++lane) costs[lane] = draw(40);  // many are equal
  }
  std::vector<uint16_t> expected_odd(1 << bits), odd(1 << bits);
  trellis_step::Plain<bits>(branches.data(), before.of_states, expected.of_states, expected_odd.data());
  const TrellisCode code(bits);
  for (uint32_t state = 0; state < 1u << bits; ++state) {
    const TrellisOrder order(bits);
    const auto cost = [&](uint32_t parity) {
      const uint32_t from = code.Before(state, parity);
      const int branch = 2 * TrellisCode::Quantiser(from) + static_cast<int>(parity);
      return before.of_states[order.Place(from)][0] + branches[branch * kTrellisRow];
    };
    EXPECT_EQ(expected.of_states[order.Place(state)][0], std::min(cost(0), cost(1))) << state;
    EXPECT_EQ(expected_odd[order.Place(state)] & 1, cost(1) < cost(0) ? 1 : 0) << state;
  }
  const auto expect_same = [&](TrellisStep step) {
    std::memset(&found, 0, sizeof(found));
    step(branches.data(), before.of_states, found.of_states, odd.data());
    EXPECT_EQ(std::memcmp(&found, &expected, sizeof(found)), 0);
    EXPECT_EQ(odd, expected_odd);
  };
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) expect_same(trellis_step::Avx2<bits>);
#endif
  expect_same(FastestTrellisStep(bits));
}

TEST(TrellisStepTest, IsTheSameOnAllProcessors) {
  ExpectStepsAgree<4>();
  ExpectStepsAgree<5>();
  ExpectStepsAgree<6>();
  ExpectStepsAgree<7>();
  ExpectStepsAgree<8>();
}

TEST(TrellisSearchTest, LargeValuesKeepTheirSignAndSize) {
  TrellisSearch search(6, Costs(), kWeight, 1);
  const std::vector<float> exact = {16384, -16384, 700.2f, -0.01f, 0, -90.5f, 1e-30f};
  uint32_t state = 0;
  const std::vector<int16_t> symbols = Search(search, {exact, std::vector<uint8_t>(exact.size(), 63)}, &state);
  state = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_NEAR(LevelOf(TrellisCode::Quantiser(state), symbols[i]) * 0.75, exact[i], 2) << i;
    state = search.code().Next(state, symbols[i]);
  }
}

TEST(TrellisSearchTest, NothingToSearchLeavesTheState) {
  TrellisSearch search(4, Costs(), kWeight, 1);
  uint32_t state = 7;
  search.Run(nullptr, nullptr, 0, &state, nullptr);
  EXPECT_EQ(state, 7u);
}

TEST(NearestSymbolTest, ItsLevelIsTheNearestOfTheQuantiser) {
  for (int quantiser = 0; quantiser < 2; ++quantiser) {
    for (int n = -4001; n <= 4001; ++n) {
      const float exact = static_cast<float>(n) / 317;
      const int32_t symbol = NearestSymbol(quantiser, exact);
      const auto error = [&](int32_t k) {
        return std::fabs(static_cast<float>(LevelOf(quantiser, k)) * 0.75f - exact);
      };
      for (const int32_t other : {symbol - 1, symbol + 1}) EXPECT_LE(error(symbol), error(other) + 1e-5f) << exact;
    }
  }
}

TEST(LevelTest, QuantisersShareNoLevelButZero) {
  EXPECT_EQ(LevelOf(0, 0), 0);
  EXPECT_EQ(LevelOf(1, 0), 0);
  EXPECT_EQ(LevelOf(0, -3), -6);
  EXPECT_EQ(LevelOf(1, -3), -5);
  EXPECT_EQ(LevelOf(0, 1), 2);
  EXPECT_EQ(LevelOf(1, 1), 1);
}

}  // namespace
}  // namespace lichen
