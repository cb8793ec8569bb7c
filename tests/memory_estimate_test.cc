// SPDX-License-Identifier: Apache-2.0
#include "codec/memory_estimate.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "codec/dct_decoder.h"
#include "codec/dct_encoder.h"
#include "codec/post_filter_fit.h"
#include "codec/transform.h"
#include "test_data.h"

namespace lichen {
namespace {

bitstream::Header HeaderOf(uint32_t width, uint32_t height, uint32_t tile_size_log2) {
  bitstream::Header header;
  header.width = width;
  header.height = height;
  header.tile_size_log2 = tile_size_log2;
  return header;
}

uint64_t Mib(uint64_t bytes) { return bytes >> 20; }

/// For decoding the whole picture with the default model.
uint64_t MibToDecode(uint32_t width, uint32_t height, uint32_t tile_size_log2, const Region& region = {},
                     int scale = 1) {
  const bitstream::Header header = HeaderOf(width, height, tile_size_log2);
  const View view = MakeView(header, region, scale).value();
  return Mib(DecodeMemory(DataOf(*Model::Default().value()), header, view, Precision::kBfloat16, 1));
}

uint64_t MibToEncode(uint32_t width, uint32_t height, uint32_t tile_size_log2) {
  const bitstream::Header header = HeaderOf(width, height, tile_size_log2);
  const ModelData& model = DataOf(*Model::Default().value());
  return Mib(EncodeMemory(model, header, Precision::kBfloat16, 1, false, IsWorthAPostFilter(model, header)));
}

TEST(MemoryEstimateTest, LargePicturesFitTheDefaultLimits) {
  for (const uint32_t side : {20000u, 30000u}) {
    const uint64_t limit = side == 20000 ? 1024 : 2048;
    EXPECT_LT(MibToDecode(side, side, 10), limit);
    EXPECT_LT(MibToEncode(side, side, 10), limit);
  }
}

TEST(MemoryEstimateTest, DoesNotGrowWithHeight) {
  EXPECT_EQ(MibToDecode(5000, 5000, 10), MibToDecode(5000, 100000, 10));
  EXPECT_EQ(MibToEncode(5000, 5000, 10), MibToEncode(5000, 100000, 10));
}

TEST(MemoryEstimateTest, GrowsWithTheRegionNotThePicture) {
  const uint64_t small = MibToDecode(20000, 20000, 10, {10000, 10000, 200, 200});
  EXPECT_LT(small, MibToDecode(20000, 20000, 10) / 2);
  // Weights and the scratch memory for one tile are most of it.
  EXPECT_EQ(small, MibToDecode(2000, 2000, 10, {1000, 1000, 200, 200}));
}

TEST(MemoryEstimateTest, PreviewsTakeLess) {
  EXPECT_LT(MibToDecode(4000, 3000, 10, {}, 8),
            MibToDecode(4000, 3000, 10) * 19 / 20);  // most is the model and latents
  EXPECT_LT(MibToDecode(20000, 20000, 10, {}, 8), MibToDecode(20000, 20000, 10) * 5 / 6);
}

TEST(MemoryEstimateTest, LargeTilesAreRefusedBeforeMemoryIsTaken) {
  EXPECT_GT(MibToDecode(20000, 20000, 15), 2048u);
  EXPECT_GT(MibToEncode(20000, 20000, 15), 2048u);
  EXPECT_LT(MibToDecode(20000, 1000, 15), 2048u);
}

/// MiB by which the peak of resident memory grows in a process of its own that only does `work`.
template <typename Work>
uint64_t Measured(const Work& work) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  malloc_trim(0);  // or the child would find memory that it need not ask for
  const pid_t child = fork();
  if (child == 0) {
    rusage before = {}, after = {};
    getrusage(RUSAGE_SELF, &before);
    const bool ok = work();
    getrusage(RUSAGE_SELF, &after);
    const uint64_t mib = ok ? static_cast<uint64_t>(after.ru_maxrss - before.ru_maxrss) >> 10 : 0;
    _exit(write(ends[1], &mib, sizeof mib) == sizeof mib ? 0 : 1);
  }
  uint64_t mib = 0;
  EXPECT_EQ(read(ends[0], &mib, sizeof mib), static_cast<ssize_t>(sizeof mib));
  close(ends[0]);
  close(ends[1]);
  int status = 0;
  waitpid(child, &status, 0);
  return mib;
}

class CountingSink : public RowSink {
 public:
  Status Begin(const ImageHeader&) override { return Status(); }
  Status WriteRow(const uint8_t*) override { return Status(); }
};

/// The same row again and again.
class StripesSource : public RowSource {
 public:
  StripesSource(uint32_t width, uint32_t height) : row_(test::SyntheticImage(width, 1)) { row_.height = height; }
  const ImageHeader& header() const override { return row_; }
  Status ReadRow(uint8_t* row) override {
    std::copy(row_.pixels.begin(), row_.pixels.end(), row);
    return Status();
  }

