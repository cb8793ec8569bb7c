// SPDX-License-Identifier: Apache-2.0
#include "image_io/jpeg_file.h"

#include <gtest/gtest.h>
#include <jpeglib.h>  // after cstdio, which it needs and does not include

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cmyk_profile.h"

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

struct Marker {
  int code;
  std::string data;
};

struct Spec {
  int width = 40, height = 25;
  J_COLOR_SPACE input = JCS_RGB;  // JCS_GRAYSCALE, JCS_RGB or JCS_CMYK
  J_COLOR_SPACE stored = JCS_YCbCr;
  bool progressive = false;
  bool arithmetic = false;
  int horizontal_sampling = 1, vertical_sampling = 1;  // of the first component
  int red_horizontal = 1, red_vertical = 1;            // of the third
  int restart_interval = 0;                            // in blocks
  bool adobe_marker = true;                            // where libjpeg would write one
  std::vector<Marker> markers;
};

int ChannelsOf(const Spec& spec) { return spec.input == JCS_GRAYSCALE ? 1 : spec.input == JCS_RGB ? 3 : 4; }

/// A smooth picture, which JPEG hardly changes.
uint8_t PixelAt(int x, int y, int c) {
  return static_cast<uint8_t>(128 + 90 * std::sin(0.05 * x + 0.4 * c) * std::cos(0.07 * y - 0.3 * c));
}

Bytes WriteWithLibjpeg(const Spec& spec) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(spec.width);
  info.image_height = static_cast<JDIMENSION>(spec.height);
  info.input_components = ChannelsOf(spec);
  info.in_color_space = spec.input;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, spec.stored);
  jpeg_set_quality(&info, 95, TRUE);
  for (int i = 0; i < info.num_components; ++i) info.comp_info[i].h_samp_factor = info.comp_info[i].v_samp_factor = 1;
  info.comp_info[0].h_samp_factor = spec.horizontal_sampling;
  info.comp_info[0].v_samp_factor = spec.vertical_sampling;
  if (info.num_components > 2) {
    info.comp_info[2].h_samp_factor = spec.red_horizontal;
    info.comp_info[2].v_samp_factor = spec.red_vertical;
  }
  if (spec.stored == JCS_YCCK) {  // black as fine as the first
    info.comp_info[3].h_samp_factor = spec.horizontal_sampling;
    info.comp_info[3].v_samp_factor = spec.vertical_sampling;
  }
  if (!spec.adobe_marker) info.write_Adobe_marker = FALSE;
  info.restart_interval = static_cast<unsigned>(spec.restart_interval);
  info.arith_code = spec.arithmetic ? TRUE : FALSE;
  if (spec.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  for (const Marker& marker : spec.markers) {
    jpeg_write_marker(&info, marker.code, reinterpret_cast<const JOCTET*>(marker.data.data()),
                      static_cast<unsigned>(marker.data.size()));
  }
  Bytes row(static_cast<size_t>(spec.width * ChannelsOf(spec)));
  for (int y = 0; y < spec.height; ++y) {
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = PixelAt(static_cast<int>(i) / ChannelsOf(spec), y, static_cast<int>(i) % ChannelsOf(spec));
    }
    JSAMPROW rows[1] = {row.data()};
    jpeg_write_scanlines(&info, rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const Bytes bytes(memory, memory + size);
  std::free(memory);
  return bytes;
}

struct ReadResult {
  Status status;
  Image image;
  std::vector<std::string> dropped;
};

ReadResult Read(const Bytes& bytes, const ReadOptions& options = {}) {
  ReadResult result;
  auto source = OpenJpeg(std::make_unique<MemorySource>(bytes.data(), bytes.size()), options);
  if (!source.ok()) {
    result.status = source.status();
    return result;
  }
  static_cast<ImageHeader&>(result.image) = source.value()->header();
  Bytes row(result.image.RowBytes());
  for (uint32_t y = 0; y < result.image.height && result.status.ok(); ++y) {
    result.status = source.value()->ReadRow(row.data());
    result.image.pixels.insert(result.image.pixels.end(), row.begin(), row.end());
  }
  result.dropped = source.value()->dropped();
  return result;
}

/// Mean absolute difference from PixelAt.
double MeanError(const Image& image) {
  double sum = 0;
  size_t i = 0;
  for (uint32_t y = 0; y < image.height; ++y) {
    for (uint32_t x = 0; x < image.width; ++x) {
      for (int c = 0; c < image.channels; ++c) sum += std::abs(image.pixels[i++] - PixelAt(int(x), int(y), c));
    }
  }
  return sum / static_cast<double>(i);
}

void ExpectReads(const Spec& spec) {
  const ReadResult read = Read(WriteWithLibjpeg(spec));
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.image.width, static_cast<uint32_t>(spec.width));
  EXPECT_EQ(read.image.height, static_cast<uint32_t>(spec.height));
  EXPECT_EQ(read.image.channels, ChannelsOf(spec));
  EXPECT_EQ(read.image.bit_depth, 8);
  EXPECT_LT(MeanError(read.image), 2);
  EXPECT_TRUE(read.dropped.empty());
}

