//===- Rows.h - a tensor seen as rows along some axes -----------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ROWS_H
#define LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ROWS_H

#include "lib/Import/ONNX/Lowering.h"

#include <algorithm>

namespace lamina::onnx {

/// The elements along `axes` are a row; its index is that of the tensor with 0 for those axes.
class RowsView {
public:
  /// Elements are cast to `type`.
  RowsView(Operand tensor, std::vector<int64_t> axes, ElementType type)
      : tensor_(tensor), axes_(std::move(axes)), type_(type) {}

  /// The shape of one number for each row: 1 along the axes.
  Dims outer() const {
    Dims dims(tensor_.dims().begin(), tensor_.dims().end());
    for (int64_t axis : axes_)
      dims[axis] = 1;
    return dims;
  }
  Dims sizes() const {
    Dims dims;
    for (int64_t axis : axes_)
      dims.push_back(tensor_.dims()[axis]);
    return dims;
  }
  int64_t count() const { return elementCount(sizes()); }

  mlir::Value read(Lowering &low, Indices row, Indices along) const {
    llvm::SmallVector<mlir::Value> index(row);
    for (size_t i = 0; i < axes_.size(); ++i)
      index[axes_[i]] = along[i];
    return low.s.cast(low.read(tensor_, index), tensor_.type, type_);
  }

  template <typename F> mlir::Value fold(Lowering &low, Indices row, mlir::Value initial, F step) const {
    return low.fold(sizes(), initial, [&](Indices along, mlir::ValueRange sofar) {
      return llvm::SmallVector<mlir::Value>{step(sofar[0], read(low, row, along))};
    })[0];
  }

private:
  Operand tensor_;
  std::vector<int64_t> axes_;
  ElementType type_;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ROWS_H
