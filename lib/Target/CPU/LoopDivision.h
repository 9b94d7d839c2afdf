//===- LoopDivision.h - a kernel's outer loop as workgroups -----------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_LOOPDIVISION_H
#define LAMINA_LIB_TARGET_CPU_LOOPDIVISION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace lamina {

/// How a body of loops over memory divides: if all that it does is one scf.parallel, a workgroup is an index of its outer
/// dimensions, and of the innermost a block of indices. Anything else is one workgroup.
class LoopDivision {
public:
  explicit LoopDivision(mlir::Block &body);

  int64_t workgroups() const;

  /// Makes the loop run the workgroups [begin, end), which `body` gets as two more arguments of type index. Emits an
  /// error and fails where memory on the stack has a size that is not known.
  static mlir::LogicalResult apply(mlir::func::FuncOp body);

private:
  mlir::scf::ParallelOp loop_; ///< null: one workgroup
  llvm::SmallVector<int64_t> sizes_;
  int64_t block_ = 1; ///< of the innermost dimension
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_LOOPDIVISION_H
