//===- Scalars.cpp - arithmetic on single elements of ONNX's types --------------------------------------===//

#include "lib/Import/ONNX/Scalars.h"

#include "lib/Import/ONNX/Minifloat.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
bool isFloat(mlir::Value value) { return isa<FloatType>(value.getType()); }
bool isUnsigned(ElementType type) { return !isReal(type) && (type == ElementType::Bool || !isSigned(type)); }
} // namespace

mlir::Type Scalars::storage(MLIRContext *context, ElementType type) {
  Builder b(context);
  switch (type) {
  case ElementType::Float:
    return b.getF32Type();
  case ElementType::Double:
    return b.getF64Type();
  case ElementType::Float16:
    return b.getF16Type();
  case ElementType::BFloat16:
    return b.getBF16Type();
  case ElementType::Bool:
    return b.getI1Type();
  case ElementType::Int8:
  case ElementType::UInt8:
    return b.getI8Type();
  case ElementType::Int16:
  case ElementType::UInt16:
    return b.getIntegerType(16);
  case ElementType::Int32:
  case ElementType::UInt32:
    return b.getI32Type();
  case ElementType::Int64:
  case ElementType::UInt64:
    return b.getI64Type();
  default: // of at most eight bits: a small integer, or the code of a small float
    return elementBytes(type) == 1 ? mlir::Type(b.getI8Type()) : mlir::Type();
  }
}

mlir::Type Scalars::computed(ElementType type) {
  bool small = type == ElementType::Float16 || type == ElementType::BFloat16 || isMinifloat(type);
  return small ? getF32Type() : storage(type);
}

mlir::Value Scalars::widen(Value stored, ElementType type) {
  if (isMinifloat(type))
    return decode(stored, type);
  mlir::Type to = computed(type);
  return stored.getType() == to ? stored : Value(arith::ExtFOp::create(*this, to, stored));
}

mlir::Value Scalars::narrow(Value value, ElementType type) {
  mlir::Type to = storage(type);
  if (isMinifloat(type) && isFloat(value))
    return encode(value, type, /*saturate=*/true);
  return value.getType() == to ? value : Value(arith::TruncFOp::create(*this, to, value));
}

mlir::Value Scalars::real(mlir::Type type, double value) {
  return arith::ConstantOp::create(*this, getFloatAttr(type, value));
}
mlir::Value Scalars::integer(mlir::Type type, int64_t value) {
  unsigned bits = type.getIntOrFloatBitWidth();
  APInt wrapped(64, static_cast<uint64_t>(value));
  return arith::ConstantOp::create(*this, getIntegerAttr(type, wrapped.zextOrTrunc(bits)));
}
mlir::Value Scalars::number(mlir::Type type, double value) {
  return isa<FloatType>(type) ? real(type, value) : integer(type, static_cast<int64_t>(value));
}
mlir::Value Scalars::index(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }
mlir::Value Scalars::toIndex(Value integer, ElementType type) {
  if (isUnsigned(type))
    return arith::IndexCastUIOp::create(*this, getIndexType(), integer);
  return arith::IndexCastOp::create(*this, getIndexType(), integer);
}
mlir::Value Scalars::fromIndex(Value index, mlir::Type type) {
  if (!isa<FloatType>(type))
    return arith::IndexCastOp::create(*this, type, index);
  Value wide = arith::IndexCastOp::create(*this, getI64Type(), index);
  return arith::SIToFPOp::create(*this, type, wide);
}

/// The nearest integer toward zero that the type has; 0 for NaN.
static mlir::Value realToInteger(Scalars &s, mlir::Value value, ElementType to) {
  mlir::Type type = s.computed(to);
  bool negative = isSigned(to);
  unsigned bits = elementBits(to);
  double limit = std::ldexp(1.0, int(negative ? bits - 1 : bits));
  mlir::Value least = s.real(value.getType(), negative ? -limit : 0), most = s.real(value.getType(), limit);
  mlir::Value isLow = s.compare(Scalars::Compare::LessOrEqual, value, least, ElementType::Float);
  mlir::Value isHigh = s.compare(Scalars::Compare::LessOrEqual, most, value, ElementType::Float);
  mlir::Value outside = s.lor(s.lor(isLow, isHigh), s.isNaN(value));
  mlir::Value inside = s.select(outside, s.real(value.getType(), 0), value);
  mlir::Value converted = negative ? mlir::Value(arith::FPToSIOp::create(s, type, inside))
                                   : mlir::Value(arith::FPToUIOp::create(s, type, inside));
  auto [low, high] = integerRange(to);
  converted = s.select(isLow, s.integer(type, low), converted);
  return s.select(isHigh, s.integer(type, high), converted);
}

