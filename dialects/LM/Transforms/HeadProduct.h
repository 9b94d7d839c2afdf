//===- HeadProduct.h - products of matrices for each head of attention --------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_HEADPRODUCT_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_HEADPRODUCT_H

#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace lamina::lm {

/// 0, 1, … length - 1.
llvm::SmallVector<int64_t> inOrder(int64_t length);

/// One operand of a product of matrices for each head: where its element (head, i) comes from.
struct HeadElements {
  RowTrace trace;
  llvm::SmallVector<RowTerm, 0> terms; ///< head by head
  int64_t length = 0;                  ///< elements of a head

  /// Which of its head's elements in the source each element of the first head is; in order if it is not these.
  llvm::SmallVector<int64_t> order() const;
  /// What all elements are multiplied by, if these are the source's `stored` heads one after another, each for as many of `heads`
  /// heads and with its elements in this order.
  std::optional<double> factor(int64_t heads, int64_t stored, llvm::ArrayRef<int64_t> order) const;
};

/// A product for each head, result[row, head, column] = sum over i of a[row, head, i] · b[head, column, i], axes in any order.
class HeadProduct {
public:
  HeadProduct(mlir::linalg::ContractOp op, llvm::ArrayRef<mlir::AffineExpr> heads, mlir::AffineExpr inner);

  int64_t headCount() const;
  int64_t innerSize() const { return sizes_.lookup(inner_); }
  /// Position in a row of an operand (2: the result) of each head's elements along the inner axis.
  llvm::SmallVector<int64_t> positions(unsigned operand) const;
  std::optional<HeadElements> elements(unsigned operand) const;

private:
  llvm::SmallVector<mlir::AffineMap> maps() const { return op_.getIndexingMapsArray(); }

  mutable mlir::linalg::ContractOp op_;
  llvm::SmallVector<mlir::AffineExpr> heads_;
  mlir::AffineExpr inner_;
  llvm::SmallDenseMap<mlir::AffineExpr, int64_t> sizes_;
};

/// What a step adds to a cache, before an order of each head's elements; null if the order is another one.
mlir::Value rowsBehind(ConcatCacheOp concat, llvm::ArrayRef<int64_t> order);

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_HEADPRODUCT_H
