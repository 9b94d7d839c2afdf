//===- Rules.h - shape rules and loops that families share ------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_RULES_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_RULES_H

#include "lib/Import/ONNX/OpTable.h"

#include <cmath>

namespace lamina::onnx {

/// All outputs are like the first input.
absl::Status likeFirst(OpContext &context);
/// One output of the first input's type, to whose shape all inputs broadcast. All have that type.
absl::Status broadcastAll(OpContext &context);
/// The shape that all inputs broadcast to.
absl::StatusOr<Dims> broadcastOf(const OpContext &context);
/// An error unless all inputs have the first one's type.
absl::Status sameTypes(const OpContext &context);

/// The semantics of whatever only renames or reshapes: the first output's elements are the first input's.
absl::Status copyFirst(OpContext &context);

/// Element by element, f(double) -> double.
template <typename F> absl::Status mapReals(OpContext &context, F f) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  for (int64_t i = 0; i < y.count(); ++i)
    y.setReal(i, f(x.real(i)));
  return absl::OkStatus();
}

/// Two inputs that broadcast to the output: f(output, index, i, j).
template <typename F> absl::Status zip(OpContext &context, F f) {
  Tensor &y = context.out(0);
  const Dims &dims = y.dims();
  walk<2>(dims, {broadcastStrides(context.dims(0), dims), broadcastStrides(context.dims(1), dims)},
          [&](int64_t i, const std::array<int64_t, 2> &at) { f(y, i, at[0], at[1]); });
  return absl::OkStatus();
}

// Integers wrap around, as their operators do; the sign makes no difference.
inline int64_t wrapAdd(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t wrapSub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t wrapMul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

/// Rounds as storing into an element of this type and loading it again does.
double roundTo(ElementType type, double value);

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_RULES_H
