//===- TokenizerData.h - a vocabulary as plain data -------------------------------------------*- C++ -*-===//
//
// What a model file says about its tokenizer, with the defaults of its kind filled in. A plain struct: made
// from a GGUF file (tokenizerDataFromGGUF), from a tokenizer.json (TokenizerJson.h) or by hand, checked by
// validate(), consumed by Tokenizer::create.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_TOKENIZERDATA_H
#define LAMINA_RUNTIME_TOKENIZER_TOKENIZERDATA_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lamina {

class GGUFReader;
class GGUFWriter;

/// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  Undefined = 0,
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
};

/// An id that a vocabulary does not have.
inline constexpr int32_t NoToken = -1;

struct TokenizerData {
  std::string
      model; ///< "llama" (SentencePiece BPE, with scores or merges) or "gpt2" (byte-level BPE with merges)
  std::string
      pre; ///< name of the split patterns of a "gpt2" vocabulary; empty: "default"; "llama" ignores it
  std::vector<std::string> patterns; ///< in place of `pre`: the patterns themselves, in PCRE2 syntax
  bool ignoreMerges = false; ///< with `patterns`: a word that is a token as a whole is not built from merges

  bool composes = false; ///< text comes into Unicode's Normalization Form C first

  std::vector<std::string>
      tokens;                   ///< id -> text as in the file (with U+2581 for space, or byte-level letters)
  std::vector<float> scores;    ///< per token, or empty (all equal); only "llama" looks at it
  std::vector<TokenType> types; ///< per token, or empty (all normal)
  bool typesComplete = false;   ///< no token is special because of its text alone
  std::vector<std::string> merges; ///< "left right", best first; "llama" goes by scores if it has none

  int32_t bos = NoToken;
  int32_t eos = NoToken;
  int32_t eot = NoToken; ///< end of a turn
  int32_t eom = NoToken; ///< end of a message
  int32_t unk = NoToken;
  int32_t pad = NoToken;
  bool addBos = false;
  bool addEos = false;
  bool addSpacePrefix = false;  ///< to texts and what follows a special token; only "llama"
  bool spacePrefixOnce = false; ///< only to the beginning of a text, and not in front of a space

  std::vector<int32_t> stops; ///< ids that end a generation beside eos, eot and eom

  std::string chatTemplate; ///< Jinja source, empty if the file has none

  bool operator==(const TokenizerData &) const = default;

  /// Checks that the model and pre are supported, that the arrays fit each other, the ids are in range, the
  /// tokens are distinct and a bos or eos that is to be added exists. One line otherwise.
  absl::Status validate() const;
};

/// The special ids and flags that a vocabulary of this model and pre has when its file does not say: "llama"
/// bos 1, eos 2, unk 0, adds bos and a space prefix; "gpt2" bos = eos = 11, adds bos only where the pre says
/// so. Ids that `tokenCount` does not reach are absent.
void applyTokenizerDefaults(TokenizerData &data, size_t tokenCount);

/// Reads tokenizer.ggml.* and tokenizer.chat_template. An id of 0xFFFFFFFF means absent. Errors name the file
/// and key; a file without a vocabulary ("none", "no_vocab", or no key at all) is NotFound. The result is
/// valid.
absl::StatusOr<TokenizerData> tokenizerDataFromGGUF(const GGUFReader &reader);

/// Writes all that tokenizerDataFromGGUF reads, under keys of our own what other readers of GGUF do not know.
void addTokenizer(const TokenizerData &data, GGUFWriter &writer);

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_TOKENIZERDATA_H
