//===- Elementwise.cpp - element by element, over inputs that broadcast ---------------------------------===//

#include "lib/Import/ONNX/Lowerings/Elementwise.h"
#include "lib/Import/ONNX/Minifloat.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

//===--- One input --------------------------------------------------------------------------------------===//

/// A function of math.
template <typename Op> Value function(Lowering &low, Value x) { return low.s.apply<Op>(x); }

Value absolute(Lowering &low, Value x) {
  if (isReal(low.op.type(0)))
    return low.s.abs(x);
  return isSigned(low.op.type(0)) ? low.s.select(less(low, x, zero(low, x)), low.s.neg(x), x) : x;
}
Value negate(Lowering &low, Value x) { return low.s.neg(x); }
Value sign(Lowering &low, Value x) {
  Value none = zero(low, x), one = low.s.number(x.getType(), 1);
  Value negative = low.s.select(less(low, x, none), low.s.neg(one), none); // 0 for NaN
  return low.s.select(less(low, none, x), one, negative);
}
Value logicalNot(Lowering &low, Value x) { return low.s.lnot(x); }
Value bitwiseNot(Lowering &low, Value x) {
  return arith::XOrIOp::create(low.s, x, low.s.integer(x.getType(), -1));
}
Value identity(Lowering &, Value x) { return x; }
Value reciprocal(Lowering &low, Value x) { return low.s.div(constant(low, x, 1), x, low.op.type(0)); }
Value isNaN(Lowering &low, Value x) { return low.s.isNaN(x); }
Value isInfinite(Lowering &low, Value x) {
  Value none = low.s.integer(low.s.getI1Type(), 0);
  auto is = [&](const char *attribute, double what) {
    Value equal = low.s.compare(Compare::Equal, x, constant(low, x, what), low.op.type(0));
    return low.op.integer(attribute, 1) ? equal : none;
  };
  return low.s.lor(is("detect_negative", -INFINITY), is("detect_positive", INFINITY));
}

absl::Status clip(Lowering &low) {
  ElementType type = low.op.type(0);
  SmallVector<Operand> operands{low.in(0)};
  for (size_t i : {1, 2})
    if (low.op.has(i))
      operands.push_back(low.reshape(low.in(i), {}));
  bool byAttributes = low.op.opset() < 11;
  low.map(0, operands, [&](Indices x) {
    Value low1, high1;
    if (byAttributes) {
      low1 = constant(low, x[0], low.op.real("min", -INFINITY));
      high1 = constant(low, x[0], low.op.real("max", INFINITY));
    } else {
      low1 = low.op.has(1) ? x[1] : Value();
      high1 = low.op.has(2) ? x.back() : Value();
    }
    Value y = x[0];
    if (low1)
      y = low.s.select(low.s.compare(Compare::Less, y, low1, type), low1, y);
    if (high1)
      y = low.s.select(low.s.compare(Compare::Less, high1, y, type), high1, y);
    return y;
  });
  return absl::OkStatus();
}

absl::Status dropout(Lowering &low) {
  low.op.real("ratio", 0.5); // of training
  low.op.integer("seed", 0);
  low.set(0, low.in(0).value);
  if (low.op.wants(1))
    low.compute(1, [&](Indices) { return low.s.integer(low.s.getI1Type(), 1); });
  return absl::OkStatus();
}

//===--- Several inputs ---------------------------------------------------------------------------------===//

template <auto F> Value arithmetic(Lowering &low, Value a, Value b) { return (low.s.*F)(a, b); }
template <auto F> Value typed(Lowering &low, Value a, Value b) { return (low.s.*F)(a, b, low.op.type(0)); }
template <typename Op> Value bitwise(Lowering &low, Value a, Value b) { return Op::create(low.s, a, b); }
template <Compare How, bool Swapped> Value comparison(Lowering &low, Value a, Value b) {
  return low.s.compare(How, Swapped ? b : a, Swapped ? a : b, low.op.type(0));
}

