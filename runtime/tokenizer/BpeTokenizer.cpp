//===- BpeTokenizer.cpp - byte-level BPE ----------------------------------------------------------------===//

#include "runtime/tokenizer/BpeTokenizer.h"

#include "absl/strings/str_format.h"
#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"

#include <algorithm>

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

uint64_t pairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
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

  /// The symbols that are left of `word`, in order, up to the next call.
  const std::vector<int32_t> &run(std::string_view word) {
    nodes_.clear();
    heap_.clear();
    for (size_t i = 0; i < word.size(); ++i)
      nodes_.push_back({owner_.byteSymbols_[static_cast<uint8_t>(word[i])], static_cast<int32_t>(i) - 1,
                        i + 1 == word.size() ? -1 : static_cast<int32_t>(i) + 1});
    for (size_t i = 1; i < nodes_.size(); ++i)
      consider(static_cast<int32_t>(i) - 1, static_cast<int32_t>(i));
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      Pair pair = heap_.back();
      heap_.pop_back();
      merge(pair);
    }
    result_.clear();
    for (int32_t i = 0; i >= 0; i = nodes_[i].next)
      result_.push_back(nodes_[i].symbol);
    return result_;
  }

private:
  struct Node {
    int32_t symbol; ///< -1: merged into the one before
    int32_t previous, next;
  };

  struct Pair {
    int32_t rank, result;
    int32_t left, right;
    int32_t leftSymbol, rightSymbol;
    bool operator<(const Pair &other) const {
      return rank > other.rank || (rank == other.rank && left > other.left);
    }
  };

  void consider(int32_t left, int32_t right) {
    if (left < 0 || right < 0)
      return;
    int32_t leftSymbol = nodes_[left].symbol, rightSymbol = nodes_[right].symbol;
    auto merge = owner_.merges_.find(pairKey(leftSymbol, rightSymbol));
    if (merge == owner_.merges_.end())
      return;
    heap_.push_back({merge->second.rank, merge->second.result, left, right, leftSymbol, rightSymbol});
    std::push_heap(heap_.begin(), heap_.end());
  }

  void merge(const Pair &pair) {
    Node &left = nodes_[pair.left], &right = nodes_[pair.right];
    // An older pair: one of its halves has grown or gone since.
    if (left.symbol != pair.leftSymbol || right.symbol != pair.rightSymbol || left.next != pair.right)
      return;
    left.symbol = pair.result;
    left.next = right.next;
    right.symbol = -1;
    if (right.next >= 0)
      nodes_[right.next].previous = pair.left;
    consider(left.previous, pair.left);
    consider(pair.left, left.next);
  }

  const BpeTokenizer &owner_;
  std::vector<Node> nodes_;
  std::vector<Pair> heap_;
  std::vector<int32_t> result_;
};

absl::Status BpeTokenizer::build() {
  LAMINA_ASSIGN_OR_RETURN(const PreTokenizerSpec *spec, findPreTokenizer(data_.pre));
  LAMINA_ASSIGN_OR_RETURN(pre_, PreTokenizer::create(*spec));
  ignoreMerges_ = spec->ignoreMerges;
  if (data_.pre.empty())
    warning_ =
        "the vocabulary names no pre-tokenizer (tokenizer.ggml.pre): using \"default\", which may split text "
        "differently from the model's own";

  symbols_.reserve(data_.tokens.size() + 256);
  for (size_t i = 0; i < data_.tokens.size(); ++i) {
    int32_t id = static_cast<int32_t>(i);
    std::string_view text = data_.tokens[i];
    if (!isFindable(i)) {
      symbols_.appendHidden(text);
      continue;
    }
    if (int32_t index = symbols_.intern(text); index != id)
      return absl::InvalidArgumentError(
          strCat("tokenizer.ggml.tokens: tokens ", index, " and ", id, " have the same text"));
  }
  for (size_t value = 0; value < 256; ++value)
    byteSymbols_[value] = symbols_.intern(byteLetter(static_cast<uint8_t>(value)));
  addMerges();
  return absl::OkStatus();
}

bool BpeTokenizer::isFindable(size_t id) const {
  return !data_.tokens[id].empty() && data_.types[id] != TokenType::Control &&
         data_.types[id] != TokenType::Unknown;
}

void BpeTokenizer::addMerges() {
  merges_.reserve(data_.merges.size());
  std::string joined;
  int32_t result = -1;
  for (size_t rank = 0; rank < data_.merges.size(); ++rank) {
    std::string_view merge = data_.merges[rank];
    size_t space = merge.find(' ', 1);
    std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left);
    joined += right;
    // Merges are usually listed in the order of their results, which saves every third lookup.
    size_t likely = static_cast<size_t>(result + 1);
    if (result < 0 || symbols_[result] != joined)
      result = likely < data_.tokens.size() && isFindable(likely) && data_.tokens[likely] == joined
                   ? static_cast<int32_t>(likely)
                   : symbols_.intern(joined);
    merges_.try_emplace(pairKey(symbols_.intern(left), symbols_.intern(right)),
                        Merge{static_cast<int32_t>(rank), result});
  }
}

absl::Status BpeTokenizer::emit(int32_t symbol, std::vector<int32_t> &ids) const {
  if (static_cast<size_t>(symbol) < data_.tokens.size()) {
    ids.push_back(symbol);
    return absl::OkStatus();
  }
  for (char c : bytesOfLetters(symbols_[symbol])) {
    int32_t id = byteSymbols_[static_cast<uint8_t>(c)];
    if (static_cast<size_t>(id) >= data_.tokens.size())
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
  if (ignoreMerges_) {
    std::string text;
    for (char c : word)
      text += byteLetter(static_cast<uint8_t>(c));
    if (int32_t symbol = symbols_.find(text);
        symbol >= 0 && static_cast<size_t>(symbol) < data_.tokens.size()) {
      ids.push_back(symbol);
      return absl::OkStatus();
    }
  }
  for (int32_t symbol : merger.run(word))
    LAMINA_RETURN_IF_ERROR(emit(symbol, ids));
  return absl::OkStatus();
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
    LAMINA_RETURN_IF_ERROR(emit(byteSymbols_[static_cast<uint8_t>(text[0])], ids));
    text.remove_prefix(1);
  }
  return absl::OkStatus();
}

} // namespace lamina
