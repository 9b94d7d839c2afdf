//===- SpmTokenizerTest.cpp -----------------------------------------------------------------------------===//

#include "runtime/tokenizer/Tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace lamina {
namespace {

using Ids = std::vector<int32_t>;
using testing::HasSubstr;

/// <unk> 0, <s> 1, </s> 2, bytes 3 to 258, then what a test adds.
class Spm : public testing::Test {
protected:
  Spm() {
    data.model = "llama";
    add("<unk>", 0, TokenType::Unknown);
    add("<s>", 0, TokenType::Control);
    add("</s>", 0, TokenType::Control);
    for (int byte = 0; byte < 256; ++byte) {
      char text[8];
      std::snprintf(text, sizeof(text), "<0x%02X>", byte);
      add(text, 0, TokenType::Byte);
    }
    applyTokenizerDefaults(data, data.tokens.size());
  }

  int32_t add(const std::string &text, float score, TokenType type = TokenType::Normal) {
    data.tokens.push_back(text);
    data.scores.push_back(score);
    data.types.push_back(type);
    return static_cast<int32_t>(data.tokens.size() - 1);
  }

  std::unique_ptr<Tokenizer> create() {
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(data);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return *std::move(tokenizer);
  }

  static int32_t byteId(uint8_t byte) { return 3 + byte; }

  TokenizerData data;
};

TEST_F(Spm, MergesTheBestScoreFirst) {
  int32_t a = add("a", -10), b = add("b", -11), c = add("c", -12);
  int32_t ab = add("ab", -3), bc = add("bc", -2), abc = add("abc", -20);
  data.addBos = data.addSpacePrefix = false;
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("ab"), Ids({ab}));
  // bc goes before ab; then a + bc is abc.
  EXPECT_EQ(*tokenizer->encode("abc"), Ids({abc}));
  EXPECT_EQ(*tokenizer->encode("abcb"), Ids({abc, b}));
  EXPECT_EQ(*tokenizer->encode("cab"), Ids({c, ab}));
  EXPECT_EQ(*tokenizer->encode("bcbc"), Ids({bc, bc}));
  EXPECT_EQ(*tokenizer->encode("aa"), Ids({a, a}));
}

TEST_F(Spm, TiesGoToTheLeft) {
  add("a", -1);
  int32_t aa = add("aa", -2);
  data.addBos = data.addSpacePrefix = false;
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("aaa"), Ids({aa, aa - 1}));
}

TEST_F(Spm, SpacesPrefixesAndSpecials) {
  int32_t space = add("\u2581", -5), a = add("a", -6), spaceA = add("\u2581a", -1);
  int32_t user = add("<tool>", 0, TokenType::UserDefined);
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode(""), Ids({1}));
  EXPECT_EQ(*tokenizer->encode("", {.addSpecial = false}), Ids());
  EXPECT_EQ(*tokenizer->encode("a"), Ids({1, spaceA}));
  EXPECT_EQ(*tokenizer->encode(" a"), Ids({1, space, spaceA}));
  EXPECT_EQ(*tokenizer->encode("a a", {.addSpecial = false}), Ids({spaceA, spaceA}));
  // User-defined tokens are always recognised, and text after a special token has a prefix again.
  EXPECT_EQ(*tokenizer->encode("a<tool>a"), Ids({1, spaceA, user, spaceA}));
  EXPECT_EQ(*tokenizer->encode("a</s>a", {.addSpecial = false, .parseSpecial = true}),
            Ids({spaceA, 2, spaceA}));
  // Control tokens are not: their text is bytes.
  EXPECT_EQ(*tokenizer->encode("</s>", {.addSpecial = false}),
            Ids({space, byteId('<'), byteId('/'), byteId('s'), byteId('>')}));
  EXPECT_EQ(*tokenizer->decode(Ids({1, spaceA, user, a, 2})), "a<tool>a");
  EXPECT_EQ(*tokenizer->decode(Ids({1, spaceA, 2}), {.renderSpecial = true}), "<s>a</s>");
  EXPECT_EQ(*tokenizer->decode(Ids({1, space, spaceA})), " a");

  data.addSpacePrefix = false;
  data.addEos = true;
  auto plain = create();
  EXPECT_EQ(*plain->encode("a a"), Ids({1, a, spaceA, 2}));
  EXPECT_EQ(*plain->decode(Ids({spaceA})), " a");
}

