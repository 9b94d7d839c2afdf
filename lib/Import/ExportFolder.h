//===- ExportFolder.h - the files beside an exported model ----------------------------------*- C++ -*-===//
//
// docs/formats/export-folder.md says what is read.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_EXPORTFOLDER_H
#define LAMINA_LIB_IMPORT_EXPORTFOLDER_H

#include "absl/status/statusor.h"

#include <cstdint>
#include <string>

namespace lamina {

/// The decoder in a folder: the file that genai_config.json names, which has to lie below the folder; otherwise
/// model.onnx.
absl::StatusOr<std::string> decoderInFolder(const std::string &folder);

/// The vocabulary of the model in `folder`, as a GGUF file without tensors: tokenizer.json, with what its neighbours
/// say of special tokens, chats and sampling. Without tokenizer.json only the latter. Fails if a token has an id beyond
/// the `logits` that the model computes.
absl::StatusOr<std::string> vocabularyInFolder(const std::string &folder, int64_t logits);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_EXPORTFOLDER_H
