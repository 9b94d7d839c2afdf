//===- Recomputable.h - what a device can have without being sent it ------------------------*- C++ -*-===//
//
// Weights, constants, batch fields and position tables cost nothing to have on a second device: they are in
// its shard or follow from the batch. Everything else is computed once.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_MPMD_ANALYSIS_RECOMPUTABLE_H
#define LAMINA_DIALECTS_MPMD_ANALYSIS_RECOMPUTABLE_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace lamina::mpmd {

/// Calls `visit` for each value that an operation reads from outside itself, those that only its regions read
/// included.
void forEachOperand(mlir::Operation *op, llvm::function_ref<void(mlir::Value)> visit);

/// Whether a value is per-request state (a !lm.kv_cache).
bool isState(mlir::Value value);

/// The operations of one block that may be repeated wherever their results are needed. Valid as long as the
/// block's operations are not changed.
class Recomputable {
public:
  /// An operation may be repeated if it has no effect, touches no state, and all that it reads is of the same
  /// kind:
  ///   * weights alone (a weight, something folded from weights), or
  ///   * the batch alone (a field of it, a position table).
  /// The two together are a computation (an embedding), as is anything that the block's terminator hands out.
  explicit Recomputable(mlir::Block &block);

  bool contains(mlir::Operation *op) const { return repeatable_.contains(op); }
  /// Whether `value` costs nothing: the batch itself or a result of an operation that may be repeated.
  bool isFree(mlir::Value value) const;
  /// Whether `value` is a weight or follows from weights alone, handed out or not.
  bool isWeight(mlir::Value value) const;

private:
  enum Origin : uint8_t { Constant = 0, Weight = 1, Batch = 2, Activation = 4 };
  uint8_t originOf(mlir::Value value) const;
  uint8_t originOf(mlir::Operation *op) const;

  llvm::DenseMap<mlir::Operation *, uint8_t> origins_;
  llvm::DenseSet<mlir::Operation *> repeatable_;
};

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_ANALYSIS_RECOMPUTABLE_H
