//===- ScalarFunctions.cpp - functions of reals made of others ------------------------------------------===//

#include "lib/Import/ONNX/Scalars.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

mlir::Value Scalars::sigmoid(Value a) {
  Value one = real(a.getType(), 1);
  return arith::DivFOp::create(*this, one, add(one, exp(neg(a))));
}
mlir::Value Scalars::softplus(Value a) {
  // log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which does not overflow.
  Value zero = real(a.getType(), 0), rest = apply<math::Log1pOp>(exp(neg(abs(a))));
  return add(arith::MaximumFOp::create(*this, a, zero), rest);
}
mlir::Value Scalars::gelu(Value a, bool byTanh) {
  mlir::Type type = a.getType();
  Value inner = mul(a, real(type, M_SQRT1_2));
  if (byTanh) {
    Value cubic = mul(real(type, 0.044715), mul(a, mul(a, a)));
    inner = mul(real(type, std::sqrt(2 / M_PI)), add(a, cubic));
  }
  Value bent = byTanh ? tanh(inner) : erf(inner);
  return mul(mul(real(type, 0.5), a), add(real(type, 1), bent));
}

/// base^n for whole n from 0 to 63, by squaring.
static mlir::Value smallPower(Scalars &s, mlir::Value base, mlir::Value n) {
  mlir::Value power = s.real(base.getType(), 1), one = s.integer(n.getType(), 1);
  for (int bit = 0; bit < 6; ++bit) {
    mlir::Value shifted = arith::ShRUIOp::create(s, n, s.integer(n.getType(), bit));
    power = s.select(s.isTrue(arith::AndIOp::create(s, shifted, one)), s.mul(power, base), power);
    base = s.mul(base, base);
  }
  return power;
}

mlir::Value Scalars::pow(Value base, Value exponent) {
  if (base.getType().isF64())
    imprecise = math::PowFOp::getOperationName();
  mlir::Type type = base.getType();
  ElementType f32 = ElementType::Float;
  Value one = real(type, 1), zero = real(type, 0), magnitude = abs(exponent);
  Value isWhole = compare(Compare::Equal, apply<math::FloorOp>(exponent), exponent, f32);
  Value isSmall = land(isWhole, compare(Compare::Less, magnitude, real(type, 64), f32));
  Value n = cast(select(isSmall, magnitude, zero), f32, ElementType::Int32);
  Value whole = smallPower(*this, base, n);
  whole = select(compare(Compare::Less, exponent, zero, f32), div(one, whole, f32), whole);
  // Other exponents by e^(y log |x|); odd ones keep the sign, and negative numbers have no powers that are not whole.
  Value curve = exp(mul(exponent, log(abs(base))));
  Value half = mul(exponent, real(type, 0.5));
  Value isOdd = lnot(compare(Compare::Equal, apply<math::FloorOp>(half), half, f32));
  Value isNegative = compare(Compare::Less, base, zero, f32);
  Value signedCurve = select(isWhole, select(isOdd, neg(curve), curve), real(type, NAN));
  return select(isSmall, whole, select(isNegative, signedCurve, curve));
}

} // namespace lamina::onnx