TEST(JpegSourceTest, ReadsGray) {
  Spec spec;
  spec.input = spec.stored = JCS_GRAYSCALE;
  ExpectReads(spec);
  spec.progressive = true;
  ExpectReads(spec);
  spec.width = spec.height = 1;
  ExpectReads(spec);
}

TEST(JpegSourceTest, ReadsEverySubsampling) {
  for (const bool progressive : {false, true}) {
    for (const int horizontal : {1, 2, 4}) {
      for (const int vertical : {1, 2}) {
        SCOPED_TRACE(testing::Message() << horizontal << "x" << vertical << (progressive ? " progressive" : ""));
        Spec spec;
        spec.progressive = progressive;
        spec.horizontal_sampling = horizontal;
        spec.vertical_sampling = vertical;
        ExpectReads(spec);
      }
    }
  }
}

TEST(JpegSourceTest, ReadsRgbArithmeticCodingAndRestarts) {
  Spec spec;
  spec.stored = JCS_RGB;
  ExpectReads(spec);
  spec.arithmetic = true;
  ExpectReads(spec);
  spec.arithmetic = false;
  spec.restart_interval = 2;
  ExpectReads(spec);
}

/// The markers that hold an ICC profile.
std::vector<Marker> IccMarkers(const Bytes& icc) {
  constexpr size_t kPart = 60000;
  const size_t parts = (icc.size() + kPart - 1) / kPart;
  std::vector<Marker> markers;
  for (size_t i = 0; i < parts; ++i) {
    std::string data("ICC_PROFILE\0", 12);
    data += static_cast<char>(i + 1);
    data += static_cast<char>(parts);
    const size_t end = std::min(icc.size(), (i + 1) * kPart);
    data.append(icc.begin() + static_cast<std::ptrdiff_t>(i * kPart), icc.begin() + static_cast<std::ptrdiff_t>(end));
    markers.push_back({JPEG_APP0 + 2, data});
  }
  return markers;
}

/// Mean absolute difference from what inks look like: of PixelAt, which is 255 where there is no ink if it is inverted.
/// twisted: as in test::CmykProfile
double MeanCmykError(const Image& image, bool inverted, bool twisted) {
  double sum = 0;
  size_t i = 0;
  for (uint32_t y = 0; y < image.height; ++y) {
    for (uint32_t x = 0; x < image.width; ++x) {
      const auto light = [&](int c) {
        return inverted ? PixelAt(int(x), int(y), c) / 255.0 : 1 - PixelAt(int(x), int(y), c) / 255.0;
      };
      for (int c = 0; c < 3; ++c) {
        const double expected = 255 * light(twisted ? (c + 2) % 3 : c) * light(3);
        sum += std::abs(image.pixels[i++] - expected);
      }
    }
  }
  return sum / static_cast<double>(i);
}

