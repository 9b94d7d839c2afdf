//===- ChatTemplateTest.cpp -----------------------------------------------------------------------------===//

#include "runtime/tokenizer/ChatTemplate.h"

#include "runtime/base/Sha256.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace lamina {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::string testData = std::string(LAMINA_SOURCE_DIR) + "/test/runtime/tokenizer/testdata/";

const Json &cases() {
  static const Json json = Json::parse(readFile(testData + "chat_template_cases.json"), nullptr, false);
  return json;
}

absl::StatusOr<std::string> render(std::string_view source, const Json &variables = Json::object(),
                                   std::optional<int64_t> now = std::nullopt) {
  absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(source);
  if (!parsed.ok())
    return parsed.status();
  return parsed->render(variables, {.now = now});
}

std::string errorOf(std::string_view source, const Json &variables = Json::object()) {
  absl::StatusOr<std::string> text = render(source, variables);
  return text.ok() ? "no error: " + *text : std::string(text.status().message());
}

/// One case of the fixture: the text, its hash, or any error.
void check(const Json &expected, const absl::StatusOr<std::string> &actual) {
  if (expected.contains("error")) {
    EXPECT_FALSE(actual.ok()) << "expected " << expected["error"] << ", got " << *actual;
    if (!actual.ok())
      EXPECT_THAT(std::string(actual.status().message()), HasSubstr("chat template: line "));
    return;
  }
  ASSERT_TRUE(actual.ok()) << actual.status();
  if (expected.contains("text"))
    EXPECT_EQ(*actual, expected["text"].get<std::string>());
  else
    EXPECT_EQ(Sha256::hexOf(*actual), expected["sha256"].get<std::string>()) << *actual;
}

TEST(ChatTemplate, SnippetsMeanWhatTheyMeanInJinja) {
  ASSERT_GT(cases()["snippets"].size(), 80u);
  for (const Json &snippet : cases()["snippets"]) {
    std::string source = snippet["template"];
    SCOPED_TRACE(source);
    check(snippet, render(source, cases()["variables"], cases()["now"].get<int64_t>()));
  }
}

void checkFiles(const Json &files, const std::string &folder) {
  for (const auto &[name, results] : files.items()) {
    SCOPED_TRACE(name);
    absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(readFile(folder + name));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    for (const auto &[conversation, expected] : results.items()) {
      SCOPED_TRACE(conversation);
      check(expected,
            parsed->render(cases()["conversations"][conversation], {.now = cases()["now"].get<int64_t>()}));
    }
  }
}

TEST(ChatTemplate, ShippedTemplates) {
  ASSERT_EQ(cases()["shipped"].size(), 3u);
  checkFiles(cases()["shipped"], testData + "templates/");
}

TEST(ChatTemplate, TemplatesOfModels) {
  std::string folder = std::string(LAMINA_TEST_DATA) + "/vocab/templates/";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "skipped: no test data at " << folder;
  ASSERT_GE(cases()["external"].size(), 17u);
  checkFiles(cases()["external"], folder);
}

TEST(ChatTemplate, PlainMessages) {
  TokenizerData data;
  data.model = "llama";
  data.tokens = {"<unk>", "<s>", "</s>", "a"};
  data.types = {TokenType::Unknown, TokenType::Control, TokenType::Control, TokenType::Normal};
  data.bos = 1;
  data.eos = 2;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(data);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}{{ pad_token is defined }}{{ strftime_now is "
      "defined }}");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const ChatMessage messages[] = {{"user", "hi"}, {"assistant", "ho"}};
  EXPECT_EQ(*parsed->render(messages, **tokenizer),
            "<s>[user] hi</s>[assistant] ho</s>[assistant]FalseFalse");
  EXPECT_EQ(*parsed->render(messages, **tokenizer, {.addGenerationPrompt = false, .now = 0}),
            "<s>[user] hi</s>[assistant] ho</s>FalseTrue");
}

TEST(ChatTemplate, RefusesWhatItDoesNotKnowByName) {
  EXPECT_EQ(errorOf("a\n  {% include 'x' %}"),
            "chat template: line 2, column 6: the tag \"include\" is not supported");
  EXPECT_EQ(errorOf("{{ a | frobnicate }}"),
            "chat template: line 1, column 8: the filter \"frobnicate\" is not supported");
  EXPECT_EQ(errorOf("{{ a is escaped }}"),
            "chat template: line 1, column 9: the test \"escaped\" is not supported");
  EXPECT_THAT(errorOf("{{ 'a'.encode() }}"),
              HasSubstr("column 7: the method string.encode is not supported"));
  EXPECT_THAT(errorOf("{{ [1].append(2) }}"), HasSubstr("the method list.append is not supported"));
  EXPECT_THAT(errorOf("{% for x in [] recursive %}{% endfor %}"),
              HasSubstr("recursive for loops are not supported"));
  EXPECT_THAT(errorOf("{% macro f() %}{{ caller() }}{% endmacro %}"),
              HasSubstr("\"caller\" is not supported"));
  EXPECT_THAT(errorOf("{{ f(*a) }}"), HasSubstr("unpacking arguments with * is not supported"));
  EXPECT_THAT(errorOf("{{ 'a' | tojson(default=1) }}"),
              HasSubstr("the argument default of tojson is not supported"));
  EXPECT_THAT(errorOf("{{ {1: 2} }}"), HasSubstr("a integer as the key of a dict is not supported"));
  EXPECT_THAT(errorOf("{{ '%s' % 1 }}"), HasSubstr("formatting with % is not supported"));
  EXPECT_THAT(errorOf("{{ 'É' | lower }}"),
              HasSubstr("changing the case of letters beyond ASCII is not supported"));
  EXPECT_THAT(errorOf("{{ '<' | safe | upper }}"),
              HasSubstr("upper of a string marked safe is not supported"));
  EXPECT_THAT(errorOf("{{ 0x1F }}"), HasSubstr("only decimal numbers"));
}

