// SPDX-License-Identifier: Apache-2.0
#include "eval/result_cache.h"

#include <gtest/gtest.h>

#include <utility>

#include "temporary_folder.h"
#include "test_data.h"

namespace lichen::eval {
namespace {

TEST(ResultCacheTest, SurvivesRestartsAndDamage) {
  const TemporaryFolder folder;
  const std::string path = folder / "cache.jsonl";
  const Record record = {1.0 / 3, std::nullopt, 1e300};
  {
    const auto cache = ResultCache::Open(path);
    ASSERT_TRUE(cache.ok());
    EXPECT_FALSE((*cache)->Find("a \"b\""));
    (*cache)->Add("a \"b\"", record);
    (*cache)->Add("c", {2.0});
  }
  const std::string text = ReadText(path);
  WriteText(path, "no JSON\n{\"x\": [\"y\"]}\n" + text.substr(0, text.size() - 3));  // as after a kill
  {
    const auto cache = ResultCache::Open(path);
    ASSERT_TRUE(cache.ok());
    EXPECT_EQ((*cache)->Find("a \"b\""), record);
    EXPECT_FALSE((*cache)->Find("c"));
    EXPECT_FALSE((*cache)->Find("x"));
    (*cache)->Add("c", {3.0});
  }
  EXPECT_EQ((*ResultCache::Open(path))->Find("c"), Record{3.0});
}

TEST(ResultCacheTest, SaysWhereItCannotWrite) {
  EXPECT_EQ(ResultCache::Open("/no/such/folder/cache").status().code(), StatusCode::kIoError);
}

TEST(ResultCacheTest, HashesContentAndKind) {
  const Image image = test::SyntheticImage(8, 6);
  Image turned = image, changed = image;
  std::swap(turned.width, turned.height);
  changed.pixels[3] ^= 1;
  EXPECT_EQ(HashPicture(image), HashPicture(test::SyntheticImage(8, 6)));
  EXPECT_NE(HashPicture(image), HashPicture(turned));
  EXPECT_NE(HashPicture(image), HashPicture(changed));
}

}  // namespace
}  // namespace lichen::eval
