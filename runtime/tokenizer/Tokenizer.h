//===- Tokenizer.h - text to ids and back -----------------------------------------------------*- C++ -*-===//
//
// Tokenizer::create checks a vocabulary and builds its tables; afterwards the object is immutable and every
// const function may be called from any thread.
//
// Text is any bytes. Where it is not well-formed UTF-8, each ill-formed byte is encoded on its own as that
// byte, so that decode(encode(text)) gives back the same bytes wherever the vocabulary covers all bytes (but
// SentencePiece writes spaces as U+2581, so that a U+2581 in the text comes back as a space, and some
// vocabularies have text in Unicode's Normalization Form C).
//
// Special tokens in text: user-defined tokens are always recognised, control and unknown tokens only with
// parseSpecial; at each position the longest one wins. With parseSpecial off no text can produce a control
// token.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_TOKENIZER_H
#define LAMINA_RUNTIME_TOKENIZER_TOKENIZER_H

#include "runtime/base/Status.h"
#include "runtime/tokenizer/TokenizerData.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

struct EncodeOptions {
  bool addSpecial = true;    ///< add bos and eos as the vocabulary asks for
  bool parseSpecial = false; ///< read "<|eot_id|>" and the like in the text as the token it names
};

struct DecodeOptions {
  bool renderSpecial = false; ///< show control and unknown tokens as their text instead of nothing
};

class Tokenizer {
public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> create(TokenizerData data);
  virtual ~Tokenizer();

  /// The ids of `text`. An error where the vocabulary has neither a token nor a fallback for some byte.
  absl::StatusOr<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {}) const;

  /// The text of `ids`, without the space that encode() put in front. An error names the first id out of
  /// range.
  absl::StatusOr<std::string> decode(std::span<const int32_t> ids, DecodeOptions options = {}) const;

  /// The bytes of one token; a token may hold a part of a character (see StreamDecoder). The view lives as
  /// long as the tokenizer. An id out of range has no bytes.
  std::string_view decodePiece(int32_t id, DecodeOptions options = {}) const;

  /// True for eos, eot, eom and the other tokens after which a model has nothing more to say.
  bool isEndOfGeneration(int32_t id) const;

  size_t vocabSize() const { return data_.tokens.size(); }

  /// The vocabulary; `eot` and `eom` are filled in from well-known texts where the file did not give them.
  const TokenizerData &data() const { return data_; }

  /// One line if the vocabulary is usable but doubtful (no pre-tokenizer named), else empty.
  const std::string &warning() const { return warning_; }

protected:
  explicit Tokenizer(TokenizerData data);

  /// Appends the ids of text that holds no special token. `afterSpecial`: it starts the text or follows a
  /// special token.
  virtual absl::Status encodeText(std::string_view text, bool afterSpecial,
                                  std::vector<int32_t> &ids) const = 0;

  TokenType type(int32_t id) const { return data_.types.empty() ? TokenType::Normal : data_.types[id]; }

  TokenizerData data_;
  std::string warning_;

private:
  class SpecialTokens;

  /// Text that holds no special token, in the normal form that the vocabulary asks for.
  absl::Status encodePart(std::string_view text, bool afterSpecial, std::vector<int32_t> &ids) const;
  /// Found in text by its name alone.
  bool isSpecial(int32_t id) const;
  void findSpecialIds();
  void buildPieces();

  std::unique_ptr<SpecialTokens> special_;
  std::vector<std::string> pieces_;
  std::vector<bool> endOfGeneration_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_TOKENIZER_H
