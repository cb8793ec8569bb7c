// SPDX-License-Identifier: Apache-2.0
#include "eval/base64.h"

#include <gtest/gtest.h>

namespace lichen::eval {
namespace {

std::string Encode(const std::string& text) { return ToBase64({text.begin(), text.end()}); }

// The vectors of RFC 4648, section 10, and the two digits that they lack.
TEST(Base64Test, AgreesWithRfc4648) {
  EXPECT_EQ(Encode(""), "");
  EXPECT_EQ(Encode("f"), "Zg==");
  EXPECT_EQ(Encode("fo"), "Zm8=");
  EXPECT_EQ(Encode("foo"), "Zm9v");
  EXPECT_EQ(Encode("foob"), "Zm9vYg==");
  EXPECT_EQ(Encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(ToBase64({0xff, 0xef, 0xbe}), "/+++");
}

}  // namespace
}  // namespace lichen::eval
