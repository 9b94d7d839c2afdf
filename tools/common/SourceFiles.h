//===- SourceFiles.h - the files that an artifact is compiled from ------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_SOURCEFILES_H
#define LAMINA_TOOLS_COMMON_SOURCEFILES_H

#include "runtime/base/MappedFile.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lamina {

/// A model on a command line, and how it is compiled if it has to be.
struct ModelSource {
  std::string model;                          ///< an artifact, a file, or the folder that an exporter wrote
  int threads = 0;                            ///< that hash; 0: one per CPU
  std::vector<std::string> compileFlags = {}; ///< for lamina-opt
  std::vector<std::string> flagFiles = {};    ///< that the flags name
};

/// A model's files, mapped as long as this lives.
struct SourceFiles {
  struct File {
    std::string path;
    std::span<const uint8_t> bytes;
  };
  std::string name; ///< of the model, where its files do not say it
  std::vector<File> files;
  std::vector<MappedFile> beside; ///< of the model itself
  std::shared_ptr<const void> owner;
};

/// All parts of a GGUF model; an ONNX model with its external data and what of an export stands beside it. `model` is a file, or
/// the folder that an exporter wrote. An error says what is wrong with a model, before hours of work.
absl::StatusOr<SourceFiles> openSourceFiles(const std::string &model);

/// Whether lamina-opt compiles `model`: a GGUF or ONNX file, or a folder that an exporter wrote.
bool looksLikeSource(const std::string &model);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_SOURCEFILES_H
