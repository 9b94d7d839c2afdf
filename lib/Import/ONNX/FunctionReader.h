//===- FunctionReader.h - model-local functions ------------------------------------------*- C++ -*-===//
//
// Private to the reader.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_FUNCTIONREADER_H
#define LAMINA_LIB_IMPORT_ONNX_FUNCTIONREADER_H

#include "lib/Import/ONNX/ExternalData.h"
#include "lib/Import/ONNX/Wire.h"

namespace lamina::onnx {

/// Calls nest at most this deep. Exporters that keep a model's modules as functions come to about ten.
inline constexpr uint32_t kMaxCallDepth = 64;

/// Adds an OperatorSetIdProto; of several versions of a domain the highest counts.
absl::Status readOpset(WireMessage message, std::map<std::string, int64_t> &opsets);

/// Reads a FunctionProto.
absl::StatusOr<Function> readFunction(WireMessage message, ExternalData &external);

/// Puts each function behind those that it calls. Refuses functions of the same name, that call themselves,
/// or that nest too deep, and nodes of domains that have neither an operator set nor a function.
absl::Status checkFunctions(Model &model);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_FUNCTIONREADER_H
