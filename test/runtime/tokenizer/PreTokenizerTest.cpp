//===- PreTokenizerTest.cpp -----------------------------------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace lamina {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(std::string_view name, std::string_view text) {
  absl::StatusOr<const PreTokenizerSpec *> spec = findPreTokenizer(name);
  EXPECT_TRUE(spec.ok()) << spec.status();
  absl::StatusOr<PreTokenizer> pre = PreTokenizer::create(**spec);
  EXPECT_TRUE(pre.ok()) << pre.status();
  absl::StatusOr<std::vector<std::string_view>> pieces = pre->split(text);
  EXPECT_TRUE(pieces.ok()) << pieces.status();
  return Pieces(pieces->begin(), pieces->end());
}

TEST(PreTokenizer, Gpt2) {
  EXPECT_EQ(split("gpt-2", "I've 12345  x!?\n\n y"),
            Pieces({"I", "'ve", " 12345", " ", " x", "!?", "\n\n", " y"}));
  EXPECT_EQ(split("gpt-2", "I'VE"), Pieces({"I", "'", "VE"}));
  EXPECT_EQ(split("phi-2", ""), Pieces());
}

TEST(PreTokenizer, Llama3) {
  EXPECT_EQ(split("llama-bpe", "I'VE 12345  x!?\n\n y"),
            Pieces({"I", "'VE", " ", "123", "45", " ", " x", "!?\n\n", " y"}));
  EXPECT_EQ(split("llama3", " (a) \u4f60\u597d \u0436"),
            Pieces({" (", "a", ")", " \u4f60\u597d", " \u0436"}));
}

TEST(PreTokenizer, DigitsAreGroupedByName) {
  EXPECT_EQ(split("qwen2", "1234"), Pieces({"1", "2", "3", "4"}));
  EXPECT_EQ(split("starcoder", "a12 b"), Pieces({"a", "1", "2", " b"}));
  EXPECT_EQ(split("smollm", " 12"), Pieces({" ", "1", "2"}));
  EXPECT_EQ(split("deepseek-v3", "12345"), Pieces({"123", "45"}));
  EXPECT_EQ(split("deepseek-llm", "a 12345"), Pieces({"a", " ", "12345"}));
  EXPECT_EQ(split("falcon", "12345"), Pieces({"123", "45"}));
  EXPECT_EQ(split("default", "12345"), Pieces({"123", "45"}));
  EXPECT_EQ(split("gpt-4o", "12345"), Pieces({"123", "45"}));
  EXPECT_EQ(split("tekken", "123"), Pieces({"1", "2", "3"}));
}

TEST(PreTokenizer, CaseBreaksWords) {
  EXPECT_EQ(split("gpt-4o", "camelCase HTTPServer it's"), Pieces({"camel", "Case", " HTTPServer", " it's"}));
  EXPECT_EQ(split("tekken", "camelCase it's"), Pieces({"camel", "Case", " it", "'s"}));
}

TEST(PreTokenizer, ScriptsOfDeepSeek) {
  EXPECT_EQ(split("deepseek-llm", "ab\u4f60\u597d\u3002\nx  "),
            Pieces({"ab", "\u4f60\u597d", "\u3002", "\n", "x", "  "}));
  EXPECT_EQ(split("deepseek-v3", "ab\u4f60\u597d\u3042"), Pieces({"ab", "\u4f60\u597d\u3042"}));
  EXPECT_EQ(split("deepseek-coder", "if (x)\n"), Pieces({"if", " (", "x", ")", "\n"}));
}

TEST(PreTokenizer, PiecesAlwaysAddUp) {
  std::string text = "Hello, World's 1234567 \t\r\n\n  \u00a0\u3000 \u4f60\u597d e\u0301 "
                     "\U0001f600\u200d\U0001f468 _x_ '' \u2026";
  std::set<std::string> names;
  for (const PreTokenizerSpec &spec : allPreTokenizers()) {
    for (const char *name : spec.names) {
      EXPECT_TRUE(names.insert(name).second) << name << " is listed twice";
      EXPECT_EQ(*findPreTokenizer(name), &spec);
    }
    std::string joined;
    for (const std::string &piece : split(spec.names.front(), text)) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    }
    EXPECT_EQ(joined, text) << spec.names.front();
  }
}

TEST(PreTokenizer, ExtremeTextsStayLinear) {
  for (const PreTokenizerSpec &spec : allPreTokenizers()) {
    SCOPED_TRACE(spec.names.front());
    absl::StatusOr<PreTokenizer> pre = PreTokenizer::create(spec);
    ASSERT_TRUE(pre.ok()) << pre.status();
    for (const char *unit : {"a", "A", " ", "\n", "1", "!", "\u4f60", " \t", "'s"}) {
      std::string text;
      while (text.size() < 200000)
        text += unit;
      text += "x";
      EXPECT_TRUE(pre->split(text).ok()) << unit << pre->split(text).status();
    }
  }
}

TEST(PreTokenizer, UnknownNamesGetSuggestions) {
  EXPECT_EQ(std::string(findPreTokenizer("llama-bp").status().message()),
            "unknown pre-tokenizer \"llama-bp\" (tokenizer.ggml.pre); the nearest supported ones are "
            "llama-bpe, llama-v3 "
            "and llama3");
  EXPECT_EQ((*findPreTokenizer(""))->names.front(), std::string("default"));
}

} // namespace
} // namespace lamina
