// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lichen/codec.h"
#include "lichen/lichen.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace lichen {
namespace {

using Bytes = std::vector<uint8_t>;
using Encoder = std::unique_ptr<lichen_encoder, decltype(&lichen_encoder_free)>;
using Decoder = std::unique_ptr<lichen_decoder, decltype(&lichen_decoder_free)>;

const Bytes& ToyModelFile() {
  static const Bytes bytes = ReadBytes(LICHEN_TEST_DATA "/toy.lim");
  return bytes;
}

Encoder ToyEncoder() {
  Encoder encoder(lichen_encoder_new(), lichen_encoder_free);
  EXPECT_EQ(lichen_encoder_set_model(encoder.get(), ToyModelFile().data(), ToyModelFile().size()), LICHEN_OK);
  return encoder;
}

Decoder ToyDecoder() {
  Decoder decoder(lichen_decoder_new(), lichen_decoder_free);
  EXPECT_EQ(lichen_decoder_set_model(decoder.get(), ToyModelFile().data(), ToyModelFile().size()), LICHEN_OK);
  return decoder;
}

Bytes Compressed(lichen_encoder* encoder, const Image& image, size_t stride = 0) {
  uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(lichen_encoder_encode(encoder, image.pixels.data(), image.width, image.height, image.channels,
                                  image.bit_depth, stride, &data, &size),
            LICHEN_OK)
      << lichen_encoder_error(encoder);
  const Bytes file(data, data + size);
  lichen_free(data);
  return file;
}

Bytes Pixels(lichen_decoder* decoder, const Bytes& file) {
  EXPECT_EQ(lichen_decoder_open(decoder, file.data(), file.size()), LICHEN_OK) << lichen_decoder_error(decoder);
  Bytes pixels(lichen_decoder_pixel_bytes(decoder));
  EXPECT_EQ(lichen_decoder_decode(decoder, pixels.data(), pixels.size(), 0), LICHEN_OK)
      << lichen_decoder_error(decoder);
  return pixels;
}

TEST(CApiTest, TellsItsVersions) {
  EXPECT_STREQ(lichen_version(), Version());
  EXPECT_EQ(lichen_c_api_version(), LICHEN_C_API_VERSION);
}

TEST(CApiTest, GivesTheBytesAndPixelsOfTheCppInterface) {
  for (int channels = 1; channels <= 4; ++channels) {
    const Image image = test::SyntheticImage(150, 70, channels);
    EncodeOptions options;
    options.model = test::ToyModel();
    options.quality = 83.5;
    options.tile_size = 64;
    const Bytes expected = *Encode(image, options);

    const Encoder encoder = ToyEncoder();
    EXPECT_EQ(lichen_encoder_set_quality(encoder.get(), 83.5), LICHEN_OK);
    EXPECT_EQ(lichen_encoder_set_tile_size(encoder.get(), 64), LICHEN_OK);
    EXPECT_EQ(lichen_encoder_set_threads(encoder.get(), 1), LICHEN_OK);
    EXPECT_EQ(Compressed(encoder.get(), image), expected);
    EXPECT_STREQ(lichen_encoder_error(encoder.get()), "");

    DecodeOptions decode_options;
    decode_options.model = test::ToyModel();
    const Decoder decoder = ToyDecoder();
    EXPECT_EQ(Pixels(decoder.get(), expected), Decode(expected.data(), expected.size(), decode_options)->pixels);
    EXPECT_EQ(lichen_decoder_width(decoder.get()), 150u);
    EXPECT_EQ(lichen_decoder_height(decoder.get()), 70u);
    EXPECT_EQ(lichen_decoder_channels(decoder.get()), channels);
    EXPECT_EQ(lichen_decoder_bit_depth(decoder.get()), 8);
    EXPECT_NEAR(lichen_decoder_quality(decoder.get()), 83.5, 0.06);
    EXPECT_EQ(lichen_decoder_model_id(decoder.get()), test::ToyModel()->Id());
  }
}

TEST(CApiTest, TheBuiltInModelNeedsNoSetting) {
  const Encoder encoder(lichen_encoder_new(), lichen_encoder_free);
  const Decoder decoder(lichen_decoder_new(), lichen_decoder_free);
  const Image image = test::SyntheticImage(48, 32);
  EXPECT_GT(test::Psnr(image.pixels, Pixels(decoder.get(), Compressed(encoder.get(), image))), 25);
}

TEST(CApiTest, EffortIsThatOfTheCppInterface) {
  const Image image = test::SyntheticImage(96, 64);
  const Encoder encoder(lichen_encoder_new(), lichen_encoder_free);
  const Bytes usual = Compressed(encoder.get(), image);
  EXPECT_EQ(lichen_encoder_set_effort(encoder.get(), 0), LICHEN_OK);
  const Bytes quick = Compressed(encoder.get(), image);
  EXPECT_NE(usual, quick);
  EncodeOptions options;
  EXPECT_EQ(*Encode(image, options), usual);
  options.effort = 0;
  EXPECT_EQ(*Encode(image, options), quick);
  EXPECT_EQ(lichen_encoder_set_effort(encoder.get(), 2), LICHEN_OK);
  options.effort = 2;
  EXPECT_EQ(*Encode(image, options), Compressed(encoder.get(), image));
}

TEST(CApiTest, TheCodingIsThatOfTheCppInterface) {
  const Image image = test::SyntheticImage(96, 64);
  const Encoder encoder(lichen_encoder_new(), lichen_encoder_free);
  EncodeOptions options;
  for (const auto& [number, coding] : {std::pair{LICHEN_CODING_DCT, Coding::kDct},
                                       {LICHEN_CODING_LEARNED, Coding::kLearned},
                                       {LICHEN_CODING_AUTO, Coding::kAuto}}) {
    options.coding = coding;
    EXPECT_EQ(lichen_encoder_set_coding(encoder.get(), number), LICHEN_OK);
    EXPECT_EQ(Compressed(encoder.get(), image), *Encode(image, options));
  }
}

TEST(CApiTest, RowsMayLieApart) {
  const Image image = test::SyntheticImage(37, 21);
  const size_t row = image.RowBytes(), stride = row + 13;
  Image apart = image;
  apart.pixels.assign(stride * 20 + row, 0xee);  // the last row has no padding
  for (size_t y = 0; y < 21; ++y) std::copy_n(&image.pixels[y * row], row, &apart.pixels[y * stride]);
  const Encoder encoder = ToyEncoder();
  const Bytes file = Compressed(encoder.get(), image);
  EXPECT_EQ(Compressed(encoder.get(), apart, stride), file);

  const Image one_row = test::SyntheticImage(37, 1);
  EXPECT_EQ(Compressed(encoder.get(), one_row, SIZE_MAX), Compressed(encoder.get(), one_row));

  const Decoder decoder = ToyDecoder();
  const Bytes pixels = Pixels(decoder.get(), file);
  Bytes into(stride * 20 + row, 0xee);
  ASSERT_EQ(lichen_decoder_decode(decoder.get(), into.data(), into.size(), stride), LICHEN_OK);
  for (size_t y = 0; y < 21; ++y) {
    EXPECT_TRUE(std::equal(&pixels[y * row], &pixels[y * row] + row, &into[y * stride])) << y;
    if (y < 20) {
      EXPECT_EQ(into[y * stride + row], 0xee) << "padding is left alone";
    }
  }
}

TEST(CApiTest, MemoryThatIsTooSmallIsNotWritten) {
  const Encoder encoder = ToyEncoder();
  const Bytes file = Compressed(encoder.get(), test::SyntheticImage(16, 16));
  const Decoder decoder = ToyDecoder();
  ASSERT_EQ(lichen_decoder_open(decoder.get(), file.data(), file.size()), LICHEN_OK);
  Bytes pixels(16 * 16 * 3, 7);
  struct Case {
    size_t size, stride;
  };
  for (const Case c : {Case{767, 0}, {0, 0}, {768, 49}, {768, 47}, {768, SIZE_MAX}, {16 * 50, 51}}) {
    EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), c.size, c.stride), LICHEN_INVALID_ARGUMENT);
    EXPECT_NE(std::string(lichen_decoder_error(decoder.get())).find("bytes"), std::string::npos);
    EXPECT_EQ(pixels, Bytes(16 * 16 * 3, 7));
  }
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), 768, 48), LICHEN_OK) << "the handle goes on working";
}

