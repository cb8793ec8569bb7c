// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_CODING_CHOICE_H_
#define LICHEN_CODEC_CODING_CHOICE_H_

// Which coding suits a picture: networks or block transform.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lichen/codec.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

/// The top rows of a source are kept when first read, and given again after StartOver.
class HeadRows : public RowSource {
 public:
  /// Borrows `source`, which stands at its first row.
  explicit HeadRows(RowSource& source) : source_(source) {}

  /// Reads the rows to keep. errors: those of the source
  Status ReadHead();
  /// Colours of a part of the head, without alpha. REQUIRES: ReadHead; x, y, width and height inside the head
  Image Window(uint32_t x, uint32_t y, uint32_t width, uint32_t height) const;
  uint32_t rows() const { return rows_; }

  const ImageHeader& header() const override { return source_.header(); }
  /// The head's rows, each of which is forgotten then, and those of the source after it.
  Status ReadRow(uint8_t* row) override;
  bool can_rewind() const override { return source_.can_rewind(); }
  Status Rewind() override;

 private:
  RowSource& source_;
  uint32_t rows_ = 0, next_ = 0;
  std::vector<std::vector<uint8_t>> head_;
};

/// kLearned or kDct: what costs less at the quality, rate and squared error weighed as the quality means it.
/// head      its rows were read
/// options   coding is not looked at; quality is used, a target is not; progress is asked whether to go on
/// errors    those of Encode and Decode, kLimitExceeded among them
Result<Coding> ChooseCoding(const HeadRows& head, const EncodeOptions& options);

/// Rows that HeadRows keeps, and the bytes they take: at most 1024 rows and 64 MiB, but one row at least.
uint32_t HeadHeight(const ImageHeader& picture);
uint64_t HeadMemory(const ImageHeader& picture);

}  // namespace lichen

#endif  // LICHEN_CODEC_CODING_CHOICE_H_
