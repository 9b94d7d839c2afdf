//===- GeneratorTest.cpp - continuous batching over a fake model --------------------------------------===//

#include "FakeRunner.h"

#include "runtime/generate/Generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <numeric>

namespace lamina {
namespace {

using testing::HasSubstr;

constexpr RunnerLimits kRoomy = {
    .batchTokens = 64, .outputRows = 16, .sequences = 16, .context = 128, .pages = 128, .vocabulary = 11};

struct Recorder : GenerationListener {
  void onText(size_t request, std::string_view text) override { texts[request] += text; }
  absl::Status onPromptLogits(size_t request, size_t position, std::span<const float> logits) override {
    EXPECT_EQ(position, promptLogits[request].size());
    promptLogits[request].emplace_back(logits.begin(), logits.end());
    return absl::OkStatus();
  }
  void onFinished(size_t request, const GenerationResult &result) override {
    EXPECT_FALSE(results.contains(request)) << "finished twice";
    results[request] = result;
  }
  std::map<size_t, std::string> texts;
  std::map<size_t, std::vector<std::vector<float>>> promptLogits;
  std::map<size_t, GenerationResult> results;
};

/// "a".."h" are ids 3..10; id 2 ends a text.
std::unique_ptr<Tokenizer> letters() {
  TokenizerData data;
  data.model = "llama";
  data.tokens = {"<unk>", "<s>", "</s>", "a", "b", "c", "d", "e", "f", "g", "h"};
  data.types = {TokenType::Unknown, TokenType::Control, TokenType::Control};
  data.types.resize(data.tokens.size(), TokenType::Normal);
  data.scores.resize(data.tokens.size(), 0.0f);
  data.bos = 1;
  data.eos = 2;
  data.unk = 0;
  auto tokenizer = Tokenizer::create(data);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

std::vector<int32_t> promptOf(int32_t seed, int64_t length) {
  std::vector<int32_t> prompt;
  for (int64_t i = 0; i < length; ++i)
    prompt.push_back(static_cast<int32_t>((seed * 7 + i * i + 3 * i) % 11));
  return prompt;
}

GenerationRequest requestOf(int32_t seed, int64_t length, int64_t maxTokens) {
  GenerationRequest request;
  request.promptTokens = promptOf(seed, length);
  request.maxTokens = maxTokens;
  return request;
}

/// The slow way: ask the model for each token after all tokens so far.
std::vector<int32_t> greedy(const std::vector<int32_t> &prompt, int64_t count) {
  FakeRunner model(kRoomy);
  std::vector<int32_t> tokens = prompt;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<float> logits = model.logitsAfter(tokens);
    tokens.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return {tokens.begin() + static_cast<ptrdiff_t>(prompt.size()), tokens.end()};
}

/// Runs `count` requests of different lengths together and expects each to get the tokens it would get alone.
void expectIndependent(RunnerLimits limits, int count, GeneratorOptions options, FakeRunner *used = nullptr) {
  FakeRunner own(limits);
  FakeRunner &runner = used ? *used : own;
  Recorder recorder;
  Generator generator(runner, nullptr, recorder, options);
  for (int i = 0; i < count; ++i)
    ASSERT_TRUE(generator.submit(requestOf(i, 1 + (i * 13) % 40, 5 + i % 30)).ok());
  ASSERT_TRUE(generator.run().ok());
  ASSERT_EQ(recorder.results.size(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(recorder.results[i].tokens, greedy(promptOf(i, 1 + (i * 13) % 40), 5 + i % 30))
        << "request " << i;
    EXPECT_EQ(recorder.results[i].finishReason, FinishReason::Length);
  }
}

TEST(GeneratorTest, OneRequestIsGreedy) { expectIndependent(kRoomy, 1, {}); }

TEST(GeneratorTest, SixteenTogetherEqualSixteenAlone) {
  FakeRunner runner(kRoomy);
  expectIndependent(kRoomy, 16, {}, &runner);
  EXPECT_LT(runner.steps.size(), 60u) << "they did not run together";
}

TEST(GeneratorTest, ChunksDoNotChangeTokens) {
  for (int64_t chunk : {1, 7, 16, 64})
    expectIndependent(kRoomy, 5, {.prefillChunk = chunk});
}

TEST(GeneratorTest, ChunksBoundEachRequestsShareOfAStep) {
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder, {.prefillChunk = 7});
  ASSERT_TRUE(generator.submit(requestOf(1, 20, 1)).ok());
  ASSERT_TRUE(generator.run().ok());
  ASSERT_EQ(runner.steps.size(), 3u);
  EXPECT_EQ(runner.steps[0].tokens, 7);
  EXPECT_EQ(runner.steps[0].outputRows, 0);
  EXPECT_EQ(runner.steps[2].tokens, 6);
  EXPECT_EQ(runner.steps[2].outputRows, 1);
}

TEST(GeneratorTest, NarrowStepsServeEveryone) {
  for (auto [tokens, rows, sequences] : {std::array{1, 1, 1}, {3, 2, 5}, {5, 1, 8}, {2, 2, 8}}) {
    RunnerLimits limits = kRoomy;
    limits.batchTokens = tokens;
    limits.outputRows = rows;
    limits.sequences = sequences;
    expectIndependent(limits, 12, {});
  }
}

TEST(GeneratorTest, PromptsAndGenerationShareAStep) {
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 4, 20)).ok());
  ASSERT_TRUE(generator.step().ok());
  ASSERT_TRUE(generator.submit(requestOf(2, 30, 3)).ok());
  ASSERT_TRUE(generator.step().ok());
  EXPECT_EQ(runner.steps[1].tokens, 31);
  EXPECT_EQ(runner.steps[1].outputRows, 2);
}

