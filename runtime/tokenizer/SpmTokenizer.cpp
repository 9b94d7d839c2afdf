//===- SpmTokenizer.cpp - SentencePiece BPE -------------------------------------------------------------===//

#include "runtime/tokenizer/SpmTokenizer.h"

#include "absl/strings/str_format.h"
#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"

#include <algorithm>
#include <queue>

namespace lamina {

/// One run of merging over a text.
class SpmTokenizer::Merger {
public:
  Merger(const SpmTokenizer &owner, std::string_view text) : owner_(owner), text_(text) {
    for (size_t offset = 0; offset < text.size();) {
      size_t length = utf8::decode(text.substr(offset)).length;
      int32_t index = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({offset, length, index - 1, index + 1});
      offset += length;
    }
    if (!symbols_.empty())
      symbols_.back().next = -1;
  }

  absl::Status run(std::vector<int32_t> &ids) {
    for (size_t i = 1; i < symbols_.size(); ++i)
      consider(static_cast<int32_t>(i) - 1, static_cast<int32_t>(i));
    while (!queue_.empty()) {
      Pair pair = queue_.top();
      queue_.pop();
      merge(pair);
    }
    for (int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[i].next)
      LAMINA_RETURN_IF_ERROR(emit(symbols_[i], ids));
    return absl::OkStatus();
  }

private:
  struct Symbol {
    size_t offset, length; ///< length 0: merged into the one before
    int32_t previous, next;
  };

  struct Pair {
    float score; ///< or the negated rank of the merge
    int32_t left, right;
    size_t length;
    bool operator<(const Pair &other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };

  void consider(int32_t left, int32_t right) {
    if (left < 0 || right < 0)
      return;
    size_t length = symbols_[left].length + symbols_[right].length;
    if (length > owner_.longest_)
      return;
    if (!owner_.data_.merges.empty()) {
      int32_t rank = owner_.merges_.rank(textOf(symbols_[left]), textOf(symbols_[right]));
      if (rank >= 0)
        queue_.push({-static_cast<float>(rank), left, right, length});
      return;
    }
    int32_t id = owner_.table_.find(text_.substr(symbols_[left].offset, length));
    if (id >= 0)
      queue_.push({owner_.data_.scores.empty() ? 0.0f : owner_.data_.scores[id], left, right, length});
  }

  std::string_view textOf(const Symbol &symbol) const { return text_.substr(symbol.offset, symbol.length); }

  void merge(const Pair &pair) {
    Symbol &left = symbols_[pair.left], &right = symbols_[pair.right];
    // An older pair: one of its halves has grown or gone since.
    if (left.length == 0 || right.length == 0 || left.length + right.length != pair.length)
      return;
    left.length += right.length;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0)
      symbols_[right.next].previous = pair.left;
    consider(left.previous, pair.left);
    consider(pair.left, left.next);
  }

  absl::Status emit(const Symbol &symbol, std::vector<int32_t> &ids) const {
    std::string_view text = textOf(symbol);
    if (int32_t id = owner_.table_.find(text); id >= 0) {
      ids.push_back(id);
      return absl::OkStatus();
    }
    size_t before = ids.size();
    for (char c : text) {
      int32_t id = owner_.bytes_[static_cast<uint8_t>(c)];
      if (id == NoToken) {
        // As SentencePiece without byte fallback: one unknown token for the character.
        if (owner_.data_.unk == NoToken)
          return absl::InvalidArgumentError(absl::StrFormat(
              "the vocabulary has no token for byte 0x%02X and no unknown token", static_cast<uint8_t>(c)));
        ids.resize(before);
        ids.push_back(owner_.data_.unk);
        return absl::OkStatus();
      }
      ids.push_back(id);
    }
    return absl::OkStatus();
  }

  const SpmTokenizer &owner_;
  std::string_view text_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair> queue_;
};

int spmByteValue(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>')
    return -1;
  int value = 0;
  for (char c : text.substr(3, 2)) {
    bool digit = c >= '0' && c <= '9', letter = c >= 'A' && c <= 'F';
    if (!digit && !letter)
      return -1;
    value = value * 16 + (digit ? c - '0' : c - 'A' + 10);
  }
  return value;
}

absl::Status SpmTokenizer::build() {
  bytes_.fill(NoToken);
  table_.reserve(data_.tokens.size());
  for (size_t i = 0; i < data_.tokens.size(); ++i) {
    int32_t id = static_cast<int32_t>(i);
    std::string_view text = data_.tokens[i];
    TokenType kind = type(id);
    if (int value = spmByteValue(text); value >= 0 && bytes_[value] == NoToken)
      bytes_[value] = id;
    if (text.empty() || kind == TokenType::Control || kind == TokenType::Unknown || kind == TokenType::Byte) {
      table_.appendHidden(text);
      continue;
    }
    if (int32_t index = table_.intern(text); index != id)
      return absl::InvalidArgumentError(
          strCat("tokenizer.ggml.tokens: tokens ", index, " and ", id, " have the same text"));
    longest_ = std::max(longest_, text.size());
  }
  merges_.build(data_.merges);
  for (int value = 0; value < 256; ++value) {
    char byte = static_cast<char>(value);
    if (bytes_[value] == NoToken)
      bytes_[value] = table_.find(std::string_view(&byte, 1));
  }
  return absl::OkStatus();
}

absl::Status SpmTokenizer::encodeText(std::string_view text, bool afterSpecial,
                                      std::vector<int32_t> &ids) const {
  std::string escaped = utf8::replaceAll(text, " ", "\u2581");
  bool hasSpace = escaped.starts_with("\u2581");
  if (data_.addSpacePrefix && afterSpecial && !(data_.spacePrefixOnce && hasSpace))
    escaped.insert(0, "\u2581");
  return Merger(*this, escaped).run(ids);
}

} // namespace lamina
