//===- NodeOrder.h - what comes before what ----------------------------------------------*- C++ -*-===//
//
// Private to the reader.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_NODEORDER_H
#define LAMINA_LIB_IMPORT_ONNX_NODEORDER_H

#include <cstdint>
#include <optional>
#include <vector>

namespace lamina::onnx {

struct NodeOrder {
  std::vector<uint32_t> order; ///< every node after those that it needs; as given where that is so already
  std::optional<uint32_t> onCycle; ///< a node that needs itself; `order` is void then
};

/// `needs[i]` lists the nodes that node i needs, in any order, also repeatedly. Takes time n log n.
NodeOrder orderNodes(const std::vector<std::vector<uint32_t>> &needs);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_NODEORDER_H