 private:
  Image row_;
};

// The parent must not have used OpenMP before it forks, so this stands alone in its process under CTest.
TEST(MemoryEstimateTest, IsCloseToWhatIsTaken) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs memory of its own";
#endif
  for (const uint32_t tile_size_log2 : {10u, 11u}) {
    constexpr uint32_t kWidth = 2500, kHeight = 1200;
    const auto precision = FastestPrecision();
    const ModelData& model = DataOf(*Model::Default().value());
    const bitstream::Header header = HeaderOf(kWidth, kHeight, tile_size_log2);
    std::vector<uint8_t> file;
    EncodeOptions options;
    options.threads = 1;
    options.tile_size = 1u << tile_size_log2;
    options.coding = Coding::kLearned;
    const uint64_t encoding = Measured([&] {
      StripesSource source(kWidth, kHeight);
      return Encode(source, options).ok();
    });
    const bool fits = IsWorthAPostFilter(model, header);
    const uint64_t to_encode = Mib(EncodeMemory(model, header, precision, 1, false, fits));
    EXPECT_LE(encoding, to_encode + to_encode / 10);
    EXPECT_GE(encoding, to_encode / 2);
    options.effort = 2;
    const uint64_t refining = Measured([&] {
      StripesSource source(kWidth, kHeight);
      int calls = 0;  // some iterations of the first tile have all of the memory
      options.progress = [&](double done) { return done < 0.02 || ++calls < 4; };
      return Encode(source, options).status().code() == StatusCode::kCancelled;
    });
    options.progress = nullptr;
    options.effort = 1;
    const uint64_t to_refine = Mib(EncodeMemory(model, header, precision, 1, true, fits));
    EXPECT_LE(refining, to_refine + to_refine / 10);
    EXPECT_GE(refining, to_refine / 2);
    StripesSource source(kWidth, kHeight);
    file = Encode(source, options).value();
    DecodeOptions decode;
    decode.threads = 1;
    const uint64_t decoding = Measured([&] {
      CountingSink sink;
      return Decode(file.data(), file.size(), decode, sink).ok();
    });
    const uint64_t to_decode =
        Mib(DecodeMemory(model, header, MakeView(header, {}, 1).value(), SynthesisPrecision(), 1));
    EXPECT_LE(decoding, to_decode + to_decode / 10);
    EXPECT_GE(decoding, to_decode / 2);
    options.coding = Coding::kDct;
    const uint64_t encoding_blocks = Measured([&] {
      StripesSource stripes(kWidth, kHeight);
      return Encode(stripes, options).ok();
    });
    EXPECT_LE(encoding_blocks, Mib(DctEncodeMemory(header, 1)));
    StripesSource stripes(kWidth, kHeight);
    file = Encode(stripes, options).value();
    const uint64_t decoding_blocks = Measured([&] {
      CountingSink sink;
      return Decode(file.data(), file.size(), decode, sink).ok();
    });
    EXPECT_LE(decoding_blocks, Mib(DctDecodeMemory(header, MakeView(header, {}, 1).value(), 1)));
    RecordProperty("measured_" + std::to_string(tile_size_log2),
                   std::to_string(encoding) + " of " + std::to_string(to_encode) + " to encode, " +
                       std::to_string(refining) + " of " + std::to_string(to_refine) + " to refine, " +
                       std::to_string(decoding) + " of " + std::to_string(to_decode) + " to decode");
  }
}

// This, too, stands alone in its process under CTest.
TEST(MemoryEstimateTest, IsCloseToWhatIsTakenOfPicturesThatAPostFilterIsFittedToWhole) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs memory of its own";
#endif
  const ModelData& model = DataOf(*Model::Default().value());
  if (model.post_filter.mean.empty()) GTEST_SKIP() << "the default model has no post-filter";
  for (const auto& [width, height] : {std::pair{720u, 700u}, {16u, 32000u}, {4000u, 128u}}) {
    const bitstream::Header header = HeaderOf(width, height, 10);
    ASSERT_TRUE(SampleWindows::AreWhole(TileGrid(header)));
    EncodeOptions options;
    options.threads = 1;
    options.coding = Coding::kLearned;
    const auto encode = [&, width = width, height = height] {
      StripesSource source(width, height);
      return Encode(source, options).ok();
    };
    const uint64_t encoding = Measured(encode);
    const uint64_t to_encode = Mib(EncodeMemory(model, header, FastestPrecision(), 1, false, true));
    EXPECT_LE(encoding, to_encode + to_encode / 10) << width << "x" << height;
    EXPECT_GE(encoding, to_encode * 2 / 5) << width << "x" << height;  // stripes have few symbols
    std::cout << "  " << width << "x" << height << ": " << encoding << " of " << to_encode << " MiB\n";
  }
}

}  // namespace
}  // namespace lichen
