// SPDX-License-Identifier: Apache-2.0
#include "image_io/jpeg_file.h"

// Each needs those before it: without jpeglib.h, the codes of jerror.h are others than the library's.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image_io/cmyk.h"

namespace lichen::image_io {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;

// Metadata in markers. EXIF and XMP are one marker each; the profile is cut into as many as it takes.
constexpr int kExifMarker = JPEG_APP0 + 1, kXmpMarker = JPEG_APP0 + 1, kIccMarker = JPEG_APP0 + 2;
constexpr size_t kMarkerBytes = 65533;  // content of one marker
constexpr char kExifName[] = "Exif\0";
constexpr char kXmpName[] = "http://ns.adobe.com/xap/1.0/";
constexpr char kExtendedXmpName[] = "http://ns.adobe.com/xmp/extension/";
constexpr char kIccName[] = "ICC_PROFILE";
constexpr size_t kMaxIccBytes = 255 * (kMarkerBytes - sizeof kIccName - 2);  // two numbers: marker, of how many

constexpr int kMaxScans = 500;  // real files have about ten; more only cost time (libjpeg-turbo's own advice)

// libjpeg reports errors by a callback that must not return. As with libpng, every call is made inside Session::Run, in
// a lambda whose locals are plain numbers and pointers, and callbacks build their messages in helpers that have
// returned before they jump.
class Session {
 public:
  Session() {
    jpeg_std_error(&manager_);
    manager_.error_exit = OnError;
    manager_.emit_message = OnMessage;
    manager_.output_message = [](j_common_ptr) {};
  }

  /// For info.err; info.client_data must point to this session.
  jpeg_error_mgr* manager() { return &manager_; }

  /// Calls `steps`; returns the first error of this session, from it or from earlier steps.
  template <typename Steps>
  Status Run(const Steps& steps) {
    if (status_.ok() && setjmp(jump_) == 0) steps();
    return status_;
  }

  /// Keeps the first error.
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  [[noreturn]] void Jump() { longjmp(jump_, 1); }

 private:
  static void OnError(j_common_ptr info) {
    Session* session = static_cast<Session*>(info->client_data);
    session->FailFrom(info);
    session->Jump();
  }

  /// level -1 is a warning, of which all but three mean that the decoder goes on by guessing.
  static void OnMessage(j_common_ptr info, int level) {
    if (level >= 0) return;
    const int code = info->err->msg_code;
    if (code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR || code == JWRN_BOGUS_ICC) return;
    OnError(info);
  }

  void FailFrom(j_common_ptr info) {
    char text[JMSG_LENGTH_MAX] = {};
    info->err->format_message(info, text);
    if (info->err->msg_code == JERR_OUT_OF_MEMORY) {
      Fail(Status(StatusCode::kOutOfMemory, "there is not enough memory for this JPEG picture"));
    } else {
      Fail(Status(StatusCode::kDamaged,
                  std::string(text) + " (this JPEG file is damaged or of an unusual kind; get a good copy)"));
    }
  }

  jpeg_error_mgr manager_ = {};
  std::jmp_buf jump_;
  Status status_;
};

/// Whether it starts with `name`, of `size` bytes, its final zero included.
bool StartsWith(const jpeg_marker_struct& marker, const char* name, size_t size) {
  return marker.data_length >= size && std::memcmp(marker.data, name, size) == 0;
}

struct FreeMemory {
  void operator()(uint8_t* memory) const { std::free(memory); }
};

class JpegSource : public PictureSource {
 public:
  JpegSource(std::unique_ptr<ByteSource> bytes, const ReadOptions& options)
      : bytes_(std::move(bytes)), options_(options), buffer_(kBufferBytes) {}
  ~JpegSource() override { jpeg_destroy_decompress(&info_); }

  Status Open();
  const ImageHeader& header() const override { return header_; }
  Status ReadRow(uint8_t* row) override;
  std::vector<std::string> dropped() const override { return dropped_; }

 private:
  Status CheckScans();
  Status CheckColours();
  void PrepareCmyk();
  Status CollectMetadata();
  void KeepBlock(const jpeg_marker_struct& marker, size_t name_size, const char* what, std::vector<uint8_t>* block);
  Status CollectIcc();
  Status FillBuffer();
  void FailScans();

