// SPDX-License-Identifier: Apache-2.0
#include "image_io/png_file.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image_io/deflater.h"
#include "image_io/png_bytes.h"
#include "image_io/png_filter.h"
#include "image_io/png_pixels.h"
#include "image_io/zlib_stream.h"

namespace lichen::image_io {
namespace {

constexpr uint8_t kIccChunk[] = "iCCP", kExifChunk[] = "eXIf", kXmpChunk[] = "iTXt", kPixelChunk[] = "IDAT",
                  kEndChunk[] = "IEND";
constexpr char kXmpKeyword[] = "XML:com.adobe.xmp";

constexpr size_t kBlockBytes = size_t{1} << 16;  // of filtered rows that are compressed at a time, or one longer row
constexpr size_t kIdatBytes = size_t{1} << 16;

// libpng reports errors by longjmp, which skips destructors. So every call of it is made inside Session::Run, in a
// lambda whose locals are plain numbers and pointers, and its callbacks build their messages in helpers that have
// returned before they jump.
class Session {
 public:
  explicit Session(const char* damage_advice) : damage_advice_(damage_advice) {}

  /// Calls `steps`; returns the first error of this session, from it or from earlier steps.
  template <typename Steps>
  Status Run(const Steps& steps) {
    if (status_.ok() && setjmp(jump_) == 0) steps();
    return status_;
  }

  /// The same for steps without libpng, which return their error, damage in words like libpng's.
  template <typename Steps>
  Status RunOwn(const Steps& steps) {
    if (!status_.ok()) return status_;
    Status status = steps();
    if (status.code() == StatusCode::kDamaged) {
      FailDamaged(status.message().c_str());
    } else {
      Fail(std::move(status));
    }
    return status_;
  }

  /// Keeps the first error.
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  void FailDamaged(const char* message) {
    if (std::strstr(message, "emory") != nullptr) {
      Fail(Status(StatusCode::kOutOfMemory, "there is not enough memory for this PNG picture"));
    } else {
      Fail(Status(StatusCode::kDamaged, std::string(message) + damage_advice_));
    }
  }
  [[noreturn]] void Jump() { longjmp(jump_, 1); }

  static void OnError(png_structp png, png_const_charp message) {
    Session* session = static_cast<Session*>(png_get_error_ptr(png));
    session->FailDamaged(message);
    session->Jump();
  }
  /// Most warnings are about harmless trifles, but one about the image data means that pixels may be wrong.
  static void OnWarning(png_structp png, png_const_charp message) {
    Session* session = static_cast<Session*>(png_get_error_ptr(png));
    if (std::strncmp(message, "IDAT", 4) == 0) session->FailDamaged(message);
  }

 private:
  std::jmp_buf jump_;
  Status status_;
  const char* damage_advice_;
};

bool IsLittleEndian() {
  constexpr uint16_t kOne = 1;
  return *reinterpret_cast<const uint8_t*>(&kOne) == 1;
}

struct FreeMemory {
  void operator()(uint8_t* memory) const { std::free(memory); }
};

/// libpng reads the header and all other chunks; those of image data too, unless PngPixels, which is faster, can.
class PngSource : public PictureSource {
 public:
  PngSource(std::unique_ptr<ByteSource> bytes, const ReadOptions& options)
      : session_(" (this PNG file is damaged; get a good copy)"), bytes_(std::move(bytes)), options_(options) {}
  ~PngSource() override { png_destroy_read_struct(&png_, &info_, nullptr); }

  Status Open();
  const ImageHeader& header() const override { return header_; }
  Status ReadRow(uint8_t* row) override;
  std::vector<std::string> dropped() const override;

 private:
  Status StartRows();
  Status StartPixels();
  Status ReadSamples(uint8_t* samples);
  Status ReadPasses();
  Status ReadEnd();
  void Convert(const uint8_t* samples, uint8_t* row);
  void CheckColours();
  void Drop(std::string what) { dropped_.push_back(std::move(what)); }
  void KeepChunk(const png_unknown_chunk& chunk);
  void KeepText(const png_unknown_chunk& chunk);
  void KeepBlock(const uint8_t* data, size_t size, bool compressed, const std::string& what,
                 std::vector<uint8_t>* block);
  static void OnRead(png_structp png, png_bytep data, size_t size);
  static int OnUnknownChunk(png_structp png, png_unknown_chunkp chunk);

