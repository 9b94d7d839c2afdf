//===- HuggingFaceVocabulary.h - reads tokenizer.json, for tests ------------------------------*- C++ -*-===//
//
// Test vectors exist for tokenizers whose vocabulary is at hand only as a tokenizer.json.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_RUNTIME_TOKENIZER_HUGGINGFACEVOCABULARY_H
#define LAMINA_TEST_RUNTIME_TOKENIZER_HUGGINGFACEVOCABULARY_H

#include "runtime/tokenizer/TokenizerData.h"

namespace lamina {

/// The byte-level BPE vocabulary of a tokenizer.json, with the given pre-tokenizer and the defaults that go
/// with it.
absl::StatusOr<TokenizerData> readHuggingFaceVocabulary(const std::string &path, const std::string &pre);

} // namespace lamina

#endif // LAMINA_TEST_RUNTIME_TOKENIZER_HUGGINGFACEVOCABULARY_H