TEST_F(Spm, TextCannotBecomeControlOrByteTokens) {
  data.addBos = data.addSpacePrefix = false;
  for (const char *part : {"<", "s", ">", "s>", "0", "x", "A", "<0", "<0x", "<0x0", "<0x0A"})
    add(part, -1);
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->decode(*tokenizer->encode("<s>")), "<s>");
  EXPECT_EQ(*tokenizer->decode(*tokenizer->encode("<0x0A>")), "<0x0A>");
}

TEST_F(Spm, AnyBytesSurvive) {
  add("a", -1);
  int32_t space = add("\u2581", -2);
  auto tokenizer = create();
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte)
    bytes += static_cast<char>(byte);
  for (const std::string &text : {bytes, std::string("a\xe4\xbd"), std::string("\xf0\x9f\x98\x80\xff\xfe")})
    EXPECT_EQ(*tokenizer->decode(*tokenizer->encode(text)), text);
  EXPECT_EQ(*tokenizer->encode("\xf0\x9f", {.addSpecial = false}), Ids({space, byteId(0xf0), byteId(0x9f)}));
}

TEST_F(Spm, WithoutByteTokensUnknownCharactersAreUnknown) {
  data.tokens = {"<unk>", "<s>", "</s>", "a"};
  data.scores = {0, 0, 0, -1};
  data.types = {TokenType::Unknown, TokenType::Control, TokenType::Control, TokenType::Normal};
  data.addBos = data.addSpacePrefix = false;
  EXPECT_EQ(*create()->encode("a\u4f60"
                              "a"),
            Ids({3, 0, 3}));
  data.unk = NoToken;
  EXPECT_THAT(std::string(create()->encode("a?").status().message()),
              HasSubstr("no token for byte 0x3F and no unknown token"));
}

TEST_F(Spm, EndsOfGeneration) {
  int32_t turn = add("<end_of_turn>", 0), message = add("<|eom_id|>", 0, TokenType::Control);
  auto tokenizer = create();
  EXPECT_TRUE(tokenizer->isEndOfGeneration(2));
  EXPECT_TRUE(tokenizer->isEndOfGeneration(turn));
  EXPECT_TRUE(tokenizer->isEndOfGeneration(message));
  EXPECT_EQ(tokenizer->data().eot, turn);
  EXPECT_EQ(tokenizer->data().eom, message);
  for (int32_t id : {-1, 0, 1, 3, 100000})
    EXPECT_FALSE(tokenizer->isEndOfGeneration(id));
  // It is a control token now, whatever the file said.
  EXPECT_EQ(tokenizer->decodePiece(turn), "");
  EXPECT_EQ(tokenizer->encode("<end_of_turn>", {.addSpecial = false, .parseSpecial = true})->size(), 1u);
  EXPECT_GT(tokenizer->encode("<end_of_turn>", {.addSpecial = false})->size(), 1u);
}

TEST_F(Spm, SeparatorsOfAnswersDoNotEndThem) {
  add("<|return|>", 0, TokenType::Control);
  add("<|call|>", 0, TokenType::Control);
  int32_t end = add("<|end|>", 0, TokenType::Control);
  auto tokenizer = create();
  EXPECT_FALSE(tokenizer->isEndOfGeneration(end));
  EXPECT_TRUE(tokenizer->isEndOfGeneration(end - 1));
}

TEST_F(Spm, DecodeChecksIds) {
  auto tokenizer = create();
  EXPECT_EQ(tokenizer->decode(Ids({1, 259})).status().message(),
            "token 259 at position 1 is not one of 259 tokens of the vocabulary");
  EXPECT_FALSE(tokenizer->decode(Ids({-1})).ok());
  EXPECT_EQ(tokenizer->decodePiece(-1), "");
  EXPECT_EQ(tokenizer->decodePiece(byteId('x')), "x");
  EXPECT_EQ(tokenizer->vocabSize(), 259u);
}

TEST_F(Spm, EqualTokensAreRefused) {
  add("a", 0);
  add("a", 0);
  EXPECT_EQ(Tokenizer::create(data).status().message(),
            "tokenizer.ggml.tokens: tokens 259 and 260 have the same text");
}

} // namespace
} // namespace lamina
