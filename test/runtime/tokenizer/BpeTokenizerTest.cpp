//===- BpeTokenizerTest.cpp -----------------------------------------------------------------------------===//

#include "runtime/tokenizer/BpeTokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina {
namespace {

using Ids = std::vector<int32_t>;
using testing::HasSubstr;

/// Tokens 0 to 255 are the bytes, in order; then what a test adds.
class Bpe : public testing::Test {
protected:
  Bpe() {
    data.model = "gpt2";
    data.pre = "gpt-2";
    for (int byte = 0; byte < 256; ++byte)
      add(std::string(byteLetter(static_cast<uint8_t>(byte))));
  }

  int32_t add(const std::string &text, TokenType type = TokenType::Normal) {
    data.tokens.push_back(text);
    data.types.push_back(type);
    return static_cast<int32_t>(data.tokens.size() - 1);
  }

  /// A merge and its result as a token.
  int32_t merge(const std::string &left, const std::string &right) {
    data.merges.push_back(left + " " + right);
    return add(left + right);
  }

  std::unique_ptr<Tokenizer> create() {
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(data);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return *std::move(tokenizer);
  }

  TokenizerData data;
};

TEST_F(Bpe, ByteLettersAreReversible) {
  EXPECT_EQ(byteLetter('a'), "a");
  EXPECT_EQ(byteLetter(' '), "\u0120");
  EXPECT_EQ(byteLetter('\n'), "\u010a");
  EXPECT_EQ(byteLetter(0xad), "\u0143");
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(bytesOfLetters(byteLetter(static_cast<uint8_t>(byte))),
              std::string(1, static_cast<char>(byte)));
  EXPECT_EQ(bytesOfLetters("\u4f60\u0120"), "\u4f60 ");
}

TEST_F(Bpe, MergesInOrderOfTheList) {
  int32_t bc = merge("b", "c"), ab = merge("a", "b"), abc = merge("a", "bc");
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("ab"), Ids({ab}));
  EXPECT_EQ(*tokenizer->encode("abc"), Ids({abc}));
  EXPECT_EQ(*tokenizer->encode("abcab"), Ids({abc, ab}));
  EXPECT_EQ(*tokenizer->encode("bcx"), Ids({bc, 'x'}));
  EXPECT_EQ(*tokenizer->encode(""), Ids());
}

TEST_F(Bpe, EqualRanksGoToTheLeft) {
  int32_t aa = merge("a", "a"), aaaa = merge("aa", "aa");
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("aaa"), Ids({aa, 'a'}));
  EXPECT_EQ(*tokenizer->encode("aaaaa"), Ids({aaaa, 'a'}));
  EXPECT_EQ(*tokenizer->encode("aaaaaaa"), Ids({aaaa, aa, 'a'}));
}

TEST_F(Bpe, MergesDoNotCrossWords) {
  int32_t spaceA = merge("\u0120", "a"), crossing = merge("a", "\u0120");
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("a a"), Ids({'a', spaceA}));
  EXPECT_EQ(*tokenizer->decode(Ids({crossing, 'x'})), "a x");
}

TEST_F(Bpe, ResultsThatAreNoTokensFallApart) {
  data.merges.push_back("a b");
  int32_t abc = merge("ab", "c");
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("ab"), Ids({'a', 'b'}));
  EXPECT_EQ(*tokenizer->encode("abc"), Ids({abc}));
}

TEST_F(Bpe, WholeWordsBeforeMergesWhereThePreTokenizerSaysSo) {
  int32_t word = add("\u0120word");
  EXPECT_EQ(create()->encode(" word")->size(), 5u);
  data.pre = "llama-bpe";
  EXPECT_EQ(*create()->encode(" word"), Ids({word}));
  // Not for control tokens, whose name text must not summon.
  data.types[word] = TokenType::Control;
  EXPECT_EQ(create()->encode(" word")->size(), 5u);
}

TEST_F(Bpe, SpecialTokens) {
  int32_t end = add("<|im_end|>", TokenType::Control), think = add("<think>", TokenType::UserDefined);
  int32_t longer = add("<think>!", TokenType::Control);
  data.bos = data.eos = end;
  data.addBos = true;
  auto tokenizer = create();
  EXPECT_EQ(*tokenizer->encode("a<think>"), Ids({end, 'a', think}));
  EXPECT_EQ(tokenizer->encode("<|im_end|>", {.addSpecial = false})->size(), 10u);
  EXPECT_EQ(*tokenizer->encode("<|im_end|>a<think>!", {.addSpecial = false, .parseSpecial = true}),
            Ids({end, 'a', longer}));
  EXPECT_EQ(*tokenizer->encode("<think>!", {.addSpecial = false}), Ids({think, '!'}));
  EXPECT_EQ(*tokenizer->decode(Ids({end, 'a', think})), "a<think>");
  EXPECT_EQ(tokenizer->decodePiece(end, {.renderSpecial = true}), "<|im_end|>");
  EXPECT_TRUE(tokenizer->isEndOfGeneration(end));
}

TEST_F(Bpe, AnyBytesSurvive) {
  merge("\u00f0", "\u0141");
  auto tokenizer = create();
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte)
    bytes += static_cast<char>(byte);
  for (const std::string &text :
       {bytes, bytes + bytes, std::string("x\xff\xfe y\xf0\x9f"), std::string("\0\0", 2)})
    EXPECT_EQ(*tokenizer->decode(*tokenizer->encode(text)), text);
}

TEST_F(Bpe, MissingBytesAreUnknownOrAnError) {
  data.tokens['q'] = "nothing";
  EXPECT_THAT(std::string(create()->encode("q").status().message()), HasSubstr("no token for byte 0x71"));
  data.unk = '?';
  EXPECT_EQ(*create()->encode("aqa"), Ids({'a', '?', 'a'}));
}

TEST_F(Bpe, NoPreTokenizerIsAWarning) {
  EXPECT_EQ(create()->warning(), "");
  data.pre.clear();
  auto tokenizer = create();
  EXPECT_THAT(tokenizer->warning(), HasSubstr("names no pre-tokenizer (tokenizer.ggml.pre)"));
  EXPECT_EQ(tokenizer->encode("1234")->size(), 4u);
}

TEST_F(Bpe, LongWordsAreNotQuadratic) {
  merge("a", "a");
  auto tokenizer = create();
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, 'a'))->size(), size_t(1) << 19);
}

} // namespace
} // namespace lamina
