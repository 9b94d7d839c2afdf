//===- ProductParts.h - products of one input that a dispatch computes side by side ---------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_PRODUCTPARTS_H
#define LAMINA_LIB_TARGET_KERNELS_PRODUCTPARTS_H

#include "lib/Target/Kernels/KernelContext.h"

#include "llvm/Support/MathExtras.h"

namespace lamina {

/// Products whose results meet, in the same rows of their weights, and what the kernel yields of them.
struct ProductPart {
  llvm::SmallVector<lm::LinearOp> linears;
  llvm::SmallVector<Value> results;

  int64_t groups() const { return llvm::divideCeil(width(results[0]), kPackedRows); }
  /// Workgroups of `groupsEach` groups of rows.
  int64_t workgroups(int64_t groupsEach) const { return llvm::divideCeil(groups(), groupsEach); }
};

/// The parts of a body with lm.linear in the order of their results. A result that depends on no product
/// makes a part without linears. The workgroups of a kernel are those of its parts, one after another.
llvm::SmallVector<ProductPart> productParts(mlir::Block &body);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_PRODUCTPARTS_H
