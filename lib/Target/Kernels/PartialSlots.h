//===- PartialSlots.h - where partial results of attention lie ------------------------------*- C++ -*-===//

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

/// The first range that a token at `position` attends to.
Value attentionFirstRange(KernelBuilder &b, Value position, std::optional<uint64_t> window, int64_t range);

/// The ranges of `row`'s token, each a number: cached ones are [first, cachedEnd), the others [cachedEnd, end).
struct AttentionRanges {
  Value first, cachedEnd, end;
};
AttentionRanges attentionRanges(KernelContext &kernel, lm::OnlineAttentionOp op, Value row);

/// Whether `row` goes with the one before it: the next position of the same sequence, and not the first of `rows` aligned
/// positions.
Value attentionRowFollows(KernelContext &kernel, lm::OnlineAttentionOp op, Value row, int64_t rows);
/// How many rows go together from `row` on, which does not go with the one before it.
Value attentionRowsTogether(KernelContext &kernel, lm::OnlineAttentionOp op, Value row, int64_t rows);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_PARTIALSLOTS_H
