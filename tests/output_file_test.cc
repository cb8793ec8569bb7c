// SPDX-License-Identifier: Apache-2.0
#include "image_io/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "temporary_folder.h"

namespace lichen::image_io {
namespace {

Status WriteFile(const std::string& path, const std::string& text, bool no_clobber = false) {
  LICHEN_ASSIGN_OR_RETURN(const auto file, OutputFile::Open(path, no_clobber));
  LICHEN_RETURN_IF_ERROR(file->Write(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  EXPECT_EQ(file->bytes(), text.size());
  return file->Finish();
}

unsigned ModeOf(const std::string& path) {
  struct stat facts = {};
  EXPECT_EQ(stat(path.c_str(), &facts), 0);
  return facts.st_mode & 0777;
}

TEST(OutputFileTest, AppearsWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  const std::string text(300000, 'x');
  {
    const auto file = OutputFile::Open(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file.value()->Write(reinterpret_cast<const uint8_t*>(text.data()), text.size()).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_EQ(folder.Entries(), 0u);
  ASSERT_TRUE(WriteFile(path, text).ok());
  EXPECT_EQ(ReadText(path), text);
  EXPECT_EQ(folder.Entries(), 1u);
}

TEST(OutputFileTest, KeepsTheOldFileUntilTheNewOneIsComplete) {
  const TemporaryFolder folder;
  WriteText(folder / "a", "old");
  { ASSERT_TRUE(OutputFile::Open(folder / "a").ok()); }
  EXPECT_EQ(ReadText(folder / "a"), "old");
  ASSERT_TRUE(WriteFile(folder / "a", "new").ok());
  EXPECT_EQ(ReadText(folder / "a"), "new");
}

TEST(OutputFileTest, KeepsPermissionsAndHonoursTheUmask) {
  const TemporaryFolder folder;
  const mode_t mask = umask(027);
  ASSERT_TRUE(WriteFile(folder / "a", "x").ok());
  umask(mask);
  EXPECT_EQ(ModeOf(folder / "a"), 0640u);
  ASSERT_EQ(chmod((folder / "a").c_str(), 0604), 0);
  ASSERT_TRUE(WriteFile(folder / "a", "y").ok());
  EXPECT_EQ(ModeOf(folder / "a"), 0604u);
}

TEST(OutputFileTest, ReplacesTheTargetOfALink) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "real");
  WriteText(folder / "real/a", "old");
  std::filesystem::create_symlink("real/a", folder / "first");
  std::filesystem::create_symlink(folder / "first", folder / "second");
  ASSERT_TRUE(WriteFile(folder / "second", "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "second"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "first"));
  EXPECT_EQ(ReadText(folder / "real/a"), "new");

  std::filesystem::remove(folder / "real/a");
  ASSERT_TRUE(WriteFile(folder / "second", "created").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "second"));
  EXPECT_EQ(ReadText(folder / "real/a"), "created");
}

TEST(OutputFileTest, NoClobberRefusesFilesThatExistOrAppear) {
  const TemporaryFolder folder;
  EXPECT_TRUE(WriteFile(folder / "a", "first", true).ok());
  EXPECT_EQ(WriteFile(folder / "a", "second", true).code(), StatusCode::kIoError);
  EXPECT_EQ(ReadText(folder / "a"), "first");
  {
    const auto file = OutputFile::Open(folder / "b", true);
    ASSERT_TRUE(file.ok());
    WriteText(folder / "b", "somebody else's");
    EXPECT_FALSE(file.value()->Finish().ok());
  }
  EXPECT_EQ(ReadText(folder / "b"), "somebody else's");
  EXPECT_EQ(folder.Entries(), 2u);
}

TEST(OutputFileTest, SaysWhyAFileCannotBeWritten) {
  const TemporaryFolder folder;
  EXPECT_EQ(WriteFile(folder / "none/a", "x").message(),
            "the folder " + folder / "none" + " does not exist; create it first");
  EXPECT_EQ(WriteFile(folder.path(), "x").message(), "this is a folder; give the name of a file");
  WriteText(folder / "file", "x");
  EXPECT_FALSE(WriteFile(folder / "file/a", "x").ok());
  const std::string full = WriteFile("/dev/full", "x").message();
  EXPECT_NE(full.find("disk is full"), std::string::npos) << full;
}

TEST(OutputFileTest, RefusesToReplaceAReadOnlyFile) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everything";
  const TemporaryFolder folder;
  WriteText(folder / "a", "old");
  ASSERT_EQ(chmod((folder / "a").c_str(), 0444), 0);
  EXPECT_EQ(WriteFile(folder / "a", "new").code(), StatusCode::kIoError);
  EXPECT_EQ(ReadText(folder / "a"), "old");
}

TEST(OutputFileTest, WritesPipesDirectly) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(IsDirectOutput(folder / "pipe"));
  std::string received;
  std::thread reader([&] { received = ReadText(folder / "pipe"); });
  EXPECT_TRUE(WriteFile(folder / "pipe", "through").ok());
  reader.join();
  EXPECT_EQ(received, "through");
  EXPECT_EQ(folder.Entries(), 1u);
}

TEST(OutputFileTest, RecognisesTheSameFile) {
  const TemporaryFolder folder;
  WriteText(folder / "a", "x");
  WriteText(folder / "b", "x");
  std::filesystem::create_symlink("a", folder / "link");
  std::filesystem::create_hard_link(folder / "a", folder / "hard");
  EXPECT_TRUE(IsSameFile(folder / "a", folder / "./a"));
  EXPECT_TRUE(IsSameFile(folder / "a", folder / "link"));
  EXPECT_TRUE(IsSameFile(folder / "hard", folder / "a"));
  EXPECT_FALSE(IsSameFile(folder / "a", folder / "b"));
  EXPECT_FALSE(IsSameFile(folder / "a", folder / "none"));
  EXPECT_FALSE(IsSameFile("/dev/null", "/dev/null"));
}

}  // namespace
}  // namespace lichen::image_io
