//===- AttentionKernel.cpp - how attention over a paged cache divides over blocks ---------------------===//
//
// A step of few tokens is split over rows, ranges of positions and key/value heads: blocks are equal shares
// of the pieces that there are. In a larger step a block is a row and a key/value head, whose ranges merge as
// the combining kernel would merge them.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/AttentionRange.h"

using namespace mlir;
using namespace lamina;

namespace {

class DeviceAttention {
public:
  explicit DeviceAttention(DeviceContext &kernel)
      : kernel_(kernel), b_(kernel.device), op_(kernel.ops<lm::OnlineAttentionOp>().front()),
        heads_(op_.getCache().getType().getHeads()), sharing_(int64_t(op_.getQueryHeads()) / heads_),
        range_(kernel, op_) {}

  void emitSplit() {
    Value pieces = b_.loop(b_.i64(0), kernel_.rows, 1, b_.i64(0), [&](Value row, ValueRange sum) {
      return Values{b_.add(sum[0], piecesOf(attentionRanges(kernel_, op_, row)))};
    })[0];
    auto share = [&](Value index) { return b_.div(b_.mul(index, pieces), kDeviceAttentionShares); };
    Value begin = share(kernel_.begin), end = share(b_.add(kernel_.begin, 1));
    b_.loop(b_.i64(0), kernel_.rows, 1, b_.i64(0), [&](Value row, ValueRange before) {
      AttentionRanges ranges = attentionRanges(kernel_, op_, row);
      Value own = piecesOf(ranges), zero = b_.i64(0);
      Value from = b_.max(b_.sub(begin, before[0]), zero), to = b_.min(b_.sub(end, before[0]), own);
      b_.loop(from, to, 1, [&](Value piece) {
        Value range = b_.add(ranges.first, b_.div(piece, heads_));
        Value slot = b_.add(b_.mul(row, op_.getRanges()), range);
        forHeads(row, b_.rem(piece, heads_), [&] { emitPiece(range, ranges.cachedEnd, slot); });
      });
      return Values{b_.add(before[0], own)};
    });
  }

  void emitWhole() {
    Value row = b_.div(kernel_.begin, heads_), head = b_.rem(kernel_.begin, heads_);
    AttentionRanges ranges = attentionRanges(kernel_, op_, row);
    Value begin = op_.getCached() ? ranges.cachedEnd : ranges.first;
    Value end = op_.getCachedOnly() ? ranges.cachedEnd : ranges.end;
    forHeads(row, head, [&] {
      Values state = flat(op_.getCached() ? range_.loadCached(row) : range_.empty());
      state = b_.loop(begin, end, 1, state, [&](Value range, ValueRange before) {
        return flat(range_.merge(unflat(before), range_.compute(range)));
      });
      range_.store(unflat(state), row);
    });
  }

private:
  using Partial = AttentionRange::Partial;

  static Values flat(const Partial &partial) {
    Values all = partial.maxima;
    llvm::append_range(all, partial.sums);
    llvm::append_range(all, partial.values);
    return all;
  }
  Partial unflat(ValueRange all) {
    int64_t heads = range_.heads();
    return {Values(all.take_front(heads)), Values(all.slice(heads, heads)),
            Values(all.drop_front(2 * heads))};
  }

  Value piecesOf(const AttentionRanges &ranges) {
    Value end = op_.getCachedOnly() ? ranges.cachedEnd : ranges.end;
    return b_.mul(b_.sub(end, ranges.first), heads_);
  }

  void emitPiece(Value range, Value cachedEnd, Value slot) {
    auto compute = [&] { range_.store(range_.compute(range), slot); };
    if (!op_.getCached())
      return compute();
    b_.branch(
        b_.less(range, cachedEnd), [&] { range_.store(range_.loadCached(slot), slot); }, compute);
  }

  /// Opens the query heads of a key/value head, as many as go together.
  void forHeads(Value row, Value head, llvm::function_ref<void()> body) {
    b_.loop(sharing_, range_.heads(), [&](Value queryHead) {
      range_.open(row, head, b_.add(b_.mul(head, sharing_), queryHead));
      body();
    });
  }

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  lm::OnlineAttentionOp op_;
  int64_t heads_;
  int64_t sharing_; ///< query heads of a key/value head
  AttentionRange range_;
};

} // namespace

void lamina::emitDeviceAttention(DeviceContext &kernel, bool split) {
  DeviceAttention generator(kernel);
  split ? generator.emitSplit() : generator.emitWhole();
}