  static boolean OnFill(j_decompress_ptr info);
  static void OnSkip(j_decompress_ptr info, long count);
  static void OnProgress(j_common_ptr info);

  struct Manager : jpeg_source_mgr {
    JpegSource* owner = nullptr;
  };

  Session session_;
  jpeg_decompress_struct info_ = {};
  Manager manager_ = {};
  jpeg_progress_mgr progress_ = {};
  std::unique_ptr<ByteSource> bytes_;
  ReadOptions options_;
  std::vector<uint8_t> buffer_;
  uint64_t bytes_read_ = 0;
  uint32_t next_row_ = 0;
  ImageHeader header_;
  std::optional<CmykConverter> cmyk_;  // of CMYK and YCCK
  std::vector<uint8_t> cmyk_row_;
  std::vector<std::string> dropped_;
};

Status JpegSource::Open() {
  info_.err = session_.manager();
  info_.client_data = &session_;
  LICHEN_RETURN_IF_ERROR(session_.Run([this] {
    jpeg_create_decompress(&info_);
    manager_.owner = this;
    manager_.init_source = [](j_decompress_ptr) {};
    manager_.fill_input_buffer = OnFill;
    manager_.skip_input_data = OnSkip;
    manager_.resync_to_restart = jpeg_resync_to_restart;
    manager_.term_source = [](j_decompress_ptr) {};
    info_.src = &manager_;
    progress_.progress_monitor = OnProgress;
    info_.progress = &progress_;
    jpeg_save_markers(&info_, kExifMarker, 0xffff);  // and XMP
    jpeg_save_markers(&info_, kIccMarker, 0xffff);
    jpeg_read_header(&info_, TRUE);
  }));
  LICHEN_RETURN_IF_ERROR(CheckSize(info_.image_width, info_.image_height, options_));
  LICHEN_RETURN_IF_ERROR(CheckScans());
  LICHEN_RETURN_IF_ERROR(CheckColours());
  header_.width = info_.image_width;
  header_.height = info_.image_height;
  header_.bit_depth = 8;
  LICHEN_RETURN_IF_ERROR(CollectMetadata());
  if (info_.out_color_space == JCS_CMYK) PrepareCmyk();
  return Status();
}

/// The colours become sRGB, so that a profile for inks no longer fits.
void JpegSource::PrepareCmyk() {
  cmyk_.emplace(header_.icc, info_.saw_Adobe_marker != FALSE);
  cmyk_row_.resize(size_t{header_.width} * 4);
  if (cmyk_->has_profile()) {
    dropped_.push_back("CMYK colours (converted to sRGB by their ICC profile)");
  } else {
    dropped_.push_back("CMYK colours (converted to sRGB without an ICC profile)");
    if (!header_.icc.empty()) dropped_.push_back(DescribeBlock("ICC profile that is not for CMYK", header_.icc.size()));
  }
  header_.icc.clear();
}

/// Of a picture in several scans libjpeg keeps all coefficients.
Status JpegSource::CheckScans() {
  if (!jpeg_has_multiple_scans(&info_)) return Status();
  uint64_t bytes = 0;
  for (int i = 0; i < info_.num_components; ++i) {
    const jpeg_component_info& component = info_.comp_info[i];
    bytes += uint64_t{component.width_in_blocks} * component.height_in_blocks * sizeof(JBLOCK);
  }
  const bool progressive = info_.progressive_mode != 0;
  return CheckMemory(bytes, options_, progressive ? "a progressive JPEG picture" : "a JPEG picture in several scans",
                     "save it as a baseline JPEG");
}

Status JpegSource::CheckColours() {
  switch (info_.jpeg_color_space) {
    case JCS_GRAYSCALE:
      header_.channels = 1;
      info_.out_color_space = JCS_GRAYSCALE;
      return Status();
    case JCS_YCbCr:
    case JCS_RGB:
      header_.channels = 3;
      info_.out_color_space = JCS_RGB;
      return Status();
    case JCS_CMYK:
    case JCS_YCCK:
      header_.channels = 3;
      info_.out_color_space = JCS_CMYK;
      return Status();
    default:
      return Status(StatusCode::kInvalidArgument, "this JPEG picture has " + std::to_string(info_.num_components) +
                                                      " colour components; give a gray, RGB or CMYK one");
  }
}

Status JpegSource::ReadRow(uint8_t* row) {
  if (next_row_ == header_.height) return Status(StatusCode::kInvalidArgument, "all rows have been read");
  const bool first = next_row_ == 0;
  const bool last = ++next_row_ == header_.height;
  LICHEN_RETURN_IF_ERROR(session_.Run([this, row, first, last] {
    if (first) jpeg_start_decompress(&info_);
    JSAMPROW rows[1] = {cmyk_ ? cmyk_row_.data() : row};
    jpeg_read_scanlines(&info_, rows, 1);
    if (last) jpeg_finish_decompress(&info_);  // to the end marker, which shows that the file is whole
  }));
  if (cmyk_) cmyk_->ConvertRow(cmyk_row_.data(), header_.width, row);
  return Status();
}

/// What the markers before the picture hold. APP1: EXIF, XMP (Adobe's specification, part 3); APP2: ICC, MPF.
Status JpegSource::CollectMetadata() {
  size_t extended_xmp = 0;
  bool icc = false, further_pictures = false;
  for (const jpeg_marker_struct* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
    if (StartsWith(*marker, kExifName, sizeof kExifName)) {
      KeepBlock(*marker, sizeof kExifName, "further EXIF data", &header_.exif);
    }
    if (StartsWith(*marker, kXmpName, sizeof kXmpName)) {
      KeepBlock(*marker, sizeof kXmpName, "further XMP data", &header_.xmp);
    }
    if (StartsWith(*marker, kExtendedXmpName, sizeof kExtendedXmpName)) {
      constexpr size_t kNumbers = 40;  // a digest, the size of all, the offset of this part
      extended_xmp += marker->data_length - std::min<size_t>(sizeof kExtendedXmpName + kNumbers, marker->data_length);
    }
    icc |= StartsWith(*marker, kIccName, sizeof kIccName);
    further_pictures |= StartsWith(*marker, "MPF", 4);
  }
  if (icc) LICHEN_RETURN_IF_ERROR(CollectIcc());
  if (extended_xmp > 0) dropped_.push_back(DescribeBlock("extended XMP data", extended_xmp));
  if (further_pictures) dropped_.push_back("further pictures in the file (MPF)");
  return Status();
}

/// The first block of its kind; `what` names those that come after it.
void JpegSource::KeepBlock(const jpeg_marker_struct& marker, size_t name_size, const char* what,
                           std::vector<uint8_t>* block) {
  const size_t size = marker.data_length - name_size;
  if (block->empty()) {
    block->assign(marker.data + name_size, marker.data + marker.data_length);
  } else {
    dropped_.push_back(DescribeBlock(what, size));
  }
}

/// Joins the parts of the profile, which libjpeg refuses to do when one is missing or there twice.
Status JpegSource::CollectIcc() {
  JOCTET* data = nullptr;
  unsigned size = 0;
  LICHEN_RETURN_IF_ERROR(session_.Run([this, &data, &size] { jpeg_read_icc_profile(&info_, &data, &size); }));
  const std::unique_ptr<uint8_t[], FreeMemory> memory(data);
  if (memory == nullptr) {
    dropped_.push_back("ICC profile (incomplete)");
  } else {
    header_.icc.assign(data, data + size);
  }
  return Status();
}

Status JpegSource::FillBuffer() {
  LICHEN_ASSIGN_OR_RETURN(const size_t count, bytes_->Read(buffer_.data(), buffer_.size()));
  if (count == 0) {
    return Status(StatusCode::kTruncated, "this JPEG file is incomplete: it ends after " + std::to_string(bytes_read_) +
                                              " bytes, before its end marker; get a complete copy");
  }
  bytes_read_ += count;
  manager_.next_input_byte = buffer_.data();
  manager_.bytes_in_buffer = count;
  return Status();
}

boolean JpegSource::OnFill(j_decompress_ptr info) {
  JpegSource* source = static_cast<Manager*>(info->src)->owner;
  const bool ok = [&] {
    Status status = source->FillBuffer();
    const bool filled = status.ok();
    if (!filled) source->session_.Fail(std::move(status));
    return filled;
  }();
  if (!ok) source->session_.Jump();
  return TRUE;
}

void JpegSource::OnSkip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  size_t left = static_cast<size_t>(count);
  while (left > info->src->bytes_in_buffer) {
    left -= info->src->bytes_in_buffer;
    OnFill(info);
  }
  info->src->next_input_byte += left;
  info->src->bytes_in_buffer -= left;
}

