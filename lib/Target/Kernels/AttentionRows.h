//===- AttentionRows.h - what rows of a step attend to --------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_ATTENTIONROWS_H
#define LAMINA_LIB_TARGET_KERNELS_ATTENTIONROWS_H

#include "lib/Target/Kernels/KernelContext.h"

namespace lamina {

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

#endif // LAMINA_LIB_TARGET_KERNELS_ATTENTIONROWS_H