TEST(JpegSourceTest, ConvertsCmykAndYcckToSrgb) {
  const Bytes icc = test::CmykProfile();
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    for (const bool progressive : {false, true}) {
      for (const int sampling : {1, 2}) {
        for (const bool profile : {false, true}) {
          SCOPED_TRACE(testing::Message()
                       << (stored == JCS_CMYK ? "CMYK" : "YCCK") << (progressive ? " progressive" : "") << " sampling "
                       << sampling << (profile ? " with profile" : ""));
          Spec spec;
          spec.input = JCS_CMYK;
          spec.stored = stored;
          spec.progressive = progressive;
          if (stored == JCS_YCCK) spec.horizontal_sampling = spec.vertical_sampling = sampling;
          if (profile) spec.markers = IccMarkers(icc);
          const ReadResult read = Read(WriteWithLibjpeg(spec));
          ASSERT_TRUE(read.status.ok()) << read.status.message();
          EXPECT_EQ(read.image.channels, 3);
          EXPECT_TRUE(read.image.icc.empty()) << "the pixels are sRGB now";
          EXPECT_LT(MeanCmykError(read.image, true, profile), 3);
          EXPECT_GT(MeanCmykError(read.image, true, !profile), 10);
          EXPECT_EQ(read.dropped,
                    std::vector<std::string>{profile ? "CMYK colours (converted to sRGB by their ICC profile)"
                                                     : "CMYK colours (converted to sRGB without an ICC profile)"});
        }
      }
    }
  }
}

TEST(JpegSourceTest, CmykWithoutAnAdobeMarkerIsNotInverted) {
  Spec spec;
  spec.input = spec.stored = JCS_CMYK;
  spec.adobe_marker = false;
  for (const bool profile : {false, true}) {
    if (profile) spec.markers = IccMarkers(test::CmykProfile());
    const ReadResult read = Read(WriteWithLibjpeg(spec));
    ASSERT_TRUE(read.status.ok()) << read.status.message();
    EXPECT_LT(MeanCmykError(read.image, false, profile), 3);
    EXPECT_GT(MeanCmykError(read.image, true, profile), 10);
  }
}

TEST(JpegSourceTest, AProfileThatIsNotForCmykIsNotUsedForIt) {
  Spec spec;
  spec.input = spec.stored = JCS_CMYK;
  const Bytes icc = test::RgbProfile();
  spec.markers = IccMarkers(icc);
  const ReadResult read = Read(WriteWithLibjpeg(spec));
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_LT(MeanCmykError(read.image, true, false), 3);
  EXPECT_TRUE(read.image.icc.empty());
  ASSERT_EQ(read.dropped.size(), 2u);
  EXPECT_EQ(read.dropped[1], "ICC profile that is not for CMYK (" + std::to_string(icc.size()) + " bytes)");
}

TEST(JpegSourceTest, ReadsChromaOfUnequalSubsampling) {
  for (const auto& [horizontal, vertical] : {std::pair{2, 1}, std::pair{1, 2}}) {
    Spec spec;
    spec.horizontal_sampling = spec.vertical_sampling = 2;
    spec.red_horizontal = horizontal;
    spec.red_vertical = vertical;
    ExpectReads(spec);
  }
}