TEST(GeneratorTest, AFullCacheOnlyCostsTime) {
  RunnerLimits limits = kRoomy;
  limits.pages = 8; // 128 positions for 12 requests of up to 75
  FakeRunner runner(limits);
  expectIndependent(limits, 12, {.prefillChunk = 9}, &runner);
  int64_t evaluated = 0, distinct = 0;
  for (const LaminaStep &step : runner.steps)
    evaluated += step.tokens;
  for (int i = 0; i < 12; ++i)
    distinct += (1 + (i * 13) % 40) + (5 + i % 30) - 1;
  EXPECT_GT(evaluated, distinct) << "no request ever had to give its pages back";
  limits.pages = 5;
  expectIndependent(limits, 12, {});
}

TEST(GeneratorTest, PromptLogitsComeOncePerPositionAndInOrder) {
  RunnerLimits limits = kRoomy;
  limits.outputRows = 5; // fewer than the prompt has positions
  limits.pages = 6;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  for (int i = 0; i < 4; ++i) {
    GenerationRequest request = requestOf(i, 20 + i, 12);
    request.promptLogits = true;
    ASSERT_TRUE(generator.submit(request).ok());
  }
  ASSERT_TRUE(generator.run().ok());
  for (int i = 0; i < 4; ++i) {
    std::vector<int32_t> prompt = promptOf(i, 20 + i);
    ASSERT_EQ(recorder.promptLogits[i].size(), prompt.size());
    for (size_t position = 0; position < prompt.size(); ++position)
      EXPECT_EQ(recorder.promptLogits[i][position],
                runner.logitsAfter(std::span(prompt).first(position + 1)));
    EXPECT_EQ(recorder.results[i].tokens, greedy(prompt, 12));
  }
}

TEST(GeneratorTest, NoTokensMeansThePromptAlone) {
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 9, 0)).ok());
  ASSERT_TRUE(generator.run().ok());
  EXPECT_TRUE(recorder.results[0].tokens.empty());
  EXPECT_EQ(runner.steps.size(), 1u);
  EXPECT_EQ(runner.steps[0].outputRows, 0);
}

