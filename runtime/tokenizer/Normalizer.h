//===- Normalizer.h - Unicode's normal forms ----------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_TOKENIZER_NORMALIZER_H
#define LAMINA_RUNTIME_TOKENIZER_NORMALIZER_H

#include <string>
#include <string_view>

namespace lamina {

/// The text in Normalization Form C: letters and their marks as one character where there is one. Ill-formed bytes stay as they
/// are, and nothing is composed across them.
std::string composed(std::string_view text);

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_NORMALIZER_H