TEST(CApiTest, MetadataGoesThroughAndIsReadWithoutDecoding) {
  const Encoder encoder = ToyEncoder();
  const Bytes blocks[] = {Bytes(3000, 1), {'I', 'I', '*', 0}, {'<', 'x', '/', '>'}};
  for (const lichen_metadata kind : {LICHEN_ICC, LICHEN_EXIF, LICHEN_XMP}) {
    EXPECT_EQ(lichen_encoder_set_metadata(encoder.get(), kind, blocks[kind].data(), blocks[kind].size()), LICHEN_OK);
  }
  const Bytes file = Compressed(encoder.get(), test::SyntheticImage(16, 16));

  const Decoder decoder(lichen_decoder_new(), lichen_decoder_free);  // which lacks the toy model
  ASSERT_EQ(lichen_decoder_open(decoder.get(), file.data(), file.size()), LICHEN_OK);
  for (const lichen_metadata kind : {LICHEN_ICC, LICHEN_EXIF, LICHEN_XMP}) {
    uint8_t* data = nullptr;
    size_t size = 0;
    EXPECT_EQ(lichen_decoder_metadata_bytes(decoder.get(), kind), blocks[kind].size());
    ASSERT_EQ(lichen_decoder_metadata(decoder.get(), kind, &data, &size), LICHEN_OK);
    EXPECT_EQ(Bytes(data, data + size), blocks[kind]);
    lichen_free(data);
  }
  Bytes pixels(lichen_decoder_pixel_bytes(decoder.get()));
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), pixels.size(), 0), LICHEN_UNKNOWN_MODEL);

  EXPECT_EQ(lichen_encoder_set_metadata(encoder.get(), LICHEN_ICC, nullptr, 0), LICHEN_OK);
  const Bytes without = Compressed(encoder.get(), test::SyntheticImage(16, 16));
  ASSERT_EQ(lichen_decoder_open(decoder.get(), without.data(), without.size()), LICHEN_OK);
  uint8_t* data = nullptr;
  size_t size = 1;
  EXPECT_EQ(lichen_decoder_metadata(decoder.get(), LICHEN_ICC, &data, &size), LICHEN_OK);
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(size, 0u);
}

