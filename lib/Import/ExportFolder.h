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

inline constexpr const char *kGenAIConfig = "genai_config.json",
                            *kGenerationConfig = "generation_config.json", *kTokenizerJson = "tokenizer.json",
                            *kTokenizerConfig = "tokenizer_config.json",
                            *kChatTemplate = "chat_template.jinja";
/// Whatever is read beside a decoder, if it is there.
inline constexpr const char *kFilesBesideModel[] = {kGenAIConfig, kGenerationConfig, kTokenizerJson,
                                                    kTokenizerConfig, kChatTemplate};

/// The decoder in a folder: the file that genai_config.json names, which has to lie below the folder; otherwise
/// model.onnx.
absl::StatusOr<std::string> decoderInFolder(const std::string &folder);

/// The vocabulary of the model in `folder`, as a GGUF file without tensors: tokenizer.json, with what its neighbours
/// say of special tokens, chats and sampling. Without tokenizer.json only the latter. Fails if a token has an id beyond
/// the `logits` that the model computes.
absl::StatusOr<std::string> vocabularyInFolder(const std::string &folder, int64_t logits);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_EXPORTFOLDER_H
