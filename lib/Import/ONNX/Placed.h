//===- Placed.h - values of an ONNX graph as tensors of tokens --------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_PLACED_H
#define LAMINA_LIB_IMPORT_ONNX_PLACED_H

#include "lib/Import/ONNX/Probe.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace lamina::onnx {

inline constexpr int64_t kUnit = -1;
inline constexpr Affine kTokens{0, 1, 0}, kContext{0, 1, 1}, kPast{0, 0, 1};

/// By axis of a value of the graph: the axis of the tensor that stands for it, or kUnit where its size is 1.
using Axes = llvm::SmallVector<int64_t, 5>;

/// A value of the graph. Its tensor's leading axis is the tokens, or where it has none the positions of the context; axes of one
/// element are dropped. So transpositions, and reshapes that only move axes of one element, change `axes` alone.
struct Placed {
  mlir::Value value; ///< null: not there; of a scalar type: one number everywhere, whatever the shape
  Axes axes;

  bool isNumber() const { return value && !llvm::isa<mlir::RankedTensorType>(value.getType()); }
};

/// The leading axis first, the others in the graph's order.
Axes usualAxes(llvm::ArrayRef<Affine> dims);
/// The axes of a value that is given the shape `to`, if that only adds or removes sizes of 1.
std::optional<Axes> movedAxes(const Axes &axes, llvm::ArrayRef<Affine> from, llvm::ArrayRef<Affine> to);

/// Makes operations on placed values.
class PlacedBuilder {
public:
  PlacedBuilder(mlir::OpBuilder &builder, mlir::Location &loc, mlir::Value tokenIds)
      : b_(builder), loc_(loc), tokenIds_(tokenIds) {}

  mlir::RankedTensorType typeOf(llvm::ArrayRef<Affine> dims, const Axes &axes, mlir::Type element) const;
  /// The sizes of a tensor of `dims`, which are static, tokens or the context.
  llvm::SmallVector<mlir::OpFoldResult> sizes(llvm::ArrayRef<Affine> dims, const Axes &axes);
  mlir::Value number(double value);
  mlir::Value filled(double value, llvm::ArrayRef<Affine> dims, const Axes &axes);
  /// `x` spread over the shape `dims`, with which its axes are aligned from the last on, as a tensor of these axes.
  mlir::Value spread(const Placed &x, llvm::ArrayRef<Affine> dims, const Axes &axes);
  /// The same, but the axis of the graph's value `unit`, of one element, is one of the tensor all the same. Null if no others are
  /// but the leading one.
  mlir::Value withUnit(const Placed &x, llvm::ArrayRef<Affine> dims, const Axes &axes, size_t unit);
  /// With the tensor's axes in the graph's order, but for the leading one.
  Placed inOrder(const Placed &x);
  /// A value of one leading axis in another shape of as many elements for each token.
  mlir::Value reshaped(mlir::Value rows, llvm::ArrayRef<int64_t> row);
  /// The part [offset, offset + size·stride) of an axis that is not the leading one.
  mlir::Value sliced(mlir::Value x, int64_t axis, int64_t offset, int64_t size, int64_t stride);
  mlir::Value transposed(mlir::Value x, llvm::ArrayRef<int64_t> permutation);
  /// Says which tensor's leading axis is the context.
  void setContext(mlir::Value context) { context_ = context_ ? context_ : context; }

private:
  mlir::Value sizeOf(const Affine &dim);

  mlir::OpBuilder &b_;
  mlir::Location &loc_;
  mlir::Value tokenIds_, context_, tokens_, positions_;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_PLACED_H
