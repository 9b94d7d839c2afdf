//===- ImportONNX.h - ONNX decoders to the lm dialect -----------------------------------------*- C++ -*-===//
//
// A decoder in an ONNX file becomes the same kind of module that GGUF import gives (ImportGGUF.h): its caches, masks, positions
// and lengths are no inputs any more but the batch's. What cannot be imported is refused with one error, located at the node.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_IMPORTONNX_H
#define LAMINA_LIB_IMPORT_ONNX_IMPORTONNX_H

#include "lib/Import/ImportOptions.h"
#include "lib/Import/ModelFiles.h"

namespace lamina {

/// Reads and imports a model. A context length of 0 in `options` takes the model's own up to lm::kDefaultContext.
mlir::FailureOr<Model> importONNX(mlir::MLIRContext &context, llvm::StringRef path,
                                  const ImportOptions &options);

/// The files of an ONNX model and what was computed from its constants.
absl::StatusOr<ModelFiles> openONNXFiles(const std::string &path);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_ONNX_IMPORTONNX_H
