// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_CODED_ELEMENTS_H_
#define LICHEN_CODEC_CODED_ELEMENTS_H_

// A group of latents is coded but for the elements whose table says that they are 0. What is coded is put one behind
// the other for the search, and its levels go back to where they belong.

#include <cstdint>

namespace lichen {

/// Words that tell of `count` elements which are coded: 16 to a word, the first in the lowest bit.
constexpr int WordsOfCoded(int count) { return (count + 15) / 16; }

struct CodedElements {
  /// Takes the elements whose index is not 0 and returns their number. exact: [count], of which what is coded goes to
  /// `taken`; marks: of each, its index | mark; words: [WordsOfCoded(count)]
  int (*take)(const int32_t* index, const float* exact, int mark, int count, float* taken, uint8_t* marks,
              uint16_t* words);
  /// The levels of symbols (LevelOf) at the elements that are coded, and 0 elsewhere: levels: [count]. Returns the
  /// number of symbols. marks: of each, its quantiser * kScaleTables + index
  int (*place)(const uint16_t* words, const int16_t* symbols, const uint8_t* marks, int count, int32_t* levels);
};

CodedElements PlainCodedElements();
/// The fastest on this processor; the results are the same.
CodedElements FastestCodedElements();

}  // namespace lichen

#endif  // LICHEN_CODEC_CODED_ELEMENTS_H_
