//===- QuantizedBlock.cpp - activations rounded to eight bits -----------------------------------------===//

#include "lib/Target/Kernels/QuantizedBlock.h"

#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kLanes = LAMINA_QUANTIZED_BLOCK_ELEMENTS / 2;
constexpr int64_t kSmallest = (127 - 100) << 23; // the bits of 2^-100
constexpr int64_t kInfinity = 0x7F800000;

} // namespace

Value lamina::magnitudeBits(KernelBuilder &b, Value elements) {
  return b.bitAnd(b.bitcast(elements, b.i32(lanesOf(elements))), 0x7FFFFFFF);
}

BlockRounding lamina::chooseRounding(KernelBuilder &b, Value bits) {
  Value largest = b.bitcast(bits, b.f32(0)), full = b.constant(b.f32(0), 127.0);
  Value tiny = b.less(bits, b.constant(b.i32(0), kSmallest));
  Value finite = b.less(bits, b.constant(b.i32(0), kInfinity));
  Value none = b.constant(b.i32(0), int64_t(0)), ones = b.constant(b.i32(0), int64_t(-1));
  return {b.select(tiny, b.constant(b.f32(0), 0.0), b.divf(largest, full)), b.divf(full, largest),
          b.select(tiny, none, b.select(finite, ones, none))};
}

Value lamina::roundToCodes(KernelBuilder &b, Value elements, const BlockRounding &rounding) {
  // Adding 1.5·2^23 rounds to an integer, which then lies in the low bits.
  constexpr double kMagic = 12582912.0;
  constexpr int64_t kMagicBits = 0x4B400000;
  int64_t lanes = lanesOf(elements);
  Value scaled = b.mulf(elements, b.broadcast(rounding.factor, lanes));
  Value rounded = b.bitcast(b.addf(scaled, b.constant(b.f32(lanes), kMagic)), b.i32(lanes));
  Value codes = b.sub(rounded, b.constant(b.i32(lanes), kMagicBits));
  return arith::AndIOp::create(b, codes, b.broadcast(rounding.keep, lanes));
}

void lamina::storeBlockSums(KernelBuilder &b, const BlockRounding &rounding, Value first, Value second,
                            Value address) {
  Value zero = b.constant(b.i32(0), int64_t(0));
  b.store(rounding.scale, b.offset(address, offsetof(LaminaQuantizedBlock, scale)));
  for (auto [i, sum] : llvm::enumerate(Values{first, second, b.add(first, second)})) {
    b.store(b.sub(zero, sum), b.offset(address, offsetof(LaminaQuantizedBlock, negatedSums) + 4 * i));
    b.store(b.mulf(rounding.scale, b.intToFloat(sum)),
            b.offset(address, offsetof(LaminaQuantizedBlock, scaledSums) + 4 * i));
  }
  b.store(zero, b.offset(address, offsetof(LaminaQuantizedBlock, padding)));
}

void lamina::emitQuantizedBlock(KernelBuilder &b, Value low, Value high, Value address) {
  BlockRounding rounding =
      chooseRounding(b, b.maxLanes(b.max(magnitudeBits(b, low), magnitudeBits(b, high))));
  Value codes[] = {roundToCodes(b, low, rounding), roundToCodes(b, high, rounding)};
  for (auto [i, half] : llvm::enumerate(codes))
    b.store(arith::TruncIOp::create(b, b.vectorOf(b.getI8Type(), kLanes), half),
            b.offset(address, offsetof(LaminaQuantizedBlock, codes) + i * kLanes));
  storeBlockSums(b, rounding, b.sumLanes(codes[0]), b.sumLanes(codes[1]), address);
}
