//===- TypeReader.h - TypeProto and ValueInfoProto ---------------------------------------*- C++ -*-===//
//
// Private to the reader.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_TYPEREADER_H
#define LAMINA_LIB_IMPORT_ONNX_TYPEREADER_H

#include "lib/Import/ONNX/Model.h"
#include "lib/Import/ONNX/Wire.h"

namespace lamina::onnx {

/// A name, which points into the file, and what is declared of it.
struct DeclaredValue {
  std::string_view name;
  Type type;
};

/// Reads a TypeProto. What a sequence, map or optional consists of is not looked at.
absl::StatusOr<Type> readType(WireMessage message);

/// Reads a ValueInfoProto.
absl::StatusOr<DeclaredValue> readValueInfo(WireMessage message);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_TYPEREADER_H
