//===- PlanCheck.h - whether a plan may be executed -----------------------------------------*- C++ -*-===//
//
// A plan comes from a file, so nothing in it is trusted before these checks: afterwards every index is in
// range, every buffer lies inside its arena, shard or cache for any step within the limits, every message has
// one sender and one receiver that agree on its size and order, and the programs cannot wait for each other
// in a circle. What kernels do inside their buffers is beyond a plan; the artifact's hashes vouch for them.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_PLANCHECK_H
#define LAMINA_RUNTIME_EXECUTOR_PLANCHECK_H

#include "runtime/base/Status.h"
#include "runtime/io/plan.pb.h"

#include <cstdint>

namespace lamina {

/// InvalidArgument names the worker, the thing and both values; Unimplemented what this runtime cannot
/// execute.
absl::Status checkPlan(const plan::Plan &plan);

/// Whether a plan computes outputs from inputs, instead of logits from tokens.
inline bool isFunction(const plan::Plan &plan) { return plan.outputs_size() != 0; }

/// How many of a row's largest logits a step may ask for; 0 without buffers of them.
int64_t candidatesOf(const plan::Plan &plan);

/// Rows of a leading dimension at the limits; FIXED counts as one row.
uint64_t maxRows(const plan::Limits &limits, plan::Extent extent);

/// int32 entries of the block table for one sequence slot.
int64_t blockTableStride(const plan::Limits &limits);

/// int32 entries of one array of the batch.
uint64_t batchFieldEntries(const plan::Limits &limits, plan::BatchField field);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_PLANCHECK_H
