//===- Scalars.h - arithmetic on single elements of ONNX's types ------------------------------*- C++ -*-===//
//
// Elements are computed with as f32 (float, float16, bfloat16), f64 (double), i1 (bool) or integers of their own width, in
// which additions wrap around. Nothing traps and nothing is undefined, whatever the elements: division by 0 gives 0, numbers
// too large for an integer become its nearest, as the reference semantics say.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_SCALARS_H
#define LAMINA_LIB_IMPORT_ONNX_SCALARS_H

#include "lib/Import/ONNX/Tensor.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace lamina::onnx {

class Scalars : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  /// How an element lies in memory; null for types that are not compiled yet.
  static mlir::Type storage(mlir::MLIRContext *context, ElementType type);
  mlir::Type storage(ElementType type) { return storage(getContext(), type); }
  /// What it is computed with.
  mlir::Type computed(ElementType type);
  Value widen(Value stored, ElementType type);
  /// What is stored already stays as it is.
  Value narrow(Value value, ElementType type);
  /// A float of at most eight bits from its code, and the code of an f32 as `reference` encodes it.
  Value decode(Value code, ElementType type);
  Value encode(Value number, llvm::function_ref<uint8_t(float)> reference);
  Value encode(Value number, ElementType type, bool saturate);

  Value real(mlir::Type type, double value);
  Value integer(mlir::Type type, int64_t value);
  /// A number of either kind.
  Value number(mlir::Type type, double value);
  Value index(int64_t value);
  Value toIndex(Value integer, ElementType type);
  Value fromIndex(Value index, mlir::Type type);

  /// From one computed type to another, as Cast does.
  Value cast(Value value, ElementType from, ElementType to);

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b, ElementType type);
  /// The remainder of truncated division; of reals that of fmod.
  Value rem(Value a, Value b, ElementType type);
  /// NaN if either is.
  Value max(Value a, Value b, ElementType type);
  Value min(Value a, Value b, ElementType type);
  Value neg(Value a);

  enum class Compare { Equal, Less, LessOrEqual };
  Value compare(Compare how, Value a, Value b, ElementType type);
  Value isNaN(Value a);
  /// Whether it differs from zero.
  Value isTrue(Value a);
  Value select(Value condition, Value then, Value otherwise);
  Value land(Value a, Value b);
  Value lor(Value a, Value b);
  Value lnot(Value a);
  /// In [0, size) for indices of type index.
  Value inRange(Value index, int64_t size);
  /// The nearest index in [0, size).
  Value clampIndex(Value index, int64_t size);
  /// An integer as an index; a negative one counts from the end.
  Value indexFromEnd(Value integer, ElementType type, int64_t size);

  // Functions of reals. Those that f64 has no approximation of are remembered in `imprecise`.
  template <typename Op> Value apply(Value a) {
    if (a.getType().isF64() && !isExact<Op>())
      imprecise = Op::getOperationName();
    return Op::create(*this, a);
  }
  Value exp(Value a) { return apply<mlir::math::ExpOp>(a); }
  Value log(Value a) { return apply<mlir::math::LogOp>(a); }
  Value tanh(Value a) { return apply<mlir::math::TanhOp>(a); }
  Value erf(Value a) { return apply<mlir::math::ErfOp>(a); }
  Value sqrt(Value a) { return apply<mlir::math::SqrtOp>(a); }
  Value abs(Value a) { return apply<mlir::math::AbsFOp>(a); }
  Value sigmoid(Value a);
  Value softplus(Value a);
  Value gelu(Value a, bool byTanh);
  Value pow(Value base, Value exponent);

  /// A function that was applied to an f64 although there is only an approximation for f32; empty if none was.
  llvm::StringRef imprecise;

private:
  template <typename Op> static constexpr bool isExact() {
    using namespace mlir::math;
    return std::is_same_v<Op, SqrtOp> || std::is_same_v<Op, AbsFOp> || std::is_same_v<Op, FloorOp> ||
           std::is_same_v<Op, CeilOp> || std::is_same_v<Op, RoundEvenOp> || std::is_same_v<Op, TruncOp>;
  }
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_SCALARS_H