/// The sign of the divisor, or with fmod that of the dividend.
Value mod(Lowering &low, Value a, Value b) {
  ElementType type = low.op.type(0);
  Value rest = low.s.rem(a, b, type);
  if (low.op.integer("fmod", 0) || (!isReal(type) && !isSigned(type)))
    return rest;
  Value none = zero(low, rest);
  Value differs = arith::XOrIOp::create(low.s, less(low, rest, none), less(low, b, none));
  Value fix = low.s.land(differs, low.s.isTrue(rest));
  return low.s.select(fix, low.s.add(rest, b), rest);
}

Value shift(Lowering &low, Value a, Value b) {
  Value bits = low.s.integer(b.getType(), b.getType().getIntOrFloatBitWidth());
  Value enough = low.s.compare(Compare::Less, b, bits, ElementType::UInt64);
  Value by = low.s.select(enough, b, low.s.integer(b.getType(), 0));
  Value shifted = low.op.text("direction") == "LEFT" ? Value(arith::ShLIOp::create(low.s, a, by))
                                                     : Value(arith::ShRUIOp::create(low.s, a, by));
  return low.s.select(enough, shifted, low.s.integer(a.getType(), 0));
}

/// Integers by squaring, which wraps around as multiplication does.
Value integerPower(Lowering &low, Value base, Value exponent) {
  Scalars &s = low.s;
  mlir::Type type = exponent.getType();
  SmallVector<Value> initial{s.integer(base.getType(), 1), base, exponent};
  return low.fold({type.getIntOrFloatBitWidth()}, initial, [&](Indices, ValueRange sofar) {
    Value odd = s.isTrue(arith::AndIOp::create(s, sofar[2], s.integer(type, 1)));
    return SmallVector<Value>{s.select(odd, s.mul(sofar[0], sofar[1]), sofar[0]), s.mul(sofar[1], sofar[1]),
                              arith::ShRUIOp::create(s, sofar[2], s.integer(type, 1))};
  })[0];
}

/// The exponent may be of another type. Negative powers of integers round as their reals do.
Value power(Lowering &low, Value base, Value exponent) {
  Scalars &s = low.s;
  ElementType a = low.op.type(0), b = low.op.type(1);
  ElementType in = a == ElementType::Double ? a : ElementType::Float;
  if (isReal(a) || isReal(b))
    return s.cast(s.pow(s.cast(base, a, in), s.cast(exponent, b, in)), in, a);
  if (!isSigned(b))
    return integerPower(low, base, exponent);
  Value negative = s.compare(Compare::Less, exponent, s.integer(exponent.getType(), 0), b);
  Value byReals = s.cast(s.pow(s.cast(base, a, in), s.cast(exponent, b, in)), in, a);
  return s.select(negative, byReals, integerPower(low, base, exponent));
}

absl::Status where(Lowering &low) {
  low.map(0, {low.in(0), low.in(1), low.in(2)}, [&](Indices x) { return low.s.select(x[0], x[1], x[2]); });
  return absl::OkStatus();
}

/// Any number of inputs, from the left.
template <auto F> absl::Status variadic(Lowering &low) {
  SmallVector<Operand> operands;
  for (size_t i = 0; i < low.op.numInputs(); ++i)
    operands.push_back(low.in(i));
  low.map(0, operands, [&](Indices x) {
    Value y = x[0];
    for (Value next : x.drop_front())
      y = F(low, y, next);
    return low.op.node().op == "Mean" ? low.s.mul(y, constant(low, y, 1.0 / x.size())) : y;
  });
  return absl::OkStatus();
}

//===--- Types ------------------------------------------------------------------------------------------===//

/// What the reference semantics of the node make of one number.
uint8_t castByReference(Lowering &low, float number) {
  OpContext run(low.op.node(), low.op.opset(),
                {Tensor::ofReals(std::vector<double>{number}, {1}), low.op.in(1)}, low.op.host());
  run.result(0, low.op.out(0).type(), {1});
  run.out(0).allocate();
  absl::Status status = (*findRow(low.op.node(), low.op.opset()))->semantics(run);
  return status.ok() ? run.out(0).bytes()[0] : 0; // the rule has checked what could be wrong
}

