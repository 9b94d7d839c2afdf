//===- TopKey.cpp - the order of a row's elements as integers ---------------------------------------===//

#include "lib/Target/Kernels/TopKey.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

static constexpr int64_t kColumns = 0xffffffff;
static constexpr int64_t kLoadedTogether =
    4; // so that a thread does not wait for memory once for each element

/// Floats of one sign are ordered as their bits are; all but the sign is turned round for negative ones. A key's lower half
/// makes lower columns greater.
Value lamina::topKey(KernelBuilder &b, Value element, Value column) {
  Value infinity = b.constant(b.f32(0), std::numeric_limits<double>::infinity());
  element = b.select(b.lessf(element, infinity), element, infinity); // what is no number is not less
  Value bits = b.bitcast(b.addf(element, b.constant(b.f32(0), 0.0)), b.i32(0)); // one zero
  Value turned = arith::XOrIOp::create(b, bits, b.constant(b.i32(0), int64_t(0x7fffffff)));
  Value order = b.select(b.less(bits, b.constant(b.i32(0), int64_t(0))), turned, bits);
  return b.add(b.shiftLeft(b.toI64(order), 32), b.sub(b.i64(kColumns), column));
}

Value lamina::columnOf(KernelBuilder &b, Value key) {
  return b.sub(b.i64(kColumns), b.bitAnd(key, kColumns));
}

Value lamina::greatestKey(KernelBuilder &b, Value row, Value begin, int64_t end, int64_t step, Value below) {
  return b.loop(
      begin, b.i64(end), kLoadedTogether * step, b.i64(kBelowKeys), [&](Value first, ValueRange so) {
        Values columns, elements;
        for (int64_t i = 0; i < kLoadedTogether; ++i) {
          columns.push_back(b.add(first, i * step));
          elements.push_back(b.loadF32(b.offset(row, b.mul(b.min(columns[i], b.i64(end - 1)), 4)), 0));
        }
        Value greatest = so[0], none = b.i64(kBelowKeys);
        for (auto [column, element] : llvm::zip(columns, elements)) {
          Value key = b.select(b.less(column, b.i64(end)), topKey(b, element, column), none);
          greatest = b.max(greatest, b.select(b.less(key, below), key, none));
        }
        return Values{greatest};
      })[0];
}
