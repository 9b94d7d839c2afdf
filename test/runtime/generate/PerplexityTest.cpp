//===- PerplexityTest.cpp - windows and their likelihood ----------------------------------------------===//

#include "FakeRunner.h"

#include "runtime/generate/Perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace lamina {
namespace {

constexpr RunnerLimits kLimits = {
    .batchTokens = 24, .outputRows = 7, .sequences = 3, .context = 64, .pages = 9, .vocabulary = 13};

std::vector<int32_t> textOf(int count) {
  std::vector<int32_t> text;
  for (int i = 0; i < count; ++i)
    text.push_back((i * i + 5 * i) % 13);
  return text;
}

TEST(PerplexityTest, LikelihoodOfAKnownDistribution) {
  std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  EXPECT_NEAR(negativeLogLikelihood(logits, 1), -std::log(0.25), 1e-6);
  logits = {1000.0f, 1000.0f};
  EXPECT_NEAR(negativeLogLikelihood(logits, 0), std::log(2.0), 1e-9);
}

TEST(PerplexityTest, WindowsBeginWithBosAndDoNotOverlap) {
  std::vector<int32_t> text = {3, 4, 5, 6, 7};
  EXPECT_EQ(perplexityWindows(text, 1, 3), (std::vector<std::vector<int32_t>>{{1, 3, 4}, {1, 5, 6}, {1, 7}}));
  EXPECT_EQ(perplexityWindows(text, NoToken, 2), (std::vector<std::vector<int32_t>>{{3, 4}, {5, 6}}));
  EXPECT_TRUE(perplexityWindows({}, 1, 3).empty());
}

TEST(PerplexityTest, EqualsTheSumOverPositions) {
  std::vector<std::vector<int32_t>> windows = perplexityWindows(textOf(70), 1, 20);
  FakeRunner runner(kLimits);
  double sum = 0;
  int64_t predictions = 0;
  for (const std::vector<int32_t> &window : windows)
    for (size_t i = 0; i + 1 < window.size(); ++i, ++predictions)
      sum += negativeLogLikelihood(runner.logitsAfter(std::span(window).first(i + 1)), window[i + 1]);

  int64_t told = 0;
  auto result = measurePerplexity(runner, windows, {}, [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, predictions);
    EXPECT_GE(done, told);
    told = done;
    return true;
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->predictions, predictions);
  EXPECT_EQ(told, predictions);
  EXPECT_EQ(result->windows.size(), windows.size());
  EXPECT_NEAR(result->meanNll, sum / static_cast<double>(predictions), 1e-12);
  EXPECT_DOUBLE_EQ(result->perplexity, std::exp(result->meanNll));
  auto chunked = measurePerplexity(runner, windows, {.prefillChunk = 3}, nullptr);
  EXPECT_EQ(chunked->meanNll, result->meanNll);
}

TEST(PerplexityTest, StopsWhenToldAndRefusesNothing) {
  FakeRunner runner(kLimits);
  auto stopped = measurePerplexity(runner, perplexityWindows(textOf(70), 1, 20), {},
                                   [](int64_t, int64_t) { return false; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(measurePerplexity(runner, {}, {}, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

} // namespace
} // namespace lamina
