//===- TensorAttention.h - operations framed as an attention over tensors ---------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_TENSORATTENTION_H
#define LAMINA_LIB_IMPORT_ONNX_TENSORATTENTION_H

#include "dialects/LM/IR/LM.h"

#include "mlir/IR/Builders.h"

namespace lamina::onnx {

/// What is appended to a block from here on.
class AppendedOperations {
public:
  /// `builder` inserts at the end of its block.
  explicit AppendedOperations(mlir::OpBuilder &builder)
      : block_(builder.getInsertionBlock()), before_(block_->empty() ? nullptr : &block_->back()) {}

  llvm::SmallVector<mlir::Operation *> get() const;

private:
  mlir::Block *block_;
  mlir::Operation *before_;
};

/// Operations of one block that compute an attention, in their order.
struct AttentionFrame {
  lm::AttentionKind kind;
  mlir::Value query, key, value;
  llvm::SmallVector<mlir::Operation *> operations;
};

/// Puts the operations into an lm.tensor_attention where the last of them is. Those of `results` that the operations compute, and
/// that nothing outside reads before that place, become its results; null ones are none. Leaves all as it is if what goes in or out
/// is not tensors that have elements.
void frameAttention(const AttentionFrame &frame, llvm::MutableArrayRef<mlir::Value> results);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_TENSORATTENTION_H
