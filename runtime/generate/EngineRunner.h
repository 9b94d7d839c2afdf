//===- EngineRunner.h - an engine as a StepRunner -------------------------------------------*- C++ -*-===//
//
// Adds up what the steps took, for statistics.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_GENERATE_ENGINERUNNER_H
#define LAMINA_RUNTIME_GENERATE_ENGINERUNNER_H

#include "runtime/generate/StepRunner.h"

namespace lamina {

/// Sums over steps.
struct StepTotals {
  uint64_t steps = 0;
  uint64_t tokens = 0;
  uint64_t wallNanoseconds = 0;
  std::vector<StepTimings::Worker> workers; ///< in the plan's order
};

/// What the plan and its model bound.
RunnerLimits limitsOf(const plan::Plan &plan);

class EngineRunner : public StepRunner {
public:
  /// `engine` must outlive the runner.
  EngineRunner(Engine &engine, const plan::Plan &plan);

  const RunnerLimits &limits() const override { return limits_; }
  BatchView &batch() override { return engine_.batch(); }
  absl::Status step(const LaminaStep &step) override;
  std::span<const float> logits(int64_t row) const override;
  Candidates candidates(int64_t row) const override { return engine_.candidates(row); }

  const StepTotals &totals() const { return totals_; }

private:
  Engine &engine_;
  RunnerLimits limits_;
  StepTimings timings_;
  StepTotals totals_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_ENGINERUNNER_H
