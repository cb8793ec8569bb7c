// SPDX-License-Identifier: Apache-2.0
#include "eval/process.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "temporary_folder.h"

namespace lichen::eval {
namespace {

TEST(ProcessTest, RunsInAFolder) {
  const TemporaryFolder folder;
  EXPECT_TRUE(RunProgram({"touch", "here"}, folder.path()).ok());
  EXPECT_TRUE(std::filesystem::exists(folder / "here"));
}

TEST(ProcessTest, StandardInputIsEmpty) { EXPECT_TRUE(RunProgram({"cat"}).ok()); }

TEST(ProcessTest, FindsPrograms) {
  EXPECT_TRUE(std::filesystem::exists(FindProgram("sh")));
  EXPECT_EQ(FindProgram("no-such-program"), "");
  EXPECT_EQ(FindProgram("./here"), "./here");
}

}  // namespace
}  // namespace lichen::eval
