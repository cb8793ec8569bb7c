// SPDX-License-Identifier: Apache-2.0
#include "image_io/image_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "image_io/input_file.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace lichen::image_io {
namespace {

std::string OpenMessage(const std::string& path) {
  const auto source = OpenPicture(path);
  EXPECT_FALSE(source.ok());
  return source.status().message();
}

TEST(ImageFileTest, TellsTypesByName) {
  EXPECT_EQ(TypeOfName("a.png"), PictureType::kPng);
  EXPECT_EQ(TypeOfName("b/a.PNG"), PictureType::kPng);
  EXPECT_EQ(TypeOfName("a.lic.jpg"), PictureType::kJpeg);
  EXPECT_EQ(TypeOfName("a.JPeg"), PictureType::kJpeg);
  EXPECT_EQ(TypeOfName("a.bmp"), std::nullopt);
  EXPECT_EQ(TypeOfName("b.png/a"), std::nullopt);
  EXPECT_EQ(TypeOfName("png"), std::nullopt);
  EXPECT_EQ(TypeOfName("-"), std::nullopt);
  EXPECT_EQ(TypeOfName(""), std::nullopt);
}

TEST(ImageFileTest, RoundTripsThroughFiles) {
  const TemporaryFolder folder;
  for (const int channels : {1, 3}) {
    const Image image = test::SyntheticImage(37, 21, channels);
    ASSERT_TRUE(WritePicture(image, folder / "a.png").ok());
    const auto back = ReadPicture(folder / "a.png");
    ASSERT_TRUE(back.ok()) << back.status().message();
    EXPECT_EQ(back->channels, channels);
    EXPECT_EQ(back->pixels, image.pixels);

    ASSERT_TRUE(WritePicture(image, folder / "a.jpg").ok());
    const auto lossy = ReadPicture(folder / "a.jpg");
    ASSERT_TRUE(lossy.ok()) << lossy.status().message();
    EXPECT_EQ(lossy->channels, channels);
    EXPECT_GT(test::Psnr(lossy->pixels, image.pixels), 30);
  }
}

TEST(ImageFileTest, FilesCanBeReadAgain) {
  const TemporaryFolder folder;
  Image image = test::SyntheticImage(37, 21);
  image.exif = {'I', 'I', '*', 0, 8, 0, 0, 0};
  for (const std::string name : {"a.png", "a.jpg"}) {
    ASSERT_TRUE(WritePicture(image, folder / name).ok());
    const Image expected = *ReadPicture(folder / name);
    const auto source = OpenPicture(folder / name);
    ASSERT_TRUE(source.ok());
    EXPECT_TRUE(source.value()->can_rewind());
    for (const uint32_t rows : {21u, 5u, 21u}) {
      std::vector<uint8_t> row(expected.RowBytes());
      for (uint32_t y = 0; y < rows; ++y) {
        ASSERT_TRUE(source.value()->ReadRow(row.data()).ok());
        ASSERT_TRUE(std::equal(row.begin(), row.end(), &expected.pixels[y * row.size()])) << name << ", row " << y;
      }
      ASSERT_TRUE(source.value()->Rewind().ok());
    }
    EXPECT_EQ(source.value()->header().exif, image.exif);
  }
}

TEST(ImageFileTest, AFileThatIsReplacedWhileItIsReadIsAnError) {
  const TemporaryFolder folder;
  ASSERT_TRUE(WritePicture(test::SyntheticImage(37, 21), folder / "a.png").ok());
  const auto source = OpenPicture(folder / "a.png");
  ASSERT_TRUE(source.ok());
  ASSERT_TRUE(WritePicture(test::SyntheticImage(37, 22), folder / "a.png").ok());
  const Status status = source.value()->Rewind();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_EQ(status.message(), "the file was replaced while it was read; try again");
}

TEST(ImageFileTest, PipesCannotBeReadAgain) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  ASSERT_TRUE(WritePicture(test::SyntheticImage(37, 21), folder / "a.png").ok());
  std::thread writer([&folder] { WriteBytes(folder / "pipe", ReadBytes(folder / "a.png")); });
  {
    const auto source = OpenPicture(folder / "pipe");
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_FALSE(source.value()->can_rewind());
    EXPECT_EQ(source.value()->Rewind().code(), StatusCode::kInvalidArgument);
    std::vector<uint8_t> row(source.value()->header().RowBytes());
    for (uint32_t y = 0; y < 21; ++y) EXPECT_TRUE(source.value()->ReadRow(row.data()).ok());
  }
  writer.join();
}

