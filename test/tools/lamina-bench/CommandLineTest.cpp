//===- CommandLineTest.cpp - tests and refusals from the command line ---------------------------------===//

#include "tools/lamina-bench/Options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace lamina::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ParsedCommandLine parse(std::vector<const char *> words) {
  words.insert(words.begin(), "lamina-bench");
  return parseCommandLine(static_cast<int>(words.size()), words.data());
}

std::vector<std::string> namesOf(std::vector<const char *> words) {
  ParsedCommandLine parsed = parse(std::move(words));
  std::vector<std::string> names;
  for (const TestSpec &test : parsed.options ? parsed.options->tests : std::vector<TestSpec>())
    names.push_back(test.name());
  return names;
}

TEST(CommandLine, MeasuresWhatLlamaBenchDoes) {
  EXPECT_THAT(namesOf({"m.lamina"}), ElementsAre("pp512", "tg128"));
  EXPECT_THAT(namesOf({"-m", "m.lamina", "-p", "64,128", "-n", "0"}), ElementsAre("pp64", "pp128"));
  EXPECT_THAT(namesOf({"m.lamina", "-p", "0", "-n", "0", "-pg", "512,128", "-pg", "8,4"}),
              ElementsAre("pp512+tg128", "pp8+tg4"));
  EXPECT_THAT(namesOf({"m.lamina", "-p", "8", "-n", "4", "-d", "0,4096"}),
              ElementsAre("pp8", "tg4", "pp8 @ d4096", "tg4 @ d4096"));
}

TEST(CommandLine, MeasuresBatchesInsteadOfWhatNobodyAskedFor) {
  ParsedCommandLine parsed = parse({"m.lamina", "-npp", "128", "--ntg", "64", "-npl", "1,8"});
  ASSERT_TRUE(parsed.options);
  EXPECT_TRUE(parsed.options->tests.empty());
  ASSERT_EQ(parsed.options->batched.size(), 2u);
  EXPECT_EQ(parsed.options->batched[1].sequences, 8);
  EXPECT_EQ(parsed.options->batched[1].tokensEach(), 192);
  EXPECT_THAT(namesOf({"m.lamina", "--npl", "2", "-n", "16"}), ElementsAre("tg16"));
}

TEST(CommandLine, SaysInOneLineWhatIsWrong) {
  struct Case {
    std::vector<const char *> words;
    const char *message;
  };
  for (const Case &c : std::vector<Case>{
           {{}, "nothing to measure: give MODEL, --probe or --cuda"},
           {{"m", "-p", "many"},
            "--n-prompt: expected up to 10000 numbers from 0 to 16777216 such as 128,512 or 128-512+128, got "
            "'many'"},
           {{"m", "-n", "4-1"}, "--n-gen: expected up to 10000 numbers"},
           {{"m", "-d", "x"}, "--n-depth: expected up to 10000 numbers"},
           {{"m", "-t", "0"}, "--threads: expected up to 10000 numbers from 1 to 1024"},
           {{"m", "-p", "1-16777216"}, "--n-prompt: expected up to 10000 numbers"},
           {{"m", "-p", "1-5000", "-n", "0", "-d", "1-5000"},
            "these lists make 25000000 tests, expected up to 10000"},
           {{"m", "--npp", "1-100", "--ntg", "1-100", "--npl", "1-100"}, "these lists make 1000000 tests"},
           {{"m", "-p", "1-5000", "-n", "0", "-t", "1-3"}, "these lists make 15000 tests"},
           {{"m", "-pg", "512"}, "-pg: expected two numbers such as 512,128, got '512'"},
           {{"m", "--npl", "0"}, "--npl: expected up to 10000 numbers from 1 to 4096"},
           {{"m", "-p", "0", "-n", "0"}, "no test is left"},
           {{"m", "-d", "4096", "--npl", "1,8"}, "--n-depth is how far behind --n-prompt and --n-gen begin"},
           {{"m", "--npp", "4"}, "--npp is of sequences together; give --npl too"},
           {{"m", "--trace", "t.json", "-t", "1,2"}, "--trace takes one number of --threads, got '1,2'"},
           {{"m", "-o", "xml"}, "--output: expected md, csv, json, jsonl or none, got 'xml'"},
           {{"m", "-r", "0"}, "--repetitions"},
           {{"m", "--frobnicate"}, "--frobnicate"},
           {{"m", "--cuda"}, "--cuda measures the GPU alone and takes neither a model nor --probe"},
           {{"--probe", "--cuda"}, "--cuda measures the GPU alone and takes neither a model nor --probe"},
           {{"m", "--probe"}, "--probe measures the machine and takes no model, got 'm'"}}) {
    testing::internal::CaptureStderr();
    ParsedCommandLine parsed = parse(c.words);
    std::string message = testing::internal::GetCapturedStderr();
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exitStatus, 2) << message;
    EXPECT_THAT(message, HasSubstr(c.message));
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 1) << message;
  }
}

TEST(CommandLine, WritesTheProbeToAFile) {
  ParsedCommandLine parsed = parse({"--probe", "-o", "cluster.yaml", "-t", "1"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->clusterFile, "cluster.yaml");
  EXPECT_THAT(parsed.options->threads, ElementsAre(1));
}

} // namespace
} // namespace lamina::bench
