//===- AttentionRange.h - queries against a range of positions, by a block ------------------*- C++ -*-===//
//
// Some query heads of a key/value head, of one row, against the pages of one range of positions. Blocks of
// 128 positions, in ascending order:
//
//   scores  q·k      a thread has a position: one chain over the key's elements
//   softmax          the greatest score so far, weights 2^(score - greatest), what came before rescaled
//   values  w·v      a thread has an element of the value: one chain over the positions
//
// Queries are scaled by log2 e on the way in, so that weights are powers of two.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_ATTENTIONRANGE_H
#define LAMINA_LIB_TARGET_CUDA_ATTENTIONRANGE_H

#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/CachePage.h"
#include "lib/Target/Kernels/PartialSlots.h"

namespace lamina {

class AttentionRange {
public:
  AttentionRange(DeviceContext &kernel, lm::OnlineAttentionOp op);

  /// Query heads that go through a page together.
  int64_t heads() const { return heads_; }

  /// Partial results of heads(): of each head the greatest score and the sum of weights, which all threads
  /// have, and the weighted sums of the value elements that the thread has.
  struct Partial {
    Values maxima, sums, values;
  };
  Partial empty();
  /// Merges results of later positions into others, as partial results always merge.
  Partial merge(const Partial &into, const Partial &from);

  /// Takes the query heads from `queryHead` on of a row.
  void open(Value row, Value head, Value queryHead);
  /// Of the positions of `range`, at least one of which the row attends to.
  Partial compute(Value range);
  /// Stores results in a slot of lm.online_attention.
  void store(const Partial &partial, Value slot);
  /// The results of a slot of cached ranges, where another operation computed these.
  Partial loadCached(Value slot);

private:
  static constexpr int64_t kBlock = LAMINA_ATTENTION_BLOCK, kPage = LAMINA_KV_PAGE_TOKENS;

  Value number(double value) { return b_.constant(b_.f32(0), value); }
  /// Calls `body` for the elements of a value that the thread has, `piece` by piece.
  void forPieces(llvm::function_ref<void(int64_t piece, Value element)> body);
  Value pageAddress(Value page);
  Values scores(Value position);
  Values chains(Value keys, Value first, int64_t elements);
  Value finish(Value score, Value position);
  Values foldMaxima(Values scores, ValueRange before);
  void addValues(Value block, Values &sums);
  Values addPage(Value block, Value page, Value element, ValueRange sums);

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  lm::OnlineAttentionOp op_;
  lm::KVCacheType type_;
  CachePage page_;
  PartialSlots slots_;
  int64_t heads_, keyLength_, valueLength_, pieces_;
  Value queries_, weights_, maxima_; ///< shared: [head][element], [head][position], [warp][head]
  Value row_, head_, queryHead_, position_, first_, sequence_, lastPage_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_ATTENTIONRANGE_H
