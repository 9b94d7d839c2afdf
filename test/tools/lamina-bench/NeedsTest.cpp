//===- NeedsTest.cpp - what tests ask of an artifact --------------------------------------------------===//

#include "tools/lamina-bench/Needs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const RunnerLimits kLimits = {.batchTokens = 512,
                              .outputRows = 64,
                              .sequences = 16,
                              .context = 1024,
                              .pages = 256,
                              .vocabulary = 32,
                              .trainedContext = 8192};

BenchOptions tests(std::vector<TestSpec> specs) {
  BenchOptions options;
  options.tests = std::move(specs);
  return options;
}

BenchOptions batched(std::vector<BatchedSpec> specs) {
  BenchOptions options;
  options.batched = std::move(specs);
  return options;
}

std::string refusal(const BenchOptions &options) {
  absl::Status status = checkRoom(options, kLimits);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  return std::string(status.message());
}

TEST(Needs, FillTheContext) {
  EXPECT_TRUE(checkRoom(tests({{.prompt = 1024}, {.generate = 24, .depth = 1000}}), kLimits).ok());
  EXPECT_EQ(refusal(tests({{.generate = 25, .depth = 1000}})),
            "tg25 @ d1000 needs 1025 tokens, but the compiled context is 1024; lower -p, -n or -d or compile "
            "with --max-context=1025");
  EXPECT_THAT(refusal(tests({{.prompt = 9000}})), HasSubstr("the model itself ends at 8192 tokens"));
}

TEST(Needs, NameTheLimitOfABatch) {
  EXPECT_TRUE(checkRoom(batched({{128, 128, 16}}), kLimits).ok());
  EXPECT_EQ(refusal(batched({{128, 128, 32}})),
            "--npl 32 with --npp 128 --ntg 128 needs 32 sequence slots, the artifact has 16; compile with "
            "--max-sequences=32");
  EXPECT_THAT(refusal(batched({{256, 17, 16}})), HasSubstr("needs 4608 tokens of KV cache, the artifact has "
                                                           "4096; compile with --kv-tokens=4608"));
  EXPECT_THAT(refusal(batched({{1024, 1, 1}})), HasSubstr("--max-context=1025"));
}

TEST(Needs, BecomeFlagsBeyondTheDefaults) {
  EXPECT_THAT(compileFlags(tests({{.prompt = 512}, {.generate = 128, .depth = 3968}})), IsEmpty());
  EXPECT_THAT(compileFlags(tests({{.generate = 128, .depth = 16384}})),
              ElementsAre("--max-context=16512", "--kv-tokens=16512"));
  EXPECT_THAT(compileFlags(batched({{128, 128, 8}})), ElementsAre("--kv-tokens=2048"));
  EXPECT_THAT(compileFlags(batched({{128, 128, 128}})),
              ElementsAre("--kv-tokens=32768", "--max-sequences=128", "--max-output-rows=128"));
}

} // namespace
} // namespace lamina::bench
