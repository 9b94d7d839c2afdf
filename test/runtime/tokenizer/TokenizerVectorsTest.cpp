//===- TokenizerVectorsTest.cpp - published test vectors, where they are at hand ------------------------===//

#include "runtime/io/GGUFReader.h"
#include "runtime/tokenizer/StreamDecoder.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/TokenizerJson.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace lamina {
namespace {

using Ids = std::vector<int32_t>;
using Json = nlohmann::ordered_json;

const std::string dataRoot = LAMINA_TEST_DATA;

constexpr const char *llama3Config = R"({"bos_token": "<|begin_of_text|>", "add_bos_token": true})";

bool exists(const std::string &path) { return std::filesystem::exists(path); }

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json readJson(const std::string &path) {
  return Json::parse(readFile(path), nullptr, /*allow_exceptions=*/false);
}

/// Null, with a test failure, if the vocabulary does not load.
std::unique_ptr<Tokenizer> fromGGUF(const std::string &path) {
  absl::StatusOr<GGUFReader> reader = GGUFReader::open(path);
  if (!reader.ok()) {
    ADD_FAILURE() << reader.status();
    return nullptr;
  }
  absl::StatusOr<TokenizerData> data = tokenizerDataFromGGUF(*reader);
  if (!data.ok()) {
    ADD_FAILURE() << data.status();
    return nullptr;
  }
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(*std::move(data));
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status();
    return nullptr;
  }
  return *std::move(tokenizer);
}

std::unique_ptr<Tokenizer> fromHuggingFace(const std::string &path, const std::string &config) {
  absl::StatusOr<TokenizerData> data = tokenizerDataFromJson(readFile(path), config);
  if (!data.ok()) {
    ADD_FAILURE() << data.status();
    return nullptr;
  }
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(*std::move(data));
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status();
    return nullptr;
  }
  return *std::move(tokenizer);
}

/// Texts of an .inp file and the ids of its .out file.
std::vector<std::pair<std::string, Ids>> readPairs(const std::string &path) {
  std::vector<std::pair<std::string, Ids>> pairs;
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string texts = readFile(path + ".inp");
  std::ifstream lines(path + ".out");
  for (size_t begin = 0; begin <= texts.size();) {
    size_t end = texts.find(separator, begin);
    std::string line, text = texts.substr(begin, end - begin);
    if (!std::getline(lines, line))
      break;
    std::istringstream numbers(line);
    Ids ids;
    for (int32_t id; numbers >> id;)
      ids.push_back(id);
    pairs.emplace_back(std::move(text), std::move(ids));
    if (end == std::string::npos)
      break;
    begin = end + separator.size();
  }
  return pairs;
}

void checkRoundTrip(const Tokenizer &tokenizer, const std::string &text) {
  absl::StatusOr<Ids> ids = tokenizer.encode(text);
  ASSERT_TRUE(ids.ok()) << ids.status();
  absl::StatusOr<std::string> decoded = tokenizer.decode(*ids);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, text);
  StreamDecoder stream(tokenizer);
  std::string streamed;
  for (int32_t id : *ids)
    streamed += stream.push(id);
  EXPECT_EQ(streamed, tokenizer.data().addSpacePrefix && !text.empty() ? " " + text : text);
}

struct Vocabulary {
  const char *name;
  const char *file;   ///< below the test data; a .gguf or a tokenizer.json
  const char *config; ///< what tokenizer_config.json says
};

std::unique_ptr<Tokenizer> load(const Vocabulary &vocabulary) {
  std::string path = dataRoot + "/vocab/" + vocabulary.file;
  return path.ends_with(".gguf") ? fromGGUF(path) : fromHuggingFace(path, vocabulary.config);
}

class PairVectors : public testing::TestWithParam<Vocabulary> {};

