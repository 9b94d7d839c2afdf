//===- AttentionPartial.h - partial results of attention and how they merge -----------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_ATTENTIONPARTIAL_H
#define LAMINA_LIB_TARGET_CPU_ATTENTIONPARTIAL_H

#include "lib/Target/CPU/KernelContext.h"

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

/// The first range that a token at `position` attends to.
Value attentionFirstRange(KernelBuilder &b, Value position, std::optional<uint64_t> window, int64_t range);

/// Makes partial results those of no position at all.
void emitEmptyPartial(KernelBuilder &b, const PartialPlace &place, int64_t heads, int64_t valueLength);

void emitCopyPartial(KernelBuilder &b, const PartialPlace &to, const PartialPlace &from, int64_t heads,
                     int64_t valueLength);

/// Merges `from`, results of later positions, into `into`. The only place that says how. `factors` is memory
/// for two numbers a head.
void emitMergePartial(KernelBuilder &b, const PartialPlace &into, const PartialPlace &from, int64_t heads,
                      int64_t valueLength, Value factors);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_ATTENTIONPARTIAL_H
