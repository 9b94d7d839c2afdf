//===- PageAllocator.h - which pages of the KV cache a sequence holds -----------------------*- C++ -*-===//
//
// The front end's book of the KV cache. A page holds LAMINA_KV_PAGE_TOKENS positions of one sequence in every
// layer's cache alike, so one book serves all layers and all memory workers. What a sequence holds is written
// straight into the block table that the workers read:
//
//   block table, one row per slot:  [page of positions 0..15][page of positions 16..31] …  unused entries are
//   -1
//
// Used by one thread, and never while a step runs.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_KVCACHE_PAGEALLOCATOR_H
#define LAMINA_RUNTIME_KVCACHE_PAGEALLOCATOR_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lamina {

class PageAllocator {
public:
  /// `blockTable` has `stride` entries for each sequence slot (its size is a multiple of the stride) and must
  /// outlive the allocator, which fills it with -1. A sequence is at most `maxContext` tokens long.
  PageAllocator(int64_t pages, std::span<int32_t> blockTable, int64_t stride, int64_t maxContext);

  /// Takes a free slot, the lowest, for a sequence without tokens. ResourceExhausted if all slots are taken.
  absl::StatusOr<int> openSequence();

  /// Makes sure that the sequence has pages for its first `tokens` positions. Takes all the pages it needs or
  /// none: ResourceExhausted says how many are missing, OutOfRange that the sequence would outgrow the
  /// context.
  absl::Status reserve(int sequence, int64_t tokens);

  /// Gives back the pages beyond the first `tokens` positions.
  absl::Status truncate(int sequence, int64_t tokens);

  /// Gives back the slot and all of its pages.
  absl::Status closeSequence(int sequence);

  /// Pages that reserve() would have to take.
  int64_t pagesNeeded(int sequence, int64_t tokens) const;

  int64_t totalPages() const { return totalPages_; }
  int64_t freePages() const { return int64_t(freePages_.size()); }
  int freeSequences() const;
  int64_t maxContext() const { return maxContext_; }

private:
  absl::Status checkOpen(int sequence) const;
  int32_t *row(int sequence) { return blockTable_.data() + sequence * stride_; }

  const int64_t totalPages_;
  const std::span<int32_t> blockTable_;
  const int64_t stride_;
  const int64_t maxContext_;
  std::vector<int32_t> freePages_; // a stack: a page that was just given back is still warm
  std::vector<int64_t> held_;      // by slot: pages held, -1 = the slot is free
};

} // namespace lamina

#endif // LAMINA_RUNTIME_KVCACHE_PAGEALLOCATOR_H
