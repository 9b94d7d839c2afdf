//===- ModelFiles.h - the files that a module's weights lie in ------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_MODELFILES_H
#define LAMINA_LIB_IMPORT_MODELFILES_H

#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lamina {

class GGUFReader;

/// What is needed of a model once it is imported, whatever its format. Files stay mapped while a copy of this lives.
struct ModelFiles {
  struct File {
    std::string path;
    std::span<const uint8_t> bytes;
    /// Of a part that is computed from the others, which has no bytes: how many it would have, and what gives them.
    uint64_t computedBytes = 0;
    std::function<absl::Status(uint64_t offset, std::span<uint8_t> out)> compute = nullptr;

    uint64_t size() const { return compute ? computedBytes : bytes.size(); }
  };
  std::vector<File> files;           ///< in the order of the module's lm.files
  std::string vocabulary;            ///< a GGUF file without tensors, for the artifact
  std::shared_ptr<const void> owner; ///< of the bytes
};

/// A module with what its weights are read from; no files for one that came as .mlir.
struct Model {
  ModelFiles files;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

ModelFiles filesOf(std::shared_ptr<const GGUFReader> reader);

/// The files of the GGUF model that `path` is a part of; all of their data must be there.
absl::StatusOr<ModelFiles> openGGUFFiles(const std::string &path);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELFILES_H
