//===- PartialSlots.h - partial results of attention: where they lie, how they merge -------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_PARTIALSLOTS_H
#define LAMINA_LIB_TARGET_KERNELS_PARTIALSLOTS_H

#include "lib/Target/Kernels/KernelContext.h"

namespace lamina {

/// The partial results of some heads: weighted sums of values, `stride` bytes from one head to the next;
/// greatest scores; sums of weights.
struct PartialPlace {
  Value values, maxima, sums;
  int64_t stride;
};

/// Slots of partial results as lm.online_attention lays them out.
class PartialSlots {
public:
  PartialSlots(KernelContext &kernel, Value partials, int64_t heads, int64_t valueLength)
      : b_(kernel.b), base_(kernel.pointer(partials)), heads_(heads), valueLength_(valueLength) {}

  int64_t valueBytes() const;
  /// The places of the heads from `head` on.
  PartialPlace place(Value slot, Value head);

private:
  KernelBuilder &b_;
  Value base_;
  int64_t heads_, valueLength_;
};

/// How the results of later positions merge into those of earlier ones, of which each has the greatest score.
class PartialMerge {
public:
  PartialMerge(KernelBuilder &b, Value earlier, Value later)
      : b_(b), greatest_(b.maxf(later, earlier)), ofEarlier_(b.exp2(b.subf(earlier, greatest_))),
        ofLater_(b.exp2(b.subf(later, greatest_))) {}

  Value greatest() const { return greatest_; }
  /// A sum of both.
  Value add(Value earlier, Value later) { return b_.fma(later, ofLater_, b_.mulf(earlier, ofEarlier_)); }

private:
  KernelBuilder &b_;
  Value greatest_, ofEarlier_, ofLater_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_PARTIALSLOTS_H
