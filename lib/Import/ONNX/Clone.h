//===- Clone.h - copies of nodes and graphs ---------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_CLONE_H
#define LAMINA_LIB_IMPORT_ONNX_CLONE_H

#include "lib/Import/ONNX/Model.h"

#include <functional>

namespace lamina::onnx {

/// What a reference to an attribute of the calling node stands for; null if the caller does not give it.
using AttributeLookup = std::function<const Attribute *(const std::string &name)>;
/// The name that an outer value has now.
using ValueMap = std::function<ValueId(ValueId)>;

/// A node with the same attributes: references are replaced by what they stand for, those to nothing dropped,
/// and subgraphs capture the mapped values. Inputs and outputs are empty.
Node cloneNode(const Node &node, const AttributeLookup &attributes, const ValueMap &values);

/// A subgraph whose captured values are mapped.
std::unique_ptr<Graph> cloneGraph(const Graph &graph, const AttributeLookup &attributes,
                                  const ValueMap &values);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_CLONE_H
