//===- QuantizedBlock.cpp - activations rounded to eight bits -----------------------------------------===//

#include "lib/Target/CPU/QuantizedBlock.h"

#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kLanes = LAMINA_QUANTIZED_BLOCK_ELEMENTS / 2;
constexpr int64_t kSmallest = (127 - 100) << 23; // the bits of 2^-100
constexpr int64_t kInfinity = 0x7F800000;

/// How the elements of a block become codes.
struct Rounding {
  Value scale;
  Value factor; ///< 127 / largest
  Value keep;   ///< all ones where the block has a code other than 0, else 0; i32
};

Rounding chooseRounding(KernelBuilder &b, Value low, Value high) {
  auto magnitude = [&](Value x) { return b.bitAnd(b.bitcast(x, b.i32(kLanes)), 0x7FFFFFFF); };
  // Magnitudes order like their bits, NaNs last: the largest does not depend on the order of comparisons.
  Value bits = b.maxLanes(b.max(magnitude(low), magnitude(high)));
  Value largest = b.bitcast(bits, b.f32(0)), full = b.constant(b.f32(0), 127.0);
  Value tiny = b.less(bits, b.constant(b.i32(0), kSmallest));
  Value finite = b.less(bits, b.constant(b.i32(0), kInfinity));
  Value none = b.constant(b.i32(0), int64_t(0)), ones = b.constant(b.i32(0), int64_t(-1));
  return {b.select(tiny, b.constant(b.f32(0), 0.0), b.divf(largest, full)), b.divf(full, largest),
          b.select(tiny, none, b.select(finite, ones, none))};
}

Value toCodes(KernelBuilder &b, Value elements, const Rounding &rounding) {
  // Adding 1.5·2^23 rounds to an integer, which then lies in the low bits.
  constexpr double kMagic = 12582912.0;
  constexpr int64_t kMagicBits = 0x4B400000;
  Value scaled = b.mulf(elements, b.broadcast(rounding.factor, kLanes));
  Value rounded = b.bitcast(b.addf(scaled, b.constant(b.f32(kLanes), kMagic)), b.i32(kLanes));
  Value codes = b.sub(rounded, b.constant(b.i32(kLanes), kMagicBits));
  return arith::AndIOp::create(b, codes, b.broadcast(rounding.keep, kLanes));
}

} // namespace

void lamina::emitQuantizedBlock(KernelBuilder &b, Value low, Value high, Value address) {
  Rounding rounding = chooseRounding(b, low, high);
  Value codes[] = {toCodes(b, low, rounding), toCodes(b, high, rounding)};
  for (auto [i, half] : llvm::enumerate(codes))
    b.store(arith::TruncIOp::create(b, b.vectorOf(b.getI8Type(), kLanes), half),
            b.offset(address, offsetof(LaminaQuantizedBlock, codes) + i * kLanes));
  Value first = b.sumLanes(codes[0]), second = b.sumLanes(codes[1]);
  Value zero = b.constant(b.i32(0), int64_t(0));
  b.store(rounding.scale, b.offset(address, offsetof(LaminaQuantizedBlock, scale)));
  for (auto [i, sum] : llvm::enumerate(Values{first, second, b.add(first, second)})) {
    b.store(b.sub(zero, sum), b.offset(address, offsetof(LaminaQuantizedBlock, negatedSums) + 4 * i));
    b.store(b.mulf(rounding.scale, b.intToFloat(sum)),
            b.offset(address, offsetof(LaminaQuantizedBlock, scaledSums) + 4 * i));
  }
  b.store(zero, b.offset(address, offsetof(LaminaQuantizedBlock, padding)));
}