TEST(GeneratorTest, StopsAtTheContext) {
  RunnerLimits limits = kRoomy;
  limits.context = 32;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 30, -1)).ok());
  ASSERT_TRUE(generator.submit(requestOf(2, 32, 100)).ok());
  ASSERT_TRUE(generator.run().ok());
  EXPECT_EQ(recorder.results[0].tokens,
            greedy(promptOf(1, 30), 3)); // two fit, and the third needs no position
  EXPECT_TRUE(recorder.results[0].contextFull);
  EXPECT_EQ(recorder.results[0].finishReason, FinishReason::Length);
  EXPECT_EQ(recorder.results[1].tokens.size(), 1u);
}

TEST(GeneratorTest, RefusesRequestsThatCannotRun) {
  RunnerLimits limits = kRoomy;
  limits.context = 32;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  auto message = [&](const GenerationRequest &request) {
    return std::string(generator.submit(request).status().message());
  };
  EXPECT_EQ(message(requestOf(1, 33, 1)),
            "the prompt has 33 tokens, the compiled context is 32; shorten the prompt "
            "or compile with --max-context=33");
  EXPECT_THAT(message({}), HasSubstr("no tokens"));
  GenerationRequest request = requestOf(1, 3, 1);
  request.promptTokens[1] = 11;
  EXPECT_EQ(message(request), "prompt token 11 is not in the vocabulary of 11 tokens");
  request = requestOf(1, 3, 1);
  request.sampling.temperature = -1;
  EXPECT_THAT(message(request), HasSubstr("temperature"));
  request = requestOf(1, 3, 1);
  request.stops = {"x"};
  EXPECT_THAT(message(request), HasSubstr("need a vocabulary"));
  EXPECT_TRUE(generator.idle());
}

TEST(ContextBoundTest, NamesTheOptionThatRaisesTheSmallerLimit) {
  RunnerLimits limits = kRoomy; // context 128, cache 2048
  ContextBound context(limits);
  EXPECT_EQ(context.tokens(), 128);
  EXPECT_EQ(context.text(), "the compiled context is 128");
  EXPECT_EQ(context.advice(200), " or compile with --max-context=200");
  EXPECT_EQ(context.fullText(),
            "the context of 128 tokens is full; compile with a larger --max-context to generate more");
  limits.pages = 4;
  ContextBound cache(limits);
  EXPECT_EQ(cache.tokens(), 64);
  EXPECT_EQ(cache.text(), "the KV cache holds 64 tokens");
  EXPECT_EQ(cache.advice(100), " or compile with --kv-tokens=100");
  EXPECT_EQ(cache.advice(200), " or compile with --max-context=200 --kv-tokens=200");
  EXPECT_EQ(cache.fullText(),
            "the KV cache of 64 tokens is full; compile with a larger --kv-tokens to generate more");
}

TEST(ContextBoundTest, AdvisesNothingBeyondTheModel) {
  RunnerLimits limits = kRoomy;
  limits.trainedContext = 128;
  ContextBound whole(limits);
  EXPECT_EQ(whole.advice(200), "; the model itself ends at 128 tokens");
  EXPECT_EQ(whole.fullText(), "the context of 128 tokens is full; the model itself ends there");
  limits.context = 100;
  ContextBound part(limits);
  EXPECT_EQ(part.advice(120), " or compile with --max-context=120");
  EXPECT_EQ(part.advice(200),
            "; the model itself ends at 128 tokens, for which compile with --max-context=128");
}

TEST(GeneratorTest, AFullCacheIsToldFromAFullContext) {
  RunnerLimits limits = kRoomy;
  limits.pages = 2;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  EXPECT_EQ(std::string(generator.submit(requestOf(1, 33, 1)).status().message()),
            "the prompt has 33 tokens, the KV cache holds 32 tokens; shorten the prompt or compile "
            "with --kv-tokens=33");
}

TEST(GeneratorTest, RebuiltTokensAreNoPrompt) {
  RunnerLimits limits = kRoomy;
  limits.pages = 4;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 15, 40)).ok());
  ASSERT_TRUE(generator.submit(requestOf(2, 15, 40)).ok());
  ASSERT_TRUE(generator.run().ok());
  int64_t evaluated = 0;
  for (const LaminaStep &step : runner.steps)
    evaluated += step.tokens;
  ASSERT_GT(evaluated, 2 * (15 + 39)) << "no request had to give its pages back";
  EXPECT_EQ(recorder.results[0].timings.prefillTokens, 15);
  EXPECT_EQ(recorder.results[1].timings.prefillTokens, 2 * 15) << "the prompt was processed twice";
}

