//===- RopeAngles.h - cosines and sines of rotary angles ------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_ROPEANGLES_H
#define LAMINA_LIB_TARGET_KERNELS_ROPEANGLES_H

#include "lib/Target/Kernels/KernelContext.h"

namespace lamina {

/// Generates the elements of an lm.rope_table.
class RopeAngles {
public:
  RopeAngles(KernelBuilder &builder, lm::RopeTableOp op);

  int64_t half() { return op_.getFrequencies().size(); }
  /// Stores the cosines of `lanes` angles from `i` on at `out`, and half() numbers further on their sines. `position`
  /// is an i32.
  void store(Value position, Value i, int64_t lanes, Value out);

private:
  Value c(double value);
  Value series(Value square, int parity);
  Value withSign(Value value, Value turns);
  void storeNumber(Value value, Value pointer);

  KernelBuilder &b_;
  lm::RopeTableOp op_;
  Value frequencies_;
  int64_t lanes_ = 0;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_ROPEANGLES_H