TEST(ImageFileTest, TellsWhatAFileIsByItsContent) {
  const TemporaryFolder folder;
  ASSERT_TRUE(WritePicture(test::SyntheticImage(8, 8), folder / "a.jpg").ok());
  WriteBytes(folder / "b.png", ReadBytes(folder / "a.jpg"));
  EXPECT_EQ(TypeOfContent(ReadBytes(folder / "b.png")), PictureType::kJpeg);
  EXPECT_TRUE(ReadPicture(folder / "b.png").ok());
}

TEST(ImageFileTest, SaysWhatIsWrongWithAnInput) {
  const TemporaryFolder folder;
  EXPECT_EQ(OpenMessage(folder / "none.png"), "there is no such file; check its name and folder");
  EXPECT_EQ(OpenMessage(folder.path()), "this is a folder; give a file");
  WriteText(folder / "empty.png", "");
  EXPECT_EQ(OpenMessage(folder / "empty.png"), "this file is empty; give a PNG or JPEG picture");
  WriteText(folder / "notes.png", "Dear John,\n");
  EXPECT_EQ(OpenMessage(folder / "notes.png"),
            "this is not a PNG or JPEG file (it starts with \"Dear Joh\"); give a PNG or JPEG picture");
  WriteText(folder / "short.png", "\x89PN");
  EXPECT_EQ(OpenMessage(folder / "short.png"),
            "this is not a PNG or JPEG file (it starts with \".PN\"); give a PNG or JPEG picture");
  WriteText(folder / "a.webp", "RIFF1234WEBPVP8 ");
  EXPECT_EQ(OpenMessage(folder / "a.webp"), "this looks like a WebP file; convert it to PNG or JPEG first");
}

TEST(ImageFileTest, WritesNothingWhenAPictureIsNotFinished) {
  const TemporaryFolder folder;
  {
    auto sink = CreatePicture(folder / "a.png");
    ASSERT_TRUE(sink.ok());
    const Image image = test::SyntheticImage(8, 8);
    ASSERT_TRUE(sink.value()->Begin(image).ok());
    ASSERT_TRUE(sink.value()->WriteRow(image.pixels.data()).ok());
    EXPECT_EQ(folder.Entries(), 1u) << "a temporary file";
  }
  EXPECT_EQ(folder.Entries(), 0u);
}

TEST(InputFileTest, GivesPeekedBytesAgain) {
  const TemporaryFolder folder;
  WriteText(folder / "a", "0123456789");
  const auto file = InputFile::Open(folder / "a");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value()->Peek(4).value(), (std::vector<uint8_t>{'0', '1', '2', '3'}));
  EXPECT_EQ(file.value()->Peek(20).value().size(), 10u);
  std::string all;
  uint8_t byte = 0;
  while (file.value()->Read(&byte, 1).value() == 1) all += static_cast<char>(byte);
  EXPECT_EQ(all, "0123456789");
}

TEST(InputFileTest, ReadsWholeFiles) {
  const TemporaryFolder folder;
  const std::vector<uint8_t> bytes(1000003, 7);
  WriteBytes(folder / "a", bytes);
  EXPECT_EQ(ReadFile(folder / "a").value(), bytes);
  WriteText(folder / "b", "");
  EXPECT_TRUE(ReadFile(folder / "b").value().empty());
  EXPECT_EQ(ReadFile(folder / "c").status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace lichen::image_io
