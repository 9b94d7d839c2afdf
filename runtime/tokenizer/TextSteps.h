//===- TextSteps.h - what a Hugging Face tokenizer does to text before BPE ------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_TOKENIZER_TEXTSTEPS_H
#define LAMINA_RUNTIME_TOKENIZER_TEXTSTEPS_H

#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/TokenizerData.h"

#include <vector>

namespace lamina {

/// The steps of a normalizer, pre_tokenizer or post_processor, of which a Sequence holds several under `key`; none
/// if it is null.
std::vector<const Json *> stepsOf(const Json *step, const char *key);

/// Sets the model of `data`, its normal form, and its split patterns or its space prefix, from the normalizer and the pre_tokenizer of
/// tokenizer.json.
absl::Status readTextSteps(const Json &tokenizer, TokenizerData &data);

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_TEXTSTEPS_H
