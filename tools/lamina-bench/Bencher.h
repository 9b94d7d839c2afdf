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
  uint64_t promptNanoseconds = 0; ///< 0: they were not computed
  uint64_t generateNanoseconds = 0;
  std::vector<WorkerUse> workers; ///< of the generation

  double promptSeconds() const { return static_cast<double>(promptNanoseconds) * 1e-9; }
  double generateSeconds() const { return static_cast<double>(generateNanoseconds) * 1e-9; }
  double promptTokens() const { return promptNanoseconds > 0 ? tokensOf(spec.prompt) : 0; }
  double generatedTokens() const { return tokensOf(spec.generate); }
  double promptRate() const { return promptNanoseconds > 0 ? promptTokens() / promptSeconds() : 0; }
  double generateRate() const { return generatedTokens() / generateSeconds(); }
  double rate() const { return (promptTokens() + generatedTokens()) / (promptSeconds() + generateSeconds()); }

private:
  double tokensOf(int64_t each) const { return static_cast<double>(spec.sequences * each); }
};

class Bencher {
public:
  /// All must outlive the bencher. The tests fit the plan's limits (checkRoom). `fill`: what lies in the
  /// cache before what is timed is computed; otherwise its pages are only touched, and prompts of batches
  /// left out.
  Bencher(const plan::Plan &plan, const Engine &engine, EngineRunner &runner, bool fill);

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
  absl::Status touchPages(int64_t pages);
  absl::Status promptsOf(const BatchedSpec &spec);
  absl::Status generateTogether(const BatchedSpec &spec);
  void layOut(int64_t sequences, int64_t tokensEach);

  const plan::Plan &plan_;
  const Engine &engine_;
  EngineRunner &runner_;
  const bool fill_;
  std::minstd_rand random_;
  UseMeter *meter_ = nullptr; ///< of the test that is being timed
  int64_t filled_ = 0;        ///< positions of sequence 0 that hold keys and values
};

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_BENCHER_H
