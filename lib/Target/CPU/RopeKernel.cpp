//===- RopeKernel.cpp - tables of rotary angles -------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/RopeAngles.h"

using namespace lamina;

void lamina::emitRopeTable(KernelContext &kernel) {
  KernelBuilder &b = kernel.b;
  auto op = kernel.ops<lm::RopeTableOp>().front();
  RopeAngles angles(b, op);
  int64_t lanes = lanesFor(angles.half());
  b.loop(kernel.begin, kernel.end, 1, [&](Value row) {
    Value position = b.load(b.getI32Type(), b.offset(kernel.pointer(op.getPositions()), b.mul(row, 4)));
    Value out = kernel.rowPointer(op, row);
    b.loop(angles.half(), lanes,
           [&](Value i) { angles.store(position, i, lanes, b.offset(out, b.mul(i, 4))); });
    for (int64_t i = 2 * angles.half(); i < paddedWidth(op); ++i)
      b.store(b.constant(b.f32(0), 0.0), b.offset(out, 4 * i));
  });
}
