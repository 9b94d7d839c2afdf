//===- StreamDecoderTest.cpp ----------------------------------------------------------------------------===//

#include "runtime/tokenizer/StreamDecoder.h"

#include "runtime/tokenizer/BpeTokenizer.h"

#include <gtest/gtest.h>

namespace lamina {
namespace {

std::unique_ptr<Tokenizer> byteTokenizer() {
  TokenizerData data;
  data.model = "gpt2";
  data.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte)
    data.tokens.emplace_back(byteLetter(static_cast<uint8_t>(byte)));
  data.tokens.push_back("<|end|>");
  data.types.assign(256, TokenType::Normal);
  data.types.push_back(TokenType::Control);
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(data);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(StreamDecoder, HoldsBackPartsOfCharacters) {
  auto tokenizer = byteTokenizer();
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xf0), "");
  EXPECT_EQ(stream.push(0x9f), "");
  EXPECT_EQ(stream.push(256), "");
  EXPECT_EQ(stream.push(0x98), "");
  EXPECT_EQ(stream.push(0x80), "\U0001f600");
  EXPECT_EQ(stream.push(0xc5), "");
  EXPECT_EQ(stream.push(0xbc), "\u017c");
  EXPECT_EQ(stream.finish(), "");
}

TEST(StreamDecoder, ReplacesWhatCannotBecomeACharacter) {
  auto tokenizer = byteTokenizer();
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push(0xff), "\ufffd");
  EXPECT_EQ(stream.push(0xe2), "");
  EXPECT_EQ(stream.push('x'), "\ufffdx");
  EXPECT_EQ(stream.push(0xe2), "");
  EXPECT_EQ(stream.push(0xe2), "\ufffd");
  EXPECT_EQ(stream.finish(), "\ufffd");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push('y'), "y");
}

TEST(StreamDecoder, RendersSpecialTokensOnRequest) {
  auto tokenizer = byteTokenizer();
  StreamDecoder stream(*tokenizer, {.renderSpecial = true});
  EXPECT_EQ(stream.push(256), "<|end|>");
  EXPECT_EQ(stream.push(100000), "");
}

TEST(StreamDecoder, EverySplitOfATextGivesTheText) {
  auto tokenizer = byteTokenizer();
  std::string text = "a\u017c\u4f60\U0001f600!";
  for (size_t first = 0; first <= text.size(); ++first)
    for (size_t second = first; second <= text.size(); ++second) {
      StreamDecoder stream(*tokenizer);
      std::string out = stream.pushBytes(text.substr(0, first));
      out += stream.pushBytes(text.substr(first, second - first));
      out += stream.pushBytes(text.substr(second));
      out += stream.finish();
      EXPECT_EQ(out, text);
    }
}

} // namespace
} // namespace lamina