mlir::Value Scalars::cast(Value value, ElementType from, ElementType to) {
  mlir::Type type = computed(to);
  if (from == to)
    return value;
  if (to == ElementType::Bool)
    return isTrue(value);
  if (isReal(from) && isReal(to)) {
    // What a narrow result loses, it loses when it is stored; what goes on in f32 is rounded here.
    if (value.getType() == type)
      return value;
    return type.isF64() ? Value(arith::ExtFOp::create(*this, type, value))
                        : Value(arith::TruncFOp::create(*this, type, value));
  }
  if (isReal(from) && elementBits(to) < 8) // which keeps the lowest bits, as between integers
    return cast(realToInteger(*this, value, ElementType::Int32), ElementType::Int32, to);
  if (isReal(from))
    return realToInteger(*this, value, to);
  if (isReal(to))
    return isUnsigned(from) ? Value(arith::UIToFPOp::create(*this, type, value))
                            : Value(arith::SIToFPOp::create(*this, type, value));
  unsigned have = value.getType().getIntOrFloatBitWidth(), want = type.getIntOrFloatBitWidth();
  if (have > want)
    value = arith::TruncIOp::create(*this, type, value);
  if (from == ElementType::Bool)
    return arith::ExtUIOp::create(*this, type, value);
  if (elementBits(to) < 8) { // keeps its lowest bits, with their sign
    Value unused = integer(type, 8 - elementBits(to)), high = arith::ShLIOp::create(*this, value, unused);
    return isSigned(to) ? Value(arith::ShRSIOp::create(*this, high, unused))
                        : Value(arith::ShRUIOp::create(*this, high, unused));
  }
  if (have >= want)
    return value;
  return isUnsigned(from) ? Value(arith::ExtUIOp::create(*this, type, value))
                          : Value(arith::ExtSIOp::create(*this, type, value));
}

mlir::Value Scalars::add(Value a, Value b) {
  return isFloat(a) ? Value(arith::AddFOp::create(*this, a, b)) : Value(arith::AddIOp::create(*this, a, b));
}
mlir::Value Scalars::sub(Value a, Value b) {
  return isFloat(a) ? Value(arith::SubFOp::create(*this, a, b)) : Value(arith::SubIOp::create(*this, a, b));
}
mlir::Value Scalars::mul(Value a, Value b) {
  return isFloat(a) ? Value(arith::MulFOp::create(*this, a, b)) : Value(arith::MulIOp::create(*this, a, b));
}
mlir::Value Scalars::neg(Value a) {
  return isFloat(a) ? Value(arith::NegFOp::create(*this, a)) : sub(integer(a.getType(), 0), a);
}

/// A divisor that does not trap: 1 in place of 0 and, for signed numbers, of -1.
static mlir::Value safeDivisor(Scalars &s, mlir::Value b, ElementType type, mlir::Value &isZero,
                               mlir::Value &isMinusOne) {
  auto equals = [&](int64_t number) {
    return s.compare(Scalars::Compare::Equal, b, s.integer(b.getType(), number), type);
  };
  isZero = equals(0);
  isMinusOne = isUnsigned(type) ? mlir::Value() : equals(-1);
  mlir::Value unsafe = isMinusOne ? s.lor(isZero, isMinusOne) : isZero;
  return s.select(unsafe, s.integer(b.getType(), 1), b);
}

mlir::Value Scalars::div(Value a, Value b, ElementType type) {
  if (isFloat(a))
    return arith::DivFOp::create(*this, a, b);
  Value isZero, isMinusOne, divisor = safeDivisor(*this, b, type, isZero, isMinusOne);
  Value quotient = isUnsigned(type) ? Value(arith::DivUIOp::create(*this, a, divisor))
                                    : Value(arith::DivSIOp::create(*this, a, divisor));
  if (isMinusOne)
    quotient = select(isMinusOne, neg(a), quotient);
  return select(isZero, integer(a.getType(), 0), quotient);
}

