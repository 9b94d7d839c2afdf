//===- EngineRunner.cpp - an engine as a StepRunner ---------------------------------------------------===//

#include "runtime/generate/EngineRunner.h"

#include "runtime/executor/PlanCheck.h"
#include "runtime/io/plan.pb.h"

#include <algorithm>

namespace lamina {

RunnerLimits limitsOf(const plan::Plan &plan) {
  return {.batchTokens = plan.limits().max_batch_tokens(),
          .outputRows = plan.limits().max_output_rows(),
          .sequences = plan.limits().max_sequences(),
          .context = plan.limits().max_context(),
          .pages = plan.limits().kv_pages(),
          .vocabulary = plan.model().vocab_size(),
          .trainedContext = plan.model().context_length(),
          .candidates = candidatesOf(plan)};
}

EngineRunner::EngineRunner(Engine &engine, const plan::Plan &plan)
    : engine_(engine), limits_(limitsOf(plan)) {
  totals_.workers.resize(static_cast<size_t>(plan.workers_size()));
}

absl::Status EngineRunner::step(const LaminaStep &step) {
  LAMINA_RETURN_IF_ERROR(engine_.step(step, &timings_));
  ++totals_.steps;
  totals_.tokens += static_cast<uint64_t>(step.tokens);
  totals_.wallNanoseconds += timings_.wallNanoseconds;
  for (size_t i = 0; i < std::min(totals_.workers.size(), timings_.workers.size()); ++i) {
    totals_.workers[i].busyNanoseconds += timings_.workers[i].busyNanoseconds;
    totals_.workers[i].waitNanoseconds += timings_.workers[i].waitNanoseconds;
    totals_.workers[i].communicationNanoseconds += timings_.workers[i].communicationNanoseconds;
  }
  return absl::OkStatus();
}

std::span<const float> EngineRunner::logits(int64_t row) const {
  return {engine_.logits(row), static_cast<size_t>(limits_.vocabulary)};
}

} // namespace lamina
