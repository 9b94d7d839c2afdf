//===- Lifetimes.h - when the buffers of a program are alive --------------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_PLAN_TRANSFORMS_LIFETIMES_H
#define LAMINA_DIALECTS_PLAN_TRANSFORMS_LIFETIMES_H

#include "dialects/Plan/IR/Plan.h"
#include "lib/Support/ArenaAllocator.h"

#include "mlir/IR/BuiltinOps.h"

namespace lamina::plan {

/// Upper bounds of a step, from the module's `plan.limits` (written by mpmd-to-plan).
struct StepLimits {
  int64_t maxBatchTokens, maxOutputRows, maxSequences, maxContext, kvPages;
  /// Fails with a diagnostic where the attribute is absent or incomplete.
  static mlir::FailureOr<StepLimits> get(mlir::ModuleOp module);
  /// Rows of a buffer at most.
  int64_t rows(RowExtent extent) const {
    return extent == RowExtent::output_rows ? maxOutputRows : maxBatchTokens;
  }
};

/// The arena buffers of a program with their sizes and lifetimes, in the order of their operations. Instructions count
/// from 0; the logits stay alive to the end because the front end reads them after the step.
struct ArenaUse {
  llvm::SmallVector<BufferOp> ops;
  std::vector<ArenaBuffer> buffers;
};
ArenaUse collectArenaUse(ProgramOp program, const StepLimits &limits);

/// Bytes of one page of `cache` for its layer: keys, then values padded to whole rows.
int64_t pageBytes(mlir::Type cache);

/// Bytes of what a weight buffer holds: of a tensor packed, of a memref as it is.
int64_t weightBytes(mlir::Type contents);

/// Bytes of a row of what an arena buffer holds; of a memref, which is all of one row, its size.
int64_t contentsRowBytes(mlir::Type contents);

} // namespace lamina::plan

#endif // LAMINA_DIALECTS_PLAN_TRANSFORMS_LIFETIMES_H