  Session session_;
  PngBytes bytes_;
  ReadOptions options_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  ImageHeader header_;
  bool at_chunk_ = false;              // libpng has just read
  uint8_t chunk_header_[8] = {};       // this: size and type of a chunk, or as many other bytes
  std::unique_ptr<PngPixels> pixels_;  // null: by libpng

  // What libpng gives once its palettes and packed samples are expanded.
  int channels_ = 0;  // 1..4 as in ImageHeader
  int bit_depth_ = 0;
  size_t row_bytes_ = 0;
  bool interlaced_ = false;

  std::vector<uint8_t> samples_;                    // one row, unless it can be read in place
  std::unique_ptr<uint8_t[], FreeMemory> picture_;  // all rows of an interlaced picture
  uint32_t next_row_ = 0;

  bool finer_than_8_bits_ = false;  // some sample is not a multiple of 257, so has no exact 8-bit value
  std::vector<std::string> dropped_;
};

Status PngSource::Open() {
  LICHEN_RETURN_IF_ERROR(session_.Run([this] {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &session_, Session::OnError, Session::OnWarning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) return;
    png_set_read_fn(png_, this, OnRead);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // CheckSize has better words
    // Metadata as bytes: libpng's own readers drop what they find odd and keep more than is asked for.
    static constexpr png_byte kChunks[] = "iCCP\0eXIf\0iTXt\0tEXt\0zTXt\0cICP";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_ALWAYS, kChunks, 6);
    png_set_chunk_malloc_max(png_, kMaxMetadataBytes + 1024);  // and their keywords
    png_set_read_user_chunk_fn(png_, this, OnUnknownChunk);
    png_read_info(png_, info_);
  }));
  if (info_ == nullptr) return Status(StatusCode::kOutOfMemory, "there is not enough memory for this PNG picture");
  header_.width = png_get_image_width(png_, info_);
  header_.height = png_get_image_height(png_, info_);
  LICHEN_RETURN_IF_ERROR(CheckSize(header_.width, header_.height, options_));
  return StartRows();
}

Status PngSource::StartRows() {
  LICHEN_RETURN_IF_ERROR(StartPixels());
  if (pixels_ == nullptr) {
    LICHEN_RETURN_IF_ERROR(session_.Run([this] {
      png_set_expand(png_);
      if (IsLittleEndian()) png_set_swap(png_);  // samples of 16 bits are big-endian in PNG
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    }));
  }
  channels_ = png_get_channels(png_, info_);
  bit_depth_ = png_get_bit_depth(png_, info_);
  row_bytes_ = png_get_rowbytes(png_, info_);
  interlaced_ = png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
  if (interlaced_) {
    LICHEN_RETURN_IF_ERROR(CheckMemory(uint64_t{header_.height} * row_bytes_, options_, "an interlaced PNG picture",
                                       "save it without interlacing"));
  }
  header_.channels = channels_;
  header_.bit_depth = std::min(bit_depth_, options_.max_bit_depth);
  if (row_bytes_ != header_.RowBytes() && !interlaced_) samples_.resize(row_bytes_);
  return Status();
}

/// Makes pixels_, if libpng would give the samples as they are in the file.
Status PngSource::StartPixels() {
  const int colour_type = png_get_color_type(png_, info_), bit_depth = png_get_bit_depth(png_, info_);
  const bool expanded = colour_type == PNG_COLOR_TYPE_PALETTE || bit_depth < 8 ||
                        png_get_valid(png_, info_, PNG_INFO_tRNS) != 0 ||
                        png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
  const bool at_pixels = at_chunk_ && std::memcmp(chunk_header_ + 4, kPixelChunk, 4) == 0;
  if (expanded || !at_pixels) return Status();
  try {
    pixels_ = ReadPngPixels(&bytes_, png_get_uint_32(chunk_header_), png_get_rowbytes(png_, info_),
                            png_get_channels(png_, info_), bit_depth);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "there is not enough memory for this PNG picture");
  }
  return Status();
}