TEST(GeneratorTest, EndsAtTheEndOfTextTokenOrGoesOn) {
  auto tokenizer = letters();
  // Find a prompt whose greedy continuation comes across the end-of-text token after some others.
  int32_t seed = 0;
  std::vector<int32_t> expected;
  for (;; ++seed) {
    expected = greedy(promptOf(seed, 3 + seed % 5), 40);
    auto end = std::find(expected.begin(), expected.end(), 2);
    if (end != expected.end() && end - expected.begin() >= 3)
      break;
  }
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, tokenizer.get(), recorder);
  GenerationRequest request = requestOf(seed, 3 + seed % 5, 40);
  ASSERT_TRUE(generator.submit(request).ok());
  request.ignoreEndOfText = true;
  ASSERT_TRUE(generator.submit(request).ok());
  ASSERT_TRUE(generator.run().ok());
  std::vector<int32_t> untilEnd(expected.begin(), std::find(expected.begin(), expected.end(), 2));
  EXPECT_EQ(recorder.results[0].tokens, untilEnd);
  EXPECT_EQ(recorder.results[0].finishReason, FinishReason::Stop);
  EXPECT_EQ(recorder.results[1].tokens, expected);
  EXPECT_EQ(recorder.results[1].finishReason, FinishReason::Length);
  EXPECT_EQ(recorder.texts[1], recorder.results[1].text);
  EXPECT_TRUE(recorder.results[1].text.starts_with(recorder.results[0].text));
}

TEST(GeneratorTest, EndsBeforeAStopString) {
  auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Recorder whole, stopped;
  GenerationRequest request = requestOf(3, 5, 40);
  request.ignoreEndOfText = true;
  {
    Generator generator(runner, tokenizer.get(), whole);
    ASSERT_TRUE(generator.submit(request).ok());
    ASSERT_TRUE(generator.run().ok());
  }
  std::string text = whole.results[0].text;
  ASSERT_GT(text.size(), 12u);
  request.stops = {text.substr(8, 3)};
  Generator generator(runner, tokenizer.get(), stopped);
  ASSERT_TRUE(generator.submit(request).ok());
  ASSERT_TRUE(generator.run().ok());
  EXPECT_EQ(stopped.results[0].text, text.substr(0, text.find(request.stops[0])));
  EXPECT_EQ(stopped.texts[0], stopped.results[0].text);
  EXPECT_EQ(stopped.results[0].finishReason, FinishReason::Stop);
}

TEST(GeneratorTest, SamplingDependsOnTheSeedAndNotOnTheBatch) {
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  for (uint64_t seed : {1, 1, 2}) {
    GenerationRequest request = requestOf(1, 6, 30);
    request.sampling.temperature = 1;
    request.sampling.seed = seed;
    ASSERT_TRUE(generator.submit(request).ok());
  }
  ASSERT_TRUE(generator.run().ok());
  EXPECT_EQ(recorder.results[0].tokens, recorder.results[1].tokens);
  EXPECT_NE(recorder.results[0].tokens, recorder.results[2].tokens);
}

/// The tokens of requests that sample in different ways, and how many candidates each step asked for.
std::pair<std::vector<std::vector<int32_t>>, std::vector<int64_t>>
sampled(int64_t offered, const std::vector<GenerationRequest> &requests) {
  RunnerLimits limits = kRoomy;
  limits.candidates = offered;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  for (const GenerationRequest &request : requests)
    EXPECT_TRUE(generator.submit(request).ok());
  EXPECT_TRUE(generator.run().ok());
  std::pair<std::vector<std::vector<int32_t>>, std::vector<int64_t>> result;
  for (const auto &[request, finished] : recorder.results)
    result.first.push_back(finished.tokens);
  for (const LaminaStep &step : runner.steps)
    result.second.push_back(step.candidates);
  return result;
}

