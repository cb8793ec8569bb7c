// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_pixels.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "image_io/inflater.h"
#include "image_io/png_filter.h"

namespace lichen::image_io {
namespace {

constexpr uint8_t kType[] = {'I', 'D', 'A', 'T'};
constexpr size_t kCrcBytes = 4, kHeaderBytes = 8;

Status Damaged(const char* what) { return Status(StatusCode::kDamaged, what); }

uint32_t BigEndian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

class IsalPngPixels : public PngPixels {
 public:
  IsalPngPixels(PngBytes* bytes, uint32_t chunk_bytes, size_t row_bytes, int channels, int bit_depth)
      : bytes_(bytes),
        bit_depth_(bit_depth),
        pixel_bytes_(static_cast<size_t>(channels * bit_depth / 8)),
        row_(1 + row_bytes),
        above_(1 + row_bytes) {
    StartChunk(chunk_bytes);
  }

  Status ReadRow(uint8_t* row) override;
  Status Finish() override;

 private:
  void StartChunk(uint32_t size);
  Status Inflate(uint8_t* data, size_t size);
  Status SetInput();
  Result<bool> NextPiece();
  Result<bool> NextChunk();

  PngBytes* bytes_;
  int bit_depth_;
  size_t pixel_bytes_;
  Inflater inflater_;
  uint32_t chunk_left_ = 0;           // bytes of the chunk behind the piece
  uint32_t crc_ = 0;                  // of the chunk to the end of the piece
  size_t piece_ = 0;                  // bytes of the chunk, at bytes_->data(), that the inflater has or had
  std::vector<uint8_t> row_, above_;  // with the filter's byte in front, samples of 16 bits big-endian
};

Status IsalPngPixels::ReadRow(uint8_t* row) {
  row_.swap(above_);
  LICHEN_RETURN_IF_ERROR(Inflate(row_.data(), row_.size()));
  if (row_[0] > static_cast<uint8_t>(PngFilter::kPaeth)) return Damaged("bad adaptive filter value");
  const size_t size = row_.size() - 1;
  const uint8_t* samples = row_.data() + 1;
  UnfilterRow(static_cast<PngFilter>(row_[0]), row_.data() + 1, above_.data() + 1, size, pixel_bytes_);
  if (bit_depth_ == 16) {
    for (size_t i = 0; i < size; i += 2) {
      const auto sample = static_cast<uint16_t>(samples[i] << 8 | samples[i + 1]);
      std::memcpy(row + i, &sample, 2);
    }
  } else {
    std::memcpy(row, samples, size);
  }
  return Status();
}

Status IsalPngPixels::Finish() {
  while (!inflater_.Ended()) {
    uint8_t more = 0;
    if (inflater_.Output(&more, 1) > 0) return Damaged("IDAT: Too much image data");
    if (!inflater_.Ended()) LICHEN_RETURN_IF_ERROR(SetInput());
  }
  if (inflater_.Left() + chunk_left_ > 0) return Damaged("IDAT: Extra compressed data");
  while (true) {  // what is in chunks of its own is checked and ignored
    LICHEN_ASSIGN_OR_RETURN(const bool more, NextPiece());
    if (!more) return Status();
  }
}

/// The next bytes of the stream's content.
Status IsalPngPixels::Inflate(uint8_t* data, size_t size) {
  while (true) {
    const size_t count = inflater_.Output(data, size);
    data += count;
    size -= count;
    if (size == 0) return Status();
    if (inflater_.Ended()) return Damaged("Not enough image data");
    LICHEN_RETURN_IF_ERROR(SetInput());
  }
}

/// Gives the inflater, which has used up what it had, the next piece.
Status IsalPngPixels::SetInput() {
  if (inflater_.Damaged()) return Damaged("IDAT: damaged compressed data");
  LICHEN_ASSIGN_OR_RETURN(const bool more, NextPiece());
  if (!more) return Damaged("Not enough image data");
  inflater_.SetInput(bytes_->data(), piece_);
  return Status();
}

/// As much as has been read of the chunk, or the next one that has any: at least a byte. False when there is no more.
Result<bool> IsalPngPixels::NextPiece() {
  bytes_->Skip(piece_);
  piece_ = 0;
  while (chunk_left_ == 0) {
    LICHEN_ASSIGN_OR_RETURN(const bool more, NextChunk());
    if (!more) return false;
  }
  LICHEN_RETURN_IF_ERROR(bytes_->Need(1));
  piece_ = std::min<size_t>(chunk_left_, bytes_->size());
  chunk_left_ -= static_cast<uint32_t>(piece_);
  crc_ = Crc32(crc_, bytes_->data(), piece_);
  return true;
}

/// From the end of a chunk's content to the start of the next one's, unless that is of another type.
Result<bool> IsalPngPixels::NextChunk() {
  LICHEN_RETURN_IF_ERROR(bytes_->Need(kCrcBytes));
  if (BigEndian(bytes_->data()) != crc_) return Damaged("IDAT: CRC error");
  bytes_->Skip(kCrcBytes);
  LICHEN_RETURN_IF_ERROR(bytes_->Need(kHeaderBytes));
  if (std::memcmp(bytes_->data() + 4, kType, sizeof kType) != 0) return false;
  const uint32_t size = BigEndian(bytes_->data());
  if (size > 0x7fffffff) return Damaged("PNG unsigned integer out of range");
  bytes_->Skip(kHeaderBytes);
  StartChunk(size);
  return true;
}

void IsalPngPixels::StartChunk(uint32_t size) {
  chunk_left_ = size;
  crc_ = Crc32(0, kType, sizeof kType);
}

}  // namespace

std::unique_ptr<PngPixels> ReadPngPixels(PngBytes* bytes, uint32_t chunk_bytes, size_t row_bytes, int channels,
                                         int bit_depth) {
  return std::make_unique<IsalPngPixels>(bytes, chunk_bytes, row_bytes, channels, bit_depth);
}

}  // namespace lichen::image_io