Status PngSource::ReadRow(uint8_t* row) {
  if (next_row_ == header_.height) return Status(StatusCode::kInvalidArgument, "all rows have been read");
  if (interlaced_) {
    if (next_row_ == 0) LICHEN_RETURN_IF_ERROR(ReadPasses());
    Convert(picture_.get() + row_bytes_ * next_row_, row);
  } else if (samples_.empty()) {
    LICHEN_RETURN_IF_ERROR(ReadSamples(row));
  } else {
    LICHEN_RETURN_IF_ERROR(ReadSamples(samples_.data()));
    Convert(samples_.data(), row);
  }
  return ++next_row_ == header_.height ? ReadEnd() : Status();
}

/// The next row of a picture that is not interlaced.
Status PngSource::ReadSamples(uint8_t* samples) {
  if (pixels_ != nullptr) return session_.RunOwn([this, samples] { return pixels_->ReadRow(samples); });
  return session_.Run([this, samples] { png_read_row(png_, samples, nullptr); });
}

/// The seven passes of an interlaced picture. calloc, so that a short file that claims to be huge costs no memory.
Status PngSource::ReadPasses() {
  picture_.reset(static_cast<uint8_t*>(std::calloc(header_.height, row_bytes_)));
  if (picture_ == nullptr) {
    return Status(StatusCode::kOutOfMemory, "there is not enough memory for this interlaced PNG picture");
  }
  return session_.Run([this] {
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
      for (uint32_t y = 0; y < header_.height; ++y) png_read_row(png_, picture_.get() + row_bytes_ * y, nullptr);
    }
  });
}

/// To the end marker, which shows that the file is whole; metadata may come this late.
Status PngSource::ReadEnd() {
  if (pixels_ != nullptr) LICHEN_RETURN_IF_ERROR(session_.RunOwn([this] { return pixels_->Finish(); }));
  LICHEN_RETURN_IF_ERROR(session_.Run([this] {
    // libpng has read the header of the first IDAT chunk and goes on behind the last one. Had it to know such chunks,
    // it would insist on ending its own inflation.
    static constexpr png_byte kChunks[] = "IDAT";
    if (pixels_ != nullptr) png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kChunks, 1);
    png_read_end(png_, info_);
  }));
  CheckColours();
  return Status();
}

/// One row in the bit depth of the header.
void PngSource::Convert(const uint8_t* samples, uint8_t* row) {
  const size_t count = header_.RowBytes();
  if (bit_depth_ == header_.bit_depth) {
    std::copy_n(samples, count, row);
    return;
  }
  finer_than_8_bits_ |= RoundTo8Bits(samples, count, row);
}

std::vector<std::string> PngSource::dropped() const {
  std::vector<std::string> all;
  if (finer_than_8_bits_) all.push_back("16-bit samples");
  all.insert(all.end(), dropped_.begin(), dropped_.end());
  return all;
}

/// Colours that are described otherwise than by a profile; what describes sRGB says nothing new.
void PngSource::CheckColours() {
  int srgb_intent = 0;
  if (!header_.icc.empty() || png_get_sRGB(png_, info_, &srgb_intent) != 0) return;
  constexpr png_fixed_point kSrgbGamma = 45455, kTolerance = 500;  // in 1/100000
  png_fixed_point gamma = kSrgbGamma;
  if (png_get_gAMA_fixed(png_, info_, &gamma) != 0 && std::abs(gamma - kSrgbGamma) > kTolerance) {
    Drop("gamma " + std::to_string(gamma / 100000.0).substr(0, 6));
  }
  png_fixed_point c[8] = {};
  constexpr png_fixed_point kSrgb[8] = {31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000};  // white, R, G, B
  if (png_get_cHRM_fixed(png_, info_, &c[0], &c[1], &c[2], &c[3], &c[4], &c[5], &c[6], &c[7]) != 0) {
    bool differs = false;
    for (int i = 0; i < 8; ++i) differs |= std::abs(c[i] - kSrgb[i]) > kTolerance;
    if (differs) Drop("colour primaries");
  }
}

