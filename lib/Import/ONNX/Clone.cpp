//===- Clone.cpp - copies of nodes and graphs -----------------------------------------------------------===//

#include "lib/Import/ONNX/Clone.h"

namespace lamina::onnx {

namespace {
struct Cloner {
  const AttributeLookup &attributes;
  const ValueMap &values;

  /// None if it refers to an attribute that the caller does not give.
  std::optional<Attribute> attribute(const Attribute &from) const {
    const Attribute *source = &from;
    if (!from.reference.empty()) {
      source = attributes(from.reference);
      if (!source)
        return std::nullopt;
    }
    Attribute result;
    result.name = from.name;
    result.kind = source->kind;
    std::visit([&](const auto &value) { result.value = copy(value); }, source->value);
    return result;
  }

private:
  template <typename T> T copy(const T &value) const { return value; }
  std::unique_ptr<Graph> copy(const std::unique_ptr<Graph> &graph) const {
    return cloneGraph(*graph, attributes, values);
  }
  std::vector<std::unique_ptr<Graph>> copy(const std::vector<std::unique_ptr<Graph>> &graphs) const {
    std::vector<std::unique_ptr<Graph>> result;
    for (const std::unique_ptr<Graph> &graph : graphs)
      result.push_back(copy(graph));
    return result;
  }
};
} // namespace

Node cloneNode(const Node &node, const AttributeLookup &attributes, const ValueMap &values) {
  Node result;
  result.name = node.name, result.domain = node.domain, result.op = node.op, result.overload = node.overload;
  result.number = node.number;
  Cloner cloner{attributes, values};
  for (const Attribute &attribute : node.attributes)
    if (std::optional<Attribute> copy = cloner.attribute(attribute))
      result.attributes.push_back(*std::move(copy));
  return result;
}

std::unique_ptr<Graph> cloneGraph(const Graph &graph, const AttributeLookup &attributes,
                                  const ValueMap &values) {
  auto result = std::make_unique<Graph>();
  result->name = graph.name, result->values = graph.values, result->constants = graph.constants;
  result->inputs = graph.inputs, result->outputs = graph.outputs;
  for (const Graph::Capture &capture : graph.captures)
    result->captures.push_back({capture.inner, values(capture.outer)});
  auto same = [](ValueId id) { return id; }; // values of the graph itself keep their ids
  for (const Node &node : graph.nodes) {
    result->nodes.push_back(cloneNode(node, attributes, same));
    result->nodes.back().inputs = node.inputs;
    result->nodes.back().outputs = node.outputs;
  }
  return result;
}

} // namespace lamina::onnx
