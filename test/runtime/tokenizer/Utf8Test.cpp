//===- Utf8Test.cpp -------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/Utf8.h"

#include <gtest/gtest.h>

namespace lamina {
namespace {

TEST(Utf8, DecodesAndEncodesEveryScalarValue) {
  for (uint32_t c = 0; c <= 0x10ffff; ++c) {
    if (c == 0xd800)
      c = 0xe000;
    std::string text;
    utf8::append(c, text);
    utf8::Unit unit = utf8::decode(text);
    ASSERT_TRUE(unit.wellFormed) << c;
    ASSERT_EQ(unit.codepoint, c);
    ASSERT_EQ(unit.length, text.size());
    for (size_t length = 1; length < text.size(); ++length) {
      ASSERT_TRUE(utf8::isIncomplete(text.substr(0, length))) << c;
      ASSERT_FALSE(utf8::decode(text.substr(0, length)).wellFormed);
    }
    ASSERT_FALSE(utf8::isIncomplete(text));
  }
}

TEST(Utf8, RefusesWhatTheStandardRefuses) {
  for (std::string_view text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
                                "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                "\xf5\x80\x80\x80", "\xff", "\xc3(", "\xe2\x82(", "\xf0\x9f\x98("}) {
    utf8::Unit unit = utf8::decode(text);
    EXPECT_FALSE(unit.wellFormed);
    EXPECT_EQ(unit.length, 1u);
    EXPECT_EQ(unit.codepoint, 0xfffdu);
    EXPECT_FALSE(utf8::isIncomplete(text));
    EXPECT_EQ(utf8::wellFormedPrefix(text), 0u);
  }
  std::string surrogate;
  utf8::append(0xd800, surrogate);
  EXPECT_EQ(surrogate, "\xef\xbf\xbd");
}

TEST(Utf8, CountsAndReplaces) {
  EXPECT_EQ(utf8::countCodepoints("a\xc5\xbc\xf0\x9f\x98\x80\xff"), 4u);
  EXPECT_EQ(utf8::wellFormedPrefix("a\xc5\xbc\xff"), 3u);
  EXPECT_EQ(utf8::replaceAll("a b  c", " ", "--"), "a--b----c");
  EXPECT_EQ(utf8::replaceAll("", " ", "x"), "");
  EXPECT_EQ(utf8::replaceAll("aaa", "aa", "b"), "ba");
}

} // namespace
} // namespace lamina
