//===- Attributes.h - a node's attributes, and which of them were asked for --------------*- C++ -*-===//
//
// An attribute that nobody asks for may change results, so whoever says what a node means asks for all of its
// attributes through this, and fails where one is left. Getters return the fallback if the attribute is
// absent; one of another kind than asked for is an error that is reported afterwards.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_ATTRIBUTES_H
#define LAMINA_LIB_IMPORT_ONNX_ATTRIBUTES_H

#include "lib/Import/ONNX/Model.h"

namespace lamina::onnx {

/// Whether an attribute says nothing: it has a value that asks for nothing special, whatever the operator.
bool isNeutral(const Attribute &attribute);

/// The attribute's value, or `otherwise` if it is absent. Shape rules have refused those of another kind.
template <typename T> T attributeOr(const Node &node, std::string_view name, T otherwise) {
  const Attribute *attribute = node.find(name);
  const T *value = attribute ? std::get_if<T>(&attribute->value) : nullptr;
  return value ? *value : otherwise;
}

class Attributes {
public:
  /// The node must outlive this.
  explicit Attributes(const Node &node) : node_(&node), asked_(node.attributes.size(), false) {}

  bool hasAttribute(std::string_view name) { return find(name) != nullptr; }
  int64_t integer(std::string_view name, int64_t fallback);
  double real(std::string_view name, double fallback);
  std::string text(std::string_view name, std::string fallback = "");
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> fallback = {});
  std::vector<double> reals(std::string_view name);
  const TensorConstant *tensor(std::string_view name);
  const Graph *graph(std::string_view name);

  /// The error of a getter, if one failed.
  const absl::Status &attributeError() const { return error_; }
  /// An error if one failed, or if an attribute was not asked for and has a value that means something.
  absl::Status checkAttributes() const;

private:
  const Attribute *find(std::string_view name);
  template <typename T> const T *get(std::string_view name, std::string_view kind);

  const Node *node_;
  std::vector<bool> asked_;
  absl::Status error_;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_ATTRIBUTES_H
