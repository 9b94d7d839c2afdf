//===- FakeRunner.h - a model that fits on a page -------------------------------------------*- C++ -*-===//
//
// A StepRunner whose logits depend on every token of a sequence and on nothing else, as a transformer's do.
// It keeps its state where a KV cache would: in pages addressed through the block table. A scheduler that
// mixes sequences up, skips a position or gives a page away too early therefore changes the tokens, and most
// mistakes fail a check here.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_RUNTIME_GENERATE_FAKERUNNER_H
#define LAMINA_TEST_RUNTIME_GENERATE_FAKERUNNER_H

#include "runtime/generate/StepRunner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace lamina {

class FakeRunner : public StepRunner {
public:
  explicit FakeRunner(RunnerLimits limits) : limits_(limits) {
    int64_t stride = (limits.context + LAMINA_KV_PAGE_TOKENS - 1) / LAMINA_KV_PAGE_TOKENS;
    tokenIds_.resize(limits.batchTokens);
    positions_.resize(limits.batchTokens);
    sequences_.resize(limits.batchTokens);
    outputRows_.resize(limits.outputRows);
    blockTable_.resize(limits.sequences * stride);
    batch_ = {tokenIds_, positions_, sequences_, outputRows_, blockTable_, stride};
    cache_.resize(limits.pages * LAMINA_KV_PAGE_TOKENS);
  }

  const RunnerLimits &limits() const override { return limits_; }
  BatchView &batch() override { return batch_; }

  absl::Status step(const LaminaStep &step) override {
    steps.push_back(step);
    EXPECT_TRUE(step.tokens >= 1 && step.tokens <= limits_.batchTokens);
    EXPECT_TRUE(step.outputRows >= 0 && step.outputRows <= limits_.outputRows);
    EXPECT_TRUE(step.candidates >= 0 && step.candidates <= limits_.candidates);
    if (failAt == steps.size())
      return absl::UnavailableError("worker memory0 (pid 7) was killed by signal 9");
    std::vector<uint64_t> states;
    for (int64_t row = 0; row < step.tokens; ++row)
      states.push_back(append(row));
    logits_.clear();
    for (int64_t row = 0; row < step.outputRows; ++row)
      logits_.push_back(logitsOf(states.at(static_cast<size_t>(outputRows_[row]))));
    return absl::OkStatus();
  }

  /// None that were not asked for.
  std::span<const float> logits(int64_t row) const override {
    EXPECT_EQ(steps.back().candidates, 0);
    return logits_.at(static_cast<size_t>(row));
  }
  Candidates candidates(int64_t row) const override {
    const std::vector<float> &logits = logits_.at(static_cast<size_t>(row));
    std::vector<int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::sort(ids.begin(), ids.end(),
              [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
    candidateIds_.assign(ids.begin(), ids.begin() + steps.back().candidates);
    candidateLogits_.clear();
    for (int32_t id : candidateIds_)
      candidateLogits_.push_back(logits[id]);
    return {candidateLogits_, candidateIds_};
  }

  /// What the model says after these tokens.
  std::vector<float> logitsAfter(std::span<const int32_t> tokens) const {
    uint64_t state = 0;
    for (int32_t token : tokens)
      state = mix(state, token);
    return logitsOf(state);
  }

  std::vector<LaminaStep> steps;
  size_t failAt = 0; ///< the step, counted from 1, that fails

private:
  struct Cell {
    int32_t sequence = -1;
    int32_t position = -1;
    uint64_t state = 0;
  };

  static uint64_t mix(uint64_t state, int32_t token) {
    state = (state ^ static_cast<uint64_t>(token + 1)) * 0x9e3779b97f4a7c15u;
    return state ^ (state >> 29);
  }

  Cell &cellOf(int32_t sequence, int32_t position) {
    int32_t page = blockTable_.at(
        static_cast<size_t>(sequence * batch_.blockTableStride + position / LAMINA_KV_PAGE_TOKENS));
    EXPECT_TRUE(page >= 0 && page < limits_.pages) << "position " << position << " has no page";
    return cache_.at(static_cast<size_t>(page * LAMINA_KV_PAGE_TOKENS + position % LAMINA_KV_PAGE_TOKENS));
  }

  uint64_t append(int64_t row) {
    int32_t sequence = sequences_[row], position = positions_[row];
    uint64_t before = 0;
    if (position > 0) {
      const Cell &last = cellOf(sequence, position - 1);
      EXPECT_EQ(last.sequence, sequence) << "the page was given to another sequence";
      EXPECT_EQ(last.position, position - 1) << "a position was skipped";
      before = last.state;
    }
    Cell &cell = cellOf(sequence, position);
    cell = {sequence, position, mix(before, tokenIds_[row])};
    return cell.state;
  }

  std::vector<float> logitsOf(uint64_t state) const {
    std::vector<float> logits;
    for (int64_t i = 0; i < limits_.vocabulary; ++i)
      logits.push_back(static_cast<float>(mix(state, static_cast<int32_t>(i)) >> 40) * 0x1p-21f);
    return logits;
  }

  RunnerLimits limits_;
  std::vector<int32_t> tokenIds_, positions_, sequences_, outputRows_, blockTable_;
  BatchView batch_;
  std::vector<Cell> cache_;
  std::vector<std::vector<float>> logits_;
  mutable std::vector<float> candidateLogits_; // of the row that was asked for last
  mutable std::vector<int32_t> candidateIds_;
};

} // namespace lamina

#endif // LAMINA_TEST_RUNTIME_GENERATE_FAKERUNNER_H
