//===- Bencher.cpp - runs tests on an engine ----------------------------------------------------------===//

#include "tools/lamina-bench/Bencher.h"

#include "runtime/base/Clock.h"
#include "tools/lamina-bench/Needs.h"

#include <algorithm>
#include <array>

namespace lamina::bench {

Bencher::Bencher(const plan::Plan &plan, const Engine &engine, EngineRunner &runner, bool fill)
    : plan_(plan), engine_(engine), runner_(runner), fill_(fill) {
  const RunnerLimits &limits = runner_.limits();
  layOut(1, std::min(limits.context, limits.pages * LAMINA_KV_PAGE_TOKENS));
}

/// Gives each of the first slots the pages for `tokensEach` positions, one sequence behind another.
void Bencher::layOut(int64_t sequences, int64_t tokensEach) {
  BatchView &batch = runner_.batch();
  int64_t pages = pagesOf(tokensEach);
  std::fill(batch.blockTable.begin(), batch.blockTable.end(), -1);
  for (int64_t s = 0; s < sequences; ++s)
    for (int64_t p = 0; p < pages; ++p)
      batch.blockTable[static_cast<size_t>(s * batch.blockTableStride + p)] =
          static_cast<int32_t>(s * pages + p);
  filled_ = 0;
}

/// One step. Rows of a sequence ascend in position.
absl::Status Bencher::runRows(std::span<const Row> rows) {
  BatchView &batch = runner_.batch();
  LaminaStep step = {};
  step.candidates = std::min<int64_t>(runner_.limits().candidates, 1); // as greedy generation does
  int64_t context = 0;
  for (const Row &row : rows) {
    auto i = static_cast<size_t>(step.tokens++);
    batch.tokenIds[i] = static_cast<int32_t>(random_() % static_cast<uint64_t>(runner_.limits().vocabulary));
    batch.positions[i] = static_cast<int32_t>(row.position);
    batch.sequences[i] = static_cast<int32_t>(row.sequence);
    if (row.logits)
      batch.outputRows[static_cast<size_t>(step.outputRows++)] = static_cast<int32_t>(i);
    bool last = i + 1 == rows.size() || rows[i + 1].sequence != row.sequence;
    step.sequences += last;
    context += last ? row.position + 1 : 0;
  }
  if (meter_)
    meter_->step(context, step.outputRows);
  return runner_.step(step);
}

/// As many tokens in each step as it takes.
absl::Status Bencher::runInSteps(std::span<const Row> rows) {
  auto most = static_cast<size_t>(runner_.limits().batchTokens);
  for (; !rows.empty(); rows = rows.subspan(std::min(most, rows.size())))
    LAMINA_RETURN_IF_ERROR(runRows(rows.first(std::min(most, rows.size()))));
  return absl::OkStatus();
}

/// Computes positions [from, to) of sequence 0, and the logits of the last if they are wanted.
absl::Status Bencher::fill(int64_t from, int64_t to, bool logits) {
  std::vector<Row> rows;
  for (int64_t position = from; position < to; ++position)
    rows.push_back({0, position, logits && position + 1 == to});
  LAMINA_RETURN_IF_ERROR(runInSteps(rows));
  filled_ = std::max(filled_, to);
  return absl::OkStatus();
}

absl::Status Bencher::generate(int64_t from, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    LAMINA_RETURN_IF_ERROR(runRows(std::array{Row{0, from + i, true}}));
  filled_ = std::max(filled_, from + count);
  return absl::OkStatus();
}

absl::Status Bencher::prompt(int64_t tokens) { return fill(0, tokens, true); }

absl::StatusOr<TestResult> Bencher::run(const TestSpec &spec, int repetitions, bool warmUp) {
  if (warmUp) {
    LAMINA_RETURN_IF_ERROR(fill(0, spec.prompt, true));
    LAMINA_RETURN_IF_ERROR(generate(spec.prompt, std::min<int64_t>(spec.generate, 1)));
  }
  TestResult result = {.spec = spec, .nanoseconds = {}, .workers = {}};
  UseMeter meter(plan_, engine_, runner_);
  for (int i = 0; i < repetitions; ++i) {
    // What lies behind the depth is written anew each time; what lies before it is there already, unless this
    // is the first test that is so deep.
    if (fill_)
      LAMINA_RETURN_IF_ERROR(fill(std::min(filled_, spec.depth), spec.depth, false));
    else if (i == 0)
      LAMINA_RETURN_IF_ERROR(touchPages(pagesOf(spec.depth)));
    meter.start();
    meter_ = &meter;
    uint64_t began = monotonicNanoseconds();
    absl::Status status = fill(spec.depth, spec.depth + spec.prompt, true);
    status.Update(generate(spec.depth + spec.prompt, spec.generate));
    result.nanoseconds.push_back(monotonicNanoseconds() - began);
    meter_ = nullptr;
    meter.stop();
    LAMINA_RETURN_IF_ERROR(status);
  }
  result.workers = meter.uses();
  return result;
}

/// The prompts one behind another.
absl::Status Bencher::promptsOf(const BatchedSpec &spec) {
  std::vector<Row> rows;
  for (int64_t s = 0; s < spec.sequences; ++s)
    for (int64_t position = 0; position < spec.prompt; ++position)
      rows.push_back({s, position, position + 1 == spec.prompt});
  return runInSteps(rows);
}

absl::Status Bencher::generateTogether(const BatchedSpec &spec) {
  std::vector<Row> rows(static_cast<size_t>(spec.sequences));
  for (int64_t i = 0; i < spec.generate; ++i) {
    for (int64_t s = 0; s < spec.sequences; ++s)
      rows[static_cast<size_t>(s)] = {s, spec.prompt + i, true};
    LAMINA_RETURN_IF_ERROR(runRows(rows));
  }
  return absl::OkStatus();
}

/// Writes one token to each of the cache's first pages, so that none of this memory is touched for the first
/// time while it counts. Each is the first of a sequence of its own, which attends to nothing else.
absl::Status Bencher::touchPages(int64_t pages) {
  BatchView &batch = runner_.batch();
  const std::vector<int32_t> laidOut(batch.blockTable.begin(), batch.blockTable.end());
  int64_t most = std::min(runner_.limits().sequences, runner_.limits().batchTokens);
  for (int64_t page = 0; page < pages; page += most) {
    std::vector<Row> rows;
    for (int64_t s = 0; s < std::min(most, pages - page); ++s) {
      batch.blockTable[static_cast<size_t>(s * batch.blockTableStride)] = static_cast<int32_t>(page + s);
      rows.push_back({s, 0, false});
    }
    LAMINA_RETURN_IF_ERROR(runRows(rows));
  }
  std::copy(laidOut.begin(), laidOut.end(), batch.blockTable.begin());
  return absl::OkStatus();
}

absl::StatusOr<BatchedResult> Bencher::run(const BatchedSpec &spec, bool warmUp) {
  layOut(spec.sequences, spec.tokensEach());
  if (warmUp || !fill_)
    LAMINA_RETURN_IF_ERROR(touchPages(spec.sequences * pagesOf(spec.tokensEach())));
  BatchedResult result = {.spec = spec, .workers = {}};
  uint64_t began = monotonicNanoseconds();
  if (fill_) {
    LAMINA_RETURN_IF_ERROR(promptsOf(spec));
    result.promptNanoseconds = monotonicNanoseconds() - began;
  }
  UseMeter meter(plan_, engine_, runner_);
  meter.start();
  meter_ = &meter;
  began = monotonicNanoseconds();
  absl::Status status = generateTogether(spec);
  result.generateNanoseconds = monotonicNanoseconds() - began;
  meter_ = nullptr;
  meter.stop();
  LAMINA_RETURN_IF_ERROR(status);
  result.workers = meter.uses();
  return result;
}

} // namespace lamina::bench
