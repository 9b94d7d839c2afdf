//===- GraphReader.h - GraphProto to Graph -----------------------------------------------*- C++ -*-===//
//
// Private to the reader. Resolves names: within a graph each is defined once, as an input, an initialiser or
// the output of a node; a subgraph sees the names of the graphs around it behind its own, the body of a
// function does not.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_GRAPHREADER_H
#define LAMINA_LIB_IMPORT_ONNX_GRAPHREADER_H

#include "lib/Import/ONNX/AttributeReader.h"
#include "lib/Import/ONNX/TypeReader.h"

#include "absl/container/flat_hash_map.h"

namespace lamina::onnx {

/// Graphs nest at most this deep, the model's own counted.
inline constexpr int kMaxNesting = 16;

/// The pieces of a GraphProto, or of a FunctionProto, in the order of the file.
struct GraphParts {
  std::string name;
  std::vector<DeclaredValue> inputs, outputs, declared;
  std::vector<WireMessage> initializers, nodes;
};

/// "" for "ai.onnx", which are two names of the standard's domain.
inline std::string normalDomain(std::string_view domain) {
  return std::string(domain == "ai.onnx" ? "" : domain);
}

class GraphReader {
public:
  /// `outer` reads the graph around this one; null: there is none.
  GraphReader(ExternalData &external, bool inFunction, GraphReader *outer = nullptr)
      : external_(external), inFunction_(inFunction), outer_(outer), depth_(outer ? outer->depth_ + 1 : 1) {}

  absl::StatusOr<Graph> readGraph(WireMessage message);
  /// `message` is the one whose parts these are.
  absl::StatusOr<Graph> build(const GraphParts &parts, const WireMessage &message);

private:
  /// A node whose inputs and attributes are still to be read.
  struct PendingNode {
    WireMessage message;
    std::vector<std::string_view> inputs = {}, outputs = {};
    std::vector<WireMessage> attributes = {};
  };

  absl::StatusOr<ValueId> define(std::string_view name);
  absl::Status defineInputs(const GraphParts &parts, const WireMessage &message);
  absl::Status defineConstants(const GraphParts &parts);
  absl::Status defineNodes(const GraphParts &parts);
  absl::StatusOr<PendingNode> readNode(WireMessage message, Node &node);
  void declareTypes(const std::vector<DeclaredValue> &values);
  absl::Status resolveInputs(Node &node, const PendingNode &pending);
  absl::Status readAttributes(Node &node, const PendingNode &pending);
  absl::Status resolveOutputs(const GraphParts &parts, const WireMessage &message);
  absl::Status sortNodes(const WireMessage &message);
  /// kAbsent if the name is defined neither here nor around.
  ValueId resolve(std::string_view name);

  ExternalData &external_;
  bool inFunction_;
  GraphReader *outer_;
  int depth_;
  Graph graph_;
  absl::flat_hash_map<std::string, ValueId> ids_; ///< by name; also of captured values
  std::vector<PendingNode> pending_;              ///< by node
  std::vector<std::vector<ValueId>> uses_;        ///< by node so far, also of its subgraphs
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_GRAPHREADER_H
