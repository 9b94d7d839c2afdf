//===- Transfers.h - what moves between fragments, and why ----------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_MPMD_TRANSFORMS_TRANSFERS_H
#define LAMINA_DIALECTS_MPMD_TRANSFORMS_TRANSFERS_H

#include "dialects/MPMD/Analysis/Recomputable.h"
#include "dialects/MPMD/IR/MPMD.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina::mpmd {

/// What the attention that a fragment's result is sent to does with it.
enum class Purpose {
  Query, ///< it is an attention operator's query
  State, ///< anything else there reads it: keys and values
  None,  ///< it is sent to no attention
};

/// Of a fragment's result; Query if several apply.
Purpose purposeOf(mlir::Value result);

/// The values that a fragment returns for a purpose, inside it.
llvm::SmallVector<mlir::Value> returnedFor(FragmentOp fragment, Purpose purpose);

/// The operations of the block of `recomputable` that `values` depend on, repeatable ones left out.
llvm::DenseSet<mlir::Operation *> collectNeeded(llvm::ArrayRef<mlir::Value> values,
                                                const Recomputable &recomputable);

/// Fails unless the step consists of fragments and transfers.
mlir::LogicalResult verifyAllInFragments(mlir::func::FuncOp step);

/// Fails if a transfer moves a weight, seen through the fragment that hands it out.
mlir::LogicalResult verifyNoWeightMoves(mlir::func::FuncOp step);

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_TRANSFORMS_TRANSFERS_H
