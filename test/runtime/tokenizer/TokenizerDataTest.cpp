//===- TokenizerDataTest.cpp ----------------------------------------------------------------------------===//

#include "runtime/tokenizer/TokenizerData.h"

#include "runtime/io/GGUFReader.h"
#include "runtime/io/GGUFWriter.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace lamina {
namespace {

using testing::HasSubstr;

TokenizerData smallData() {
  TokenizerData data;
  data.model = "llama";
  data.tokens = {"<unk>", "<s>", "</s>", "a"};
  return data;
}

std::string errorOf(const TokenizerData &data) { return std::string(data.validate().message()); }

TEST(TokenizerData, DefaultsOfEachModel) {
  TokenizerData llama = smallData();
  applyTokenizerDefaults(llama, 3);
  EXPECT_EQ(llama.bos, 1);
  EXPECT_EQ(llama.eos, 2);
  EXPECT_EQ(llama.unk, 0);
  EXPECT_TRUE(llama.addBos && llama.addSpacePrefix && !llama.addEos);
  applyTokenizerDefaults(llama, 2);
  EXPECT_EQ(llama.eos, NoToken);

  TokenizerData gpt2;
  gpt2.model = "gpt2";
  gpt2.pre = "gpt-2";
  applyTokenizerDefaults(gpt2, 12);
  EXPECT_EQ(gpt2.bos, 11);
  EXPECT_EQ(gpt2.eos, 11);
  EXPECT_EQ(gpt2.unk, NoToken);
  EXPECT_FALSE(gpt2.addBos || gpt2.addSpacePrefix);
  gpt2.pre = "llama-bpe";
  applyTokenizerDefaults(gpt2, 12);
  EXPECT_TRUE(gpt2.addBos);
}

TEST(TokenizerData, ValidateFindsEveryFault) {
  EXPECT_TRUE(smallData().validate().ok());
  auto with = [](auto change) {
    TokenizerData data = smallData();
    change(data);
    return errorOf(data);
  };
  EXPECT_EQ(with([](auto &d) { d.model = "bert"; }),
            "unsupported tokenizer model \"bert\" (tokenizer.ggml.model); supported are llama "
            "(SentencePiece) and gpt2 "
            "(byte-level BPE)");
  EXPECT_THAT(with([](auto &d) { d.model = "gpt2", d.pre = "llama-spm"; }),
              HasSubstr("unknown pre-tokenizer \"llama-spm\""));
  EXPECT_THAT(with([](auto &d) { d.tokens.clear(); }), HasSubstr("the file holds no vocabulary"));
  EXPECT_EQ(with([](auto &d) { d.scores = {1}; }),
            "tokenizer.ggml.scores: expected 4 scores, one per token, got 1");
  EXPECT_EQ(with([](auto &d) { d.types = {TokenType::Normal}; }),
            "tokenizer.ggml.token_type: expected 4 types, one per token, got 1");
  EXPECT_EQ(with([](auto &d) { d.scores = {0, 0, std::numeric_limits<float>::quiet_NaN(), 0}; }),
            "tokenizer.ggml.scores: the score of token 2 is not a number");
  EXPECT_EQ(
      with([](auto &d) { d.types.assign(4, TokenType::Normal), d.types[3] = static_cast<TokenType>(7); }),
      "tokenizer.ggml.token_type: token 3 has unknown type 7, expected 0 to 6");
  EXPECT_EQ(with([](auto &d) { d.eos = 4; }),
            "tokenizer.ggml.eos_token_id: 4 is not the id of one of 4 tokens");
  EXPECT_EQ(with([](auto &d) { d.pad = -2; }),
            "tokenizer.ggml.padding_token_id: -2 is not the id of one of 4 tokens");
  EXPECT_THAT(with([](auto &d) { d.addBos = true; }), HasSubstr("add_bos_token is set, but there is no"));
  EXPECT_THAT(with([](auto &d) { d.addEos = true; }), HasSubstr("add_eos_token is set, but there is no"));
  for (const char *merge : {"", "a", "a ", " a"})
    EXPECT_EQ(with([&](auto &d) { d.merges = {"a b", merge}; }),
              "tokenizer.ggml.merges: merge 1 is not two texts with a space between them")
        << merge;
}

/// Writes a vocabulary and reads it back.
class Gguf : public testing::Test {
protected:
  absl::StatusOr<TokenizerData> read() {
    bytes = writer.finish();
    auto span = std::span(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
    LAMINA_ASSIGN_OR_RETURN(GGUFReader reader, GGUFReader::fromMemory(span, "test.gguf"));
    return tokenizerDataFromGGUF(reader);
  }

  void addLlama() {
    writer.addString("general.architecture", "llama");
    writer.addString("tokenizer.ggml.model", "llama");
    const std::string_view tokens[] = {"<unk>", "<s>", "</s>", "a"};
    const float scores[] = {0, 0, 0, -1.5};
    const int32_t types[] = {2, 3, 3, 1};
    writer.addStrings("tokenizer.ggml.tokens", tokens);
    writer.addFloats("tokenizer.ggml.scores", scores);
    writer.addInt32s("tokenizer.ggml.token_type", types);
  }

  GGUFWriter writer;
  std::string bytes;
};

TEST_F(Gguf, ReadsWhatIsThereAndDefaultsTheRest) {
  addLlama();
  writer.addU32("tokenizer.ggml.padding_token_id", 0xffffffff);
  writer.addU32("tokenizer.ggml.eot_token_id", 3);
  writer.addBool("tokenizer.ggml.add_space_prefix", false);
  writer.addString("tokenizer.chat_template", "{{ messages }}");
  absl::StatusOr<TokenizerData> data = read();
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->tokens, testing::ElementsAre("<unk>", "<s>", "</s>", "a"));
  EXPECT_THAT(data->scores, testing::ElementsAre(0, 0, 0, -1.5));
  EXPECT_THAT(data->types, testing::ElementsAre(TokenType::Unknown, TokenType::Control, TokenType::Control,
                                                TokenType::Normal));
  EXPECT_EQ(data->bos, 1);
  EXPECT_EQ(data->eos, 2);
  EXPECT_EQ(data->eot, 3);
  EXPECT_EQ(data->pad, NoToken);
  EXPECT_TRUE(data->addBos);
  EXPECT_FALSE(data->addSpacePrefix);
  EXPECT_EQ(data->chatTemplate, "{{ messages }}");
  EXPECT_TRUE(Tokenizer::create(*data).ok());
}

TEST_F(Gguf, ReadsMerges) {
  writer.addString("tokenizer.ggml.model", "gpt2");
  writer.addString("tokenizer.ggml.pre", "qwen2");
  const std::string_view tokens[] = {"a", "b", "ab"}, merges[] = {"a b"};
  writer.addStrings("tokenizer.ggml.tokens", tokens);
  writer.addStrings("tokenizer.ggml.merges", merges);
  absl::StatusOr<TokenizerData> data = read();
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->merges, testing::ElementsAre("a b"));
  EXPECT_EQ(data->bos, NoToken);
  EXPECT_EQ(*(*Tokenizer::create(*data))->encode("ab"), std::vector<int32_t>({2}));
}

