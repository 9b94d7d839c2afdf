//===- SourceFiles.h - the files that an artifact is compiled from ------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_SOURCEFILES_H
#define LAMINA_TOOLS_COMMON_SOURCEFILES_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lamina {

/// A model's files, mapped as long as this lives.
struct SourceFiles {
  struct File {
    std::string path;
    std::span<const uint8_t> bytes;
  };
  std::vector<File> files;
  std::string names; ///< of those that mean something by their name
  std::shared_ptr<const void> owner;
};

/// All parts of a GGUF model; an ONNX model with its external data and what of an export stands beside it. `model` is a file, or
/// the folder that an exporter wrote. An error says what is wrong with a model, before hours of work.
absl::StatusOr<SourceFiles> openSourceFiles(const std::string &model);

/// Whether `model` is an ONNX file, or a folder that an exporter wrote.
bool looksLikeExport(const std::string &model);
/// The same, or a GGUF file: whether lamina-opt compiles it.
bool looksLikeSource(const std::string &model);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_SOURCEFILES_H
