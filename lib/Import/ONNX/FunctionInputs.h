//===- FunctionInputs.h - what the inputs of a function are ------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_FUNCTIONINPUTS_H
#define LAMINA_LIB_IMPORT_ONNX_FUNCTIONINPUTS_H

#include "lib/Import/ImportOptions.h"
#include "lib/Import/ONNX/Model.h"
#include "lib/Import/ONNX/Tensor.h"

namespace lamina::onnx {

/// Whether the graph has the inputs and sizes that `options` name.
absl::Status checkNames(const Graph &graph, const ImportOptions &options);

/// An input of a graph without caches: its type and shape, sizes with a name as `options` say; or with elements, those of the file
/// that makes it a constant. An error says what to declare or to give.
absl::StatusOr<Tensor> inputTensor(const Value &input, const ImportOptions &options);

/// What to do where a node's shapes, or whether it runs, depend on elements: an input that they follow from may be fixed. `tensors`
/// are by value.
std::string remedyFor(const Graph &graph, const std::vector<Tensor> &tensors, const Node &node);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_FUNCTIONINPUTS_H
