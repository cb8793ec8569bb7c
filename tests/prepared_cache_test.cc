// SPDX-License-Identifier: Apache-2.0
#include "codec/prepared_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "lichen/codec.h"
#include "test_data.h"

namespace lichen {
namespace {

using test::SyntheticImage;

std::shared_ptr<int> Make(int* made) { return std::make_shared<int>(++*made); }

TEST(PreparedCacheTest, KeepsOnlyWhenTold) {
  PreparedCache cache;
  int made = 0;
  const auto get = [&](const PreparedCache& from, int key) {
    return *from.Get<int>({key}, [&] { return Make(&made); });
  };
  EXPECT_EQ(get(cache, 1), 1);
  EXPECT_EQ(get(cache, 1), 2);
  cache.Keep();
  EXPECT_EQ(get(cache, 1), 3);
  EXPECT_EQ(get(cache, 2), 4);
  EXPECT_EQ(get(cache, 1), 3);
  EXPECT_EQ(get(cache, 2), 4);
}

TEST(PreparedCacheTest, ACopyIsOnItsOwn) {
  PreparedCache cache;
  cache.Keep();
  int made = 0;
  const auto get = [&](const PreparedCache& from) { return *from.Get<int>({}, [&] { return Make(&made); }); };
  EXPECT_EQ(get(cache), 1);
  PreparedCache copy(cache);
  EXPECT_EQ(get(copy), 2);
  EXPECT_EQ(get(copy), 3) << "and may be of a layer that changes";
  PreparedCache assigned;
  assigned.Keep();
  EXPECT_EQ(get(assigned), 4);
  assigned = copy;
  EXPECT_EQ(get(assigned), 5);
  EXPECT_EQ(get(assigned), 6);
  const PreparedCache moved(std::move(cache));
  EXPECT_EQ(get(moved), 1);
}

TEST(PreparedCacheTest, ThreadsGetTheSame) {
  PreparedCache cache;
  cache.Keep();
  std::atomic<int> made = 0;
  std::vector<std::shared_ptr<int>> got(8);
  std::vector<std::thread> threads;
  for (std::shared_ptr<int>& one : got) {
    threads.emplace_back([&] { one = cache.Get<int>({7}, [&] { return std::make_shared<int>(++made); }); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  for (const std::shared_ptr<int>& one : got) EXPECT_EQ(one, got[0]);
}

/// More widths than a layer keeps primitives for, and pictures that are coded at the same time.
TEST(PreparedModelTest, PicturesDoNotDisturbEachOther) {
  std::vector<Image> images;
  for (uint32_t i = 0; i < 20; ++i) images.push_back(SyntheticImage(17 + 16 * i, 33));
  EncodeOptions options;
  options.threads = 1;
  options.coding = Coding::kLearned;
  std::vector<std::vector<uint8_t>> files;
  std::vector<Image> pictures;
  for (const Image& image : images) {
    files.push_back(Encode(image, options).value());
    pictures.push_back(Decode(files.back().data(), files.back().size(), {}).value());
  }
  std::vector<std::thread> threads;
  std::atomic<int> different = 0;
  for (size_t first = 0; first < 4; ++first) {
    threads.emplace_back([&, first] {
      for (size_t i = 0; i < images.size(); ++i) {
        const size_t at = (i * 7 + first * 5) % images.size();
        const auto file = Encode(images[at], options);
        different += !file.ok() || *file != files[at];
        const auto picture = Decode(files[at].data(), files[at].size(), {});
        different += !picture.ok() || picture->pixels != pictures[at].pixels;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, 0);
}

}  // namespace
}  // namespace lichen