void JpegSource::OnProgress(j_common_ptr info) {
  JpegSource* source = static_cast<Manager*>(reinterpret_cast<j_decompress_ptr>(info)->src)->owner;
  if (source->info_.input_scan_number <= kMaxScans) return;
  source->FailScans();
  source->session_.Jump();
}

void JpegSource::FailScans() {
  session_.Fail(Status(StatusCode::kLimitExceeded, "this JPEG file has more than " + std::to_string(kMaxScans) +
                                                       " scans, which no camera or program writes; get a good copy"));
}

class JpegSink : public PictureSink {
 public:
  JpegSink(std::unique_ptr<ByteSink> bytes, const WriteOptions& options)
      : bytes_(std::move(bytes)), options_(options), buffer_(kBufferBytes) {}
  ~JpegSink() override { jpeg_destroy_compress(&info_); }

  Status Begin(const ImageHeader& header) override;
  Status WriteRow(const uint8_t* row) override;
  Status Finish() override;
  std::vector<std::string> dropped() const override { return dropped_; }

 private:
  void ChooseMetadata(const ImageHeader& header);
  Status WriteMetadata();

  struct Manager : jpeg_destination_mgr {
    JpegSink* owner = nullptr;
  };

  void ResetBuffer();
  void WriteOut(size_t size);
  static boolean OnFull(j_compress_ptr info);
  static void OnEnd(j_compress_ptr info);

