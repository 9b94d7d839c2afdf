//===- AttributeReader.h - AttributeProto to Attribute -----------------------------------*- C++ -*-===//
//
// Private to the reader.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_ATTRIBUTEREADER_H
#define LAMINA_LIB_IMPORT_ONNX_ATTRIBUTEREADER_H

#include "lib/Import/ONNX/ExternalData.h"
#include "lib/Import/ONNX/Wire.h"

#include <functional>

namespace lamina::onnx {

/// Where an attribute stands.
struct AttributeContext {
  ExternalData &external;
  bool inFunction; ///< it may refer to an attribute of the function's caller
  std::function<absl::StatusOr<Graph>(WireMessage)> readSubgraph;
};

/// Refuses attributes without name or kind, with values of another kind than they say, or of a kind that no
/// operator known to lamina has.
absl::StatusOr<Attribute> readAttribute(WireMessage message, const AttributeContext &context);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_ATTRIBUTEREADER_H