TEST(JpegSourceTest, RefusesEveryTruncation) {
  for (const bool progressive : {false, true}) {
    Spec spec;
    spec.progressive = progressive;
    spec.horizontal_sampling = spec.vertical_sampling = 2;
    const Bytes whole = WriteWithLibjpeg(spec);
    for (size_t size = 0; size < whole.size(); ++size) {
      const ReadResult read = Read(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      ASSERT_FALSE(read.status.ok()) << size << " of " << whole.size() << " bytes";
      ASSERT_FALSE(read.status.message().empty());
    }
  }
}

TEST(JpegSourceTest, RefusesDataThatEndsBeforeThePicture) {
  Spec spec;
  spec.width = spec.height = 200;
  Bytes bytes = WriteWithLibjpeg(spec);
  bytes.resize(bytes.size() / 2);
  bytes.insert(bytes.end(), {0xff, 0xd9});  // an end marker, so that only the missing rows give it away
  const ReadResult read = Read(bytes);
  EXPECT_EQ(read.status.code(), StatusCode::kDamaged);
  EXPECT_NE(read.status.message().find("premature end"), std::string::npos) << read.status.message();
}

TEST(JpegSourceTest, SurvivesEveryFlippedByte) {
  for (const bool progressive : {false, true}) {
    Spec spec;
    spec.progressive = progressive;
    const Bytes whole = WriteWithLibjpeg(spec);
    ReadOptions options;
    options.max_pixels = 1 << 20;
    for (size_t i = 0; i < whole.size(); ++i) {
      Bytes damaged = whole;
      damaged[i] ^= 0x24;
      const ReadResult read = Read(damaged, options);  // an error or a picture: JPEG has no checksums
      ASSERT_EQ(read.status.ok(), read.status.message().empty());
    }
  }
}

TEST(JpegSourceTest, RefusesMorePixelsThanAllowed) {
  ReadOptions options;
  options.max_pixels = 999;
  EXPECT_EQ(Read(WriteWithLibjpeg(Spec()), options).status.code(), StatusCode::kLimitExceeded);
  options.max_pixels = 1000;
  EXPECT_TRUE(Read(WriteWithLibjpeg(Spec()), options).status.ok());
}

TEST(JpegSourceTest, RefusesProgressivePicturesThatTakeTooMuchMemory) {
  Spec spec;
  spec.progressive = true;
  ReadOptions options;
  options.max_memory = 100;
  const ReadResult read = Read(WriteWithLibjpeg(spec), options);
  EXPECT_EQ(read.status.code(), StatusCode::kLimitExceeded);
  for (const char* word : {"progressive JPEG", "row by row", "max memory", "baseline"}) {
    EXPECT_NE(read.status.message().find(word), std::string::npos) << read.status.message();
  }
  spec.progressive = false;  // is read row by row
  EXPECT_TRUE(Read(WriteWithLibjpeg(spec), options).status.ok());
}

Bytes BytesOf(const std::string& text) { return Bytes(text.begin(), text.end()); }

const std::string kExifOnItsSide("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0", 26);
const std::string kXmpStart("http://ns.adobe.com/xap/1.0/\0", 29);

TEST(JpegSourceTest, KeepsMetadata) {
  Spec spec;
  spec.markers = {{JPEG_APP0 + 1, std::string("Exif\0\0", 6) + kExifOnItsSide},
                  {JPEG_APP0 + 1, kXmpStart + "<x/>"},
                  {JPEG_APP0 + 2, std::string("ICC_PROFILE\0\2\2", 14) + std::string(500, 'b')},
                  {JPEG_APP0 + 2, std::string("ICC_PROFILE\0\1\2", 14) + std::string(1000, 'a')},
                  {JPEG_COM, "a comment"}};
  const ReadResult read = Read(WriteWithLibjpeg(spec));
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_TRUE(read.dropped.empty()) << testing::PrintToString(read.dropped);
  EXPECT_EQ(read.image.exif, BytesOf(kExifOnItsSide));
  EXPECT_EQ(read.image.xmp, BytesOf("<x/>"));
  EXPECT_EQ(read.image.icc, BytesOf(std::string(1000, 'a') + std::string(500, 'b')));
  EXPECT_LT(MeanError(read.image), 2) << "not turned";
}

TEST(JpegSourceTest, TellsOfMetadataThatItCannotKeep) {
  Spec spec;
  spec.markers = {{JPEG_APP0 + 1, std::string("Exif\0\0", 6) + kExifOnItsSide},
                  {JPEG_APP0 + 1, std::string("Exif\0\0more", 10)},
                  {JPEG_APP0 + 1, std::string("http://ns.adobe.com/xmp/extension/\0", 35) + std::string(140, 'x')},
                  {JPEG_APP0 + 2, std::string("ICC_PROFILE\0\1\2", 14) + std::string(1000, 'a')},
                  {JPEG_APP0 + 2, std::string("MPF\0II*\0", 8)}};
  const ReadResult read = Read(WriteWithLibjpeg(spec));
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.image.exif, BytesOf(kExifOnItsSide));
  EXPECT_TRUE(read.image.icc.empty() && read.image.xmp.empty());
  EXPECT_EQ(read.dropped,
            (std::vector<std::string>{"further EXIF data (4 bytes)", "ICC profile (incomplete)",
                                      "extended XMP data (100 bytes)", "further pictures in the file (MPF)"}));
}

