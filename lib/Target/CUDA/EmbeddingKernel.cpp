//===- EmbeddingKernel.cpp - rows of a packed table ---------------------------------------------------===//
//
// The table is packed like any matrix, so a token's row is one of a group's 16. Threads decode steps of it.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/DeviceTail.h"
#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/ElementwiseTail.h"
#include "lib/Target/Kernels/WeightDecoder.h"

using namespace mlir;
using namespace lamina;

void lamina::emitDeviceEmbedding(DeviceContext &kernel) {
  DeviceBuilder &b = kernel.device;
  auto op = kernel.ops<lm::EmbeddingOp>().front();
  Value row = kernel.begin, id = b.loadIndex(kernel.pointer(op.getIds()), row);
  ElementwiseTail tail(kernel);
  WeightDecoder decoder(b, op.getTable(), {/*lanes=*/0, b.rem(id, kPackedRows), {}});
  Value group = b.offset(kernel.pointer(op.getTable()), b.mul(b.div(id, kPackedRows), decoder.groupBytes()));
  b.forThreads(decoder.steps(), [&](Value step) {
    Values none;
    decoder.decodeStep(group, step, none, [&](Value first, int64_t k, ValueRange weights, Values &) {
      tail.define(op, weights[0]);
      for (Value result : kernel.results())
        tail.storeResult(result, {row, {}, b.add(first, k), 0});
    });
  });
  for (Value result : kernel.results())
    emitZeros(b, kernel.rowPointer(result, row), width(result), paddedWidth(result));
}
