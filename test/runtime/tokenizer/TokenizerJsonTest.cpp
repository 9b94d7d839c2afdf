//===- TokenizerJsonTest.cpp - vocabularies of Hugging Face tokenizers ----------------------------------===//

#include "runtime/tokenizer/TokenizerJson.h"
#include "runtime/io/GGUFWriter.h"
#include "runtime/tokenizer/BpeTokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <unistd.h>

namespace lamina {
namespace {

using Ids = std::vector<int32_t>;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

/// A byte-level vocabulary: the bytes are 0 to 255, then come merges.
json byteLevel() {
  json root = {
      {"model",
       {{"type", "BPE"}, {"vocab", json::object()}, {"merges", {"h e", "he l", json::array({"l", "o"})}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"added_tokens",
       {{{"id", 300}, {"content", "<end>"}, {"special", true}},
        {{"id", 259}, {"content", "<tool>"}, {"special", false}}}}};
  json &vocab = root["model"]["vocab"];
  for (int byte = 0; byte < 256; ++byte)
    vocab[std::string(byteLetter(static_cast<uint8_t>(byte)))] = byte;
  vocab["he"] = 256;
  vocab["hel"] = 257;
  vocab["lo"] = 258;
  return root;
}

/// A vocabulary as it is made from SentencePiece: three special tokens, the bytes, then pieces.
json sentencePiece() {
  json root = {
      {"model",
       {{"type", "BPE"}, {"byte_fallback", true}, {"unk_token", "<unk>"}, {"merges", {"▁ a", "a b", "▁ ▁"}}}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", "▁"}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}}},
      {"added_tokens",
       {{{"id", 0}, {"content", "<unk>"}, {"special", true}},
        {{"id", 1}, {"content", "<s>"}, {"special", true}},
        {{"id", 2}, {"content", "</s>"}, {"special", true}}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}}}};
  json &vocab = root["model"]["vocab"];
  vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    vocab[text] = 3 + byte;
  }
  int next = 259;
  for (const char *piece : {"▁", "a", "b", "▁a", "ab", "▁▁", "▁ab"})
    vocab[piece] = next++;
  return root;
}

std::unique_ptr<Tokenizer> tokenizerOf(const json &root, const std::string &config = "") {
  absl::StatusOr<TokenizerData> data = tokenizerDataFromJson(root.dump(), config);
  EXPECT_TRUE(data.ok()) << data.status();
  return data.ok() ? *Tokenizer::create(*data) : nullptr;
}

std::string refusal(const std::string &text, const std::string &config = "") {
  absl::StatusOr<TokenizerData> data = tokenizerDataFromJson(text, config);
  EXPECT_FALSE(data.ok());
  EXPECT_THAT(data.status().message(), testing::Not(HasSubstr("\n")));
  return std::string(data.status().message());
}

TEST(TokenizerJson, ReadsByteLevelVocabularies) {
  std::unique_ptr<Tokenizer> tokenizer = tokenizerOf(byteLevel());
  EXPECT_THAT(*tokenizer->encode("hello<tool>"), ElementsAre(257, 258, 259));
  EXPECT_THAT(*tokenizer->encode("<end>", {.parseSpecial = true}), ElementsAre(300));
  EXPECT_EQ(*tokenizer->decode(Ids{257, 258, 300, 299}), "hello"); // 299 is a hole
  EXPECT_EQ(tokenizer->data().bos, NoToken);
  EXPECT_EQ(tokenizer->warning(), "");
}

TEST(TokenizerJson, TakesSplitPatternsAsTheyAre) {
  json root = byteLevel();
  auto steps = [&](json one) {
    root["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers", {std::move(one), {{"type", "ByteLevel"}, {"use_regex", false}}}}};
    return *tokenizerOf(root)->encode("hello");
  };
  EXPECT_THAT(steps({{"type", "Split"}, {"pattern", {{"Regex", "he|."}}}, {"behavior", "Isolated"}}),
              ElementsAre(256, 'l', 'l', 'o'));
  EXPECT_THAT(
      steps(
          {{"type", "Split"}, {"pattern", {{"Regex", "hel|."}}}, {"behavior", "Removed"}, {"invert", true}}),
      ElementsAre(257, 'l', 'o'));
  EXPECT_THAT(steps({{"type", "Split"}, {"pattern", {{"String", "l"}}}, {"behavior", "Isolated"}}),
              ElementsAre(256, 'l', 'l', 'o'));
  EXPECT_THAT(steps({{"type", "Digits"}, {"individual_digits", true}}), ElementsAre(257, 258));
}

TEST(TokenizerJson, ComposesLettersWhereToldTo) {
  json root = byteLevel();
  std::string apart = "he\u0301<tool>e\xff\u0301"; // nothing is composed across a byte that is no text
  EXPECT_THAT(*tokenizerOf(root)->encode(apart), ElementsAre(256, 0xCC, 0x81, 259, 'e', 0xFF, 0xCC, 0x81));
  root["normalizer"] = {{"type", "NFC"}};
  EXPECT_THAT(*tokenizerOf(root)->encode(apart), ElementsAre('h', 0xC3, 0xA9, 259, 'e', 0xFF, 0xCC, 0x81));
  EXPECT_THAT(*tokenizerOf(root)->encode("hello"), ElementsAre(257, 258));
}

TEST(TokenizerJson, ReadsVocabulariesMadeFromSentencePiece) {
  std::unique_ptr<Tokenizer> tokenizer = tokenizerOf(sentencePiece());
  // The merge "▁ a" comes before "a b", and none makes "▁ab", which scores would allow.
  EXPECT_THAT(*tokenizer->encode("ab"), ElementsAre(1, 262, 261));
  EXPECT_THAT(*tokenizer->encode(" é"), ElementsAre(1, 264, 3 + 0xC3, 3 + 0xA9));
  EXPECT_THAT(*tokenizer->encode("a</s>a", {.parseSpecial = true}), ElementsAre(1, 262, 2, 262));
  EXPECT_EQ(*tokenizer->decode(Ids{1, 262, 261}), "ab");
  EXPECT_EQ(tokenizer->data().unk, 0);
}

TEST(TokenizerJson, PrefixesTheBeginningAloneWhereToldTo) {
  json root = sentencePiece();
  root.erase("normalizer");
  root["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
  std::unique_ptr<Tokenizer> tokenizer = tokenizerOf(root);
  EXPECT_THAT(*tokenizer->encode("a</s>a", {.parseSpecial = true}), ElementsAre(1, 262, 2, 260));
  EXPECT_THAT(*tokenizer->encode(" a"), ElementsAre(1, 262));
  root["pre_tokenizer"]["prepend_scheme"] = "never";
  EXPECT_THAT(*tokenizerOf(root)->encode("a a"), ElementsAre(1, 260, 262));
}

TEST(TokenizerJson, TakesSpecialTokensFromTheConfig) {
  std::unique_ptr<Tokenizer> tokenizer = tokenizerOf(byteLevel(), R"({"bos_token": {"content": "<tool>"},
    "eos_token": "<end>", "add_bos_token": true, "add_eos_token": true, "pad_token": null,
    "chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "yes"}]})");
  EXPECT_THAT(*tokenizer->encode("he"), ElementsAre(259, 256, 300));
  EXPECT_TRUE(tokenizer->isEndOfGeneration(300));
  EXPECT_EQ(tokenizer->data().chatTemplate, "yes");
}

/// Where GGUF files often forget to say what is special.
TEST(TokenizerJson, NoTokenIsSpecialByItsText) {
  json root = byteLevel();
  root["model"]["vocab"]["</s>"] = 260;
  std::unique_ptr<Tokenizer> tokenizer = tokenizerOf(root);
  EXPECT_THAT(*tokenizer->encode("</s>", {.parseSpecial = true}), ElementsAre('<', '/', 's', '>'));
  EXPECT_FALSE(tokenizer->isEndOfGeneration(260));
  root["added_tokens"][0]["content"] = "<|im_end|>";
  EXPECT_TRUE(tokenizerOf(root)->isEndOfGeneration(300));
}

TEST(TokenizerJson, GoesThroughGGUFUnchanged) {
  for (json root : {byteLevel(), sentencePiece()}) {
    absl::StatusOr<TokenizerData> data =
        tokenizerDataFromJson(root.dump(), R"({"eos_token": "</s>", "chat_template": "{{ x }}"})");
    ASSERT_TRUE(data.ok()) << data.status();
    data->stops = {5, 7};
    data->spacePrefixOnce = data->ignoreMerges = true;
    GGUFWriter writer;
    addTokenizer(*data, writer);
    std::string path = testing::TempDir() + "vocabulary-" + std::to_string(getpid()) + ".gguf";
    std::ofstream(path, std::ios::binary) << writer.finish();
    absl::StatusOr<GGUFReader> reader = GGUFReader::open(path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    absl::StatusOr<TokenizerData> read = tokenizerDataFromGGUF(*reader);
    std::remove(path.c_str());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, *data);
    EXPECT_TRUE((*Tokenizer::create(*read))->isEndOfGeneration(7));
  }
}

struct Refusal {
  const char *place; ///< JSON pointer
  json value;
  const char *message;
};

TEST(TokenizerJson, RefusesWhatWouldGiveOtherIds) {
  const Refusal refusals[] = {
      {"/model/type", "Unigram", "tokenizers of type 'Unigram' are not supported; supported is BPE"},
      {"/model/vocab", json::array({1}), "expected model.vocab, an object of tokens and their ids"},
      {"/model/vocab/he", -1, "token 'he' has no id from 0 to 4"},
      {"/model/vocab/he", 1u << 31, "token 'he' has no id from 0 to 4"},
      {"/model/vocab/he", "x", "token 'he' has no id"},
      {"/model/vocab/two\nlines", 257, "tokens 'hel' and 'two\\nlines' have the same id, 257"},
      {"/model/vocab/he", 257, "tokens 'he' and 'hel' have the same id, 257"},
      {"/model/merges", "h e", "expected model.merges, an array"},
      {"/model/merges/2", 7, "merge 2 is not two texts"},
      {"/model/merges/2", "he", "merge 2 is not two texts with a space between them"},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix is not supported"},
      {"/added_tokens", 3, "added_tokens: expected an array"},
      {"/added_tokens/0/content", 3, "expected tokens with an id and a content"},
      {"/normalizer", {{"type", "Lowercase"}}, "normalizer 'Lowercase' is not supported"},
      {"/pre_tokenizer/add_prefix_space", true, "ByteLevel with add_prefix_space is not supported"},
      {"/pre_tokenizer", nullptr, "neither byte-level nor replaces spaces"},
      {"/pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Whitespace"}}, {{"type", "ByteLevel"}}}}},
       "pre_tokenizer 'Whitespace' is not supported"},
      {"/pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", "x"}}}, {"behavior", "Removed"}},
          {{"type", "ByteLevel"}}}}},
       "pre_tokenizer Split of behavior 'Removed' is not supported"},
      {"/post_processor",
       {{"type", "RobertaProcessing"}},
       "post_processor 'RobertaProcessing' is not supported"},
      {"/post_processor",
       {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "nothing"}}}}}}},
       "supported are templates with one token of the vocabulary"},
  };
  for (const Refusal &one : refusals) {
    json root = byteLevel();
    root[json::json_pointer(one.place)] = one.value;
    EXPECT_THAT(refusal(root.dump()),
                testing::AllOf(testing::StartsWith("tokenizer.json: "), HasSubstr(one.message)));
  }
  json metaspace = sentencePiece();
  metaspace.erase("normalizer");
  metaspace["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}};
  EXPECT_THAT(refusal(metaspace.dump()), HasSubstr("Metaspace that splits"));
  EXPECT_EQ(refusal("{\"model\": "), "tokenizer.json: expected a JSON object");
  EXPECT_EQ(refusal("[]"), "tokenizer.json: expected a JSON object");
  EXPECT_EQ(refusal(byteLevel().dump(), "7"), "tokenizer_config.json: expected a JSON object");
}

TEST(TokenizerJson, NamesAPatternThatDoesNotCompile) {
  json root = byteLevel();
  root["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"}, {"pattern", {{"Regex", "(he"}}}, {"behavior", "Isolated"}},
                             {{"type", "ByteLevel"}}}}};
  absl::StatusOr<TokenizerData> data = tokenizerDataFromJson(root.dump(), "");
  ASSERT_TRUE(data.ok());
  EXPECT_THAT(Tokenizer::create(*data).status().message(),
              HasSubstr("the pattern '(he' does not compile at 3"));
}

} // namespace
} // namespace lamina
