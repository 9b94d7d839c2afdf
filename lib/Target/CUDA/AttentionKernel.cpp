//===- AttentionKernel.cpp - how attention over a paged cache divides over blocks ---------------------===//
//
// A step of few tokens is split over rows, ranges of positions and key/value heads: blocks are equal shares
// of the pieces that there are. In a larger step a block is a key/value head and a row, or some rows of a sequence whose
// first it has, and ranges merge as the combining kernel would merge them.
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
        heads_(op_.getCache().getType().getHeads()), sharing_(int64_t(op_.getQueryHeads()) / heads_) {}

  void emitSplit() {
    std::unique_ptr<AttentionRange> generator = makeAttentionRange(kernel_, op_, 1);
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
        forHeads(*generator, row, b_.i64(1), b_.rem(piece, heads_),
                 [&] { emitPiece(*generator, range, ranges.cachedEnd, slot); });
      });
      return Values{b_.add(before[0], own)};
    });
  }

  /// Only one of the branches has the block's memory.
  void emitWhole() {
    Value row = b_.div(kernel_.begin, heads_), head = b_.rem(kernel_.begin, heads_);
    int64_t most = mostAttentionRows(op_);
    if (most == 1)
      return emitRow(row, head);
    Value count = b_.select(attentionRowFollows(kernel_, op_, row, most), b_.i64(0),
                            attentionRowsTogether(kernel_, op_, row, most));
    b_.branch(b_.equal(count, b_.i64(1)), [&] { b_.shareInstead([&] { emitRow(row, head); }); });
    // Rows that go together have no cached ranges but those of the first, which are computed with the others.
    if (!op_.getCachedOnly())
      b_.branch(b_.less(b_.i64(1), count),
                [&] { b_.shareInstead([&] { emitRows(row, count, head, most); }); });
  }

private:
  void emitRow(Value row, Value head) {
    std::unique_ptr<AttentionRange> generator = makeAttentionRange(kernel_, op_, 1);
    AttentionRanges ranges = attentionRanges(kernel_, op_, row);
    Value begin = op_.getCached() ? ranges.cachedEnd : ranges.first;
    Value end = op_.getCachedOnly() ? ranges.cachedEnd : ranges.end;
    forHeads(*generator, row, b_.i64(1), head, [&] {
      mergeRanges(*generator, begin, end, op_.getCached() ? generator->loadCached(row) : generator->empty(),
                  row);
    });
  }

  void emitRows(Value row, Value count, Value head, int64_t most) {
    std::unique_ptr<AttentionRange> generator = makeAttentionRange(kernel_, op_, most);
    Value begin = attentionRanges(kernel_, op_, row).first;
    Value end = attentionRanges(kernel_, op_, b_.add(row, b_.sub(count, b_.i64(1)))).end;
    forHeads(*generator, row, count, head,
             [&] { mergeRanges(*generator, begin, end, generator->empty(), row); });
  }

  /// To what is there before them, into the slots from `slot` on.
  void mergeRanges(AttentionRange &generator, Value begin, Value end, const AttentionRange::Partial &before,
                   Value slot) {
    Values state = b_.loop(begin, end, 1, AttentionRange::flat(before), [&](Value range, ValueRange current) {
      return AttentionRange::flat(generator.merge(generator.unflat(current), generator.compute(range)));
    });
    generator.store(generator.unflat(state), slot);
  }

  Value piecesOf(const AttentionRanges &ranges) {
    Value end = op_.getCachedOnly() ? ranges.cachedEnd : ranges.end;
    return b_.mul(b_.sub(end, ranges.first), heads_);
  }

  void emitPiece(AttentionRange &generator, Value range, Value cachedEnd, Value slot) {
    auto compute = [&] { generator.store(generator.compute(range), slot); };
    if (!op_.getCached())
      return compute();
    b_.branch(b_.less(range, cachedEnd), [&] { generator.store(generator.loadCached(slot), slot); }, compute);
  }

  /// Opens the query heads of a key/value head, as many as go together.
  void forHeads(AttentionRange &generator, Value row, Value count, Value head,
                llvm::function_ref<void()> body) {
    b_.loop(sharing_, generator.heads(), [&](Value queryHead) {
      generator.open(row, count, head, b_.add(b_.mul(head, sharing_), queryHead));
      body();
    });
  }

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  lm::OnlineAttentionOp op_;
  int64_t heads_;
  int64_t sharing_; ///< query heads of a key/value head
};

} // namespace

void lamina::emitDeviceAttention(DeviceContext &kernel, bool split) {
  DeviceAttention generator(kernel);
  split ? generator.emitSplit() : generator.emitWhole();
}