  Session session_;
  jpeg_compress_struct info_ = {};
  Manager manager_ = {};
  std::unique_ptr<ByteSink> bytes_;
  WriteOptions options_;
  std::vector<uint8_t> buffer_;
  std::vector<uint8_t> exif_, icc_, xmp_;  // as the markers hold them: EXIF and XMP with their names
  std::vector<std::string> dropped_;
  uint32_t rows_left_ = 0;
  int channels_ = 0;              // of the rows that come
  std::vector<uint8_t> rounded_;  // one of them in 8 bits
  std::vector<uint8_t> row_;      // one of them without alpha
  bool begun_ = false;
};

Status JpegSink::Begin(const ImageHeader& header) {
  LICHEN_RETURN_IF_ERROR(CheckWritable(header));
  if (header.width > JPEG_MAX_DIMENSION || header.height > JPEG_MAX_DIMENSION) {
    return Status(StatusCode::kInvalidArgument,
                  "the picture is " + std::to_string(header.width) + "x" + std::to_string(header.height) +
                      " and a JPEG file holds at most 65500 pixels a side; write a PNG file");
  }
  rows_left_ = header.height;
  begun_ = true;
  channels_ = header.channels;
  const int colours = channels_ <= 2 ? 1 : 3;
  if (header.bit_depth == 16) rounded_.resize(size_t{header.width} * channels_);
  if (channels_ > colours) row_.resize(size_t{header.width} * colours);
  ChooseMetadata(header);
  info_.err = session_.manager();
  info_.client_data = &session_;
  LICHEN_RETURN_IF_ERROR(session_.Run([this, &header, colours] {
    jpeg_create_compress(&info_);
    manager_.owner = this;
    manager_.init_destination = [](j_compress_ptr info) { static_cast<Manager*>(info->dest)->owner->ResetBuffer(); };
    manager_.empty_output_buffer = OnFull;
    manager_.term_destination = OnEnd;
    info_.dest = &manager_;
    info_.image_width = header.width;
    info_.image_height = header.height;
    info_.input_components = colours;
    info_.in_color_space = colours == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, options_.jpeg_quality, TRUE);
    for (int i = 0; i < info_.num_components; ++i) {  // 4:4:4
      info_.comp_info[i].h_samp_factor = 1;
      info_.comp_info[i].v_samp_factor = 1;
    }
    jpeg_start_compress(&info_, TRUE);
  }));
  return WriteMetadata();
}

