//===- KernelGenerators.h - the generators of the kinds of kernels --------------------------*- C++ -*-===//
//
// Each creates the loop over the workgroups [begin, end) at the insertion point.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CPU_KERNELGENERATORS_H
#define LAMINA_LIB_TARGET_CPU_KERNELGENERATORS_H

#include "lib/Target/Kernels/KernelContext.h"

namespace lamina {

/// Forms of products by number of tokens.
enum class TokenClass { One, UpToFour, Many };

/// Workgroups of attention in a step of few tokens.
inline constexpr int64_t kAttentionShares = 1024;

/// Row groups of a workgroup of a product.
inline constexpr int64_t kGroupsPerWorkgroup = 4;

void emitLinear(KernelContext &kernel, TokenClass tokens);
void emitExpertLinear(KernelContext &kernel);
void emitRows(KernelContext &kernel);
void emitEmbedding(KernelContext &kernel);
void emitRopeTable(KernelContext &kernel);
void emitRouteExperts(KernelContext &kernel);
void emitTopK(KernelContext &kernel);
void emitCacheAppend(KernelContext &kernel);
/// `split`: the form for steps of at most split_tokens tokens.
void emitOnlineAttention(KernelContext &kernel, bool split);
void emitAttentionCombine(KernelContext &kernel, bool split);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_KERNELGENERATORS_H
