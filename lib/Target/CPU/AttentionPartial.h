//===- AttentionPartial.h - partial results of attention and how they merge -----------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_ATTENTIONPARTIAL_H
#define LAMINA_LIB_TARGET_CPU_ATTENTIONPARTIAL_H

#include "lib/Target/Kernels/PartialSlots.h"

namespace lamina {

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
