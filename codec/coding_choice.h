// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_CODING_CHOICE_H_
#define LICHEN_CODEC_CODING_CHOICE_H_

// Which coding suits a picture: networks or block transform.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/entropy_model.h"
#include "codec/error_map.h"
#include "codec/model_data.h"
#include "lichen/codec.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

/// The top rows of a source are kept when first read, and given first.
class HeadRows : public RowSource {
 public:
  /// Borrows `source`, which stands at its first row.
  explicit HeadRows(RowSource& source) : source_(source) {}

  /// Reads the rows to keep. errors: those of the source
  Status ReadHead();
  /// Colours of a part of the head, without alpha. REQUIRES: ReadHead; x, y, width and height inside the head
  Image Window(uint32_t x, uint32_t y, uint32_t width, uint32_t height) const;
  uint32_t rows() const { return rows_; }
  /// A row of the head. REQUIRES: ReadHead; ReadRow has not given it
  const std::vector<uint8_t>& Row(uint32_t y) const { return head_[y]; }

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

/// Gives the rows of a head that is all of the picture; several can at once.
class HeadReader : public RowSource {
 public:
  /// Borrows `head`, whose rows are read and stay there.
  explicit HeadReader(const HeadRows& head) : head_(head) {}

  const ImageHeader& header() const override { return head_.header(); }
  Status ReadRow(uint8_t* row) override;
  bool can_rewind() const override { return true; }
  Status Rewind() override;

 private:
  const HeadRows& head_;
  uint32_t next_ = 0;
};

/// Whether a picture may cost less by the block transform, at the quality and for what is seen of it; else it is not
/// worth a trial.
bool IsWorthATrial(const HeadRows& head, double quality);

/// kLearned or kDct: what costs less at the quality, rate and squared error weighed as the quality means it.
/// head      its rows were read
/// It is tried on parts of the picture, so that IsWorthATrial comes first.
/// options   coding is not looked at; quality is used, a target is not; progress is asked whether to go on
/// errors    those of Encode and Decode, kLimitExceeded among them
Result<Coding> ChooseCoding(const HeadRows& head, const EncodeOptions& options);

/// Whether a picture is encoded both ways for the choice: it is small, one tile, and of 8 bits.
bool IsChosenWhole(const bitstream::Header& picture);

/// What is known of a picture once it was encoded by the block transform.
struct CodedInBlocks {
  size_t bytes;  // of the file
  ErrorMap errors;
};

/// Whether the networks cannot cost less, as far as is known of them: then there is no need to encode with them.
bool IsSurelyDct(const ImageHeader& picture, int quality_index, const CodedInBlocks& blocks);

/// And by the networks.
struct CodedByNetworks {
  size_t bytes;  // of the file
  const bitstream::Header& header;
  const Latents& latents;
  std::optional<PictureError> error;
};

/// The choice for a picture that was encoded both ways: rates and the block transform's error are known, and the
/// networks' error where that tells enough; else it is sampled.
/// head    holds all rows
/// model   with g_s
/// errors  those of Transform
Result<Coding> ChooseCodingOfWhole(const HeadRows& head, const ModelData& model, const CodedInBlocks& blocks,
                                   const CodedByNetworks& networks);

/// Rows that HeadRows keeps, and the bytes they take: at most 1024 rows and 64 MiB, but one row at least. They are all
/// of a picture that has no more, and else go as far as is looked at.
uint32_t HeadHeight(const ImageHeader& picture);
uint64_t HeadMemory(const ImageHeader& picture);

}  // namespace lichen

#endif  // LICHEN_CODEC_CODING_CHOICE_H_
