//===- ImportGGUF.h - GGUF models to the lm dialect -----------------------------------------*- C++ -*-===//
//
// A decoder in a GGUF file becomes a module of lm.weight symbols and one function
//
//     func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<…>, …) -> tensor<?xVOCABxf32>
//
// Weights stay in the file: the module holds names, types and offsets. docs/dialects/lm.md describes the
// module's attributes. Whatever could change results and is not understood is refused with one located
// diagnostic: location `name(file:0:0)`, name a key or a tensor. Work and memory are bounded by the file's
// header.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_GGUF_IMPORTGGUF_H
#define LAMINA_LIB_IMPORT_GGUF_IMPORTGGUF_H

#include "lib/Import/ImportOptions.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

namespace lamina {

class GGUFReader;

/// Imports an opened file. The module does not refer to `file` afterwards.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importGGUF(mlir::MLIRContext &context, const GGUFReader &file, const ImportOptions &options);

/// Opens and imports a model file, which is recognised by its content.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importModelFile(mlir::MLIRContext &context, llvm::StringRef path, const ImportOptions &options);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_GGUF_IMPORTGGUF_H
