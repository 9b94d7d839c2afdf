//===- NodeOrder.cpp - what comes before what ------------------------------------------------------===//

#include "lib/Import/ONNX/NodeOrder.h"

#include <functional>
#include <queue>

namespace lamina::onnx {
namespace {

/// Follows what is missing from a node that could not be ordered, until one comes again.
uint32_t findCycle(const std::vector<std::vector<uint32_t>> &needs, const std::vector<uint32_t> &missing) {
  uint32_t node = 0;
  while (missing[node] == 0)
    ++node;
  std::vector<bool> seen(needs.size());
  while (!seen[node]) {
    seen[node] = true;
    for (uint32_t needed : needs[node])
      if (missing[needed] > 0) {
        node = needed;
        break;
      }
  }
  return node;
}

} // namespace

NodeOrder orderNodes(const std::vector<std::vector<uint32_t>> &needs) {
  NodeOrder result;
  uint32_t count = static_cast<uint32_t>(needs.size());
  std::vector<std::vector<uint32_t>> users(count);
  std::vector<uint32_t> missing(count);
  for (uint32_t node = 0; node < count; ++node)
    for (uint32_t needed : needs[node]) {
      users[needed].push_back(node);
      ++missing[node];
    }
  // The first in the file of those that are ready: an ordered graph stays as it is.
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t node = 0; node < count; ++node)
    if (missing[node] == 0)
      ready.push(node);
  while (!ready.empty()) {
    uint32_t node = ready.top();
    ready.pop();
    result.order.push_back(node);
    for (uint32_t user : users[node])
      if (--missing[user] == 0)
        ready.push(user);
  }
  if (result.order.size() != count) {
    result.onCycle = findCycle(needs, missing);
    result.order.clear();
  }
  return result;
}

} // namespace lamina::onnx