TEST_P(PairVectors, EncodeAndDecode) {
  std::string path = dataRoot + "/vocab/ggml-vocab-" + GetParam().name + ".gguf";
  if (!exists(path + ".inp") || !exists(dataRoot + "/vocab/" + GetParam().file))
    GTEST_SKIP() << "skipped: no test data below " << dataRoot;
  std::unique_ptr<Tokenizer> tokenizer = load(GetParam());
  ASSERT_NE(tokenizer, nullptr);
  auto pairs = readPairs(path);
  EXPECT_GE(pairs.size(), 30u);
  for (const auto &[text, ids] : pairs) {
    SCOPED_TRACE(testing::PrintToString(text));
    EXPECT_THAT(tokenizer->encode(text, {.addSpecial = false}),
                testing::Property(&absl::StatusOr<Ids>::ok, true));
    EXPECT_EQ(*tokenizer->encode(text, {.addSpecial = false}), ids);
    checkRoundTrip(*tokenizer, text);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PairVectors,
                         testing::Values(Vocabulary{"llama-spm", "ggml-vocab-llama-spm.gguf", ""},
                                         Vocabulary{"gpt-2", "ggml-vocab-gpt-2.gguf", ""},
                                         Vocabulary{"starcoder", "ggml-vocab-starcoder.gguf", ""},
                                         Vocabulary{"deepseek-llm", "ggml-vocab-deepseek-llm.gguf", ""},
                                         Vocabulary{"llama-bpe", "hf/llama3-tokenizer.json", ""},
                                         Vocabulary{"qwen2", "hf/qwen3-tokenizer.json", ""}),
                         [](const auto &info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

struct JsonVectors {
  const char *file;
  const char *tokenizer;
  Vocabulary vocabulary;
  bool addsBos;
};

class JsonVectorsTest : public testing::TestWithParam<JsonVectors> {};

TEST_P(JsonVectorsTest, Encode) {
  std::string path = dataRoot + "/vocab/vectors/" + GetParam().file;
  if (!exists(path) || !exists(dataRoot + "/vocab/" + GetParam().vocabulary.file))
    GTEST_SKIP() << "skipped: no test data below " << dataRoot;
  std::unique_ptr<Tokenizer> tokenizer = load(GetParam().vocabulary);
  ASSERT_NE(tokenizer, nullptr);
  Json cases = readJson(path)[GetParam().tokenizer];
  EXPECT_GE(cases.size(), 20u);
  for (const auto &[name, entry] : cases.items()) {
    SCOPED_TRACE(name);
    std::string text = entry["text"];
    absl::StatusOr<Ids> ids =
        tokenizer->encode(text, {.addSpecial = GetParam().addsBos, .parseSpecial = true});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, entry["ids"].get<Ids>()) << testing::PrintToString(text);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, JsonVectorsTest,
    testing::Values(
        JsonVectors{"llama.json", "Xenova/llama-tokenizer", {"", "ggml-vocab-llama-spm.gguf", ""}, true},
        JsonVectors{"llama.json", "Xenova/llama3-tokenizer", {"", "hf/llama3-tokenizer.json", ""}, false},
        JsonVectors{"llama.json",
                    "Xenova/llama3-tokenizer-new",
                    {"", "hf/llama3-tokenizer.json", llama3Config},
                    true},
        JsonVectors{"gpt2.json", "Xenova/gpt2", {"", "ggml-vocab-gpt-2.gguf", ""}, false},
        JsonVectors{"gpt2.json", "openai-community/gpt2", {"", "ggml-vocab-gpt-2.gguf", ""}, false},
        JsonVectors{"qwen2.json", "Xenova/Qwen1.5-0.5B-Chat", {"", "hf/qwen3-tokenizer.json", ""}, false}),
    [](const auto &info) {
      std::string name = info.param.tokenizer;
      std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST(GoldenVectors, Encode) {
  if (!exists(dataRoot + "/golden/golden.json"))
    GTEST_SKIP() << "skipped: no test data below " << dataRoot;
  Json golden = readJson(dataRoot + "/golden/golden.json");
  EXPECT_FALSE(golden["tokenizers"].empty());
  for (const auto &[name, entry] : golden["tokenizers"].items()) {
    SCOPED_TRACE(name);
    std::unique_ptr<Tokenizer> tokenizer = fromGGUF(dataRoot + "/golden/models/" + name + ".gguf");
    ASSERT_NE(tokenizer, nullptr);
    for (const Json &item : entry["cases"]) {
      std::string text = item["text"];
      absl::StatusOr<Ids> ids = tokenizer->encode(text);
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(*ids, item["ids"].get<Ids>()) << testing::PrintToString(text);
      checkRoundTrip(*tokenizer, text);
    }
  }
}

// Work that is quadratic in the text would take minutes here.
TEST(LargeVocabulary, EncodesLongTexts) {
  std::string path = dataRoot + "/vocab/hf/llama3-tokenizer.json";
  if (!exists(path))
    GTEST_SKIP() << "skipped: no test data below " << dataRoot;
  std::unique_ptr<Tokenizer> tokenizer = fromHuggingFace(path, llama3Config);
  ASSERT_NE(tokenizer, nullptr);

  std::string sentence = "The little boat left the harbour at 7:45, didn't it? 你好 😀\n", text, longText;
  for (int i = 0; i < 2000; ++i)
    text += sentence;
  for (int i = 0; i < 8; ++i)
    longText += text;
  EXPECT_EQ(tokenizer->encode(longText)->size() - 1, 8 * (tokenizer->encode(text)->size() - 1));
  // One word of a million letters, and a million spaces.
  EXPECT_GT(tokenizer->encode(std::string(1000000, 'a'))->size(), 1000u);
  EXPECT_GT(tokenizer->encode(std::string(1000000, ' ') + "x")->size(), 1000u);
}

} // namespace
} // namespace lamina