TEST(CApiTest, LimitsHoldBeforeMemoryIsTaken) {
  const Encoder encoder = ToyEncoder();
  const Bytes profile(1000, 1);
  ASSERT_EQ(lichen_encoder_set_metadata(encoder.get(), LICHEN_ICC, profile.data(), profile.size()), LICHEN_OK);
  const Image image = test::SyntheticImage(20, 10);
  const Bytes file = Compressed(encoder.get(), image);

  const Decoder decoder = ToyDecoder();
  const auto open = [&] { return lichen_decoder_open(decoder.get(), file.data(), file.size()); };
  EXPECT_EQ(lichen_decoder_set_max_pixels(decoder.get(), 199), LICHEN_OK);
  EXPECT_EQ(open(), LICHEN_LIMIT_EXCEEDED);
  EXPECT_STREQ(lichen_decoder_error(decoder.get()), "the picture has 20x10 pixels, at most 199 are allowed");
  EXPECT_EQ(lichen_decoder_width(decoder.get()), 0u) << "no file is open";
  EXPECT_EQ(lichen_decoder_set_max_pixels(decoder.get(), 200), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_set_max_metadata(decoder.get(), 999), LICHEN_OK);
  EXPECT_EQ(open(), LICHEN_LIMIT_EXCEEDED);
  EXPECT_STREQ(lichen_decoder_error(decoder.get()), "the file has 1000 bytes of metadata, at most 999 are allowed");
  EXPECT_EQ(lichen_decoder_set_max_metadata(decoder.get(), 1000), LICHEN_OK);
  EXPECT_EQ(open(), LICHEN_OK);

  uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(lichen_encoder_set_max_pixels(encoder.get(), 199), LICHEN_OK);
  EXPECT_EQ(lichen_encoder_encode(encoder.get(), image.pixels.data(), 20, 10, 3, 8, 0, &data, &size),
            LICHEN_LIMIT_EXCEEDED);
  EXPECT_EQ(data, nullptr);
}

