//===- TokenizerData.h - a vocabulary as plain data -------------------------------------------*- C++ -*-===//
//
// What a model file says about its tokenizer, with the defaults of its kind filled in. A plain struct: made
// from a GGUF file (tokenizerDataFromGGUF) or by hand, checked by validate(), consumed by Tokenizer::create.
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
  std::string model; ///< "llama" (SentencePiece BPE with scores) or "gpt2" (byte-level BPE with merges)
  std::string
      pre; ///< name of the split patterns of a "gpt2" vocabulary; empty: "default"; "llama" ignores it

  std::vector<std::string>
      tokens;                   ///< id -> text as in the file (with U+2581 for space, or byte-level letters)
  std::vector<float> scores;    ///< per token, or empty (all equal); only "llama" looks at it
  std::vector<TokenType> types; ///< per token, or empty (all normal)
  std::vector<std::string> merges; ///< "left right", best first; only "gpt2"

  int32_t bos = NoToken;
  int32_t eos = NoToken;
  int32_t eot = NoToken; ///< end of a turn
  int32_t eom = NoToken; ///< end of a message
  int32_t unk = NoToken;
  int32_t pad = NoToken;
  bool addBos = false;
  bool addEos = false;
  bool addSpacePrefix = false; ///< only "llama"

  std::string chatTemplate; ///< Jinja source, empty if the file has none

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

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_TOKENIZERDATA_H