void PngSource::KeepChunk(const png_unknown_chunk& chunk) {
  const std::string type(reinterpret_cast<const char*>(chunk.name), 4);
  const uint8_t* data = chunk.data;
  const uint8_t* end = data + chunk.size;
  if (type == "acTL") Drop("animation (only the first frame is used)");
  if (type == "cICP") Drop("colour description (cICP)");
  if (type == "iCCP") {  // name, 0, method, zlib stream
    data = std::find(data, end, 0);
    data += std::min<ptrdiff_t>(2, end - data);
    KeepBlock(data, static_cast<size_t>(end - data), true, "ICC profile", &header_.icc);
  }
  if (type == "eXIf") {
    static constexpr uint8_t kJpegName[] = {'E', 'x', 'i', 'f', 0, 0};  // which some programs leave in front
    if (chunk.size >= sizeof kJpegName && std::equal(kJpegName, kJpegName + sizeof kJpegName, data)) {
      data += sizeof kJpegName;
    }
    KeepBlock(data, static_cast<size_t>(end - data), false, "EXIF data", &header_.exif);
  }
  if (type == "iTXt" || type == "tEXt" || type == "zTXt") KeepText(chunk);
}

/// Of texts only XMP is kept, and those are named in which ImageMagick hides EXIF, XMP and IPTC.
void PngSource::KeepText(const png_unknown_chunk& chunk) {
  const uint8_t* data = chunk.data;
  const uint8_t* end = data + chunk.size;
  const uint8_t* key_end = std::find(data, end, 0);
  const std::string key(data, key_end);
  if (key.rfind("Raw profile type ", 0) == 0) Drop("profile \"" + key.substr(17) + "\"");
  if (key != kXmpKeyword || std::memcmp(chunk.name, kXmpChunk, 4) != 0) return;
  if (end - key_end < 5) return Drop("XMP data (damaged)");
  const bool compressed = key_end[1] != 0;
  data = std::find(key_end + 3, end, 0);  // the end of the language
  data = data == end ? end : std::find(data + 1, end, 0);
  if (data == end) return Drop("XMP data (damaged)");
  ++data;
  KeepBlock(data, static_cast<size_t>(end - data), compressed, "XMP data", &header_.xmp);
}

/// The first block of its kind, unless it is damaged or too large.
void PngSource::KeepBlock(const uint8_t* data, size_t size, bool compressed, const std::string& what,
                          std::vector<uint8_t>* block) {
  if (!block->empty()) return Drop("further " + what);
  if (compressed) {
    std::optional<std::vector<uint8_t>> content = Inflate(data, size, kMaxMetadataBytes);
    if (!content) return Drop(what + " (damaged or over " + std::to_string(kMaxMetadataBytes) + " bytes)");
    *block = std::move(*content);
  } else if (size > kMaxMetadataBytes) {
    Drop(DescribeBlock(what, size));
  } else {
    block->assign(data, data + size);
  }
}

void PngSource::OnRead(png_structp png, png_bytep data, size_t size) {
  PngSource* source = static_cast<PngSource*>(png_get_io_ptr(png));
  const bool ok = [&] {
    Status status = source->bytes_.Read(data, size);
    const bool read = status.ok();
    if (!read) source->session_.Fail(std::move(status));
    source->at_chunk_ = read && size == sizeof source->chunk_header_;
    if (source->at_chunk_) std::memcpy(source->chunk_header_, data, size);
    return read;
  }();
  if (!ok) source->session_.Jump();
}

/// Chunks with metadata, and those that this libpng has no reader for. 1: seen to; 0: as libpng sees fit, which refuses
/// critical ones; -1: an error.
int PngSource::OnUnknownChunk(png_structp png, png_unknown_chunkp chunk) {
  PngSource* source = static_cast<PngSource*>(png_get_user_chunk_ptr(png));
  const bool critical = (chunk->name[0] & 0x20) == 0;
  if (critical) return 0;
  try {
    source->KeepChunk(*chunk);
  } catch (const std::bad_alloc&) {
    source->session_.Fail(Status(StatusCode::kOutOfMemory, "there is not enough memory for this PNG picture"));
    return -1;
  }
  return 1;
}

/// libpng writes the header and the chunks' frames; rows are filtered and compressed here, which takes a fraction of
/// the time that libpng takes for it.
class PngSink : public PictureSink {
 public:
  PngSink(std::unique_ptr<ByteSink> bytes, const WriteOptions& options)
      : session_(" (writing the PNG file)"), bytes_(std::move(bytes)), options_(options) {}
  ~PngSink() override { png_destroy_write_struct(&png_, &info_); }

