//===- SpecialTokens.cpp - finds special tokens in text -------------------------------------------------===//

#include "runtime/tokenizer/SpecialTokens.h"

namespace lamina {

void Tokenizer::SpecialTokens::add(std::string_view text, int32_t id, bool always) {
  if (text.empty())
    return;
  starts_[static_cast<uint8_t>(text[0])] = true;
  uint32_t node = 0;
  for (char c : text) {
    auto [edge, inserted] =
        edges_.try_emplace(static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(c), nodes_.size());
    node = edge->second;
    if (inserted)
      nodes_.emplace_back();
  }
  if (nodes_[node].id == NoToken)
    nodes_[node] = {id, always};
}

Tokenizer::SpecialTokens::Match Tokenizer::SpecialTokens::longestAt(std::string_view text, size_t offset,
                                                                    bool all) const {
  Match best{text.size(), 0, NoToken};
  uint32_t node = 0;
  for (size_t i = offset; i < text.size(); ++i) {
    auto edge = edges_.find(static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(text[i]));
    if (edge == edges_.end())
      break;
    node = edge->second;
    if (nodes_[node].id != NoToken && (all || nodes_[node].always))
      best = {offset, i + 1 - offset, nodes_[node].id};
  }
  return best;
}

Tokenizer::SpecialTokens::Match Tokenizer::SpecialTokens::find(std::string_view text, size_t from,
                                                               bool all) const {
  for (size_t offset = from; offset < text.size(); ++offset) {
    if (!starts_[static_cast<uint8_t>(text[offset])])
      continue;
    Match match = longestAt(text, offset, all);
    if (match.id != NoToken)
      return match;
  }
  return {text.size(), 0, NoToken};
}

} // namespace lamina