/// Keeps what fits.
void JpegSink::ChooseMetadata(const ImageHeader& header) {
  if (header.bit_depth == 16) dropped_.push_back("16-bit samples");
  if (channels_ % 2 == 0) dropped_.push_back("alpha channel");
  const auto choose = [this](const std::vector<uint8_t>& block, const char* name, size_t name_size, size_t most,
                             const char* what, std::vector<uint8_t>* kept) {
    if (block.empty()) return;
    if (block.size() + name_size > most) return dropped_.push_back(DescribeBlock(what, block.size()));
    kept->assign(name, name + name_size);
    kept->insert(kept->end(), block.begin(), block.end());
  };
  choose(header.exif, kExifName, sizeof kExifName, kMarkerBytes, "EXIF data", &exif_);
  choose(header.xmp, kXmpName, sizeof kXmpName, kMarkerBytes, "XMP data", &xmp_);
  choose(header.icc, nullptr, 0, kMaxIccBytes, "ICC profile", &icc_);
}

Status JpegSink::WriteMetadata() {
  return session_.Run([this] {
    if (!exif_.empty()) jpeg_write_marker(&info_, kExifMarker, exif_.data(), static_cast<unsigned>(exif_.size()));
    if (!xmp_.empty()) jpeg_write_marker(&info_, kXmpMarker, xmp_.data(), static_cast<unsigned>(xmp_.size()));
    if (!icc_.empty()) jpeg_write_icc_profile(&info_, icc_.data(), static_cast<unsigned>(icc_.size()));
  });
}

Status JpegSink::WriteRow(const uint8_t* row) {
  if (rows_left_ == 0) return Status(StatusCode::kInvalidArgument, "all rows have been written");
  --rows_left_;
  if (!rounded_.empty()) {
    RoundTo8Bits(row, rounded_.size(), rounded_.data());
    row = rounded_.data();
  }
  if (!row_.empty()) {
    const int colours = channels_ - 1;
    for (uint8_t* to = row_.data(); to < row_.data() + row_.size(); row += channels_) {
      to = std::copy_n(row, colours, to);
    }
    row = row_.data();
  }
  return session_.Run([this, row] {
    JSAMPROW rows[1] = {const_cast<JSAMPROW>(row)};  // libjpeg only reads it
    jpeg_write_scanlines(&info_, rows, 1);
  });
}

Status JpegSink::Finish() {
  if (rows_left_ > 0 || !begun_) {
    return Status(StatusCode::kInvalidArgument, std::to_string(rows_left_) + " rows of the picture are missing");
  }
  LICHEN_RETURN_IF_ERROR(session_.Run([this] { jpeg_finish_compress(&info_); }));
  return bytes_->Finish();
}

void JpegSink::ResetBuffer() {
  manager_.next_output_byte = buffer_.data();
  manager_.free_in_buffer = buffer_.size();
}

/// Writes the first `size` bytes of the buffer.
void JpegSink::WriteOut(size_t size) {
  const bool ok = [&] {
    Status status = bytes_->Write(buffer_.data(), size);
    const bool written = status.ok();
    if (!written) session_.Fail(std::move(status));
    return written;
  }();
  if (!ok) session_.Jump();
  ResetBuffer();
}

boolean JpegSink::OnFull(j_compress_ptr info) {
  JpegSink* sink = static_cast<Manager*>(info->dest)->owner;
  sink->WriteOut(sink->buffer_.size());  // libjpeg asks for the whole buffer, whatever free_in_buffer says
  return TRUE;
}

void JpegSink::OnEnd(j_compress_ptr info) {
  JpegSink* sink = static_cast<Manager*>(info->dest)->owner;
  sink->WriteOut(sink->buffer_.size() - info->dest->free_in_buffer);
}

}  // namespace

Result<std::unique_ptr<PictureSource>> OpenJpeg(std::unique_ptr<ByteSource> bytes, const ReadOptions& options) {
  auto source = std::make_unique<JpegSource>(std::move(bytes), options);
  LICHEN_RETURN_IF_ERROR(source->Open());
  return std::unique_ptr<PictureSource>(std::move(source));
}

std::unique_ptr<PictureSink> CreateJpeg(std::unique_ptr<ByteSink> bytes, const WriteOptions& options) {
  return std::make_unique<JpegSink>(std::move(bytes), options);
}

}  // namespace lichen::image_io
