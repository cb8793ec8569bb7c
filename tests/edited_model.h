// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_TESTS_EDITED_MODEL_H_
#define LICHEN_TESTS_EDITED_MODEL_H_

// The toy model with changes, as a model file.

#include <gtest/gtest.h>
#include <zstd.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bitstream/byte_writer.h"
#include "bitstream/checksum.h"
#include "lichen/codec.h"
#include "test_data.h"

namespace lichen::test {

using Json = nlohmann::json;

inline uint32_t U32At(const std::vector<uint8_t>& bytes, size_t at) {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | uint32_t{bytes[at + 3]} << 24;
}

/// A section of a model file, opened. [size, packed size, CRC-32, zstd frame of: text size, text, tensors]
struct OpenSection {
  Json json;
  std::vector<uint8_t> tensors;
  std::string placed;  // text that takes the place of the string "placed", where it cannot be made of Json

  static OpenSection Take(const std::vector<uint8_t>& file, size_t* at) {
    const size_t size = U32At(file, *at), packed = U32At(file, *at + 4);
    std::vector<uint8_t> raw(size);
    EXPECT_EQ(ZSTD_decompress(raw.data(), size, file.data() + *at + 12, packed), size);
    *at += 12 + packed;
    const auto end = raw.begin() + 4 + U32At(raw, 0);
    return {Json::parse(raw.begin() + 4, end), {end, raw.end()}, ""};
  }
  void Append(std::vector<uint8_t>* file) const {
    std::string text = json.dump();
    const std::string place = "\"placed\"";
    if (!placed.empty()) text.replace(text.find(place), place.size(), placed);
    std::vector<uint8_t> raw;
    bitstream::ByteWriter(&raw).WriteU32(static_cast<uint32_t>(text.size()));
    raw.insert(raw.end(), text.begin(), text.end());
    raw.insert(raw.end(), tensors.begin(), tensors.end());
    std::vector<uint8_t> packed(ZSTD_compressBound(raw.size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1));
    bitstream::ByteWriter writer(file);
    writer.WriteU32(static_cast<uint32_t>(raw.size()));
    writer.WriteU32(static_cast<uint32_t>(packed.size()));
    writer.WriteU32(bitstream::Crc32(packed.data(), packed.size()));
    writer.WriteBytes(packed.data(), packed.size());
  }
  /// Adds a gain layer of `channels`, every exponent `exponent`, before layer `at` of a transform.
  void InsertGain(const char* transform, int at, int channels, int16_t exponent) {
    json["tensors"]["added"] = {{"type", "s16"}, {"count", 8 * channels}, {"offset", tensors.size()}};
    bitstream::ByteWriter writer(&tensors);
    for (int i = 0; i < 8 * channels; ++i) writer.WriteU16(static_cast<uint16_t>(exponent));
    json[transform].insert(json[transform].begin() + at, Json{{"type", "gain"}, {"name", "added"}});
  }
  /// Gives a convolution steps of 2^(exponent / 2048), of which `change` more than there are channels.
  void AddSteps(Json& convolution, int16_t exponent, int change = 0) {
    const int count = convolution["in"].get<int>() + change;
    const std::string name = convolution["name"].get<std::string>() + ".step";
    json["tensors"][name] = {{"type", "s16"}, {"count", count}, {"offset", tensors.size()}};
    bitstream::ByteWriter writer(&tensors);
    for (int i = 0; i < count; ++i) writer.WriteU16(static_cast<uint16_t>(exponent));
    convolution["steps"] = true;
  }
  void AddTensor(const std::string& name, const char* type, const std::vector<uint16_t>& values) {
    json["tensors"][name] = {{"type", type}, {"count", values.size()}, {"offset", tensors.size()}};
    bitstream::ByteWriter writer(&tensors);
    for (const uint16_t value : values) {
      type == std::string("s8") ? writer.WriteU8(static_cast<uint8_t>(value)) : writer.WriteU16(value);
    }
  }
  /// Gives the model a post-filter whose numbers are all alike.
  void AddPostFilter(size_t components, uint16_t weight = kHalf, int16_t amplitude = -2048, int8_t size = -3) {
    AddTensor("post_filter.mean", "f16", std::vector<uint16_t>(8 * 50 * 3, weight));
    AddTensor("post_filter.components", "f16", std::vector<uint16_t>(components * 50 * 3, weight));
    AddTensor("post_filter.amplitude", "s16", std::vector<uint16_t>(8, static_cast<uint16_t>(amplitude)));
    AddTensor("post_filter.sizes", "s8", std::vector<uint16_t>(components, static_cast<uint8_t>(size)));
    json["post_filter"] = {{"features", 50}, {"components", components}};
  }
  static constexpr uint16_t kHalf = 0x3800, kLargestHalf = 0x7BFF, kInfiniteHalf = 0x7C00;  // 0.5, 65504
};

/// The toy model after a change, under sound checksums.
inline Result<std::shared_ptr<const Model>> ParseEdited(const std::function<void(OpenSection&, OpenSection&)>& edit) {
  const std::vector<uint8_t> toy = ReadTestFile("toy.lim");
  constexpr size_t kFrontSize = 8 + 1 + 8;  // signature, version, id
  size_t at = kFrontSize;
  OpenSection decoder = OpenSection::Take(toy, &at), encoder = OpenSection::Take(toy, &at);
  edit(decoder, encoder);
  std::vector<uint8_t> file(toy.begin(), toy.begin() + kFrontSize);
  decoder.Append(&file);
  encoder.Append(&file);
  return Model::Parse(file.data(), file.size());
}

}  // namespace lichen::test

#endif  // LICHEN_TESTS_EDITED_MODEL_H_
