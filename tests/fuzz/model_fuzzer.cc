// SPDX-License-Identifier: Apache-2.0
// The model file: any bytes are an error or a model, and what a small model encodes it decodes, whatever its weights.
//
// An input that starts with 0x89 is a model file as it is. Any other is its contents, which compression would hide from
// the fuzzer: the decoder's description (JSON), a zero, the encoder's, a zero, then the tensors of both.
#include <algorithm>
#include <cmath>

#include "bitstream/byte_writer.h"
#include "fuzz_target.h"
#include "lichen/codec.h"

namespace lichen {
namespace {

using Bytes = std::vector<uint8_t>;

/// A zstd frame of raw blocks. RFC 8878, 3.1.1: a single segment, its content size in 4 bytes.
Bytes RawFrame(const Bytes& content) {
  constexpr uint32_t kMaxBlock = 1 << 17;
  Bytes frame;
  bitstream::ByteWriter writer(&frame);
  writer.WriteU32(0xFD2FB528);
  writer.WriteU8(0xA0);
  writer.WriteU32(static_cast<uint32_t>(content.size()));
  size_t at = 0;
  do {
    const uint32_t block = static_cast<uint32_t>(std::min<size_t>(content.size() - at, kMaxBlock));
    const uint32_t last = at + block == content.size() ? 1 : 0, head = block << 3 | last;
    for (int i = 0; i < 3; ++i) writer.WriteU8(static_cast<uint8_t>(head >> 8 * i));
    writer.WriteBytes(content.data() + at, block);
    at += block;
  } while (at < content.size());
  return frame;
}

void AppendSection(const uint8_t* text, const uint8_t* text_end, const Bytes& tensors, Bytes* file) {
  Bytes content;
  bitstream::ByteWriter(&content).WriteU32(static_cast<uint32_t>(text_end - text));
  content.insert(content.end(), text, text_end);
  content.insert(content.end(), tensors.begin(), tensors.end());
  const Bytes frame = RawFrame(content);
  bitstream::ByteWriter writer(file);
  writer.WriteU32(static_cast<uint32_t>(content.size()));
  writer.WriteU32(static_cast<uint32_t>(frame.size()));
  writer.WriteU32(0);  // the checksum, which fuzz targets accept
  writer.WriteBytes(frame.data(), frame.size());
}

Bytes ModelFileOf(const uint8_t* data, size_t size) {
  const uint8_t* const end = data + size;
  const uint8_t* const decoder_end = std::find(data, end, 0);
  const uint8_t* const encoder = std::min(decoder_end + 1, end);
  const uint8_t* const encoder_end = std::find(encoder, end, 0);
  const Bytes tensors(std::min(encoder_end + 1, end), end);
  Bytes file = {0x89, 'L', 'I', 'M', 0x0d, 0x0a, 0x1a, 0x0a, 0, 1, 2, 3, 4, 5, 6, 7, 8};
  AppendSection(data, decoder_end, tensors, &file);
  AppendSection(encoder, encoder_end, tensors, &file);
  return file;
}

Image SmallPicture() {
  Image image;
  image.width = 37;
  image.height = 19;
  image.channels = 3;
  for (uint32_t i = 0; i < image.width * image.height * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(i * i / 7));
  return image;
}

void Check(const Bytes& file) {
  const auto model = Model::Parse(file.data(), file.size());
  if (!model.ok()) {
    LICHEN_FUZZ_REQUIRE_ERROR(model.status());
    return;
  }
  const double work = (*model)->DecodeMultiplyAddsPerPixel();
  LICHEN_FUZZ_REQUIRE(std::isfinite(work) && work > 0 && (*model)->Id().size() == 16);
  if (work > 20000) return;  // worth the fuzzer's time no longer
  EncodeOptions encode;
  encode.model = *model;
  encode.threads = 1;
  encode.quality = static_cast<double>(file.size() % 101);
  const Image picture = SmallPicture();
  const auto coded = Encode(picture, encode);
  LICHEN_FUZZ_REQUIRE(coded.ok());
  DecodeOptions decode;
  decode.model = *model;
  decode.threads = 1;
  const auto back = Decode(coded->data(), coded->size(), decode);
  LICHEN_FUZZ_REQUIRE(back.ok());
  LICHEN_FUZZ_REQUIRE(back->width == picture.width && back->height == picture.height);
  LICHEN_FUZZ_REQUIRE(back->pixels.size() == picture.pixels.size());
}

}  // namespace
}  // namespace lichen

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] == 0x89) {
    lichen::Check({data, data + size});
  } else {
    lichen::Check(lichen::ModelFileOf(data, size));
  }
  return 0;
}
