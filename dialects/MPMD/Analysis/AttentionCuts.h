//===- AttentionCuts.h - the minimum cut at each attention ----------------------------------*- C++ -*-===//
//
// Which slice each operation is in, so that the bytes per token kept across every attention are as few as
// possible.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_MPMD_ANALYSIS_ATTENTIONCUTS_H
#define LAMINA_DIALECTS_MPMD_ANALYSIS_ATTENTIONCUTS_H

#include "dialects/MPMD/Analysis/StepGraph.h"

namespace lamina::mpmd {

struct AttentionCuts {
  /// Per attention: bytes per token that are produced before it and used after it.
  llvm::SmallVector<int64_t> bytes;
  /// The slice of each operation of StepGraph::operations().
  llvm::DenseMap<mlir::Operation *, unsigned> slices;
};

/// What a tensor weighs per token: its leading dimension counts once if it is dynamic. Nothing for a type
/// that has no such weight (another dynamic dimension, a scalar, an element without a size).
std::optional<uint64_t> bytesPerToken(mlir::Type type);

/// Solves one minimum weighted cut for each attention, in program order, and verifies each against its
/// maximum flow. Before the cut: all that the attention depends on and what earlier cuts have placed; after
/// it: all that depends on the attention, and what the function returns. Minimum cuts nearest the sink are
/// nested, so fixing one does not spoil the next, and each problem is only as large as what lies between two
/// attentions. Failures are located diagnostics.
mlir::FailureOr<AttentionCuts> cutAtAttentions(const StepGraph &graph);

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_ANALYSIS_ATTENTIONCUTS_H
