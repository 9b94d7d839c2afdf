//===- RopeAngles.cpp - cosines and sines of rotary angles --------------------------------------------===//
//
// Angles reach millions of radians at the end of long contexts, so everything is f64 until the result is
// rounded. Only products and sums are used, no fused ones: the table has the same bits on every target.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/Kernels/RopeAngles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

RopeAngles::RopeAngles(KernelBuilder &builder, lm::RopeTableOp op)
    : b_(builder), op_(op), frequencies_(b_.constantArray(op.getFrequencies())) {}

Value RopeAngles::c(double value) { return b_.constant(b_.vectorOf(b_.getF64Type(), lanes_), value); }

void RopeAngles::store(Value position, Value i, int64_t lanes, Value out) {
  lanes_ = lanes;
  position = b_.broadcast(arith::SIToFPOp::create(b_, b_.getF64Type(), position), lanes);
  Value frequency = b_.load(b_.vectorOf(b_.getF64Type(), lanes_), b_.offset(frequencies_, b_.mul(i, 8)));
  Value angle = b_.mulf(position, frequency);
  // angle = n·π/2 + r with |r| <= π/4. Adding 1.5·2^52 rounds to an integer and leaves n in the low bits.
  // π/2 is split so that n times its first two parts (33 bits each) is exact for n < 2^20.
  Value magic = b_.addf(b_.mulf(angle, c(0.63661977236758134308)), c(0x1.8p52));
  Value n = b_.subf(magic, c(0x1.8p52));
  Value r = b_.subf(angle, b_.mulf(n, c(0x1.921fb544p+0)));
  r = b_.subf(r, b_.mulf(n, c(0x1.0b4611a6p-34)));
  r = b_.subf(r, b_.mulf(n, c(0x1.3198a2e037073p-69)));
  Value square = b_.mulf(r, r);
  Value sine = b_.mulf(r, series(square, 1)), cosine = series(square, 0);
  // Quarter turns: an odd n swaps the two, the second bit of n (of n + 1) turns the sign of the sine
  // (cosine).
  Type integers = b_.vectorOf(b_.getI64Type(), lanes_);
  Value turns = b_.bitcast(magic, integers);
  Value odd = b_.equal(b_.bitAnd(turns, 1), b_.constant(integers, int64_t(1)));
  Value one = b_.constant(integers, int64_t(1));
  storeNumber(withSign(b_.select(odd, sine, cosine), b_.add(turns, one)), out);
  storeNumber(withSign(b_.select(odd, cosine, sine), turns), b_.offset(out, 4 * half()));
}

/// The Taylor series of cos (parity 0) or sin(x)/x (parity 1) in x², to below 1e-17 for |x| <= π/4.
Value RopeAngles::series(Value square, int parity) {
  double factorial = 1;
  SmallVector<double> coefficients = {1};
  for (int k = 1; k <= 9; ++k) {
    factorial *= -(2 * k + parity) * (2 * k + parity - 1);
    coefficients.push_back(1 / factorial);
  }
  Value sum = c(coefficients.back());
  for (double coefficient : llvm::reverse(ArrayRef(coefficients).drop_back()))
    sum = b_.addf(b_.mulf(sum, square), c(coefficient));
  return sum;
}

/// -value where bit 1 of `turns` is set.
Value RopeAngles::withSign(Value value, Value turns) {
  Value sign = b_.shiftLeft(b_.bitAnd(turns, 2), 62);
  return b_.bitcast(arith::XOrIOp::create(b_, b_.bitcast(value, turns.getType()), sign), value.getType());
}

void RopeAngles::storeNumber(Value value, Value pointer) {
  Value scaled = b_.mulf(value, c(op_.getMagnitude().convertToDouble()));
  b_.store(arith::TruncFOp::create(b_, b_.f32(lanes_), scaled), pointer);
}
