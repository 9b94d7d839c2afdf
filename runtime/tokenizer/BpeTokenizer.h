//===- BpeTokenizer.h - byte-level BPE --------------------------------------------------------*- C++ -*-===//
//
// The "gpt2" model: text is cut into words by the pre-tokenizer; within a word, bytes are merged in the order
// of the merge list (ties: the leftmost). n log n in the longest word, linear in the text.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_BPETOKENIZER_H
#define LAMINA_RUNTIME_TOKENIZER_BPETOKENIZER_H

#include "runtime/tokenizer/MergeTable.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/StringTable.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <optional>

namespace lamina {

/// The letter that stands for a byte in a byte-level vocabulary, as UTF-8: printable Latin-1 bytes stand for
/// themselves, the others for U+0100 upwards.
std::string_view byteLetter(uint8_t byte);

/// The bytes that a token text of such letters stands for; other characters stand for themselves.
std::string bytesOfLetters(std::string_view text);

class BpeTokenizer : public Tokenizer {
public:
  explicit BpeTokenizer(TokenizerData data) : Tokenizer(std::move(data)) {}

  /// Builds the tables; an error names two tokens of equal text.
  absl::Status build();

protected:
  absl::Status encodeText(std::string_view text, bool afterSpecial, std::vector<int32_t> &ids) const override;

private:
  class Merger;

  absl::Status buildPreTokenizer();
  absl::Status encodeWord(std::string_view word, Merger &merger, std::vector<int32_t> &ids) const;
  absl::Status emit(std::string_view letters, std::vector<int32_t> &ids) const;

  /// Texts of tokens; index = id. Control and unknown tokens are not in it: they are found in text by their
  /// names alone, never by merging.
  StringTable table_;
  MergeTable merges_;
  std::optional<PreTokenizer> pre_;
  bool ignoreMerges_ = false;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_BPETOKENIZER_H