mlir::Value Scalars::rem(Value a, Value b, ElementType type) {
  if (!isFloat(a)) {
    Value isZero, isMinusOne, divisor = safeDivisor(*this, b, type, isZero, isMinusOne);
    Value rest = isUnsigned(type) ? Value(arith::RemUIOp::create(*this, a, divisor))
                                  : Value(arith::RemSIOp::create(*this, a, divisor));
    return select(isZero, integer(a.getType(), 0), rest);
  }
  // In f64 the quotient of two f32 is exact enough to be truncated as long as it is below 2^29.
  mlir::Type wide = getF64Type();
  if (a.getType().isF64())
    imprecise = arith::RemFOp::getOperationName();
  Value x = a.getType() == wide ? a : Value(arith::ExtFOp::create(*this, wide, a));
  Value y = b.getType() == wide ? b : Value(arith::ExtFOp::create(*this, wide, b));
  Value rest = sub(x, mul(apply<math::TruncOp>(div(x, y, ElementType::Double)), y));
  Value infinite = compare(Compare::Equal, abs(y), real(wide, INFINITY), ElementType::Double);
  Value finite = compare(Compare::Less, abs(x), real(wide, INFINITY), ElementType::Double);
  rest = select(land(infinite, finite), x, rest);
  return a.getType() == wide ? rest : Value(arith::TruncFOp::create(*this, a.getType(), rest));
}

mlir::Value Scalars::max(Value a, Value b, ElementType type) {
  if (isFloat(a))
    return arith::MaximumFOp::create(*this, a, b);
  return isUnsigned(type) ? Value(arith::MaxUIOp::create(*this, a, b))
                          : Value(arith::MaxSIOp::create(*this, a, b));
}
mlir::Value Scalars::min(Value a, Value b, ElementType type) {
  if (isFloat(a))
    return arith::MinimumFOp::create(*this, a, b);
  return isUnsigned(type) ? Value(arith::MinUIOp::create(*this, a, b))
                          : Value(arith::MinSIOp::create(*this, a, b));
}

mlir::Value Scalars::compare(Compare how, Value a, Value b, ElementType type) {
  if (isFloat(a)) {
    auto predicate = how == Compare::Equal  ? arith::CmpFPredicate::OEQ
                     : how == Compare::Less ? arith::CmpFPredicate::OLT
                                            : arith::CmpFPredicate::OLE;
    return arith::CmpFOp::create(*this, predicate, a, b);
  }
  bool uns = isUnsigned(type) && !isa<IndexType>(a.getType());
  auto predicate = how == Compare::Equal  ? arith::CmpIPredicate::eq
                   : how == Compare::Less ? (uns ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt)
                                          : (uns ? arith::CmpIPredicate::ule : arith::CmpIPredicate::sle);
  return arith::CmpIOp::create(*this, predicate, a, b);
}
mlir::Value Scalars::isNaN(Value a) { return arith::CmpFOp::create(*this, arith::CmpFPredicate::UNO, a, a); }
mlir::Value Scalars::isTrue(Value a) {
  if (a.getType().isInteger(1))
    return a;
  if (isFloat(a)) // a NaN is true
    return arith::CmpFOp::create(*this, arith::CmpFPredicate::UNE, a, real(a.getType(), 0));
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ne, a, integer(a.getType(), 0));
}
mlir::Value Scalars::select(Value condition, Value then, Value otherwise) {
  return arith::SelectOp::create(*this, condition, then, otherwise);
}
mlir::Value Scalars::land(Value a, Value b) { return arith::AndIOp::create(*this, a, b); }
mlir::Value Scalars::lor(Value a, Value b) { return arith::OrIOp::create(*this, a, b); }
mlir::Value Scalars::lnot(Value a) { return arith::XOrIOp::create(*this, a, integer(getI1Type(), 1)); }
mlir::Value Scalars::inRange(Value at, int64_t size) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, at, index(size));
}
mlir::Value Scalars::clampIndex(Value at, int64_t size) {
  Value low = arith::MaxSIOp::create(*this, at, index(0));
  return arith::MinSIOp::create(*this, low, index(std::max<int64_t>(size - 1, 0)));
}

mlir::Value Scalars::indexFromEnd(Value integer, ElementType type, int64_t size) {
  Value at = toIndex(integer, type);
  Value negative = compare(Compare::Less, at, index(0), ElementType::Int64);
  return select(negative, add(at, index(size)), at);
}

} // namespace lamina::onnx
