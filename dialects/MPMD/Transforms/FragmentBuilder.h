//===- FragmentBuilder.h - moves operations of a block into fragments -----------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_MPMD_TRANSFORMS_FRAGMENTBUILDER_H
#define LAMINA_DIALECTS_MPMD_TRANSFORMS_FRAGMENTBUILDER_H

#include "dialects/MPMD/Analysis/Recomputable.h"
#include "dialects/MPMD/IR/MPMD.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace lamina::mpmd {

/// Builds fragments out of the operations of one block (a function's or another fragment's), which it leaves
/// as they are. It remembers where each value of the block has come to lie, so fragments are built in the
/// order in which they run. Values cross from class to class by a transfer of their own, at most one to each
/// class.
class FragmentBuilder {
public:
  /// `recomputable` belongs to the block. New operations appear at `builder`'s place.
  FragmentBuilder(mlir::OpBuilder &builder, const Recomputable &recomputable)
      : builder_(builder), recomputable_(recomputable) {}

  /// Says that `value` of the block lies in `placed`.
  void place(mlir::Value value, mlir::Value placed) { placed_.map(value, placed); }

  /// Where `value` lies: the result of the fragment that computes it, or what place() said.
  mlir::Value lookup(mlir::Value value) const { return placed_.lookup(value); }

  /// `value` on a class; makes the transfer if it is not there.
  mlir::Value lookupOn(mlir::Value value, mlir::FlatSymbolRefAttr deviceClass);

  /// Builds the fragment of `ops`, which are in the block's order. What they need of `recomputable` is
  /// repeated in it; its results are the values that other operations of the block use.
  FragmentOp build(mlir::Location loc, mlir::FlatSymbolRefAttr deviceClass, llvm::StringRef name,
                   llvm::ArrayRef<mlir::Operation *> ops);

private:
  void cloneInto(mlir::OpBuilder &body, mlir::IRMapping &inner, mlir::Operation *op);

  mlir::OpBuilder &builder_;
  const Recomputable &recomputable_;
  mlir::IRMapping placed_;
  llvm::DenseMap<std::pair<mlir::Value, mlir::Attribute>, mlir::Value> transferred_;
};

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_TRANSFORMS_FRAGMENTBUILDER_H