TEST(JpegSourceTest, IgnoresMarkersThatAreTooShort) {
  Spec spec;
  for (const std::string& start : {std::string("Exif\0\0", 6), kXmpStart, std::string("ICC_PROFILE\0\1\1", 14),
                                   std::string("http://ns.adobe.com/xmp/extension/\0", 35), std::string("MPF\0", 4)}) {
    for (size_t size = 0; size < start.size(); ++size) {
      spec.markers = {{JPEG_APP0 + 1, start.substr(0, size)}, {JPEG_APP0 + 2, start.substr(0, size)}};
      const ReadResult read = Read(WriteWithLibjpeg(spec));
      ASSERT_TRUE(read.status.ok()) << read.status.message();
      EXPECT_TRUE(read.image.icc.empty() && read.image.exif.empty() && read.image.xmp.empty());
    }
  }
}

Bytes WriteWithSink(const ImageHeader& header, int quality) {
  Bytes bytes;
  WriteOptions options;
  options.jpeg_quality = quality;
  const auto sink = CreateJpeg(std::make_unique<MemorySink>(&bytes), options);
  EXPECT_TRUE(sink->Begin(header).ok());
  Bytes row(header.RowBytes());
  for (uint32_t y = 0; y < header.height; ++y) {
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] =
          PixelAt(static_cast<int>(i) / header.channels, static_cast<int>(y), static_cast<int>(i) % header.channels);
    }
    EXPECT_TRUE(sink->WriteRow(row.data()).ok());
  }
  EXPECT_TRUE(sink->Finish().ok());
  return bytes;
}

TEST(JpegSinkTest, RoundTripsGrayAndRgb) {
  for (const int channels : {1, 3}) {
    ImageHeader header;
    header.width = 333;
    header.height = 211;
    header.channels = channels;
    const ReadResult read = Read(WriteWithSink(header, 95));
    ASSERT_TRUE(read.status.ok()) << read.status.message();
    EXPECT_EQ(read.image.channels, channels);
    EXPECT_LT(MeanError(read.image), 1.5);
    EXPECT_LT(WriteWithSink(header, 50).size(), WriteWithSink(header, 95).size());
  }
}

Bytes Pattern(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * i / 7);
  return bytes;
}

TEST(JpegSinkTest, RoundTripsMetadata) {
  for (const size_t icc_size : {size_t{1}, size_t{65519}, size_t{65520}, size_t{200000}, size_t{255} * 65519}) {
    ImageHeader header;
    header.width = header.height = 16;
    header.icc = Pattern(icc_size);
    header.exif = Pattern(65527);
    header.xmp = Pattern(65504);
    const ReadResult read = Read(WriteWithSink(header, 95));
    ASSERT_TRUE(read.status.ok()) << read.status.message();
    EXPECT_TRUE(read.dropped.empty()) << testing::PrintToString(read.dropped);
    EXPECT_EQ(read.image.icc, header.icc);
    EXPECT_EQ(read.image.exif, header.exif);
    EXPECT_EQ(read.image.xmp, header.xmp);
  }
}

TEST(JpegSinkTest, TellsWhatItCannotHold) {
  for (const int channels : {2, 4}) {
    ImageHeader header;
    header.width = header.height = 1;
    header.channels = channels;
    header.icc = Pattern(size_t{255} * 65519 + 1);
    header.exif = Pattern(65528);
    header.xmp = Pattern(65505);
    Bytes bytes;
    const auto sink = CreateJpeg(std::make_unique<MemorySink>(&bytes), {});
    ASSERT_TRUE(sink->Begin(header).ok());
    EXPECT_EQ(sink->dropped(), (std::vector<std::string>{"alpha channel", "EXIF data (65528 bytes)",
                                                         "XMP data (65505 bytes)", "ICC profile (16707346 bytes)"}));
    const Bytes row(4, 100);
    ASSERT_TRUE(sink->WriteRow(row.data()).ok());
    ASSERT_TRUE(sink->Finish().ok());
    const ReadResult read = Read(bytes);
    ASSERT_TRUE(read.status.ok());
    EXPECT_EQ(read.image.channels, channels - 1);
    EXPECT_TRUE(read.image.icc.empty() && read.image.exif.empty() && read.image.xmp.empty());
  }
}

