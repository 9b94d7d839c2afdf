//===- RowTrace.h - what the elements of a row are made of --------------------------------------*- C++ -*-===//
//
// Exporters move elements in many ways: reshapes, transpositions, slices, concatenations, repetitions. What they come to is
// where each element came from. A trace says this for one row of a tensor, that is what it has for one token: passes compare
// where elements came from instead of matching how they were moved.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_ROWTRACE_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_ROWTRACE_H

#include "dialects/LM/IR/LM.h"

#include <optional>

namespace lamina::lm {

/// factor · source[element] · waves[angle]; no second factor if `angle` is -1.
struct RowTerm {
  double factor;
  int32_t element, angle;
};

struct RowTrace {
  mlir::Value source; ///< what all elements come from, with a leading axis of as many rows
  RopeTableOp waves;  ///< null if there is no rotation
  /// The terms whose sum each element of the row is, in the order of the tensor.
  llvm::SmallVector<llvm::SmallVector<RowTerm, 2>, 0> elements;

  /// The factor, if the row is the source's, each element times it.
  std::optional<double> wholeTimes() const;
};

/// Follows moved and scaled elements back to a tensor that was computed otherwise, with `rotations` also through sums of
/// products with cosines and sines of a rope table. None unless all axes but the leading one are static.
std::optional<RowTrace> traceRow(mlir::Value value, bool rotations = false);

/// Elements of a row; none unless the leading axis alone is dynamic.
std::optional<int64_t> rowSize(mlir::Value value);

/// The rows of a trace that is the whole source: the source as a matrix, collapsed if it is none.
mlir::Value rowsOf(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value source);
/// Rows, each in a shape of as many elements.
mlir::Value expandedRows(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows,
                         llvm::ArrayRef<int64_t> row);
/// Rows in the shape of `like`.
mlir::Value shapedLike(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows, mlir::Value like);

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_ROWTRACE_H
