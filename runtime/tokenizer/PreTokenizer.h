//===- PreTokenizer.h - splits text into words before BPE -------------------------------------*- C++ -*-===//
//
// A pre-tokenizer is a list of regular expressions. Each cuts every piece that the ones before it left: a
// match is a piece, and so is the text between two matches. Matching is by PCRE2 with Unicode properties.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_PRETOKENIZER_H
#define LAMINA_RUNTIME_TOKENIZER_PRETOKENIZER_H

#include "runtime/base/Status.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// What the name in tokenizer.ggml.pre stands for.
struct PreTokenizerSpec {
  std::span<const char *const> names;    ///< the first is the canonical one
  std::span<const char *const> patterns; ///< PCRE2 syntax, in order
  bool ignoreMerges = false;             ///< a word that is a token as a whole is not built from merges
  bool addBos = false;                   ///< default of add_bos_token
};

/// Looks a name up (empty: "default"). An error names the supported ones that come nearest.
absl::StatusOr<const PreTokenizerSpec *> findPreTokenizer(std::string_view name);

/// All of them, for tests and documentation.
std::span<const PreTokenizerSpec> allPreTokenizers();

/// Compiled patterns; immutable and thread-safe.
class PreTokenizer {
public:
  static absl::StatusOr<PreTokenizer> create(const PreTokenizerSpec &spec);
  /// InvalidArgument says which pattern does not compile.
  static absl::StatusOr<PreTokenizer> create(std::span<const std::string> patterns);
  PreTokenizer(PreTokenizer &&) noexcept;
  PreTokenizer &operator=(PreTokenizer &&) noexcept;
  ~PreTokenizer();

  /// Cuts `text`, which must be well-formed UTF-8, into consecutive pieces (views into it). ResourceExhausted
  /// if a pattern gives up on an extreme input.
  absl::StatusOr<std::vector<std::string_view>> split(std::string_view text) const;

private:
  struct Pattern;
  PreTokenizer();

  absl::Status splitPiece(const Pattern &pattern, std::string_view piece, void *match,
                          std::vector<std::string_view> &out) const;

  std::vector<Pattern> patterns_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_PRETOKENIZER_H