TEST(CApiTest, LimitsOnMemoryHoldBothWays) {
  const Encoder encoder = ToyEncoder();
  const Image image = test::SyntheticImage(20, 10);
  const Bytes file = Compressed(encoder.get(), image);
  EXPECT_EQ(lichen_encoder_set_max_memory(encoder.get(), 1000), LICHEN_OK);
  uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(lichen_encoder_encode(encoder.get(), image.pixels.data(), 20, 10, 3, 8, 0, &data, &size),
            LICHEN_LIMIT_EXCEEDED);
  const Decoder decoder = ToyDecoder();
  EXPECT_EQ(lichen_decoder_set_max_memory(decoder.get(), 1000), LICHEN_OK);
  ASSERT_EQ(lichen_decoder_open(decoder.get(), file.data(), file.size()), LICHEN_OK);
  Bytes pixels(lichen_decoder_pixel_bytes(decoder.get()));
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), pixels.size(), 0), LICHEN_LIMIT_EXCEEDED);
  EXPECT_EQ(lichen_decoder_set_max_memory(decoder.get(), uint64_t{1} << 31), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), pixels.size(), 0), LICHEN_OK);
}

TEST(CApiTest, EncodesToATargetSize) {
  const Encoder encoder = ToyEncoder();
  const Image image = test::SyntheticImage(200, 160);
  const size_t middle = Compressed(encoder.get(), image).size();
  ASSERT_EQ(lichen_encoder_set_target_bytes(encoder.get(), middle * 3 / 4), LICHEN_OK);
  const size_t smaller = Compressed(encoder.get(), image).size();
  EXPECT_LE(smaller, middle * 3 / 4);
  EXPECT_GE(smaller, middle * 3 / 4 * 97 / 100) << "a small picture, whose steps of quality are coarse";
  ASSERT_EQ(lichen_encoder_set_target_bytes(encoder.get(), 0), LICHEN_OK);
  EXPECT_EQ(Compressed(encoder.get(), image).size(), middle);
  EXPECT_EQ(lichen_encoder_set_target_psnr(encoder.get(), -1), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_encoder_set_target_bits_per_pixel(encoder.get(), -1), LICHEN_INVALID_ARGUMENT);
}

TEST(CApiTest, SixteenBitsGoThrough) {
  const Encoder encoder = ToyEncoder();
  std::vector<uint16_t> ramp(64 * 48);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<uint16_t>(i * 20);
  uint8_t* data = nullptr;
  size_t size = 0;
  ASSERT_EQ(lichen_encoder_encode(encoder.get(), ramp.data(), 64, 48, 1, 16, 0, &data, &size), LICHEN_OK);
  const Decoder decoder = ToyDecoder();
  ASSERT_EQ(lichen_decoder_open(decoder.get(), data, size), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_bit_depth(decoder.get()), 16);
  ASSERT_EQ(lichen_decoder_pixel_bytes(decoder.get()), ramp.size() * 2);
  std::vector<uint16_t> back(ramp.size());
  ASSERT_EQ(lichen_decoder_decode(decoder.get(), back.data(), back.size() * 2, 0), LICHEN_OK);
  lichen_free(data);
  size_t finer = 0;
  for (const uint16_t sample : back) finer += sample % 257 != 0;
  EXPECT_GT(finer, back.size() / 2) << "not only the values of 8 bits";
}