TEST(GeneratorTest, CandidatesGiveTheTokensOfLogits) {
  GenerationRequest greedy = requestOf(1, 6, 12), some = requestOf(2, 3, 12), all = requestOf(3, 4, 4);
  some.sampling = {.temperature = 1, .topK = 5, .topP = 0.9f};
  all.sampling = {.temperature = 1};
  auto [want, whole] = sampled(0, {greedy, some, all});
  EXPECT_THAT(whole, testing::Each(0));
  auto [tokens, asked] = sampled(8, {greedy, some, all});
  EXPECT_EQ(tokens, want);
  // As long as one request chooses from all logits everybody does.
  EXPECT_THAT(std::vector(asked.begin(), asked.begin() + 4), testing::Each(0));
  EXPECT_THAT(std::vector(asked.begin() + 4, asked.end()), testing::Each(5));
  std::tie(tokens, asked) = sampled(4, {greedy, some, all});
  EXPECT_EQ(tokens, want);
  EXPECT_THAT(asked, testing::Each(0)) << "more are needed than there are";
  EXPECT_THAT(sampled(8, {greedy}).second, testing::Each(1));
}

TEST(GeneratorTest, LogitsThatAreToBeDeliveredComeWhole) {
  GenerationRequest request = requestOf(1, 70, 3); // two steps
  request.promptLogits = true;
  RunnerLimits limits = kRoomy;
  limits.outputRows = 64;
  limits.candidates = 8;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(request).ok());
  ASSERT_TRUE(generator.run().ok());
  EXPECT_EQ(recorder.promptLogits[0].size(), 70u);
  ASSERT_EQ(runner.steps.size(), 4u);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(runner.steps[i].candidates, i < 2 ? 0 : 1) << i;
}

/// As in a conversation: what was said before is not computed again.
TEST(GeneratorTest, AKeptCacheIsGoneOnWith) {
  RunnerLimits limits = kRoomy;
  limits.sequences = 1;
  limits.pages = limits.context / LAMINA_KV_PAGE_TOKENS;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  auto computed = [&] {
    return std::accumulate(runner.steps.begin(), runner.steps.end(), int64_t(0),
                           [](int64_t sum, const LaminaStep &step) { return sum + step.tokens; });
  };
  GenerationRequest request = requestOf(1, 40, 10);
  request.keepCache = true;
  for (size_t turn = 0; turn < 4; ++turn) {
    int64_t before = computed();
    ASSERT_TRUE(generator.submit(request).ok());
    ASSERT_TRUE(generator.run().ok());
    const GenerationResult &result = recorder.results.at(turn);
    EXPECT_EQ(result.tokens, greedy(request.promptTokens, 10)) << turn;
    // Of the first answer's tokens all but the last were computed.
    EXPECT_EQ(result.timings.prefillTokens, turn == 0 ? 40 : 1 + 5);
    EXPECT_EQ(computed() - before, result.timings.prefillTokens + 9);
    request.promptTokens.insert(request.promptTokens.end(), result.tokens.begin(), result.tokens.end());
    std::vector<int32_t> more = promptOf(static_cast<int32_t>(turn), 5);
    request.promptTokens.insert(request.promptTokens.end(), more.begin(), more.end());
  }
}

