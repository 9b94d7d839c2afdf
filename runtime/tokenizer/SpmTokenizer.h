//===- SpmTokenizer.h - SentencePiece BPE -----------------------------------------------------*- C++ -*-===//
//
// The "llama" model: text with U+2581 for spaces; the adjacent pair whose union is the token of the highest
// score is merged first (ties: the leftmost); what ends up as no token falls back to byte tokens. n log n in
// the text.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_SPMTOKENIZER_H
#define LAMINA_RUNTIME_TOKENIZER_SPMTOKENIZER_H

#include "runtime/tokenizer/MergeTable.h"
#include "runtime/tokenizer/StringTable.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <array>

namespace lamina {

/// The value of a byte token's text "<0xHH>", or -1.
int spmByteValue(std::string_view text);

class SpmTokenizer : public Tokenizer {
public:
  explicit SpmTokenizer(TokenizerData data) : Tokenizer(std::move(data)) {}

  /// Builds the tables; AlreadyExists names two tokens of equal text.
  absl::Status build();

protected:
  absl::Status encodeText(std::string_view text, bool afterSpecial, std::vector<int32_t> &ids) const override;

private:
  class Merger;

  StringTable table_;              ///< index = id; control, unknown and byte tokens are not found
  std::array<int32_t, 256> bytes_; ///< byte -> id or NoToken
  MergeTable merges_;              ///< if there are any, scores do not count
  size_t longest_ = 0;             ///< bytes of the longest token
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_SPMTOKENIZER_H
