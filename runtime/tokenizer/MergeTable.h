//===- MergeTable.h - ranks of BPE merges -----------------------------------------------------*- C++ -*-===//
//
// Finds the rank of a merge by the texts of its halves. Built at every start from 10^5 merges, of which a
// prompt needs a few hundred: so the table only hashes the list as it lies there and resolves nothing in
// advance.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_MERGETABLE_H
#define LAMINA_RUNTIME_TOKENIZER_MERGETABLE_H

#include "absl/hash/hash.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lamina {

class MergeTable {
public:
  /// `merges`: "left right", well formed, best first; of equal ones the first counts. They must outlive the
  /// table and stay where they are.
  void build(std::span<const std::string> merges) {
    merges_ = merges;
    size_t size = 16;
    while (size < merges.size() * 2)
      size *= 2;
    slots_.assign(size, Slot());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      auto [left, right] = halves(rank);
      uint64_t hash = hashOf(left, right);
      Slot &slot = slots_[locate(left, right, hash)];
      if (slot.rank < 0)
        slot = {static_cast<uint32_t>(hash >> 32), static_cast<int32_t>(rank)};
    }
  }

  /// The rank of merging `left` with `right`, or -1.
  int32_t rank(std::string_view left, std::string_view right) const {
    return slots_[locate(left, right, hashOf(left, right))].rank;
  }

private:
  struct Slot {
    uint32_t tag = 0;
    int32_t rank = -1;
  };

  static uint64_t hashOf(std::string_view left, std::string_view right) { return absl::HashOf(left, right); }

  std::pair<std::string_view, std::string_view> halves(size_t rank) const {
    std::string_view merge = merges_[rank];
    // A space is never a letter of a vocabulary that has merges, but the first character may be anything.
    size_t space = merge.find(' ', 1);
    return {merge.substr(0, space), merge.substr(space + 1)};
  }

  size_t locate(std::string_view left, std::string_view right, uint64_t hash) const {
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].rank >= 0 && (slots_[at].tag != static_cast<uint32_t>(hash >> 32) ||
                                    halves(slots_[at].rank) != std::pair(left, right)))
      at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  std::span<const std::string> merges_;
  std::vector<Slot> slots_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_MERGETABLE_H
