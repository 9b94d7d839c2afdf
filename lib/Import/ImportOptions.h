//===- ImportOptions.h - what all importers share ----------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_IMPORTOPTIONS_H
#define LAMINA_LIB_IMPORT_IMPORTOPTIONS_H

#include "mlir/IR/Location.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/StringRef.h"

#include <map>
#include <string>

namespace lamina {

enum class CacheElement { F16, F32, BF16, FP8E4M3, Q8_0 };

struct ImportOptions {
  CacheElement cacheElement = CacheElement::F16;
  /// Largest number of positions of a sequence; 0: what the model was trained for, which is also the maximum.
  int64_t contextLength = 0;
  /// Accept a file whose tensor data is cut off or missing, for planning alone.
  bool allowMissingData = false;
  /// Of ONNX models. Numbers for sizes that the file gives names.
  std::map<std::string, int64_t> sizes = {};
  /// Of those without a cache: inputs that become constants, name to .npy file.
  std::map<std::string, std::string> constants = {};
};

/// The element type of a !lm.kv_cache.
mlir::Type cacheElementType(mlir::MLIRContext &context, CacheElement element);

/// The location of a named thing (key, tensor, node, layer) in the model file.
mlir::Location namedLoc(llvm::StringRef name, mlir::Location fileLoc);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_IMPORTOPTIONS_H
