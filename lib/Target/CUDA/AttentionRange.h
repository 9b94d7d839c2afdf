//===- AttentionRange.h - queries against a range of positions, by a block ------------------*- C++ -*-===//
//
// Query heads of a key/value head, of some rows, against the pages of one range of positions. Blocks of 128 positions,
// in ascending order: scores of queries and keys, weights 2^(score - greatest so far), sums of values by weight; what
// came before is rescaled where the greatest grows. Queries are scaled by log2 e on the way in, so that weights are
// powers of two. Who has which scores and which elements of values differs: ScalarAttention, TileAttention.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_ATTENTIONRANGE_H
#define LAMINA_LIB_TARGET_CUDA_ATTENTIONRANGE_H

#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/AttentionRows.h"
#include "lib/Target/Kernels/CachePage.h"
#include "lib/Target/Kernels/PartialSlots.h"

namespace lamina {

class AttentionRange {
public:
  virtual ~AttentionRange() = default;

  /// Query heads of an operation that go together, `most` at most: they share a key/value head.
  static int64_t headsTogether(lm::OnlineAttentionOp op, int64_t most);

  /// Query heads of a row that go through a page together.
  int64_t heads() const { return heads_; }

  /// Partial results of some queries: of each the greatest score and the sum of weights, and the weighted sums of the
  /// value elements that the thread has, as many for each.
  struct Partial {
    Values maxima, sums, values;
  };
  Partial empty();
  /// Merges results of later positions into others, as partial results always merge.
  Partial merge(const Partial &into, const Partial &from);
  /// As values that a loop carries.
  static Values flat(const Partial &partial);
  Partial unflat(ValueRange all) const;

  /// Takes the query heads from `queryHead` on of `count` rows of a sequence, at positions that follow one another.
  virtual void open(Value row, Value count, Value head, Value queryHead) = 0;
  /// Of the positions of `range`, at least one of which one of the rows attends to.
  virtual Partial compute(Value range) = 0;
  /// Stores results in slots of lm.online_attention: `slot` and those behind it, one for each row.
  virtual void store(const Partial &partial, Value slot) = 0;
  /// The results of a row's slot of cached ranges, where another operation computed these.
  virtual Partial loadCached(Value slot) = 0;

protected:
  static constexpr int64_t kBlock = LAMINA_ATTENTION_BLOCK, kPage = LAMINA_KV_PAGE_TOKENS;
  static constexpr double kLog2e = 1.4426950408889634;

  /// `heads` divides those of a key/value head; a thread has `queries` of the queries and so many elements of each.
  AttentionRange(DeviceContext &kernel, lm::OnlineAttentionOp op, int64_t heads, int64_t queries,
                 int64_t elements);

  Value number(double value) { return b_.constant(b_.f32(0), value); }
  /// What queries are multiplied by.
  double queryFactor();
  Value sequenceOf(Value row) { return b_.loadIndex(kernel_.pointer(op_.getSequences()), row); }
  Value positionOf(Value row) { return b_.loadIndex(kernel_.pointer(op_.getPositions()), row); }
  /// The first position that a query attends to.
  Value firstPosition(Value position);
  /// The page of positions 16·page and on of a sequence whose last one is at `last`.
  Value pageAddress(Value sequence, Value page, Value last);
  /// The score of a product of query and key: -infinity outside [first, last].
  Value finish(Value product, Value position, Value first, Value last);

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  lm::OnlineAttentionOp op_;
  lm::KVCacheType type_;
  CachePage page_;
  PartialSlots slots_;
  std::optional<PartialSlots> cached_;
  int64_t keyLength_, valueLength_;
  Value head_, queryHead_;

private:
  int64_t heads_, queries_, elements_;
};

/// The generator for an operation's cache, for up to `rows` rows together, of which it may take none but one.
std::unique_ptr<AttentionRange> makeAttentionRange(DeviceContext &kernel, lm::OnlineAttentionOp op,
                                                   int64_t rows);
/// The most rows that go together: a power of two.
int64_t mostAttentionRows(lm::OnlineAttentionOp op);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_ATTENTIONRANGE_H