TEST_F(Gguf, FilesWithoutAVocabularySaySo) {
  writer.addString("general.architecture", "llama");
  EXPECT_EQ(read().status().message(),
            "test.gguf: no tokenizer.ggml.model: the file holds no vocabulary; pass token ids, "
            "or a file converted with its tokenizer");
  writer.addString("tokenizer.ggml.model", "no_vocab");
  absl::Status status = read().status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("tokenizer.ggml.model is \"no_vocab\""));
}

TEST_F(Gguf, BadIdsNameKeyAndPlace) {
  addLlama();
  writer.addU32("tokenizer.ggml.eos_token_id", 4);
  EXPECT_THAT(std::string(read().status().message()),
              testing::MatchesRegex(
                  "test.gguf: tokenizer.ggml.eos_token_id at byte [0-9]+: 4 is not the id of one of 4 "
                  "tokens"));
}

TEST_F(Gguf, BadArraysNameTheFile) {
  addLlama();
  writer.addString("tokenizer.ggml.pre", "default");
  const int32_t numbers[] = {1};
  writer.addInt32s("tokenizer.ggml.merges", numbers);
  EXPECT_TRUE(read().ok()) << "merges do not concern a SentencePiece vocabulary";

  GGUFWriter other;
  other.addString("tokenizer.ggml.model", "t5");
  const std::string_view tokens[] = {"a"};
  other.addStrings("tokenizer.ggml.tokens", tokens);
  writer = other;
  EXPECT_THAT(std::string(read().status().message()),
              HasSubstr("test.gguf: unsupported tokenizer model \"t5\" (tokenizer.ggml.model)"));
}

} // namespace
} // namespace lamina
