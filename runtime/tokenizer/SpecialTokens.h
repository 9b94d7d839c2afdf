//===- SpecialTokens.h - finds special tokens in text -----------------------------------------*- C++ -*-===//
//
// A trie over the texts of all special tokens. Immutable after the last add(); linear in the text as long as
// special tokens are short.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_SPECIALTOKENS_H
#define LAMINA_RUNTIME_TOKENIZER_SPECIALTOKENS_H

#include "runtime/tokenizer/Tokenizer.h"

#include "absl/container/flat_hash_map.h"

#include <array>

namespace lamina {

class Tokenizer::SpecialTokens {
public:
  struct Match {
    size_t offset = 0;
    size_t length = 0;
    int32_t id = NoToken; ///< NoToken: nothing found, offset is the end of the text
  };

  /// `always`: found in every text; otherwise only where the caller asks for all special tokens. Of equal
  /// texts the first one counts.
  void add(std::string_view text, int32_t id, bool always);

  /// The first match at or after `from`, the longest one there.
  Match find(std::string_view text, size_t from, bool all) const;

private:
  struct Node {
    int32_t id = NoToken;
    bool always = false;
  };

  Match longestAt(std::string_view text, size_t offset, bool all) const;

  std::vector<Node> nodes_{Node()};
  absl::flat_hash_map<uint64_t, uint32_t> edges_; ///< node << 8 | byte -> node
  std::array<bool, 256> starts_{};
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_SPECIALTOKENS_H
