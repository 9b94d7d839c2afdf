//===- KernelContext.h - the kernel that is being generated ---------------------------------*- C++ -*-===//
//
// The source operations live in the caller's MLIR context and are only read; what is generated lives in
// another one. Values of the source are keys here and never operands of generated operations.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CPU_KERNELCONTEXT_H
#define LAMINA_LIB_TARGET_CPU_KERNELCONTEXT_H

#include "dialects/LM/IR/LM.h"
#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CPU/KernelBuilder.h"

#include "llvm/ADT/DenseMap.h"

namespace lamina {

/// What decides the forms of a kernel and its work division.
enum class KernelKind {
  Linear,
  ExpertLinear,
  Row,
  Embedding,
  RopeTable,
  RouteExperts,
  CacheAppend,
  OnlineAttention,
  AttentionCombine
};

/// The kind of a body; emits a located error for operations that no kernel combines. Everything that
/// generators rely on beside the dialect's own verifiers is checked here, so that they cannot fail.
mlir::FailureOr<KernelKind> classifyKernel(const KernelSource &kernel);

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
  Value begin, end;                     ///< workgroups

  Value pointer(Value source) const { return pointers.lookup(source); }
  /// Where row `row` of a bound value begins.
  Value rowPointer(Value source, Value row) const {
    return b.offset(pointer(source), b.mul(row, rowBytes(source)));
  }
  mlir::OperandRange results() const { return body.getTerminator()->getOperands(); }
  template <typename Op> llvm::SmallVector<Op> ops() const { return llvm::to_vector(body.getOps<Op>()); }
};

// The generators. Each creates the loop over [begin, end) at the insertion point.

/// Forms of products by number of tokens.
enum class TokenClass { One, UpToFour, Many };

/// Workgroups of attention in a step of few tokens.
inline constexpr int64_t kAttentionShares = 1024;

/// Row groups of a workgroup of a product.
inline constexpr int64_t kGroupsPerWorkgroup = 4;

void emitLinear(KernelContext &kernel, TokenClass tokens);
void emitExpertLinear(KernelContext &kernel);
void emitRows(KernelContext &kernel);
void emitEmbedding(KernelContext &kernel);
void emitRopeTable(KernelContext &kernel);
void emitRouteExperts(KernelContext &kernel);
void emitCacheAppend(KernelContext &kernel);
/// `split`: the form for steps of at most split_tokens tokens.
void emitOnlineAttention(KernelContext &kernel, bool split);
void emitAttentionCombine(KernelContext &kernel, bool split);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_KERNELCONTEXT_H
