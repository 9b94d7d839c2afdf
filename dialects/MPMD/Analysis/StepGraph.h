//===- StepGraph.h - a step function seen from its attention operators ----------------------*- C++ -*-===//
//
// With n attention operators a step falls into n + 1 slices: slice i lies before attention i, slice n at the
// end. The graph says which slices each operation may be in, without looking at anything but dependences:
//
//   earliest    1 + the last attention that it depends on, 0 without one
//   latest      the first attention that depends on it, n without one
//
// An operation whose two bounds differ hangs on no path from the one attention to the other; the cut decides.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_MPMD_ANALYSIS_STEPGRAPH_H
#define LAMINA_DIALECTS_MPMD_ANALYSIS_STEPGRAPH_H

#include "dialects/LM/IR/LM.h"
#include "dialects/MPMD/Analysis/Recomputable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina::mpmd {

class StepGraph {
public:
  /// An attention operator and the operations that bring its state up to date, in program order.
  struct Attention {
    lm::AttentionOpInterface op;
    llvm::SmallVector<mlir::Operation *> group;
  };
  struct Bounds {
    unsigned earliest;
    unsigned latest;
  };

  /// Classifies every operation of `step` as repeatable, part of an attention's group, or part of some slice.
  /// What fits nowhere (an effect, state that reaches no attention) is an error at that operation with a note
  /// at the attention that follows it. The function must not change while the graph lives.
  static mlir::FailureOr<StepGraph> build(mlir::func::FuncOp step);

  llvm::ArrayRef<Attention> attentions() const { return attentions_; }
  /// The operations of the slices in program order.
  llvm::ArrayRef<mlir::Operation *> operations() const { return operations_; }
  Bounds boundsOf(mlir::Operation *op) const { return bounds_.at(op); }
  /// The attention whose group holds `op`, if any does.
  std::optional<unsigned> groupOf(mlir::Operation *op) const;
  const Recomputable &recomputable() const { return recomputable_; }
  mlir::Block *block() const { return block_; }

  /// Emits an error at `op` that carries a note at the attention before which it would have to be placed.
  mlir::InFlightDiagnostic emitError(mlir::Operation *op) const;

private:
  explicit StepGraph(mlir::Block &block) : block_(&block), recomputable_(block) {}
  void collectAttentions();
  mlir::LogicalResult classify();
  void computeBounds();

  mlir::Block *block_;
  Recomputable recomputable_;
  llvm::SmallVector<Attention> attentions_;
  llvm::SmallVector<mlir::Operation *> operations_;
  llvm::DenseMap<mlir::Operation *, unsigned> groups_;
  llvm::DenseMap<mlir::Operation *, Bounds> bounds_;
};

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_ANALYSIS_STEPGRAPH_H
