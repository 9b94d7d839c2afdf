//===- KernelMath.cpp - exponentials from additions and multiplications -------------------------------===//
//
// Taylor and Padé forms on reduced arguments, with errors of about one unit in the last place of f32. Kernels
// call no math library: an artifact gives the same bits wherever it runs.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

Value KernelBuilder::exp(Value x) {
  Type type = x.getType();
  auto vector = dyn_cast<VectorType>(type);
  Type integers = i32(vector ? vector.getNumElements() : 0);
  auto c = [&](double value) { return constant(type, value); };
  Value underflow = lessf(x, c(-87.3));
  x = select(underflow, c(-87.3), x); // comparisons that a NaN fails leave it as it is
  x = select(lessf(c(88.3), x), c(88.3), x);
  // x = n·ln 2 + r. Adding 1.5·2^23 rounds to an integer and leaves n in the low bits.
  Value magic = fma(x, c(1.4426950408889634), c(12582912.0));
  Value n = subf(magic, c(12582912.0));
  Value r = fma(n, c(-0.693359375), x); // n times the upper 10 bits of ln 2 is exact
  r = fma(n, c(2.12194440054690583e-4), r);
  Value sum = c(1.0 / 5040);
  for (double coefficient : {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    sum = fma(sum, r, c(coefficient));
  Value exponent = shiftLeft(bitcast(magic, integers), 23); // 2^n = n added to the exponent of 1
  Value power = bitcast(add(exponent, constant(integers, int64_t(0x3F800000))), type);
  return select(underflow, c(0.0), mulf(sum, power));
}

Value KernelBuilder::exp2(Value x) {
  Type type = x.getType();
  auto vector = dyn_cast<VectorType>(type);
  Type integers = i32(vector ? vector.getNumElements() : 0);
  auto c = [&](double value) { return constant(type, value); };
  Value magic = addf(x, c(12582912.0)); // as in exp: n in the low bits
  Value r = subf(x, subf(magic, c(12582912.0)));
  // Minimax on [-1/2, 1/2] with a constant term of 1: an error of 2e-9, and 1 at 0.
  Value sum = c(0.00015353359548950598);
  for (double coefficient : {0.0013398875888964521, 0.009618437379034821, 0.055503324668194416,
                             0.24022647913296427, 0.6931472028575533, 1.0})
    sum = fma(sum, r, c(coefficient));
  Value exponent = shiftLeft(bitcast(magic, integers), 23);
  Value power = bitcast(add(exponent, constant(integers, int64_t(0x3F800000))), type);
  return select(lessf(x, c(-126.0)), c(0.0), mulf(sum, power));
}

Value KernelBuilder::tanh(Value x) {
  Type type = x.getType();
  auto c = [&](double value) { return constant(type, value); };
  // Near 0 the fifth convergent of the continued fraction x / (1 + x²/(3 + x²/(5 + …))): no cancellation.
  Value square = mulf(x, x);
  Value above = fma(fma(square, c(1.0), c(105.0)), square, c(945.0));
  Value below = fma(fma(square, c(15.0), c(420.0)), square, c(945.0));
  Value near = divf(mulf(x, above), below);
  // Elsewhere 1 - 2 / (exp(2|x|) + 1) with the sign of x.
  Value negative = lessf(x, c(0.0));
  Value magnitude = select(negative, subf(c(0.0), x), x);
  Value far = subf(c(1.0), divf(c(2.0), addf(exp(addf(magnitude, magnitude)), c(1.0))));
  far = select(negative, subf(c(0.0), far), far);
  return select(lessf(magnitude, c(0.625)), near, far);
}

Value KernelBuilder::sigmoid(Value x) {
  Value one = constant(x.getType(), 1.0);
  return divf(one, addf(one, exp(subf(constant(x.getType(), 0.0), x))));
}

Value KernelBuilder::silu(Value x) {
  Value one = constant(x.getType(), 1.0);
  return divf(x, addf(one, exp(subf(constant(x.getType(), 0.0), x))));
}

Value KernelBuilder::erf(Value x) {
  auto c = [&](double value) { return constant(x.getType(), value); };
  // Minimax of the relative error of erf(x) / x in x² near 0, and of log(erfc |x|) up to 4, where erf is 1.
  Value square = mulf(x, x), near = c(8.185231379315296e-05);
  for (double coefficient : {-0.0008097744176494998, 0.005196956724615435, -0.026857707634808867,
                             0.11283664065678342, -0.3761263162115168, 1.1283791664109932})
    near = fma(near, square, c(coefficient));
  near = mulf(near, x);
  Value negative = lessf(x, c(0.0));
  Value magnitude = select(negative, subf(c(0.0), x), x);
  Value bounded = select(lessf(c(4.0), magnitude), c(4.0), magnitude), logarithm = c(-2.1445592327587036e-05);
  for (double coefficient :
       {0.00043853021728261396, -0.004190857004619704, 0.025171811717556215, -0.10836155666673475,
        -0.6332724101856453, -1.1295520430109183, 0.00018246049171705538})
    logarithm = fma(logarithm, bounded, c(coefficient));
  Value far = subf(c(1.0), exp(logarithm));
  far = select(negative, subf(c(0.0), far), far);
  return select(lessf(magnitude, c(0.95)), near, far);
}

Value KernelBuilder::gelu(Value x) {
  auto c = [&](double value) { return constant(x.getType(), value); };
  Value half = mulf(x, c(0.5));
  return fma(half, erf(mulf(x, c(0.7071067811865476))), half);
}

Value KernelBuilder::geluTanh(Value x) {
  // x/2·(1 + tanh u) = x / (1 + exp(-2u)), u = sqrt(2/π)·(x + 0.044715·x³)
  auto c = [&](double value) { return constant(x.getType(), value); };
  Value inner = fma(mulf(mulf(x, x), x), c(0.044715), x);
  return divf(x, addf(c(1.0), exp(mulf(inner, c(-1.5957691216057308)))));
}
