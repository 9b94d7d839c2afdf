//===- KernelNumbers.cpp - numbers as they are stored, and as f32 -------------------------------------===//

#include "lib/Target/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

Value KernelBuilder::loadNumber(PackedNumber number, Value pointer, int64_t lanes) {
  Type bytes = vectorOf(getI8Type(), lanes), words = vectorOf(getI16Type(), lanes), wide = i32(lanes);
  switch (number) {
  case PackedNumber::None:
    return {};
  case PackedNumber::F32:
    return loadF32(pointer, lanes);
  case PackedNumber::F16:
    return halfBitsToFloat(load(words, pointer));
  case PackedNumber::BF16:
    return bitcast(shiftLeft(arith::ExtUIOp::create(*this, wide, load(words, pointer)), 16), f32(lanes));
  case PackedNumber::E8M0Half: {
    // 2^(e - 128): an exponent field of e - 1; the two smallest are subnormal.
    Value e = arith::ExtUIOp::create(*this, wide, load(bytes, pointer));
    Value normal = shiftLeft(sub(e, constant(wide, int64_t(1))), 23);
    Value subnormal = arith::ShLIOp::create(*this, constant(wide, int64_t(0x00200000)), bitAnd(e, 1));
    return bitcast(select(less(e, constant(wide, int64_t(2))), subnormal, normal), f32(lanes));
  }
  case PackedNumber::I8:
    return arith::ExtSIOp::create(*this, wide, load(bytes, pointer));
  case PackedNumber::U4Low:
    return bitAnd(arith::ExtUIOp::create(*this, wide, load(bytes, pointer)), 15);
  case PackedNumber::U4High:
    return shiftRight(arith::ExtUIOp::create(*this, wide, load(bytes, pointer)), 4);
  case PackedNumber::F8E4M3:
    return e4m3BitsToFloat(load(bytes, pointer));
  }
  return {};
}

Value KernelBuilder::halfBitsToFloat(Value bits) {
  int64_t lanes = lanesOf(bits);
  if (target_.halfFloats)
    return arith::ExtFOp::create(*this, f32(lanes), bitcast(bits, vectorOf(getF16Type(), lanes)));
  // Exponent and fraction in the places of f32 are the number times 2^-112, also below the normal range.
  Value wide = arith::ExtUIOp::create(*this, i32(lanes), bits);
  Value sign = shiftLeft(bitAnd(wide, 0x8000), 16);
  Value scaled =
      mulf(bitcast(shiftLeft(bitAnd(wide, 0x7FFF), 13), f32(lanes)), constant(f32(lanes), 0x1p112));
  Value infinite = less(constant(i32(lanes), int64_t(0x7BFF)), bitAnd(wide, 0x7FFF));
  Value magnitude = bitcast(scaled, i32(lanes));
  Value special = bitOr(magnitude, constant(i32(lanes), int64_t(0x7F800000)));
  return bitcast(bitOr(select(infinite, special, magnitude), sign), f32(lanes));
}

Value KernelBuilder::toHalfBits(Value value) {
  int64_t lanes = lanesOf(value);
  Type words = vectorOf(getI16Type(), lanes), wide = i32(lanes);
  if (target_.halfFloats)
    return bitcast(arith::TruncFOp::create(*this, vectorOf(getF16Type(), lanes), value), words);
  Value bits = bitcast(value, wide);
  Value sign = bitAnd(shiftRight(bits, 16), 0x8000), magnitude = bitAnd(bits, 0x7FFFFFFF);
  // Normal: move the exponent's bias, round to even at bit 13; what carries over becomes infinity by itself.
  Value odd = bitAnd(shiftRight(magnitude, 13), 1);
  Value rounded =
      add(add(sub(magnitude, constant(wide, int64_t(0x38000000))), constant(wide, int64_t(0x0FFF))), odd);
  Value normal = shiftRight(rounded, 13);
  // Subnormal: adding 1/2 leaves the multiple of 2^-24, rounded, in the low bits.
  Value shifted = bitcast(addf(bitcast(magnitude, f32(lanes)), constant(f32(lanes), 0.5)), wide);
  Value subnormal = sub(shifted, constant(wide, int64_t(0x3F000000)));
  Value result = select(less(magnitude, constant(wide, int64_t(0x38800000))), subnormal, normal);
  result =
      select(less(constant(wide, int64_t(0x477FEFFF)), magnitude), constant(wide, int64_t(0x7C00)), result);
  Value isNan = less(constant(wide, int64_t(0x7F800000)), magnitude);
  result = select(isNan, constant(wide, int64_t(0x7E00)), result);
  return arith::TruncIOp::create(*this, words, bitOr(result, sign));
}

Value KernelBuilder::toBfloatBits(Value value) {
  Type wide = i32(lanesOf(value));
  Value bits = bitcast(value, wide);
  Value odd = bitAnd(shiftRight(bits, 16), 1);
  Value rounded = add(add(bits, constant(wide, int64_t(0x7FFF))), odd);
  Value isNan = less(constant(wide, int64_t(0x7F800000)), bitAnd(bits, 0x7FFFFFFF));
  Value quiet = bitOr(bits, constant(wide, int64_t(0x00400000)));
  return arith::TruncIOp::create(*this, vectorOf(getI16Type(), lanesOf(value)),
                                 shiftRight(select(isNan, quiet, rounded), 16));
}

/// Four bits of exponent, biased by 7, and three of fraction: in the places of f16, whose bias is 15, they are the number
/// times 2^-8, also below the normal range. All seven set are NaN.
Value KernelBuilder::e4m3BitsToFloat(Value bits) {
  int64_t lanes = lanesOf(bits);
  Type words = vectorOf(getI16Type(), lanes);
  Value wide = arith::ExtSIOp::create(*this, words, bits), magnitude = bitAnd(wide, 0x7F);
  Value isNan = less(constant(words, int64_t(0x7E)), magnitude);
  Value half = select(isNan, constant(words, int64_t(0x7E00)), shiftLeft(magnitude, 7));
  return mulf(halfBitsToFloat(bitOr(half, bitAnd(wide, -0x8000))), constant(f32(lanes), 256.0));
}

Value KernelBuilder::toE4M3Bits(Value value) {
  int64_t lanes = lanesOf(value);
  Type wide = i32(lanes);
  Value bits = bitcast(value, wide), magnitude = bitAnd(bits, 0x7FFFFFFF);
  // As toHalfBits, with the bias at 7 and three bits of fraction; 2^14 has 2^-9 as its last place.
  Value odd = bitAnd(shiftRight(magnitude, 20), 1);
  Value normal = shiftRight(add(sub(magnitude, constant(wide, int64_t(0x3BF80001))), odd), 20);
  Value shifted = bitcast(addf(bitcast(magnitude, f32(lanes)), constant(f32(lanes), 16384.0)), wide);
  Value subnormal = sub(shifted, constant(wide, int64_t(0x46800000)));
  Value result = min(select(less(magnitude, constant(wide, int64_t(0x3C800000))), subnormal, normal),
                     constant(wide, int64_t(0x7E)));
  Value isNan = less(constant(wide, int64_t(0x7F800000)), magnitude);
  result = select(isNan, constant(wide, int64_t(0x7F)), result);
  return arith::TruncIOp::create(*this, vectorOf(getI8Type(), lanes),
                                 bitOr(result, bitAnd(shiftRight(bits, 24), 0x80)));
}
