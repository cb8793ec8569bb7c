// SPDX-License-Identifier: Apache-2.0
#include "eval/custom_codec.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "eval/evaluation.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace lichen::eval {
namespace {

using Words = std::vector<std::string>;

TEST(CustomCodecTest, ParsesTheExample) {
  const Result<CustomSpec> spec = ParseCustomSpec("mine: enc {in} {out} -q {q}; dec {in} {out}; q=10,30.5,50");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->name, "mine");
  EXPECT_EQ(spec->encode, (Words{"enc", "{in}", "{out}", "-q", "{q}"}));
  EXPECT_EQ(spec->decode, (Words{"dec", "{in}", "{out}"}));
  EXPECT_EQ(spec->qualities, (std::vector<double>{10, 30.5, 50}));
}

TEST(CustomCodecTest, QuotesKeepBlanksAndSemicolons) {
  const Result<CustomSpec> spec =
      ParseCustomSpec("a: sh -c 'x; y $0' {in} \"{out} \\\" z\" b\\ c ''; dec {in} {out};q=1; ext=j2k;");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->encode, (Words{"sh", "-c", "x; y $0", "{in}", "{out} \" z", "b c", ""}));
  EXPECT_EQ(spec->extension, "j2k");
}

TEST(CustomCodecTest, RefusesWhatCannotWork) {
  for (const char* text : {"", "enc {in} {out}; dec {in} {out}; q=1", ": e {in} {out}; d {in} {out}; q=1",
                           "a/b: e {in} {out}; d {in} {out}; q=1", "a: e {in}; d {in} {out}; q=1",
                           "a: e {in} {out}; q=1", "a: e {in} {out}; d {in} {out}", "a: e {in} {out}; d {in} {out}; q=",
                           "a: e {in} {out}; d {in} {out}; q=1,x", "a: e {in} {out}; d {in} {out}; q=1; colour=red",
                           "a: e {in} {out}; d {in} {out}; q=1; ext=../x", "a: e '{in} {out}; d {in} {out}; q=1"}) {
    const Status status = ParseCustomSpec(text).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find("write for example"), std::string::npos) << status.message();
  }
}

// A PNG copied is a lossless codec; the size says which quality the command was given.
TEST(CustomCodecTest, RunsCommands) {
  const auto spec = ParseCustomSpec(
      "copy: sh -c 'cp \"$1\" \"$2\" && head -c \"$3\" /dev/zero >> \"$2\"' sh {in} {out} "
      "{q}; cp {in} {out}; q=100,1000");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  const std::unique_ptr<Codec> codec = MakeCustomCodec(*spec);
  for (int channels : {1, 3}) {
    const Image image = test::SyntheticImage(40, 30, channels);
    const Result<Trial> low = RunTrial(*codec, 100, image), high = RunTrial(*codec, 1000, image);
    ASSERT_TRUE(low.ok() && high.ok()) << low.status().message();
    EXPECT_EQ(low->distortion.psnr, kIdenticalPsnr);
    EXPECT_EQ(high->bytes, low->bytes + 900);
  }
}

TEST(CustomCodecTest, NoShellSeesTheWords) {
  const TemporaryFolder folder;
  const std::string trap = folder / "trap";
  const auto spec = ParseCustomSpec("a: cp {in} {out} '; touch " + trap + "'; cp {in} {out}; q=1");
  ASSERT_TRUE(spec.ok());
  EXPECT_FALSE(MakeCustomCodec(*spec)->Encode(test::SyntheticImage(8, 8), 1).ok());
  EXPECT_FALSE(std::filesystem::exists(trap));
}

TEST(CustomCodecTest, FoldersWithStrangeNamesAreNoTrouble) {
  const TemporaryFolder folder;
  const std::string strange = folder / "a b; $(touch c) {q} 'd\"";
  ASSERT_TRUE(std::filesystem::create_directory(strange));
  ASSERT_EQ(setenv("TMPDIR", strange.c_str(), 1), 0);
  const auto spec = ParseCustomSpec("a: cp {in} {out}; cp {in} {out}; q=1");
  const Result<Trial> trial = RunTrial(*MakeCustomCodec(*spec), 1, test::SyntheticImage(8, 8));
  EXPECT_TRUE(trial.ok()) << trial.status().message();
  EXPECT_TRUE(std::filesystem::is_empty(strange));  // nothing is left
  unsetenv("TMPDIR");
}

TEST(CustomCodecTest, FailuresSayWhatTheCommandSaid) {
  const Image image = test::SyntheticImage(8, 8);
  const auto message = [&](const std::string& encode) {
    return MakeCustomCodec(*ParseCustomSpec("a: " + encode + "; cp {in} {out}; q=1"))
        ->Encode(image, 1)
        .status()
        .message();
  };
  EXPECT_EQ(message("sh -c 'echo first >&2; echo no such luck >&2; exit 3' {in} {out}"),
            "sh failed with exit code 3: no such luck");
  EXPECT_EQ(message("true {in} {out}"), "true wrote no file to {out}");
  EXPECT_EQ(message("sh -c 'kill -9 $$' {in} {out}"), "sh was ended by signal 9");
  EXPECT_EQ(message("no-such-program {in} {out}"), "no-such-program: cannot be started: No such file or directory");
}

TEST(CustomCodecTest, IdentityChangesWithTheProgram) {
  const TemporaryFolder folder;
  const std::string program = folder / "enc";
  const auto identity = [&] {
    return MakeCustomCodec(*ParseCustomSpec("a: " + program + " {in} {out}; cp {in} {out}; q=1"))->Identity();
  };
  WriteText(program, "one");
  const std::string before = identity();
  EXPECT_EQ(identity(), before);
  WriteText(program, "another");
  EXPECT_NE(identity(), before);
}

}  // namespace
}  // namespace lichen::eval