TEST(GeneratorTest, AKeptCacheServesNothingThatDiffers) {
  struct Case {
    const char *name;
    std::function<void(GenerationRequest &)> change;
    int64_t computed;
  };
  const Case cases[] = {
      {"the same", [](auto &) {}, 1},
      {"another token", [](auto &r) { r.promptTokens[30] = (r.promptTokens[30] + 1) % 11; }, 10},
      {"from the first on", [](auto &r) { r.promptTokens[0] = (r.promptTokens[0] + 1) % 11; }, 40},
      {"a part", [](auto &r) { r.promptTokens.resize(17); }, 1},
      {"all logits", [](auto &r) { r.promptLogits = true; }, 40}};
  for (const Case &c : cases) {
    SCOPED_TRACE(c.name);
    FakeRunner runner(kRoomy);
    Recorder recorder;
    Generator generator(runner, nullptr, recorder);
    GenerationRequest request = requestOf(1, 40, 10);
    request.keepCache = true;
    ASSERT_TRUE(generator.submit(request).ok() && generator.run().ok());
    c.change(request);
    ASSERT_TRUE(generator.submit(request).ok() && generator.submit(requestOf(2, 30, 5)).ok() &&
                generator.run().ok());
    EXPECT_EQ(recorder.results.at(1).tokens, greedy(request.promptTokens, 10));
    EXPECT_EQ(recorder.results.at(1).timings.prefillTokens, c.computed);
    EXPECT_EQ(recorder.results.at(2).tokens, greedy(requestOf(2, 30, 5).promptTokens, 5));
  }
}

/// What is kept does not take pages from those that run.
TEST(GeneratorTest, NoCacheIsKeptBesideOthers) {
  RunnerLimits limits = kRoomy;
  limits.pages = limits.context / LAMINA_KV_PAGE_TOKENS;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  GenerationRequest request = requestOf(1, 60, 2);
  request.keepCache = true;
  ASSERT_TRUE(generator.submit(request).ok() && generator.submit(requestOf(2, 30, 90)).ok() &&
              generator.run().ok());
  EXPECT_EQ(recorder.results.at(1).tokens, greedy(requestOf(2, 30, 90).promptTokens, 90));
}

/// An answer that is cut off is part of the conversation.
TEST(GeneratorTest, TheCacheOfWhatIsInterruptedIsKept) {
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  GenerationRequest request = requestOf(1, 40, 10);
  request.keepCache = true;
  ASSERT_TRUE(generator.submit(request).ok() && generator.step().ok() && generator.step().ok());
  generator.interrupt();
  ASSERT_TRUE(generator.submit(request).ok() && generator.run().ok());
  EXPECT_EQ(recorder.results.at(1).tokens, greedy(request.promptTokens, 10));
  EXPECT_EQ(recorder.results.at(1).timings.prefillTokens, 1);
}

TEST(GeneratorTest, AFailedStepIsReported) {
  FakeRunner runner(kRoomy);
  runner.failAt = 3;
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 6, 30)).ok());
  EXPECT_THAT(std::string(generator.run().message()), HasSubstr("killed by signal 9"));
  EXPECT_EQ(runner.steps.size(), 3u);
}

TEST(GeneratorTest, AnInterruptKeepsWhatIsThere) {
  RunnerLimits limits = kRoomy;
  limits.sequences = 1;
  FakeRunner runner(limits);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 6, 30)).ok());
  ASSERT_TRUE(generator.submit(requestOf(2, 6, 30)).ok());
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(generator.step().ok());
  generator.interrupt();
  EXPECT_TRUE(generator.idle());
  EXPECT_EQ(recorder.results[0].tokens, greedy(promptOf(1, 6), 4));
  EXPECT_EQ(recorder.results[0].finishReason, FinishReason::Interrupted);
  EXPECT_TRUE(recorder.results[1].tokens.empty());
  EXPECT_EQ(recorder.results[1].finishReason, FinishReason::Interrupted);
}

TEST(GeneratorTest, CountsWhatItDid) {
  FakeRunner runner(kRoomy);
  Recorder recorder;
  Generator generator(runner, nullptr, recorder);
  ASSERT_TRUE(generator.submit(requestOf(1, 20, 6)).ok());
  ASSERT_TRUE(generator.run().ok());
  const GenerationTimings &timings = recorder.results[0].timings;
  EXPECT_EQ(timings.prefillTokens, 20);
  EXPECT_EQ(timings.decodeTokens, 5);
  EXPECT_GT(timings.prefillMs, 0);
  EXPECT_GE(timings.firstTokenMs, timings.prefillMs);
  EXPECT_GT(timings.decodeMs, 0);
}

} // namespace
} // namespace lamina