TEST(CApiTest, RegionsAndScalesGiveThePixelsOfTheCppInterface) {
  for (int channels = 1; channels <= 4; ++channels) {
    const Image image = test::SyntheticImage(150, 70, channels);
    const Encoder encoder = ToyEncoder();
    ASSERT_EQ(lichen_encoder_set_tile_size(encoder.get(), 64), LICHEN_OK);
    const Bytes file = Compressed(encoder.get(), image);
    const Decoder decoder = ToyDecoder();
    for (const Region region : {Region{}, Region{0, 0, 150, 70}, Region{37, 11, 70, 50}, Region{149, 69, 1, 1}}) {
      for (const int scale : {1, 2, 4, 8, 16}) {
        DecodeOptions options;
        options.model = test::ToyModel();
        options.region = region;
        options.scale = scale;
        const auto expected = Decode(file.data(), file.size(), options);
        ASSERT_TRUE(expected.ok()) << expected.status().message();

        ASSERT_EQ(lichen_decoder_set_region(decoder.get(), region.x, region.y, region.width, region.height), LICHEN_OK);
        ASSERT_EQ(lichen_decoder_set_scale(decoder.get(), scale), LICHEN_OK);
        EXPECT_EQ(Pixels(decoder.get(), file), expected->pixels) << "scale 1/" << scale;
        EXPECT_EQ(lichen_decoder_output_width(decoder.get()), expected->width);
        EXPECT_EQ(lichen_decoder_output_height(decoder.get()), expected->height);
        EXPECT_EQ(lichen_decoder_pixel_bytes(decoder.get()), expected->pixels.size());
        EXPECT_EQ(lichen_decoder_width(decoder.get()), 150u) << "a fact about the file";
        EXPECT_EQ(lichen_decoder_height(decoder.get()), 70u);
      }
    }
  }
}

TEST(CApiTest, RegionAndScaleCanBeSetBeforeAndAfterOpening) {
  const Encoder encoder = ToyEncoder();
  const Bytes large = Compressed(encoder.get(), test::SyntheticImage(50, 30));
  const Bytes small = Compressed(encoder.get(), test::SyntheticImage(20, 10));
  const Decoder decoder = ToyDecoder();
  lichen_decoder* const d = decoder.get();
  ASSERT_EQ(lichen_decoder_set_region(d, 10, 5, 21, 20), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_output_width(d), 0u) << "no file is open";
  ASSERT_EQ(lichen_decoder_open(d, large.data(), large.size()), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_pixel_bytes(d), 21u * 20 * 3);
  ASSERT_EQ(lichen_decoder_set_scale(d, 4), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_output_width(d), 6u) << "of the squares from 8 to 32";
  EXPECT_EQ(lichen_decoder_output_height(d), 6u) << "of the squares from 4 to 28";
  EXPECT_EQ(lichen_decoder_pixel_bytes(d), 6u * 6 * 3);

  EXPECT_EQ(lichen_decoder_set_region(d, 40, 0, 11, 30), LICHEN_INVALID_ARGUMENT);
  EXPECT_STREQ(lichen_decoder_error(d), "the region of 11x30 pixels at 40,0 is not inside the picture of 50x30");
  EXPECT_EQ(lichen_decoder_set_region(d, UINT32_MAX, 0, 2, 30), LICHEN_INVALID_ARGUMENT) << "its end is beyond 2^32";
  EXPECT_EQ(lichen_decoder_set_region(d, 3, 3, 0, 4), LICHEN_INVALID_ARGUMENT);
  EXPECT_STREQ(lichen_decoder_error(d), "a region of 0x4 pixels is empty; give all four as 0 for the whole picture");
  for (const int scale : {-1, 0, 3, 6, 32}) {
    EXPECT_EQ(lichen_decoder_set_scale(d, scale), LICHEN_INVALID_ARGUMENT) << scale;
    EXPECT_STREQ(lichen_decoder_error(d),
                 ("the scale must be 1/1, 1/2, 1/4, 1/8 or 1/16, not 1/" + std::to_string(scale)).c_str());
  }
  EXPECT_EQ(lichen_decoder_pixel_bytes(d), 6u * 6 * 3) << "after an error the settings are those of before";

  ASSERT_EQ(lichen_decoder_open(d, small.data(), small.size()), LICHEN_OK) << "it can be looked at";
  EXPECT_EQ(lichen_decoder_width(d), 20u);
  EXPECT_EQ(lichen_decoder_output_width(d), 0u);
  EXPECT_EQ(lichen_decoder_pixel_bytes(d), 0u);
  Bytes pixels(50 * 30 * 3);
  EXPECT_EQ(lichen_decoder_decode(d, pixels.data(), pixels.size(), 0), LICHEN_INVALID_ARGUMENT);
  EXPECT_STREQ(lichen_decoder_error(d), "the region of 21x20 pixels at 10,5 is not inside the picture of 20x10");
  ASSERT_EQ(lichen_decoder_set_region(d, 0, 0, 0, 0), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_pixel_bytes(d), 5u * 3 * 3);
  EXPECT_EQ(lichen_decoder_decode(d, pixels.data(), 5 * 3 * 3 - 1, 0), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_decoder_decode(d, pixels.data(), 5 * 3 * 3, 0), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_open(d, small.data(), 20), LICHEN_TRUNCATED);
  EXPECT_EQ(lichen_decoder_output_height(d), 0u) << "no file is open";
}

