//===- AttentionTile.h - queries that go through a cache together ---------------------------*- C++ -*-===//
//
// Some query heads of a key/value head, for one row or for several rows of a sequence, against the pages of
// one range of positions. Blocks of 128 positions, in ascending order:
//
//   scores  q·k      lanes are positions, one chain over the key's elements
//   softmax          the greatest score so far, weights 2^(score - greatest), what came before rescaled
//   values  w·v      lanes are elements of the value, one chain over the positions
//
// Queries are scaled by log2 e on the way in, so that weights are powers of two. Keys and values are read once
// for all queries of the tile; those of the next two blocks are prefetched meanwhile.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CPU_ATTENTIONTILE_H
#define LAMINA_LIB_TARGET_CPU_ATTENTIONTILE_H

#include "lib/Target/CPU/AttentionPartial.h"
#include "lib/Target/Kernels/CachePage.h"

#include <array>

namespace lamina {

class AttentionTile {
public:
  using Twice = std::array<Value, 2>;
  /// A tile of up to `rows` rows. `memory` has room for all queries of the largest tile of a kernel.
  struct Memory {
    Memory(KernelBuilder &b, lm::OnlineAttentionOp op, int64_t queries);
    /// Numbers that inner loops broadcast have two pointers, see `twice` in AttentionTile.cpp.
    Twice queries, scores, weights;
    Value values, sums, laneMaxima, maxima, rescale;
    Value first, last; ///< positions that each query attends to, i32
  };
  AttentionTile(KernelContext &kernel, lm::OnlineAttentionOp op, int64_t rows, const Memory &memory);

  /// Query heads that share a tile, and rows for which there is room beside them.
  static int64_t headsTogether(const TargetInfo &target, lm::OnlineAttentionOp op);
  static int64_t rowsTogether(const TargetInfo &target, lm::OnlineAttentionOp op);
  /// Bytes of the stack that a tile with these heads and rows needs.
  static int64_t memoryBytes(lm::OnlineAttentionOp op);

  /// Takes the queries of `count` rows from `row` on, heads from `queryHead` on; rows after the last one are
  /// the last one again. Their positions are consecutive and lie in one block.
  void open(Value row, Value count, Value head, Value queryHead);
  /// The partial results of one range of positions, in which at least one row attends to something. With
  /// `headsFollow` the next head goes through the same range afterwards.
  void emitRange(Value range, bool headsFollow);
  /// Where the partial results of a row's first head lie.
  PartialPlace partial(int64_t row);

  int64_t rows() const { return rows_; }
  Value firstRange() { return b_.div(first_.front(), op_.getRange()); }
  Value endRange() { return b_.add(b_.div(position_.back(), op_.getRange()), 1); }

private:
  /// A block to fetch: how many pages after the one at hand, and its head.
  struct Ahead {
    Value pages, head;
  };
  struct Block {
    Value firstPosition, begin, end; ///< `begin` and `end`: what some row attends to
    llvm::SmallVector<Ahead> ahead;  ///< what is fetched meanwhile
  };
  static constexpr int64_t kBlock = LAMINA_ATTENTION_BLOCK, kPage = LAMINA_KV_PAGE_TOKENS;

  int64_t queries() const { return rows_ * heads_; }
  int64_t rowOf(int64_t query) const { return query / heads_; }
  Value number(Value memory, int64_t index) { return b_.offset(memory, 4 * index); }

  Ahead blockAhead(Value block, Value begin, Value end, int64_t blocks, bool headsFollow);
  void emitBlock(Value block, Value begin, Value end, bool headsFollow);
  Value finish(Value score);
  void maskScores(const Block &block);
  void foldMaxima();
  void emitWeights();

  // AttentionProducts.cpp
  Value pageAddress(Value page);
  void prefetch(ValueRange pointers, Value offset, int64_t bytes);
  void emitScores(const Block &block, Value tile);
  Values addScores(llvm::ArrayRef<Value> keys, ValueRange ahead, Value first, int64_t elements);
  void emitValues(const Block &block);
  void scaleWeights(const Block &block, Value part);
  void emitElements(const Block &block, const Twice &weights, Value first, int64_t elements);
  Values addPages(const Block &block, const Twice &weights, Value element, Value begin, Value end,
                  Values sums, bool someRows);
  Value attends(int64_t row, Value position);
  Values addPosition(Value value, const Twice &weights, ValueRange state, llvm::ArrayRef<Value> takes);
  Values broadcasts(const Twice &memory, int64_t index, int64_t lanes, int64_t count);

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::OnlineAttentionOp op_;
  lm::KVCacheType type_;
  CachePage page_;
  Memory memory_;
  int64_t rows_, heads_;
  int64_t keyLength_, valueLength_, lanes_; ///< lanes of values
  int64_t vectors_;                         ///< pages of scores that are added to at once
  int64_t pieces_;                          ///< vectors of a value that are added to at once
  Values position_, first_;                 ///< of each row: first and last position that it attends to
  Values queryRow_;
  Value sequence_, head_, lastPage_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_ATTENTIONTILE_H