absl::Status cast(Lowering &low) {
  low.op.integer("saturate", 1); // of small floats, as well as the mode
  low.op.text("round_mode", "up");
  ElementType from = low.op.type(0), to = low.op.out(0).type();
  low.map(0, low.in(0), [&](Indices x) {
    if (!isMinifloat(to))
      return low.s.cast(x[0], from, to);
    return low.s.encode(low.s.cast(x[0], from, ElementType::Float),
                        [&](float number) { return castByReference(low, number); });
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Abs", unary<absolute>},
    {"Neg", unary<negate>},
    {"Sign", unary<sign>},
    {"Not", unary<logicalNot>},
    {"BitwiseNot", unary<bitwiseNot>},
    {"Identity", unary<identity>},
    {"Ceil", unary<function<math::CeilOp>>},
    {"Floor", unary<function<math::FloorOp>>},
    {"Round", unary<function<math::RoundEvenOp>>},
    {"Sqrt", unary<function<math::SqrtOp>>},
    {"Reciprocal", unary<reciprocal>},
    {"Exp", unary<function<math::ExpOp>>},
    {"Log", unary<function<math::LogOp>>},
    {"Sin", unary<function<math::SinOp>>},
    {"Cos", unary<function<math::CosOp>>},
    {"Tan", unary<function<math::TanOp>>},
    {"Asin", unary<function<math::AsinOp>>},
    {"Acos", unary<function<math::AcosOp>>},
    {"Atan", unary<function<math::AtanOp>>},
    {"Sinh", unary<function<math::SinhOp>>},
    {"Cosh", unary<function<math::CoshOp>>},
    {"Tanh", unary<function<math::TanhOp>>},
    {"Asinh", unary<function<math::AsinhOp>>},
    {"Acosh", unary<function<math::AcoshOp>>},
    {"Atanh", unary<function<math::AtanhOp>>},
    {"Erf", unary<function<math::ErfOp>>},
    {"IsNaN", unary<isNaN>},
    {"IsInf", unary<isInfinite>},
    {"Clip", clip},
    {"Dropout", dropout},
    {"Add", binary<arithmetic<&Scalars::add>>},
    {"Sub", binary<arithmetic<&Scalars::sub>>},
    {"Mul", binary<arithmetic<&Scalars::mul>>},
    {"Div", binary<typed<&Scalars::div>>},
    {"Mod", binary<mod>},
    {"Pow", binary<power>},
    {"And", binary<bitwise<arith::AndIOp>>},
    {"Or", binary<bitwise<arith::OrIOp>>},
    {"Xor", binary<bitwise<arith::XOrIOp>>},
    {"BitwiseAnd", binary<bitwise<arith::AndIOp>>},
    {"BitwiseOr", binary<bitwise<arith::OrIOp>>},
    {"BitwiseXor", binary<bitwise<arith::XOrIOp>>},
    {"BitShift", binary<shift>},
    {"Equal", binary<comparison<Compare::Equal, false>>},
    {"Less", binary<comparison<Compare::Less, false>>},
    {"LessOrEqual", binary<comparison<Compare::LessOrEqual, false>>},
    {"Greater", binary<comparison<Compare::Less, true>>},
    {"GreaterOrEqual", binary<comparison<Compare::LessOrEqual, true>>},
    {"Max", variadic<typed<&Scalars::max>>},
    {"Min", variadic<typed<&Scalars::min>>},
    {"Sum", variadic<arithmetic<&Scalars::add>>},
    {"Mean", variadic<arithmetic<&Scalars::add>>},
    {"Where", where},
    {"Cast", cast},
    {"CastLike", cast},
};
} // namespace

std::span<const LoweringRow> elementwiseLowerings() { return kRows; }

} // namespace lamina::onnx
