// SPDX-License-Identifier: Apache-2.0
#include "image_io/deflater.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "image_io/zlib_stream.h"

namespace lichen::image_io {
namespace {

using Bytes = std::vector<uint8_t>;

struct Maker {
  std::string name;
  std::function<std::unique_ptr<Deflater>()> make;
};

/// All that the build has.
std::vector<Maker> Makers() {
  std::vector<Maker> makers;
  for (const int level : {0, 1, 9}) {
    makers.push_back({"zlib " + std::to_string(level), [level] { return MakeZlibDeflater(level); }});
  }
  if (MakeIsalDeflater() != nullptr) makers.push_back({"ISA-L", MakeIsalDeflater});
  return makers;
}

/// The stream of `content`, given in pieces and taken in pieces of these sizes. Each piece of the input is gone once
/// the deflater should be through with it.
Bytes Stream(Deflater* deflater, const Bytes& content, size_t input_size, size_t output_size) {
  Bytes stream, output(output_size);
  for (size_t start = 0; start < content.size(); start += input_size) {
    const size_t size = std::min(input_size, content.size() - start);
    Bytes piece(content.begin() + static_cast<std::ptrdiff_t>(start),
                content.begin() + static_cast<std::ptrdiff_t>(start + size));
    deflater->SetInput(piece.data(), size, start + size == content.size());
    size_t made = output_size;
    while (made == output_size) {
      made = deflater->Output(output.data(), output_size);
      stream.insert(stream.end(), output.begin(), output.begin() + static_cast<std::ptrdiff_t>(made));
    }
    std::fill(piece.begin(), piece.end(), uint8_t{0xcd});
  }
  return stream;
}

/// Of a kind for each `kind`: noise, zeros, sparse, few values, repetitions, and parts of each.
Bytes Content(int kind, size_t size) {
  std::mt19937 random(static_cast<uint32_t>(kind));
  Bytes content(size);
  for (size_t i = 0; i < size; ++i) {
    const int here = kind == 5 ? static_cast<int>(i / 3000 % 5) : kind;
    if (here == 0) content[i] = static_cast<uint8_t>(random());
    if (here == 2) content[i] = static_cast<uint8_t>(random() % 8 == 0 ? random() : 0);
    if (here == 3) content[i] = static_cast<uint8_t>(random() % 4 + random() % 4);
    if (here == 4) content[i] = i < 301 || random() % 60 == 0 ? static_cast<uint8_t>(random()) : content[i - 301];
  }
  return content;
}

TEST(DeflaterTest, ZlibReadsTheStreamsOfContentOfEveryKind) {
  for (const Maker& maker : Makers()) {
    for (int kind = 0; kind <= 5; ++kind) {
      for (const size_t size : {1, 2, 3, 300, 65536, 150000}) {
        const Bytes content = Content(kind, size);
        for (const size_t input : {size_t{1021}, size_t{1} << 16}) {
          const Bytes stream = Stream(maker.make().get(), content, input, size_t{1} << 16);
          ASSERT_EQ(Inflate(stream.data(), stream.size(), size), content)
              << maker.name << ", kind " << kind << ", " << size << " bytes in pieces of " << input;
          for (const size_t missing : {1, 4}) {
            ASSERT_EQ(Inflate(stream.data(), stream.size() - missing, size), std::nullopt)
                << "nothing behind the stream's end";
          }
        }
      }
    }
  }
}

TEST(DeflaterTest, StreamsDoNotDependOnTheSizeOfTheOutputs) {
  for (const Maker& maker : Makers()) {
    for (int kind = 0; kind <= 5; ++kind) {
      const Bytes content = Content(kind, 5000);
      const Bytes expected = Stream(maker.make().get(), content, 700, 1 << 16);
      for (const size_t output : {1, 2, 3, 7, 64, 1000}) {
        ASSERT_EQ(Stream(maker.make().get(), content, 700, output), expected)
            << maker.name << ", kind " << kind << ", " << output << " bytes at a time";
      }
    }
  }
}

TEST(DeflaterTest, CompressesWhatRepeats) {
  for (const Maker& maker : Makers()) {
    const bool stored = maker.name == "zlib 0";
    for (int kind = 0; kind <= 4; ++kind) {
      const size_t size = Stream(maker.make().get(), Content(kind, 100000), 1 << 16, 1 << 16).size();
      const size_t most[] = {101000, 2000, 33000, 46000, 20000};
      EXPECT_LT(size, stored ? most[0] : most[kind]) << maker.name << ", kind " << kind;
    }
  }
}

}  // namespace
}  // namespace lichen::image_io
