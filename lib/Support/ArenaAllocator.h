//===- ArenaAllocator.h - places of buffers that live at different times --------------------------*- C++ -*-===//
//
// Knows no IR. Given buffers with sizes and lifetimes, finds offsets in one arena such that no two buffers that are
// alive at the same time overlap, and keeps the arena small. Placing big buffers first, each at the lowest offset where it
// fits ("greedy by size", Pisarchyk and Lee, arXiv 2001.03288), is within a few per cent of the lower bound for chains such
// as transformer layers.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_SUPPORT_ARENAALLOCATOR_H
#define LAMINA_LIB_SUPPORT_ARENAALLOCATOR_H

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lamina {

/// A buffer and the closed interval of instruction numbers in which it is alive.
struct ArenaBuffer {
  uint64_t bytes = 0;
  uint64_t firstUse = 0;
  uint64_t lastUse = 0;
};

struct ArenaLayout {
  std::vector<uint64_t> offsets; // one for each buffer, multiples of the alignment
  uint64_t bytes = 0;            // size of the arena
};

/// Deterministic. `alignment` is a power of two.
ArenaLayout layOutArena(const std::vector<ArenaBuffer> &buffers, uint64_t alignment);

/// Index pairs of buffers that overlap in memory while both alive; empty for a correct layout.
std::vector<std::pair<std::size_t, std::size_t>> findOverlaps(const std::vector<ArenaBuffer> &buffers,
                                                              const std::vector<uint64_t> &offsets);

/// The largest sum of bytes alive at one instruction: no layout can be smaller.
uint64_t arenaLowerBound(const std::vector<ArenaBuffer> &buffers);

} // namespace lamina

#endif // LAMINA_LIB_SUPPORT_ARENAALLOCATOR_H
