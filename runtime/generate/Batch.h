//===- Batch.h - what goes into one step --------------------------------------------------*- C++ -*-===//
//
// Private to Generator.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_GENERATE_BATCH_H
#define LAMINA_RUNTIME_GENERATE_BATCH_H

#include "runtime/generate/Sequence.h"

#include <algorithm>
#include <vector>

namespace lamina {

struct Generator::Batch {
  struct Entry {
    Sequence *sequence;
    int64_t count;
    int64_t firstRow; ///< of the step's output rows
  };
  int64_t tokens = 0;
  int64_t rows = 0;
  std::vector<Entry> entries;
  uint64_t began = 0; ///< when the step did

  /// Says what a row needs: that many candidates, or 0 for all its logits. A step `offers` so many.
  void need(int64_t candidates, int64_t offers) {
    needsLogits_ |= candidates == 0 || candidates > offers;
    candidates_ = std::max(candidates_, candidates);
  }
  /// LaminaStep.candidates: one kind for all rows, enough for each.
  int64_t candidatesAsked() const { return needsLogits_ ? 0 : candidates_; }

private:
  int64_t candidates_ = 0;
  bool needsLogits_ = false;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_BATCH_H
