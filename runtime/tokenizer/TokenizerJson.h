//===- TokenizerJson.h - vocabularies of Hugging Face tokenizers ----------------------------*- C++ -*-===//
//
// docs/formats/export-folder.md says what of these files is understood.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_TOKENIZERJSON_H
#define LAMINA_RUNTIME_TOKENIZER_TOKENIZERJSON_H

#include "runtime/tokenizer/TokenizerData.h"

#include <string_view>

namespace lamina {

/// The vocabulary of a tokenizer.json, with what tokenizer_config.json (empty: there is none) says of it. One line
/// names the file and what in it is wrong or not supported: whatever would give other ids is refused. The result
/// is valid.
absl::StatusOr<TokenizerData> tokenizerDataFromJson(std::string_view tokenizer, std::string_view config);

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_TOKENIZERJSON_H
