//===- Elementwise.h - functions of elements as lowerings --------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ELEMENTWISE_H
#define LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ELEMENTWISE_H

#include "lib/Import/ONNX/Lowering.h"

namespace lamina::onnx {

/// F(low, x) of each element of the input.
template <auto F> absl::Status unary(Lowering &low) {
  low.map(0, low.in(0), [&](Indices x) { return F(low, x[0]); });
  return absl::OkStatus();
}
/// F(low, a, b) of two inputs that broadcast.
template <auto F> absl::Status binary(Lowering &low) {
  low.map(0, {low.in(0), low.in(1)}, [&](Indices x) { return F(low, x[0], x[1]); });
  return absl::OkStatus();
}

// For such functions: numbers of the type of x, and an order by the type of the first input.
inline mlir::Value zero(Lowering &low, mlir::Value x) { return low.s.number(x.getType(), 0); }
inline mlir::Value constant(Lowering &low, mlir::Value x, double value) {
  return low.s.real(x.getType(), value);
}
inline mlir::Value less(Lowering &low, mlir::Value a, mlir::Value b) {
  return low.s.compare(Compare::Less, a, b, low.op.type(0));
}

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ELEMENTWISE_H
