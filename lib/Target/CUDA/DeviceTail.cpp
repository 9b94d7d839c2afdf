//===- DeviceTail.cpp - how the threads of a block store rows -----------------------------------------===//

#include "lib/Target/CUDA/DeviceTail.h"

#include "lib/Target/Kernels/QuantizedBlock.h"
#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

static_assert(LAMINA_QUANTIZED_BLOCK_ELEMENTS == kWarp);

void lamina::emitWarpBlock(DeviceBuilder &b, Value element, Value address) {
  BlockRounding rounding = chooseRounding(b, b.maxWarp(magnitudeBits(b, element)));
  Value code = roundToCodes(b, element, rounding);
  Value place = b.offset(b.offset(address, offsetof(LaminaQuantizedBlock, codes)), b.lane());
  b.store(arith::TruncIOp::create(b, b.getI8Type(), code), place);
  Value sum =
      b.foldWarp(code, [&](Value x, Value y) { return b.add(x, y); }, 1, kWarp / 2); // of the lane's half
  Value other = b.shuffleXor(sum, kWarp / 2);
  b.branch(b.equal(b.lane(), b.i64(0)), [&] { storeBlockSums(b, rounding, sum, other, address); });
}

void lamina::emitZeros(DeviceBuilder &b, Value row, int64_t begin, int64_t end) {
  if (begin < end)
    b.forThreads(end - begin, [&](Value i) {
      b.store(b.constant(b.f32(0), 0.0), b.offset(b.offset(row, 4 * begin), b.mul(i, 4)));
    });
}
