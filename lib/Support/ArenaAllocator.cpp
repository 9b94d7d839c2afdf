//===- ArenaAllocator.cpp - places of buffers that live at different times ------------------------------------===//

#include "lib/Support/ArenaAllocator.h"

#include <algorithm>
#include <map>
#include <numeric>

using namespace lamina;

namespace {

bool aliveTogether(const ArenaBuffer &a, const ArenaBuffer &b) {
  return a.firstUse <= b.lastUse && b.firstUse <= a.lastUse;
}

uint64_t alignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }

/// Buffers grouped by time so that neighbours in time are found without looking at all: programs of a hundred
/// layers have thousands of buffers, nearly all short-lived.
class TimeIndex {
public:
  explicit TimeIndex(const std::vector<ArenaBuffer> &buffers) : buffers_(buffers) {}

  void insert(size_t index) {
    uint64_t length = buffers_[index].lastUse - buffers_[index].firstUse;
    (length > kLong ? long_ : short_).emplace(buffers_[index].firstUse, index);
  }

  /// Calls `visit(index)` for every inserted buffer that is alive together with `buffer`.
  template <typename Visit> void forEachAliveWith(const ArenaBuffer &buffer, Visit visit) const {
    for (auto [start, index] : long_)
      if (aliveTogether(buffers_[index], buffer))
        visit(index);
    uint64_t earliest = buffer.firstUse > kLong ? buffer.firstUse - kLong : 0;
    for (auto it = short_.lower_bound(earliest); it != short_.end() && it->first <= buffer.lastUse; ++it)
      if (aliveTogether(buffers_[it->second], buffer))
        visit(it->second);
  }

private:
  static constexpr uint64_t kLong = 64; // instructions; a layer has fewer
  const std::vector<ArenaBuffer> &buffers_;
  std::multimap<uint64_t, size_t> short_, long_;
};

} // namespace

ArenaLayout lamina::layOutArena(const std::vector<ArenaBuffer> &buffers, uint64_t alignment) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return buffers[a].bytes != buffers[b].bytes ? buffers[a].bytes > buffers[b].bytes : a < b;
  });

  ArenaLayout layout;
  layout.offsets.resize(buffers.size());
  TimeIndex placed(buffers);
  std::vector<std::pair<uint64_t, uint64_t>> taken; // [begin, end) of what is alive with the buffer at hand
  for (size_t index : order) {
    taken.clear();
    placed.forEachAliveWith(buffers[index], [&](size_t other) {
      taken.emplace_back(layout.offsets[other], layout.offsets[other] + buffers[other].bytes);
    });
    std::sort(taken.begin(), taken.end());
    uint64_t offset = 0;
    for (auto [begin, end] : taken) {
      if (offset + buffers[index].bytes <= begin)
        break;
      offset = std::max(offset, alignUp(end, alignment));
    }
    layout.offsets[index] = offset;
    layout.bytes = std::max(layout.bytes, alignUp(offset + buffers[index].bytes, alignment));
    placed.insert(index);
  }
  return layout;
}

std::vector<std::pair<size_t, size_t>> lamina::findOverlaps(const std::vector<ArenaBuffer> &buffers,
                                                            const std::vector<uint64_t> &offsets) {
  std::vector<std::pair<size_t, size_t>> overlaps;
  TimeIndex seen(buffers);
  for (size_t index = 0; index < buffers.size(); ++index) {
    seen.forEachAliveWith(buffers[index], [&](size_t other) {
      bool apart = offsets[index] + buffers[index].bytes <= offsets[other] ||
                   offsets[other] + buffers[other].bytes <= offsets[index];
      if (!apart)
        overlaps.emplace_back(other, index);
    });
    seen.insert(index);
  }
  return overlaps;
}

uint64_t lamina::arenaLowerBound(const std::vector<ArenaBuffer> &buffers) {
  std::map<uint64_t, int64_t> changes;
  for (const ArenaBuffer &buffer : buffers) {
    changes[buffer.firstUse] += int64_t(buffer.bytes);
    changes[buffer.lastUse + 1] -= int64_t(buffer.bytes);
  }
  int64_t alive = 0, peak = 0;
  for (auto [time, change] : changes)
    peak = std::max(peak, alive += change);
  return uint64_t(peak);
}
