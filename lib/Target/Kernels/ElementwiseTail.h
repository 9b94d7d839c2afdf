//===- ElementwiseTail.h - values of a row, computed where they are needed ------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_ELEMENTWISETAIL_H
#define LAMINA_LIB_TARGET_KERNELS_ELEMENTWISETAIL_H

#include "lib/Target/Kernels/KernelContext.h"

namespace lamina {

/// `lanes` elements of a row, from `column` on. `slot` is the middle index of a [tokens, experts, n] tensor.
struct Point {
  Value row, slot, column;
  int64_t lanes;
};

/// Generates the elements of a source value at a point from those of its operands, down to bound memory and
/// to values that the generator of the kernel's root has in registers.
class ElementwiseTail {
public:
  explicit ElementwiseTail(KernelContext &kernel) : kernel_(kernel), b_(kernel.b) {}

  /// From here on `source` is `vector` at the point that is asked for, until the next define or forget.
  void define(Value source, Value vector) { defined_[source] = vector; }
  /// The scalar 1 / rms by which rms_norm `op` multiplies, or 1 / deviation of layer_norm.
  void setNormFactor(mlir::Operation *op, Value factor) { normFactors_[op] = factor; }
  /// The scalar that layer_norm `op` subtracts.
  void setMean(mlir::Operation *op, Value mean) { means_[op] = mean; }

  /// The elements at a point; `source` is not rounded.
  Value at(Value source, const Point &point);
  /// Where the elements of a bound value at a point lie.
  Value address(Value source, const Point &point);
  void storeResult(Value source, const Point &point) { b_.store(at(source, point), address(source, point)); }
  /// Rounds the 32 elements from `point` on and stores their block. `low` and `high` are the halves of the
  /// input.
  void storeBlock(lm::QuantizeOp op, const Point &point, Value low, Value high);
  void storeBlock(lm::QuantizeOp op, const Point &point);
  /// Zeros from the end of a row (of the row of each slot) to its padding.
  void storePadding(Value source, Value row, Value slot);

private:
  Value evaluate(mlir::Operation *op, const Point &point);
  Value activate(lm::Activation activation, Value x);
  Value combineExperts(lm::CombineExpertsOp op, const Point &point);
  Value splat(llvm::APFloat number, int64_t lanes) {
    return b_.constant(b_.f32(lanes), number.convertToDouble());
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  llvm::DenseMap<Value, Value> defined_;
  llvm::DenseMap<mlir::Operation *, Value> normFactors_, means_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_ELEMENTWISETAIL_H
