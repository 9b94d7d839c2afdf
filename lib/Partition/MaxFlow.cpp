//===- MaxFlow.cpp - maximum flow by Dinic's algorithm ------------------------------------------------===//

#include "lib/Partition/MaxFlow.h"

#include <algorithm>
#include <limits>

namespace lamina::partition {

MaxFlow::Arc MaxFlow::addArc(Vertex from, Vertex to, int64_t forward, int64_t backward) {
  halves_.push_back({to, first_[from], forward});
  first_[from] = halves_.size() - 1;
  halves_.push_back({from, first_[to], backward});
  first_[to] = halves_.size() - 1;
  backward_.push_back(backward);
  return backward_.size() - 1;
}

void MaxFlow::run(Vertex source, Vertex sink) {
  while (assignLevels(source, sink))
    pushBlockingFlow(source, sink);
}

/// Distances from the source over halves that can carry more; false once the sink is out of reach.
bool MaxFlow::assignLevels(Vertex source, Vertex sink) {
  level_.assign(first_.size(), kNoLevel);
  level_[source] = 0;
  std::vector<Vertex> queue{source};
  for (size_t head = 0; head < queue.size(); ++head) {
    Vertex vertex = queue[head];
    for (uint32_t half = first_[vertex]; half != kNoHalf; half = halves_[half].next)
      if (Vertex to = halves_[half].to; halves_[half].residual > 0 && level_[to] == kNoLevel) {
        level_[to] = level_[vertex] + 1;
        queue.push_back(to);
      }
  }
  return level_[sink] != kNoLevel;
}

/// The next half from `vertex` one level down that can carry more. What was passed over stays passed over for
/// this phase: that is what bounds its time.
uint32_t MaxFlow::admissible(Vertex vertex) {
  for (uint32_t &half = current_[vertex]; half != kNoHalf; half = halves_[half].next)
    if (halves_[half].residual > 0 && level_[halves_[half].to] == level_[vertex] + 1)
      return half;
  return kNoHalf;
}

void MaxFlow::pushBlockingFlow(Vertex source, Vertex sink) {
  current_ = first_;
  std::vector<uint32_t> path;
  while (true) {
    Vertex vertex = path.empty() ? source : halves_[path.back()].to;
    if (vertex == sink) {
      int64_t amount = std::numeric_limits<int64_t>::max();
      for (uint32_t half : path)
        amount = std::min(amount, halves_[half].residual);
      size_t saturated = path.size();
      for (size_t i = path.size(); i-- > 0;) {
        halves_[path[i]].residual -= amount;
        halves_[path[i] ^ 1].residual += amount;
        if (halves_[path[i]].residual == 0)
          saturated = i;
      }
      path.resize(saturated);
      continue;
    }
    if (uint32_t half = admissible(vertex); half != kNoHalf) {
      path.push_back(half);
      continue;
    }
    if (path.empty())
      return;
    level_[vertex] = kNoLevel;
    path.pop_back();
  }
}

std::vector<bool> MaxFlow::reachesSink(Vertex sink) const {
  std::vector<bool> reaches(first_.size());
  reaches[sink] = true;
  std::vector<Vertex> pending{sink};
  while (!pending.empty()) {
    Vertex vertex = pending.back();
    pending.pop_back();
    for (uint32_t half = first_[vertex]; half != kNoHalf; half = halves_[half].next)
      if (Vertex from = halves_[half].to; halves_[half ^ 1].residual > 0 && !reaches[from]) {
        reaches[from] = true;
        pending.push_back(from);
      }
  }
  return reaches;
}

} // namespace lamina::partition
