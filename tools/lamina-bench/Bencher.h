//===- Bencher.h - runs tests on an engine --------------------------------------------------*- C++ -*-===//
//
// Drives steps directly, without requests and sampling: tokens are random, as llama-bench's are.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_BENCHER_H
#define LAMINA_TOOLS_LAMINA_BENCH_BENCHER_H

#include "runtime/generate/EngineRunner.h"
#include "tools/lamina-bench/Options.h"
#include "tools/lamina-bench/WorkerUse.h"

#include <random>
#include <span>
#include <vector>

namespace lamina::bench {

struct TestResult {
  TestSpec spec;
  std::vector<uint64_t> nanoseconds; ///< one per repetition
  std::vector<WorkerUse> workers;
};

struct BatchedResult {
  BatchedSpec spec;
  uint64_t promptNanoseconds = 0;
  uint64_t generateNanoseconds = 0;
  std::vector<WorkerUse> workers; ///< of the generation
};

class Bencher {
public:
  /// All must outlive the bencher. The tests fit the plan's limits (checkRoom).
  Bencher(const plan::Plan &plan, const Engine &engine, EngineRunner &runner);

  absl::StatusOr<TestResult> run(const TestSpec &spec, int repetitions, bool warmUp);
  absl::StatusOr<BatchedResult> run(const BatchedSpec &spec, bool warmUp);

  /// A prompt of `tokens` tokens in an empty cache, up to its logits.
  absl::Status prompt(int64_t tokens);

private:
  struct Row {
    int64_t sequence, position;
    bool logits;
  };

  absl::Status fill(int64_t from, int64_t to, bool logits);
  absl::Status generate(int64_t from, int64_t count);
  absl::Status runRows(std::span<const Row> rows);
  absl::Status runInSteps(std::span<const Row> rows);
  absl::Status touchPages(const BatchedSpec &spec);
  absl::Status promptsOf(const BatchedSpec &spec);
  absl::Status generateTogether(const BatchedSpec &spec);
  void layOut(int64_t sequences, int64_t tokensEach);

  const plan::Plan &plan_;
  const Engine &engine_;
  EngineRunner &runner_;
  std::minstd_rand random_;
  UseMeter *meter_ = nullptr; ///< of the test that is being timed
  int64_t filled_ = 0;        ///< positions of sequence 0 that hold keys and values
};

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_BENCHER_H
