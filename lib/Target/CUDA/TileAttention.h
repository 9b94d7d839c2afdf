//===- TileAttention.h - attention to a range of positions on tensor cores ----------------------*- C++ -*-===//
//
// Columns of tiles are queries: the heads of a key/value head, of some rows that follow one another.
//
//   scores  K·q     a warp has two pages of a block: 16 positions are the rows of a tile, key elements its depth
//   softmax         in the lanes that have the scores; maxima and sums are folded over lanes, then over warps
//   values  Vᵀ·w    a warp has some elements of the value, the rows of tiles; a page's positions are the depth
//
// Keys and values go to tensor cores as the cache has them, F16 or BF16, or of F8E4M3 as F16, which has all of its numbers;
// queries and weights as terms of the same type (TileTerms), through the block's memory. A column does not depend on the
// others, so it does not matter which rows go together. As in HalfTileProduct neighbours are the rows i and i + 8 of a
// tile, so that a lane loads both at once.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_TILEATTENTION_H
#define LAMINA_LIB_TARGET_CUDA_TILEATTENTION_H

#include "lib/Target/CUDA/AttentionRange.h"
#include "lib/Target/CUDA/TileTerms.h"

#include <array>

namespace lamina {

/// The queries of a lane are those of its columns, the elements those of its rows of tiles.
class TileAttention : public AttentionRange {
public:
  static bool takes(lm::KVCacheType type);
  static int64_t mostRows(lm::OnlineAttentionOp op);

  TileAttention(DeviceContext &kernel, lm::OnlineAttentionOp op, int64_t rows);

  void open(Value row, Value count, Value head, Value queryHead) override;
  Partial compute(Value range) override;
  void store(const Partial &partial, Value slot) override;
  Partial loadCached(Value slot) override;

private:
  static constexpr int64_t kDepth = TileTerms::kDepth, kSumsOfTile = TileTerms::kSumsOfTile;
  static constexpr int64_t kPagesOfWarp = 2;

  int64_t columns() const { return queries_.columns(); }
  int64_t ownColumns() const { return 2 * tiles_; }
  Value ownColumn(int64_t i) { return b_.add(b_.mul(quarter_, 2), i / 2 * TileTerms::kColumns + i % 2); }
  Value headOf(Value column) { return b_.add(queryHead_, b_.rem(column, heads())); }
  /// The row of a column's query, or the last row.
  Value rowOf(Value column) { return b_.min(b_.div(column, heads()), b_.sub(count_, b_.i64(1))); }
  /// The first of the elements of a value that the lane has, and where it has none of others, which it does not store.
  Value ownElement();
  Value existingElement();

  void storeQuery(Value column);
  /// Two neighbouring numbers of a page.
  mlir::Type pairType() { return power_ == 0 ? b_.i32(0) : b_.getI16Type(); }
  /// Four neighbouring pairs as a tile of keys or values, which are 2^power_ of what they stand for.
  Values tileOf(TileTerms &terms, llvm::ArrayRef<Value> pairs, int64_t first);
  /// The scores of the warp's pages at the lane's positions, number 2·column + row.
  std::array<Values, kPagesOfWarp> scores(Value firstPage);
  Values finishedScores(Value page, ValueRange sums);
  /// Folds a number of each of the lane's columns over all lanes and warps that have some of it, warps in ascending order.
  Values foldColumns(Value memory, ValueRange own, DeviceBuilder::Combine combine);
  void storeWeights(int64_t page, ValueRange weights);
  /// Sums of the values of a block's pages by weight, as Partial has them. `words` are those of the first pages.
  Values addValues(Value firstPage, Values words);
  /// The lane's words of the values of pagesAhead() pages: for each tile four, of these positions in a page and twice the
  /// lane's quarter behind them.
  Values loadValues(Value firstPage);
  static constexpr int64_t kSlotsOfLane[] = {0, 1, 8, 9}, kWordsOfTile = 4;
  int64_t pagesAhead() const;
  void clearUnattended(Value page, llvm::MutableArrayRef<Value> words);

  int64_t tiles_, tilesOfValue_; ///< of columns; of rows that a warp has of a value
  int power_;                    ///< 0 but for numbers of eight bits
  TileTerms queries_, weights_;
  Value inverses_, maxima_, sums_;              ///< shared
  Value group_, quarter_;                       ///< of the lane: its rows of tiles, and columns and depths
  Value row_, count_, sequence_, first_, last_; ///< positions that any of the queries attends to
  Values from_, to_;                            ///< those of the lane's columns
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_TILEATTENTION_H
