//===- StepRunner.h - what generation needs of an engine ------------------------------------*- C++ -*-===//
//
// One step at a time over a ragged batch: write batch(), call step(), read logits(). The engine implements
// it, and so does a fake model in the tests. A runner belongs to one thread.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_GENERATE_STEPRUNNER_H
#define LAMINA_RUNTIME_GENERATE_STEPRUNNER_H

#include "runtime/base/Status.h"
#include "runtime/executor/Engine.h"

#include <cstdint>
#include <span>

namespace lamina {

/// The plan's bounds, see Limits in plan.proto; positive but for the last two.
struct RunnerLimits {
  int64_t batchTokens = 0;
  int64_t outputRows = 0;
  int64_t sequences = 0;
  int64_t context = 0;
  int64_t pages = 0;
  int64_t vocabulary = 0;
  int64_t trainedContext = 0; ///< what the model was trained for; 0: unknown
  int64_t candidates = 0;     ///< that a step may ask for instead of logits
};

class StepRunner {
public:
  virtual ~StepRunner() = default;
  virtual const RunnerLimits &limits() const = 0;
  virtual BatchView &batch() = 0;
  virtual absl::Status step(const LaminaStep &step) = 0;
  /// Logits of an output row of the last step, valid until the next.
  virtual std::span<const float> logits(int64_t row) const = 0;
  /// The same after a step that asked for candidates: so many.
  virtual Candidates candidates(int64_t row) const = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_STEPRUNNER_H
