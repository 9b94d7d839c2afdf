//===- Quantize.cpp - numbers to few bits and back ------------------------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"
#include "lib/Import/ONNX/Minifloat.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

/// Scales and zero points: one for all, one for each index of an axis, or one for each block along it.
class Scales {
public:
  static absl::StatusOr<Scales> of(Lowering &low) {
    Scales scales;
    scales.single_ = low.op.in(1).count() == 1;
    scales.block_ = low.op.integer("block_size", 0);
    for (size_t i : {1, 2})
      if (low.op.has(i))
        scales.operands_[i] = scales.single_ ? low.reshape(low.in(i), {}) : low.in(i);
    if (scales.single_)
      return low.op.integer("axis", 1), scales;
    LAMINA_ASSIGN_OR_RETURN(scales.axis_, low.op.axis("axis", 1, low.op.in(0).rank()));
    return scales;
  }
  Value read(Lowering &low, size_t i, Indices index) const {
    if (single_)
      return low.read(operands_[i], {});
    if (block_ <= 0)
      return low.read(operands_[i], index[axis_]);
    SmallVector<Value> at(index);
    at[axis_] = arith::DivUIOp::create(low.s, index[axis_], low.s.index(block_));
    return low.read(operands_[i], at);
  }

private:
  Operand operands_[3];
  bool single_ = true;
  int64_t axis_ = 0, block_ = 0;
};

/// What is left of a number in f32 that is stored in this type.
Value rounded(Scalars &s, Value value, ElementType type) { return s.widen(s.narrow(value, type), type); }

absl::Status quantize(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(Scales scales, Scales::of(low));
  bool saturate = low.op.integer("saturate", 1);
  low.op.integer("output_dtype", 0);
  int64_t precision = low.op.integer("precision", 0);
  ElementType quotient = precision ? static_cast<ElementType>(precision) : low.op.type(1);
  ElementType to = low.op.out(0).type(), f32 = ElementType::Float;
  if (low.op.type(0) == ElementType::Double || quotient == ElementType::Double || !s.storage(quotient))
    return low.op.error("quantisation from this type is not compiled yet");
  low.compute(0, [&](Indices index) {
    Value x = s.cast(low.read(low.in(0), index), low.op.type(0), f32);
    Value scale = s.cast(scales.read(low, 1, index), low.op.type(1), f32);
    Value y = rounded(s, s.div(x, scale, f32), quotient);
    if (!isReal(to))
      y = s.apply<math::RoundEvenOp>(y);
    if (low.op.has(2))
      y = s.add(y, s.cast(scales.read(low, 2, index), to, f32));
    if (isMinifloat(to))
      return s.encode(y, to, saturate);
    auto [least, most] = integerRange(to);
    y = s.min(s.max(y, s.real(y.getType(), least), f32), s.real(y.getType(), most), f32);
    return s.cast(y, f32, to);
  });
  return absl::OkStatus();
}

absl::Status dequantize(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(Scales scales, Scales::of(low));
  low.op.integer("output_dtype", 0);
  ElementType f32 = ElementType::Float, out = low.op.out(0).type();
  low.compute(0, [&](Indices index) {
    Value x = s.cast(low.read(low.in(0), index), low.op.type(0), f32);
    if (low.op.has(2))
      x = s.sub(x, s.cast(scales.read(low, 2, index), low.op.type(2), f32));
    return s.cast(s.mul(x, s.cast(scales.read(low, 1, index), low.op.type(1), f32)), f32, out);
  });
  return absl::OkStatus();
}

absl::Status dynamicQuantize(Lowering &low) {
  Scalars &s = low.s;
  ElementType f32 = ElementType::Float, u8 = ElementType::UInt8;
  mlir::Type real = s.getF32Type();
  auto extreme = [&](bool most) {
    return low.compute(f32, {}, [&](Indices) {
      return low.fold(low.op.dims(0), s.real(real, 0), [&](Indices index, ValueRange sofar) {
        Value x = low.read(low.in(0), index);
        return SmallVector<Value>{most ? s.max(sofar[0], x, f32) : s.min(sofar[0], x, f32)};
      })[0];
    });
  };
  Operand least = extreme(false), most = extreme(true);
  Operand scale = low.map(f32, {}, {least, most}, [&](Indices x) {
    Value same = s.compare(Compare::Equal, x[0], x[1], f32);
    return s.div(s.select(same, s.real(real, 1), s.sub(x[1], x[0])), s.real(real, 255), f32);
  });
  Operand zero = low.map(u8, {}, {least, scale}, [&](Indices x) {
    return s.cast(s.apply<math::RoundEvenOp>(s.div(s.neg(x[0]), x[1], f32)), f32, u8);
  });
  low.map(0, {low.in(0), scale, zero}, [&](Indices x) {
    Value y = s.apply<math::RoundEvenOp>(s.div(x[0], x[1], f32));
    return s.cast(s.add(y, s.cast(x[2], u8, f32)), f32, u8);
  });
  if (low.op.wants(1))
    low.set(1, scale.value);
  if (low.op.wants(2))
    low.set(2, zero.value);
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"QuantizeLinear", quantize},
    {"QuantizeLinear", quantize, kContrib},
    {"DequantizeLinear", dequantize},
    {"DequantizeLinear", dequantize, kContrib},
    {"DynamicQuantizeLinear", dynamicQuantize},
};
} // namespace

std::span<const LoweringRow> quantizeLowerings() { return kRows; }

} // namespace lamina::onnx
