//===- StringTable.h - text to index, fast to fill --------------------------------------------*- C++ -*-===//
//
// A hash table from strings to consecutive indices. Vocabularies have 10^5 tokens and twice as many merges
// and are loaded at every start, so memory is kept small and close: the texts lie in one block, a slot has
// eight bytes, a lookup touches three cache lines and compares one text.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_STRINGTABLE_H
#define LAMINA_RUNTIME_TOKENIZER_STRINGTABLE_H

#include "absl/hash/hash.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

class StringTable {
public:
  /// Room for `count` strings without growing.
  void reserve(size_t count) {
    ends_.reserve(count);
    text_.reserve(count * 8);
    if (count * 2 > slots_.size())
      rehash(count * 2);
  }

  /// The index of `text`, or -1.
  int32_t find(std::string_view text) const {
    return slots_.empty() ? -1 : slots_[locate(text, absl::HashOf(text))].index;
  }

  /// The index of `text`, appended if it is new.
  int32_t intern(std::string_view text) {
    if (ends_.size() * 2 >= slots_.size())
      rehash(ends_.size() * 4 + 16);
    uint64_t hash = absl::HashOf(text);
    Slot &slot = slots_[locate(text, hash)];
    if (slot.index < 0) {
      slot = {tagOf(hash), static_cast<int32_t>(ends_.size())};
      appendHidden(text);
    }
    return slot.index;
  }

  /// Takes the next index for a text that find() shall not see.
  void appendHidden(std::string_view text) {
    text_ += text;
    ends_.push_back(text_.size());
  }

  size_t size() const { return ends_.size(); }

  /// Valid until the table grows.
  std::string_view operator[](size_t index) const {
    size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }

private:
  struct Slot {
    uint32_t tag = 0;
    int32_t index = -1;
  };

  static uint32_t tagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  size_t mask() const { return slots_.size() - 1; }

  /// The slot that holds `text`, or the free one where it belongs.
  size_t locate(std::string_view text, uint64_t hash) const {
    size_t at = hash & mask();
    while (slots_[at].index >= 0 && (slots_[at].tag != tagOf(hash) || (*this)[slots_[at].index] != text))
      at = (at + 1) & mask();
    return at;
  }

  void rehash(size_t atLeast) {
    size_t size = 16;
    while (size < atLeast)
      size *= 2;
    std::vector<Slot> old(size);
    old.swap(slots_);
    for (const Slot &slot : old) {
      if (slot.index < 0)
        continue;
      size_t at = absl::HashOf((*this)[slot.index]) & mask();
      while (slots_[at].index >= 0)
        at = (at + 1) & mask();
      slots_[at] = slot;
    }
  }

  std::string text_;         ///< all strings, one after the other
  std::vector<size_t> ends_; ///< where each of them ends
  std::vector<Slot> slots_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_STRINGTABLE_H
