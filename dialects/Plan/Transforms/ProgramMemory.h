//===- ProgramMemory.h - what a worker needs of its device's memory -------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_PLAN_TRANSFORMS_PROGRAMMEMORY_H
#define LAMINA_DIALECTS_PLAN_TRANSFORMS_PROGRAMMEMORY_H

#include "dialects/Plan/Transforms/Lifetimes.h"

namespace lamina::plan {

/// Bytes that the worker of a program needs at the upper bounds of a step; sums saturate. Memory that is mapped lazily
/// counts in full.
struct ProgramMemory {
  uint64_t weights = 0;
  uint64_t arena = 0;
  uint64_t pageBytes = 0; // one page of every layer's cache
  uint64_t cache = 0;     // kv_pages pages
  uint64_t transfers = 0; // two of the largest message of each link that the worker is an end of
  uint64_t sent = 0;      // bytes that leave the worker for each row

  uint64_t total() const;
};

/// Reads the sizes off a program whose buffers have places.
ProgramMemory memoryOf(ProgramOp program, const StepLimits &limits);

} // namespace lamina::plan

#endif // LAMINA_DIALECTS_PLAN_TRANSFORMS_PROGRAMMEMORY_H
