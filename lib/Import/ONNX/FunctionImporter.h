//===- FunctionImporter.h - ONNX graphs without caches to upstream dialects -------------------*- C++ -*-===//
//
// A graph whose inputs and outputs are tensors of known shapes becomes
//
//   func.func @main(%x: tensor<2x3xf32> {plan.port = "input", plan.name = "x", plan.element = "float"}) -> (tensor<2x3xf32> {…})
//
// in tensor, linalg, arith, math and scf; attributes of arguments and results name the graph's inputs and outputs. Integers are
// signless, as upstream operations want them; plan.element is ONNX's type. Constants are dense.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_FUNCTIONIMPORTER_H
#define LAMINA_LIB_IMPORT_ONNX_FUNCTIONIMPORTER_H

#include "lib/Import/ImportOptions.h"
#include "lib/Import/ONNX/Model.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lamina::onnx {

/// `model` is flat. An error, located at the node, for whatever cannot be compiled.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importFunction(mlir::MLIRContext &context, const Model &model, const ImportOptions &options);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_FUNCTIONIMPORTER_H
