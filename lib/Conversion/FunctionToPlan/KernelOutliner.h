//===- KernelOutliner.h - loops over memory as kernels -------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_KERNELOUTLINER_H
#define LAMINA_LIB_CONVERSION_KERNELOUTLINER_H

#include "dialects/Plan/IR/Plan.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

namespace lamina {

/// Operations of a function's block that run as one: loops over memory, one after the other. What they read that is computed from
/// nothing but memory's shape, constants and views, is repeated in each kernel.
struct KernelWork {
  llvm::SmallVector<mlir::Operation *> operations; ///< in program order
  llvm::SmallVector<mlir::Value> memory; ///< arguments and allocations that they touch, by first use
};

/// The work of a block of loops over memory, as finely as it divides: what hands a number on to another operation runs with it.
llvm::SmallVector<KernelWork> divideIntoKernels(mlir::Block &block);

/// Makes kernels, each distinct body once.
class KernelOutliner {
public:
  explicit KernelOutliner(mlir::ModuleOp module) : symbols_(module) {}

  /// The kernel that does this; its operands are the memory.
  plan::KernelOp get(const KernelWork &work);

private:
  mlir::SymbolTable symbols_;
  llvm::StringMap<plan::KernelOp> byBody_;
};

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_KERNELOUTLINER_H
