//===- KernelContext.h - the kernel that is being generated ---------------------------------*- C++ -*-===//
//
// The source operations live in the caller's MLIR context and are only read; what is generated lives in
// another one. Values of the source are keys here and never operands of generated operations.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_KERNELS_KERNELCONTEXT_H
#define LAMINA_LIB_TARGET_KERNELS_KERNELCONTEXT_H

#include "dialects/LM/IR/LM.h"
#include "dialects/Plan/IR/Plan.h"
#include "lib/Target/Kernels/KernelBuilder.h"

#include "llvm/ADT/DenseMap.h"

namespace lamina {

/// The last dimension of a tensor.
inline int64_t width(Value tensor) {
  return llvm::cast<mlir::RankedTensorType>(tensor.getType()).getShape().back();
}

/// Bytes of a row as in plan::rowBytes.
inline int64_t rowBytes(Value tensor) {
  return plan::rowBytes(llvm::cast<mlir::RankedTensorType>(tensor.getType()));
}

inline int64_t paddedWidth(Value tensor) {
  return (width(tensor) + kPackedRows - 1) / kPackedRows * kPackedRows;
}

struct KernelContext {
  KernelBuilder &b;
  mlir::Block &body; ///< source
  /// Source operands and results to the memory bound to them.
  llvm::DenseMap<Value, Value> pointers = llvm::DenseMap<Value, Value>();
  Value tokens, rows, blockTableStride; ///< of the step; `rows` as many as the kernel's activations have
  Value candidates;                     ///< of the step
  Value begin, end;                     ///< workgroups; a block of a GPU has the one at `begin`

  Value pointer(Value source) const { return pointers.lookup(source); }
  /// Where row `row` of a bound value begins.
  Value rowPointer(Value source, Value row) const {
    return b.offset(pointer(source), b.mul(row, rowBytes(source)));
  }
  mlir::OperandRange results() const { return body.getTerminator()->getOperands(); }
  template <typename Op> llvm::SmallVector<Op> ops() const { return llvm::to_vector(body.getOps<Op>()); }
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_KERNELCONTEXT_H