TEST(JpegSinkTest, WritesTheColoursUnderAlpha) {
  for (const int channels : {2, 4}) {
    ImageHeader header;
    header.width = 33;
    header.height = 21;
    header.channels = channels;
    const ReadResult read = Read(WriteWithSink(header, 95));
    ASSERT_TRUE(read.status.ok());
    EXPECT_EQ(read.image.channels, channels - 1);
    EXPECT_LT(MeanError(read.image), 1.5);
  }
}

TEST(JpegSinkTest, Rounds16BitsTo8) {
  for (const int channels : {1, 2, 3, 4}) {
    ImageHeader header;
    header.width = 33;
    header.height = 21;
    header.channels = channels;
    const Bytes expected = WriteWithSink(header, 95);
    header.bit_depth = 16;
    Bytes bytes;
    WriteOptions options;
    options.jpeg_quality = 95;
    const auto sink = CreateJpeg(std::make_unique<MemorySink>(&bytes), options);
    ASSERT_TRUE(sink->Begin(header).ok());
    EXPECT_EQ(sink->dropped()[0], "16-bit samples");
    std::vector<uint16_t> row(size_t{header.width} * channels);
    for (uint32_t y = 0; y < header.height; ++y) {
      for (size_t i = 0; i < row.size(); ++i) {
        const int nearby = i % 3 == 0 ? -128 : 128;  // which rounds to the same level
        const int value = PixelAt(int(i) / channels, int(y), int(i) % channels) * 257 + nearby;
        row[i] = static_cast<uint16_t>(value);
      }
      ASSERT_TRUE(sink->WriteRow(reinterpret_cast<const uint8_t*>(row.data())).ok());
    }
    ASSERT_TRUE(sink->Finish().ok());
    EXPECT_EQ(bytes, expected);
  }
}

TEST(JpegSinkTest, WritesWithoutSubsampling) {
  ImageHeader header;
  header.width = header.height = 16;
  const Bytes bytes = WriteWithSink(header, 95);
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  ASSERT_EQ(jpeg_read_header(&info, TRUE), JPEG_HEADER_OK);
  EXPECT_EQ(info.max_h_samp_factor, 1);
  EXPECT_EQ(info.max_v_samp_factor, 1);
  jpeg_destroy_decompress(&info);
}

TEST(JpegSinkTest, RefusesWhatJpegCannotHold) {
  Bytes bytes;
  ImageHeader header;
  header.width = 65501;
  header.height = 1;
  const Status status = CreateJpeg(std::make_unique<MemorySink>(&bytes), {})->Begin(header);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("write a PNG"), std::string::npos);
  header.width = 4;
  header.channels = 5;
  EXPECT_EQ(CreateJpeg(std::make_unique<MemorySink>(&bytes), {})->Begin(header).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(bytes.empty());
}

class FullSink : public ByteSink {
 public:
  Status Write(const uint8_t*, size_t) override { return Status(StatusCode::kIoError, "no room left"); }
  Status Finish() override { return Status(); }
};

TEST(JpegSinkTest, PassesWriteErrorsOn) {
  ImageHeader header;
  header.width = header.height = 8;
  const Bytes row(header.RowBytes());
  const auto sink = CreateJpeg(std::make_unique<FullSink>(), {});
  Status status = sink->Begin(header);
  for (int y = 0; y < 8 && status.ok(); ++y) status = sink->WriteRow(row.data());
  if (status.ok()) status = sink->Finish();
  EXPECT_EQ(status.message(), "no room left");
}

}  // namespace
}  // namespace lichen::image_io