TEST(CApiTest, EveryTruncationAndOtherBytesAreErrorsWithASentence) {
  const Bytes file = Compressed(ToyEncoder().get(), test::SyntheticImage(16, 16));
  const Decoder decoder = ToyDecoder();
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(lichen_decoder_open(decoder.get(), file.data(), size), LICHEN_TRUNCATED) << size;
    EXPECT_STRNE(lichen_decoder_error(decoder.get()), "");
    EXPECT_EQ(lichen_decoder_height(decoder.get()), 0u);
  }
  EXPECT_EQ(lichen_decoder_open(decoder.get(), "not a picture at all", 20), LICHEN_DAMAGED);
  EXPECT_EQ(lichen_decoder_open(decoder.get(), nullptr, 0), LICHEN_INVALID_ARGUMENT);
  Bytes damaged = file;
  damaged.back() ^= 1;
  ASSERT_EQ(lichen_decoder_open(decoder.get(), damaged.data(), damaged.size()), LICHEN_OK) << "tiles come later";
  Bytes pixels(lichen_decoder_pixel_bytes(decoder.get()));
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), pixels.size(), 0), LICHEN_DAMAGED);
  EXPECT_EQ(Pixels(decoder.get(), file).size(), pixels.size()) << "the handle goes on working";
}

TEST(CApiTest, WrongArgumentsAreErrorsWithASentence) {
  const Encoder encoder = ToyEncoder();
  lichen_encoder* const e = encoder.get();
  const Bytes pixels(16 * 16 * 8);
  uint8_t* data = nullptr;
  size_t size = 0;
  const auto encode = [&](const void* from, uint32_t width, uint32_t height, int channels, int bits, size_t stride) {
    return lichen_encoder_encode(e, from, width, height, channels, bits, stride, &data, &size);
  };
  for (const lichen_status status : {lichen_encoder_set_quality(e, -0.1),
                                     lichen_encoder_set_quality(e, 100.1),
                                     lichen_encoder_set_quality(e, NAN),
                                     lichen_encoder_set_threads(e, -1),
                                     lichen_encoder_set_threads(e, 1025),
                                     lichen_encoder_set_coding(e, static_cast<lichen_coding>(3)),
                                     lichen_encoder_set_effort(e, 4),
                                     lichen_encoder_set_effort(e, -1),
                                     lichen_encoder_set_tile_size(e, 100),
                                     lichen_encoder_set_tile_size(e, 32),
                                     lichen_encoder_set_tile_size(e, 65536),
                                     lichen_encoder_set_model(e, nullptr, 5),
                                     lichen_encoder_set_metadata(e, LICHEN_ICC, nullptr, 5),
                                     lichen_encoder_set_metadata(e, static_cast<lichen_metadata>(3), "x", 1),
                                     lichen_encoder_set_metadata(e, LICHEN_XMP, pixels.data(), (size_t{1} << 26) + 1),
                                     encode(nullptr, 16, 16, 3, 8, 0),
                                     encode(pixels.data(), 0, 16, 3, 8, 0),
                                     encode(pixels.data(), 16, 0, 3, 8, 0),
                                     encode(pixels.data(), 16, 16, 0, 8, 0),
                                     encode(pixels.data(), 16, 16, 5, 8, 0),
                                     encode(pixels.data(), 16, 16, 3, 12, 0),
                                     encode(pixels.data(), 16, 16, 3, 8, 47),
                                     lichen_encoder_encode(e, pixels.data(), 16, 16, 3, 8, 0, nullptr, &size),
                                     lichen_encoder_encode(e, pixels.data(), 16, 16, 3, 8, 0, &data, nullptr)}) {
    EXPECT_EQ(status, LICHEN_INVALID_ARGUMENT);
  }
  EXPECT_STRNE(lichen_encoder_error(e), "");
  EXPECT_EQ(lichen_encoder_set_model(e, "no model", 8), LICHEN_DAMAGED);
  EXPECT_EQ(encode(pixels.data(), 16, 16, 3, 8, 0), LICHEN_OK) << "with the settings of before";
  lichen_free(data);

  const Decoder decoder = ToyDecoder();
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), data, 1, 0), LICHEN_INVALID_ARGUMENT);
  EXPECT_STREQ(lichen_decoder_error(decoder.get()), "no file is open; call lichen_decoder_open first");
  EXPECT_EQ(lichen_decoder_metadata(decoder.get(), LICHEN_ICC, &data, &size), LICHEN_INVALID_ARGUMENT);
}