  Status Begin(const ImageHeader& header) override;
  Status WriteRow(const uint8_t* row) override;
  Status Finish() override;
  std::vector<std::string> dropped() const override { return {}; }

 private:
  Status WriteMetadata(const ImageHeader& header);
  void StartRows(const ImageHeader& header);
  void Filter();
  Status Compress(bool last);
  Status WriteChunk(const uint8_t* type, const uint8_t* data, size_t size);
  static void OnWrite(png_structp png, png_bytep data, size_t size);
  static void OnFlush(png_structp) {}

  Session session_;
  std::unique_ptr<ByteSink> bytes_;
  WriteOptions options_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  uint32_t rows_left_ = 0;

  int bit_depth_ = 0;
  size_t pixel_bytes_ = 0;
  std::vector<PngFilter> filters_;         // to choose from
  std::vector<uint8_t> row_, above_;       // as PNG has them, but not filtered
  std::vector<uint8_t> filtered_, trial_;  // of row_, with the filter's byte in front
  std::vector<uint8_t> block_;             // filtered rows that are still to be compressed
  std::unique_ptr<Deflater> deflater_;
  std::vector<uint8_t> idat_;  // the next chunk of the stream, of which there are
  size_t idat_size_ = 0;       // so many bytes
};

Status PngSink::Begin(const ImageHeader& header) {
  LICHEN_RETURN_IF_ERROR(CheckWritable(header));
  rows_left_ = header.height;
  LICHEN_RETURN_IF_ERROR(session_.Run([this, &header] {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session_, Session::OnError, Session::OnWarning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) return;
    png_set_write_fn(png_, this, OnWrite, OnFlush);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
    constexpr int kColourTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                    PNG_COLOR_TYPE_RGB_ALPHA};
    png_set_IHDR(png_, info_, header.width, header.height, header.bit_depth, kColourTypes[header.channels - 1],
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
  }));
  const Status no_memory(StatusCode::kOutOfMemory, "there is not enough memory to write a PNG picture");
  if (info_ == nullptr) return no_memory;
  try {
    StartRows(header);
  } catch (const std::bad_alloc&) {
    return no_memory;
  }
  return WriteMetadata(header);
}

void PngSink::StartRows(const ImageHeader& header) {
  bit_depth_ = header.bit_depth;
  pixel_bytes_ = static_cast<size_t>(header.channels) * static_cast<size_t>(header.bit_depth / 8);
  // On photographs average or Paeth, row by row, makes files as small as a choice among all filters, within 0.5 %; for
  // a deflate that takes its time the others cost little.
  filters_ = {PngFilter::kAverage, PngFilter::kPaeth};
  if (options_.png_level >= 6) filters_.insert(filters_.end(), {PngFilter::kNone, PngFilter::kSub, PngFilter::kUp});
  row_.resize(header.RowBytes());
  above_.resize(header.RowBytes());
  filtered_.resize(header.RowBytes() + 1);
  trial_.resize(header.RowBytes() + 1);
  block_.reserve(kBlockBytes + filtered_.size());
  idat_.resize(kIdatBytes);
  if (options_.png_level == 1) deflater_ = MakeIsalDeflater();
  if (deflater_ == nullptr) deflater_ = MakeZlibDeflater(options_.png_level);
}

/// The chunks are made here, since libpng would refuse or change some that it finds odd.
Status PngSink::WriteMetadata(const ImageHeader& header) {
  const auto write = [this](const uint8_t* type, const std::vector<uint8_t>& chunk) {
    return WriteChunk(type, chunk.data(), chunk.size());
  };
  const auto append = [](const std::vector<uint8_t>& bytes, std::vector<uint8_t>* chunk) {
    chunk->insert(chunk->end(), bytes.begin(), bytes.end());
  };
  if (!header.icc.empty()) {
    static constexpr char kStart[] = "ICC profile\0";  // and the 0 of its only compression method
    std::vector<uint8_t> chunk(kStart, kStart + sizeof kStart);
    constexpr size_t kSmall = 1000;  // may compress so well that libpng takes the chunk, of under 92 bytes, for damaged
    append(Deflate(header.icc, header.icc.size() < kSmall ? 0 : 9), &chunk);
    LICHEN_RETURN_IF_ERROR(write(kIccChunk, chunk));
  }
  if (!header.exif.empty()) LICHEN_RETURN_IF_ERROR(write(kExifChunk, header.exif));
  if (!header.xmp.empty()) {
    std::vector<uint8_t> chunk(kXmpKeyword, kXmpKeyword + sizeof kXmpKeyword);
    chunk.insert(chunk.end(), 4, 0);  // not compressed, by no method; no language, no translated keyword
    append(header.xmp, &chunk);
    LICHEN_RETURN_IF_ERROR(write(kXmpChunk, chunk));
  }
  return Status();
}

