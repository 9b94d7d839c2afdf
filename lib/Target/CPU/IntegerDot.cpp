//===- IntegerDot.cpp - sums of products of bytes -----------------------------------------------------===//
//
// Instructions that multiply bytes pairwise into 16 bits saturate, so how much may be summed there is
// computed from the largest code: a lane takes two products for each quad of bytes, each at most code·127.
// Codes too large for even one quad are multiplied in two halves of four bits; the upper half counts 16 times
// when it is widened. Where an instruction takes signed codes, those that need all eight bits are taken 128
// lower.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/IntegerDot.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

static constexpr int64_t quadsThatFit(int64_t largestCode) { return 32767 / (2 * 127 * largestCode); }

IntegerDot::IntegerDot(KernelBuilder &builder, int64_t largestCode)
    : b_(builder), instructions_(builder.target().byteDot) {
  if (instructions_.signedCodes && largestCode > 127)
    bias_ = 128;
  int64_t largest = bias_ ? bias_ : largestCode;
  pieceBits_ = instructions_.pairs.empty() || quadsThatFit(largest) > 0 ? 8 : 4;
  quadsInNarrow_ = quadsThatFit(pieceBits_ == 8 ? largest : 15);
}

IntegerDot::Sum IntegerDot::begin(Value start) {
  Sum sum{b_.split(start, instructions_.bytes / 4), {}, 0};
  sum.narrow.assign(8 / pieceBits_, Values(sum.wide.size()));
  return sum;
}

void IntegerDot::add(Sum &sum, Value codes, Value activations) {
  int64_t lanes = instructions_.bytes / 4;
  if (bias_ != 0)
    codes = arith::XOrIOp::create(b_, codes, b_.constant(codes.getType(), int64_t(0x80808080)));
  Values x = b_.split(activations, lanes);
  if (!instructions_.dot.empty()) {
    for (auto [wide, c, xs] : llvm::zip(sum.wide, b_.split(codes, lanes), x))
      wide = b_.callIntrinsic(instructions_.dot, wide.getType(), {wide, asBytes(c), asBytes(xs)});
    return;
  }
  if (sum.quads == quadsInNarrow_)
    empty(sum);
  for (auto [piece, narrow] : llvm::enumerate(sum.narrow)) {
    Value bits = codes;
    if (pieceBits_ < 8)
      bits = b_.bitAnd(b_.shiftRight(codes, piece * pieceBits_), 0x0F0F0F0F);
    for (auto [part, c, xs] : llvm::zip(narrow, b_.split(bits, lanes), x)) {
      Value products = pairs(c, xs);
      // Nothing saturates, but LLVM would regroup plain additions token by token and run out of registers.
      part = part ? LLVM::SAddSat::create(b_, part, products).getResult() : products;
    }
  }
  ++sum.quads;
}

Value IntegerDot::asBytes(Value words) {
  return b_.bitcast(words, b_.vectorOf(b_.getI8Type(), instructions_.bytes));
}

/// Products of bytes, neighbours summed in 16 bits.
Value IntegerDot::pairs(Value codes, Value activations) {
  Type type = b_.vectorOf(b_.getI16Type(), instructions_.bytes / 2);
  if (!instructions_.pairs.empty())
    return b_.callIntrinsic(instructions_.pairs, type, {asBytes(codes), asBytes(activations)});
  Value c = b_.bitcast(codes, type), x = b_.bitcast(activations, type);
  auto low = [&](Value words) { return b_.shiftRightSigned(b_.shiftLeft(words, 8), 8); };
  return b_.add(b_.mul(low(c), low(x)), b_.mul(b_.shiftRightSigned(c, 8), b_.shiftRightSigned(x, 8)));
}

/// Moves what `narrow` holds to `wide`.
void IntegerDot::empty(Sum &sum) {
  for (auto [piece, narrow] : llvm::enumerate(sum.narrow))
    for (auto [part, wide] : llvm::zip(narrow, sum.wide)) {
      Values arguments{part};
      if (!instructions_.pairs.empty())
        arguments.push_back(b_.constant(part.getType(), int64_t(1) << piece * pieceBits_));
      wide = b_.add(wide, b_.callIntrinsic(instructions_.pairSums, wide.getType(), arguments));
      part = Value();
    }
  sum.quads = 0;
}

Value IntegerDot::finish(Sum &sum) {
  if (sum.quads > 0)
    empty(sum);
  return b_.join(sum.wide);
}
