//===- RopeKernel.cpp - tables of rotary angles -------------------------------------------------------===//

#include "lib/Target/CUDA/DeviceTail.h"
#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/RopeAngles.h"

using namespace lamina;

void lamina::emitDeviceRopeTable(DeviceContext &kernel) {
  DeviceBuilder &b = kernel.device;
  auto op = kernel.ops<lm::RopeTableOp>().front();
  RopeAngles angles(b, op);
  Value row = kernel.begin, out = kernel.rowPointer(op, row);
  Value position = b.load(b.getI32Type(), b.offset(kernel.pointer(op.getPositions()), b.mul(row, 4)));
  b.forThreads(angles.half(),
               [&](Value i) { angles.store(position, i, /*lanes=*/0, b.offset(out, b.mul(i, 4))); });
  emitZeros(b, out, 2 * angles.half(), paddedWidth(op));
}
