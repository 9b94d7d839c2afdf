//===- ModelPath.h - what lies at the path of a model -----------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_MODELPATH_H
#define LAMINA_LIB_IMPORT_MODELPATH_H

#include "absl/status/statusor.h"

#include <optional>
#include <string>

namespace lamina {

/// The file of a model: `path` itself, or of a folder that an exporter wrote the decoder (ExportFolder.h).
absl::StatusOr<std::string> modelFile(const std::string &path);

enum class ModelFormat { GGUF, ONNX };

/// What a file is by its content; none if it is no model, or cannot be read.
std::optional<ModelFormat> formatOf(const std::string &file);

/// What the model in an ONNX file is called: as the file without its extension, or as the folder where the file has the name that
/// all exports have.
std::string nameOfONNX(const std::string &file);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELPATH_H
