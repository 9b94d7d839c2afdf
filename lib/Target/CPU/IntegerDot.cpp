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
  pieceBits_ = instructions_.pairs.empty() || quadsThatFit(largestCode) > 0 ? 8 : 4;
  quadsInNarrow_ = quadsThatFit(pieceBits_ == 8 ? largestCode : 15);
}

IntegerDot::Sum IntegerDot::begin(Value start) {
  int64_t lanes = instructions_.bytes ? std::min<int64_t>(instructions_.bytes / 4, kPackedRows) : kPackedRows;
  Sum sum{b_.split(start, lanes), {}, 0};
  sum.narrow.assign(8 / pieceBits_, Values(sum.wide.size()));
  return sum;
}

void IntegerDot::add(Sum &sum, Value codes, Value activations) {
  if (!instructions_.bytes)
    return addWidened(sum, codes, activations);
  int64_t bytes = instructions_.bytes, parts = sum.wide.size();
  Type byteVector = b_.vectorOf(b_.getI8Type(), bytes), wordVector = b_.vectorOf(b_.getI16Type(), bytes / 2);
  Values x = b_.split(activations, bytes / 4);
  auto asBytes = [&](Value words) { return b_.bitcast(words, byteVector); };
  if (!instructions_.dot.empty()) {
    if (bias_ != 0)
      codes = arith::XOrIOp::create(b_, codes, b_.constant(codes.getType(), int64_t(0x80808080)));
    Values c = b_.split(codes, bytes / 4);
    for (int64_t i = 0; i < parts; ++i)
      sum.wide[i] = b_.callIntrinsic(instructions_.dot, sum.wide[i].getType(),
                                     {sum.wide[i], asBytes(c[i]), asBytes(x[i])});
    return;
  }
  if (sum.quads == quadsInNarrow_)
    empty(sum);
  for (auto [piece, narrow] : llvm::enumerate(sum.narrow)) {
    Value bits = codes;
    if (pieceBits_ < 8)
      bits = b_.bitAnd(b_.shiftRight(codes, piece * pieceBits_), 0x0F0F0F0F);
    Values c = b_.split(bits, bytes / 4);
    for (int64_t i = 0; i < parts; ++i) {
      Value products = b_.callIntrinsic(instructions_.pairs, wordVector, {asBytes(c[i]), asBytes(x[i])});
      narrow[i] = narrow[i] ? b_.add(narrow[i], products) : products;
    }
  }
  ++sum.quads;
}

/// Moves what `narrow` holds to `wide`.
void IntegerDot::empty(Sum &sum) {
  for (auto [piece, narrow] : llvm::enumerate(sum.narrow))
    for (auto [part, wide] : llvm::zip(narrow, sum.wide)) {
      Value weight = b_.constant(part.getType(), int64_t(1) << piece * pieceBits_);
      wide = b_.add(wide, b_.callIntrinsic(instructions_.pairSums, wide.getType(), {part, weight}));
      part = Value();
    }
  sum.quads = 0;
}

void IntegerDot::addWidened(Sum &sum, Value codes, Value activations) {
  for (int64_t byte = 0; byte < 4; ++byte) {
    Value code = b_.bitAnd(b_.shiftRight(codes, 8 * byte), 0xFF);
    Value x = b_.shiftRightSigned(b_.shiftLeft(activations, 24 - 8 * byte), 24);
    sum.wide[0] = b_.add(sum.wide[0], b_.mul(code, x));
  }
}

Value IntegerDot::finish(Sum &sum) {
  if (sum.quads > 0)
    empty(sum);
  return b_.join(sum.wide);
}