TEST(CApiTest, NullHandlesAreRefused) {
  uint8_t* data = nullptr;
  size_t size = 0;
  lichen_encoder_free(nullptr);
  lichen_decoder_free(nullptr);
  lichen_free(nullptr);
  EXPECT_STRNE(lichen_encoder_error(nullptr), "");
  EXPECT_STRNE(lichen_decoder_error(nullptr), "");
  EXPECT_EQ(lichen_encoder_set_quality(nullptr, 1), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_encoder_encode(nullptr, "", 1, 1, 1, 8, 0, &data, &size), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_decoder_open(nullptr, "", 1), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_decoder_decode(nullptr, &size, sizeof size, 0), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_decoder_width(nullptr), 0u);
  EXPECT_EQ(lichen_decoder_pixel_bytes(nullptr), 0u);
  EXPECT_EQ(lichen_decoder_output_width(nullptr), 0u);
  EXPECT_EQ(lichen_decoder_output_height(nullptr), 0u);
  EXPECT_EQ(lichen_decoder_set_region(nullptr, 0, 0, 1, 1), LICHEN_INVALID_ARGUMENT);
  EXPECT_EQ(lichen_decoder_set_scale(nullptr, 2), LICHEN_INVALID_ARGUMENT);
  EXPECT_STREQ(lichen_decoder_model_id(nullptr), "");
}

TEST(CApiTest, ProgressIsReportedAndCanStopTheWork) {
  struct Seen {
    double last = 0;
    int calls = 0, stop_at = 1000;
  } seen;
  const auto progress = [](void* user, double share) {
    Seen* s = static_cast<Seen*>(user);
    s->last = share;
    return ++s->calls < s->stop_at ? 1 : 0;
  };
  const Encoder encoder = ToyEncoder();
  ASSERT_EQ(lichen_encoder_set_progress(encoder.get(), progress, &seen), LICHEN_OK);
  const Image image = test::SyntheticImage(16, 16);
  const Bytes file = Compressed(encoder.get(), image);
  EXPECT_NEAR(seen.last, 1, 1e-6);

  const Decoder decoder = ToyDecoder();
  seen = {};
  seen.stop_at = 1;
  ASSERT_EQ(lichen_decoder_set_progress(decoder.get(), progress, &seen), LICHEN_OK);
  ASSERT_EQ(lichen_decoder_open(decoder.get(), file.data(), file.size()), LICHEN_OK);
  Bytes pixels(lichen_decoder_pixel_bytes(decoder.get()));
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), pixels.size(), 0), LICHEN_CANCELLED);
  EXPECT_EQ(seen.calls, 1);
  ASSERT_EQ(lichen_decoder_set_progress(decoder.get(), nullptr, nullptr), LICHEN_OK);
  EXPECT_EQ(lichen_decoder_decode(decoder.get(), pixels.data(), pixels.size(), 0), LICHEN_OK);
}

TEST(CApiTest, HandlesOfDifferentThreadsAreIndependent) {
  std::vector<Bytes> files(4);
  std::vector<std::thread> threads;
  for (Bytes& file : files) {
    threads.emplace_back([&file] {
      for (int i = 0; i < 3; ++i) {
        const Encoder encoder = ToyEncoder();
        file = Compressed(encoder.get(), test::SyntheticImage(80, 80));
        const Decoder decoder = ToyDecoder();
        EXPECT_EQ(Pixels(decoder.get(), file).size(), 80u * 80 * 3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Bytes& file : files) EXPECT_EQ(file, files[0]);
}

}  // namespace
}  // namespace lichen