TEST(ChatTemplate, SyntaxErrorsHavePositions) {
  EXPECT_EQ(errorOf("ab\n{{ x"), "chat template: line 2, column 1: expression without an end: expected }}");
  EXPECT_THAT(errorOf("{% if x %}"), HasSubstr("the template ends where endif is expected"));
  EXPECT_THAT(errorOf("{% endif %}"), HasSubstr("the tag \"endif\" is not supported"));
  EXPECT_THAT(errorOf("{{ }}"), HasSubstr("expected an expression, got }}"));
  EXPECT_THAT(errorOf("{{ a b }}"), HasSubstr("expected }}, got \"b\""));
  EXPECT_THAT(errorOf("{{ (1] }}"), HasSubstr("unexpected \"]\""));
  EXPECT_THAT(errorOf("{{ 'a }}"), HasSubstr("string without an end"));
  EXPECT_THAT(errorOf("{{ '\\ud83d' }}"), HasSubstr("escape that is not a character"));
  EXPECT_THAT(errorOf("{# a"), HasSubstr("comment without an end"));
  EXPECT_THAT(errorOf("{% raw %}"), HasSubstr("raw block without endraw"));
  EXPECT_THAT(errorOf("{{ a $ b }}"), HasSubstr("unexpected character \"$\""));
  EXPECT_THAT(errorOf("{% break %}"), HasSubstr("break outside of a for loop"));
  EXPECT_THAT(errorOf("{% for x in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}"),
              HasSubstr("break outside of a for loop"));
  EXPECT_THAT(errorOf("{% set true = 1 %}"), HasSubstr("cannot assign to true"));
  EXPECT_THAT(errorOf("{{ f(a=1, 2) }}"), HasSubstr("an argument without a name follows one with a name"));
  EXPECT_THAT(errorOf("{{ 99999999999999999999 }}"), HasSubstr("is out of range"));
  EXPECT_THAT(errorOf("{% set x = namespace() %}{% set x.y = x %}"), HasSubstr("is not supported"));
  EXPECT_THAT(errorOf("{{ [namespace()] }}"),
              HasSubstr("a namespace inside a list or dict is not supported"));
}

TEST(ChatTemplate, RaisedMessagesStayOnOneLine) {
  EXPECT_EQ(errorOf("{{ raise_exception('a\\nb') }}"),
            "chat template: line 1, column 19: the template does not accept this input: a b");
}

TEST(ChatTemplate, WorkIsBounded) {
  EXPECT_THAT(errorOf("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"),
              HasSubstr("the template does too much work"));
  EXPECT_THAT(
      errorOf(
          "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"),
      HasSubstr("more than 16 MiB"));
  EXPECT_THAT(
      errorOf(
          "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"),
      HasSubstr("holds more than 1000000 values"));
  EXPECT_THAT(
      errorOf(
          "{% set ns = namespace(s=1) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}"),
      HasSubstr("holds more than 1000000 values"));
  EXPECT_THAT(
      errorOf("{% set ns = namespace(s=1) %}{% for i in range(600) %}{% set ns.s = [ns.s] %}{% endfor %}"),
      HasSubstr("values nest deeper than 100"));
  EXPECT_THAT(errorOf("{{ 'x' * 1000000000 }}"), HasSubstr("a repetition is too large"));
  EXPECT_THAT(errorOf("{{ range(1000000) }}"), HasSubstr("a range of more than 100000 integers"));
  EXPECT_THAT(errorOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
              HasSubstr("macro calls nest too deeply"));
  EXPECT_THAT(errorOf("{{ 2 ** 64 }}"), HasSubstr("an integer does not fit 64 bits"));
  EXPECT_THAT(errorOf("{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}"),
              HasSubstr("chat template: line 1"));
}

TEST(ChatTemplate, NestingIsBounded) {
  auto repeated = [](std::string_view text, int count) {
    std::string result;
    for (int i = 0; i < count; ++i)
      result += text;
    return result;
  };
  for (int count : {200, 100000}) {
    EXPECT_THAT(errorOf("{{ " + repeated("(", count) + "1" + repeated(")", count) + " }}"),
                HasSubstr("nests deeper"));
    EXPECT_THAT(errorOf("{{ " + repeated("not ", count) + "1 }}"), HasSubstr("nests deeper"));
    EXPECT_THAT(errorOf("{{ " + repeated("-", count) + "1 }}"), HasSubstr("nests deeper"));
    EXPECT_THAT(errorOf("{{ 1" + repeated(" + 1", count) + " }}"), HasSubstr("more than 120 levels"));
    EXPECT_THAT(errorOf("{{ a" + repeated(".a", count) + " }}"), HasSubstr("more than 120 levels"));
    EXPECT_THAT(errorOf(repeated("{% if 1 %}", std::min(count, 50000))), HasSubstr("nests deeper"));
  }
  EXPECT_THAT(errorOf(std::string((1 << 20) + 1, 'x')), HasSubstr("longer than"));

  Json deep = Json::array();
  for (int i = 0; i < 200; ++i)
    deep = Json::array({deep});
  EXPECT_THAT(errorOf("{{ x }}", {{"x", deep}}),
              HasSubstr("variable x of the chat template: values nest deeper"));
}

} // namespace
} // namespace lamina
