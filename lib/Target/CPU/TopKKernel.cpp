//===- TopKKernel.cpp - the largest elements of rows --------------------------------------------------===//
//
// One after the other, each by a look at the whole row. No compiled model has it on CPUs, where the sampler reads logits
// in place: it is what the GPU's kernel is compared with.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/TopKey.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

void lamina::emitTopK(KernelContext &kernel) {
  KernelBuilder &b = kernel.b;
  auto op = kernel.ops<lm::TopKOp>().front();
  int64_t chosen = width(op.getValues());
  b.loop(kernel.begin, kernel.end, 1, [&](Value row) {
    Value input = kernel.rowPointer(op.getInput(), row);
    Value values = kernel.rowPointer(op.getValues(), row), ids = kernel.rowPointer(op.getIds(), row);
    auto at = [&](Value base, Value i) { return b.offset(base, b.mul(i, 4)); };
    b.loop(b.i64(0), b.min(kernel.candidates, b.i64(chosen)), 1, b.i64(kAboveKeys),
           [&](Value j, ValueRange last) {
             Value key = greatestKey(b, input, b.i64(0), width(op.getInput()), 1, last[0]);
             Value column = columnOf(b, key);
             b.store(b.loadF32(at(input, column), 0), at(values, j));
             b.store(arith::TruncIOp::create(b, b.getI32Type(), column), at(ids, j));
             return Values{key};
           });
    for (int64_t j = chosen; j < paddedWidth(op.getValues()); ++j) {
      b.store(b.constant(b.f32(0), 0.0), at(values, b.i64(j)));
      b.store(b.constant(b.i32(0), int64_t(0)), at(ids, b.i64(j)));
    }
  });
}