Status PngSink::WriteRow(const uint8_t* row) {
  if (rows_left_ == 0) return Status(StatusCode::kInvalidArgument, "all rows have been written");
  --rows_left_;
  row_.swap(above_);
  if (bit_depth_ == 16 && IsLittleEndian()) {
    for (size_t i = 0; i < row_.size(); i += 2) {
      row_[i] = row[i + 1];
      row_[i + 1] = row[i];
    }
  } else {
    std::copy_n(row, row_.size(), row_.data());
  }
  Filter();
  block_.insert(block_.end(), filtered_.begin(), filtered_.end());
  return block_.size() < kBlockBytes && rows_left_ > 0 ? Status() : Compress(rows_left_ == 0);
}

/// row_ to filtered_, by the filter that leaves the least.
void PngSink::Filter() {
  uint64_t least = 0;
  for (const PngFilter filter : filters_) {
    FilterRow(filter, row_.data(), above_.data(), row_.size(), pixel_bytes_, trial_.data());
    const uint64_t magnitude = Magnitude(trial_.data() + 1, row_.size());
    if (filter == filters_.front() || magnitude < least) {
      least = magnitude;
      filtered_.swap(trial_);
    }
  }
}

/// What has been filtered, and after the `last` row also what remains to be written of the stream.
Status PngSink::Compress(bool last) {
  deflater_->SetInput(block_.data(), block_.size(), last);
  while (true) {
    idat_size_ += deflater_->Output(idat_.data() + idat_size_, idat_.size() - idat_size_);
    const bool full = idat_size_ == idat_.size();
    if (full || (last && idat_size_ > 0)) {
      LICHEN_RETURN_IF_ERROR(WriteChunk(kPixelChunk, idat_.data(), idat_size_));
      idat_size_ = 0;
    }
    if (!full) break;
  }
  block_.clear();
  return Status();
}

Status PngSink::WriteChunk(const uint8_t* type, const uint8_t* data, size_t size) {
  return session_.Run([this, type, data, size] { png_write_chunk(png_, type, data, size); });
}

Status PngSink::Finish() {
  if (rows_left_ > 0 || png_ == nullptr) {
    return Status(StatusCode::kInvalidArgument, std::to_string(rows_left_) + " rows of the picture are missing");
  }
  LICHEN_RETURN_IF_ERROR(WriteChunk(kEndChunk, nullptr, 0));  // png_write_end insists on pixels of its own
  return bytes_->Finish();
}

void PngSink::OnWrite(png_structp png, png_bytep data, size_t size) {
  PngSink* sink = static_cast<PngSink*>(png_get_io_ptr(png));
  const bool ok = [&] {
    Status status = sink->bytes_->Write(data, size);
    const bool written = status.ok();
    if (!written) sink->session_.Fail(std::move(status));
    return written;
  }();
  if (!ok) sink->session_.Jump();
}

}  // namespace

Result<std::unique_ptr<PictureSource>> OpenPng(std::unique_ptr<ByteSource> bytes, const ReadOptions& options) {
  auto source = std::make_unique<PngSource>(std::move(bytes), options);
  LICHEN_RETURN_IF_ERROR(source->Open());
  return std::unique_ptr<PictureSource>(std::move(source));
}

std::unique_ptr<PictureSink> CreatePng(std::unique_ptr<ByteSink> bytes, const WriteOptions& options) {
  return std::make_unique<PngSink>(std::move(bytes), options);
}

}  // namespace lichen::image_io
