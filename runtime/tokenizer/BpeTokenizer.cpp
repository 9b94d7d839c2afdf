//===- BpeTokenizer.cpp - byte-level BPE ----------------------------------------------------------------===//

#include "runtime/tokenizer/BpeTokenizer.h"

#include "absl/strings/str_format.h"
#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"

#include <algorithm>
#include <array>

namespace lamina {
namespace {

struct Letters {
  std::array<std::string, 256> text;
  std::array<int16_t, 512> byte; ///< code point -> byte or -1

  Letters() {
    byte.fill(-1);
    uint32_t next = 256;
    for (uint32_t value = 0; value < 256; ++value) {
      bool printable = (value >= 0x21 && value <= 0x7e) || (value >= 0xa1 && value <= 0xac) || value >= 0xae;
      uint32_t codepoint = printable ? value : next++;
      utf8::append(codepoint, text[value]);
      byte[codepoint] = static_cast<int16_t>(value);
    }
  }
};

const Letters &letters() {
  static const Letters instance;
  return instance;
}

} // namespace

std::string_view byteLetter(uint8_t byte) { return letters().text[byte]; }

std::string bytesOfLetters(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    utf8::Unit unit = utf8::decode(text);
    int byte = unit.wellFormed && unit.codepoint < 512 ? letters().byte[unit.codepoint] : -1;
    if (byte >= 0)
      bytes += static_cast<char>(byte);
    else
      bytes += text.substr(0, unit.length);
    text.remove_prefix(unit.length);
  }
  return bytes;
}

/// Merging within a word; the buffers are reused from word to word.
class BpeTokenizer::Merger {
public:
  explicit Merger(const BpeTokenizer &owner) : owner_(owner) {}

  /// The byte letters of `word`, up to the next call.
  std::string_view spell(std::string_view word) {
    letters_.clear();
    nodes_.clear();
    for (char c : word) {
      std::string_view letter = byteLetter(static_cast<uint8_t>(c));
      int32_t index = static_cast<int32_t>(nodes_.size());
      nodes_.push_back({letters_.size(), letter.size(), index - 1, index + 1});
      letters_ += letter;
    }
    if (!nodes_.empty())
      nodes_.back().next = -1;
    return letters_;
  }

  /// Merges what was spelled and calls `emit` with what is left, in order.
  template <typename Emit> absl::Status run(Emit emit) {
    heap_.clear();
    for (size_t i = 1; i < nodes_.size(); ++i)
      consider(static_cast<int32_t>(i) - 1, static_cast<int32_t>(i));
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      Pair pair = heap_.back();
      heap_.pop_back();
      merge(pair);
    }
    for (int32_t i = nodes_.empty() ? -1 : 0; i >= 0; i = nodes_[i].next)
      LAMINA_RETURN_IF_ERROR(emit(text(nodes_[i])));
    return absl::OkStatus();
  }

private:
  struct Node {
    size_t offset, length; ///< length 0: merged into the one before
    int32_t previous, next;
  };

  struct Pair {
    int32_t rank;
    int32_t left, right;
    size_t leftLength, rightLength;
    bool operator<(const Pair &other) const {
      return rank > other.rank || (rank == other.rank && left > other.left);
    }
  };

  std::string_view text(const Node &node) const {
    return std::string_view(letters_).substr(node.offset, node.length);
  }

  void consider(int32_t left, int32_t right) {
    if (left < 0 || right < 0)
      return;
    int32_t rank = owner_.merges_.rank(text(nodes_[left]), text(nodes_[right]));
    if (rank < 0)
      return;
    heap_.push_back({rank, left, right, nodes_[left].length, nodes_[right].length});
    std::push_heap(heap_.begin(), heap_.end());
  }

  void merge(const Pair &pair) {
    Node &left = nodes_[pair.left], &right = nodes_[pair.right];
    // An older pair: one of its halves has grown or gone since.
    if (left.length != pair.leftLength || right.length != pair.rightLength)
      return;
    left.length += right.length;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0)
      nodes_[right.next].previous = pair.left;
    consider(left.previous, pair.left);
    consider(pair.left, left.next);
  }

  const BpeTokenizer &owner_;
  std::string letters_;
  std::vector<Node> nodes_;
  std::vector<Pair> heap_;
};

absl::Status BpeTokenizer::buildPreTokenizer() {
  if (!data_.patterns.empty()) {
    LAMINA_ASSIGN_OR_RETURN(pre_, PreTokenizer::create(data_.patterns));
    ignoreMerges_ = data_.ignoreMerges;
    return absl::OkStatus();
  }
  LAMINA_ASSIGN_OR_RETURN(const PreTokenizerSpec *spec, findPreTokenizer(data_.pre));
  LAMINA_ASSIGN_OR_RETURN(pre_, PreTokenizer::create(*spec));
  ignoreMerges_ = spec->ignoreMerges;
  if (data_.pre.empty())
    warning_ =
        "the vocabulary names no pre-tokenizer (tokenizer.ggml.pre): using \"default\", which may split "
        "text differently from the model's own";
  return absl::OkStatus();
}

absl::Status BpeTokenizer::build() {
  LAMINA_RETURN_IF_ERROR(buildPreTokenizer());

  table_.reserve(data_.tokens.size());
  for (size_t i = 0; i < data_.tokens.size(); ++i) {
    int32_t id = static_cast<int32_t>(i);
    std::string_view text = data_.tokens[i];
    if (text.empty() || type(id) == TokenType::Control || type(id) == TokenType::Unknown) {
      table_.appendHidden(text);
      continue;
    }
    if (int32_t index = table_.intern(text); index != id)
      return absl::InvalidArgumentError(
          strCat("tokenizer.ggml.tokens: tokens ", index, " and ", id, " have the same text"));
  }
  merges_.build(data_.merges);
  return absl::OkStatus();
}

absl::Status BpeTokenizer::emit(std::string_view letters, std::vector<int32_t> &ids) const {
  if (int32_t id = table_.find(letters); id >= 0) {
    ids.push_back(id);
    return absl::OkStatus();
  }
  for (char c : bytesOfLetters(letters)) {
    int32_t id = table_.find(byteLetter(static_cast<uint8_t>(c)));
    if (id < 0)
      id = data_.unk;
    if (id == NoToken)
      return absl::InvalidArgumentError(absl::StrFormat(
          "the vocabulary has no token for byte 0x%02X and no unknown token", static_cast<uint8_t>(c)));
    ids.push_back(id);
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::encodeWord(std::string_view word, Merger &merger,
                                      std::vector<int32_t> &ids) const {
  std::string_view letters = merger.spell(word);
  if (ignoreMerges_)
    if (int32_t id = table_.find(letters); id >= 0) {
      ids.push_back(id);
      return absl::OkStatus();
    }
  return merger.run([&](std::string_view piece) { return emit(piece, ids); });
}

absl::Status BpeTokenizer::encodeText(std::string_view text, bool, std::vector<int32_t> &ids) const {
  Merger merger(*this);
  while (!text.empty()) {
    size_t good = utf8::wellFormedPrefix(text);
    LAMINA_ASSIGN_OR_RETURN(std::vector<std::string_view> words, pre_->split(text.substr(0, good)));
    for (std::string_view word : words)
      LAMINA_RETURN_IF_ERROR(encodeWord(word, merger, ids));
    text.remove_prefix(good);
    if (text.empty())
      break;
    LAMINA_RETURN_IF_ERROR(emit(byteLetter(static_cast<uint8_t>(text[0])), ids));
    text.remove_prefix(1);
  }
  return absl::OkStatus();
}

} // namespace lamina
