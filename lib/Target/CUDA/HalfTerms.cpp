//===- HalfTerms.cpp - f32 numbers as terms of 16 bits ------------------------------------------------===//

#include "lib/Target/CUDA/HalfTerms.h"

using namespace mlir;
using namespace lamina;

/// BF16 is the upper half of an f32: the first term has eight bits of the number, the second eight of what is left, and
/// no more than eight are left for the third.
Value HalfTerms::take(Value &first, Value &second) {
  bool half = number_ == PackedNumber::F16;
  auto bitsOf = [&](Value number) { return half ? b_.toHalfBits(number) : b_.bitcast(number, b_.i32(0)); };
  auto without = [&](Value number, Value bits) {
    Value taken = half ? b_.halfBitsToFloat(bits) : b_.bitcast(b_.bitAnd(bits, -0x10000), b_.f32(0));
    return b_.subf(number, taken);
  };
  Value lower = bitsOf(first), upper = bitsOf(second);
  first = without(first, lower);
  second = without(second, upper);
  return half ? b_.joinHalves(lower, upper) : b_.upperHalves(lower, upper);
}

static constexpr int64_t kOne = 1 << 23; // of an exponent
static constexpr int64_t kLargest = 14;

/// At least so much that both powers are normal numbers.
Value HalfTerms::exponentOf(ValueRange numbers) {
  Value exponent = b_.constant(b_.i32(0), (kLargest + 1) * kOne);
  for (Value number : numbers)
    exponent = b_.max(exponent, b_.bitAnd(b_.bitcast(number, b_.i32(0)), 0x7F800000));
  return exponent;
}

Value HalfTerms::power(Value exponent) {
  constexpr auto kSum = int32_t(uint32_t(127 + kLargest + 127) << 23); // of both
  return b_.bitcast(b_.sub(b_.constant(b_.i32(0), int64_t(kSum)), exponent), b_.f32(0));
}

Value HalfTerms::inverse(Value exponent) {
  return b_.bitcast(b_.sub(exponent, b_.constant(b_.i32(0), kLargest * kOne)), b_.f32(0));
}
