//===- Attributes.h - values of a node's attributes ---------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_ATTRIBUTES_H
#define LAMINA_LIB_IMPORT_ONNX_ATTRIBUTES_H

#include "lib/Import/ONNX/Model.h"

namespace lamina::onnx {

/// The attribute's value, or `otherwise` if it is absent. Shape rules have refused those of another kind.
template <typename T> T attributeOr(const Node &node, std::string_view name, T otherwise) {
  const Attribute *attribute = node.find(name);
  const T *value = attribute ? std::get_if<T>(&attribute->value) : nullptr;
  return value ? *value : otherwise;
}

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_ATTRIBUTES_H
