//===- StringTable.h - text to index, fast to fill ------------------------------------------------*- C++ -*-===//
//
// A hash table from strings that live elsewhere to consecutive indices. Vocabularies have 10^5 tokens and are loaded at
// every start, so filling it must cost a few milliseconds: open addressing, eight bytes per slot, one comparison of text
// per lookup.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_STRINGTABLE_H
#define LAMINA_RUNTIME_TOKENIZER_STRINGTABLE_H

#include "absl/hash/hash.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace lamina {

class StringTable {
public:
  /// Room for `count` strings without growing.
  void reserve(size_t count) {
    strings_.reserve(count);
    if (count * 2 > slots_.size())
      rehash(count * 2);
  }

  /// The index of `text`, or -1.
  int32_t find(std::string_view text) const {
    if (slots_.empty())
      return -1;
    uint64_t hash = absl::HashOf(text);
    for (size_t at = hash & mask(); slots_[at].index >= 0; at = (at + 1) & mask())
      if (slots_[at].tag == tagOf(hash) && strings_[slots_[at].index] == text)
        return slots_[at].index;
    return -1;
  }

  /// The index of `text`, appended if it is new. The bytes must stay where they are.
  int32_t intern(std::string_view text) {
    if (strings_.size() * 2 >= slots_.size())
      rehash(strings_.size() * 4 + 16);
    uint64_t hash = absl::HashOf(text);
    size_t at = hash & mask();
    for (; slots_[at].index >= 0; at = (at + 1) & mask())
      if (slots_[at].tag == tagOf(hash) && strings_[slots_[at].index] == text)
        return slots_[at].index;
    slots_[at] = {tagOf(hash), static_cast<int32_t>(strings_.size())};
    strings_.push_back(text);
    return slots_[at].index;
  }

  /// Takes the next index for a text that find() shall not see.
  void appendHidden(std::string_view text) { strings_.push_back(text); }

  size_t size() const { return strings_.size(); }
  std::string_view operator[](size_t index) const { return strings_[index]; }

private:
  struct Slot {
    uint32_t tag = 0;
    int32_t index = -1;
  };

  static uint32_t tagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  size_t mask() const { return slots_.size() - 1; }

  void rehash(size_t atLeast) {
    size_t size = 16;
    while (size < atLeast)
      size *= 2;
    std::vector<Slot> old(size);
    old.swap(slots_);
    for (const Slot &slot : old) {
      if (slot.index < 0)
        continue;
      size_t at = absl::HashOf(strings_[slot.index]) & mask();
      while (slots_[at].index >= 0)
        at = (at + 1) & mask();
      slots_[at] = slot;
    }
  }

  std::vector<std::string_view> strings_;
  std::vector<Slot> slots_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_STRINGTABLE_H
