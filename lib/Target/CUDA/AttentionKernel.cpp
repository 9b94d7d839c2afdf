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
      return Values{b_.add(sum[0], b_.mul(rangesOf(row), heads_))};
    })[0];
    auto share = [&](Value index) { return b_.div(b_.mul(index, pieces), kDeviceAttentionShares); };
    Value begin = share(kernel_.begin), end = share(b_.add(kernel_.begin, 1));
    b_.loop(b_.i64(0), kernel_.rows, 1, b_.i64(0), [&](Value row, ValueRange before) {
      Value own = b_.mul(rangesOf(row), heads_), zero = b_.i64(0);
      Value from = b_.max(b_.sub(begin, before[0]), zero), to = b_.min(b_.sub(end, before[0]), own);
      b_.loop(from, to, 1, [&](Value piece) {
        Value range = b_.add(firstRange(row), b_.div(piece, heads_));
        Value slot = b_.add(b_.mul(row, op_.getRanges()), range);
        forHeads(row, b_.rem(piece, heads_), [&] { range_.store(range_.compute(range), slot); });
      });
      return Values{b_.add(before[0], own)};
    });
  }

  void emitWhole() {
    Value row = b_.div(kernel_.begin, heads_), head = b_.rem(kernel_.begin, heads_);
    forHeads(row, head, [&] {
      AttentionRange::Partial whole = range_.empty();
      Values state = flat(whole);
      state = b_.loop(range_.firstRange(), range_.endRange(), 1, state, [&](Value range, ValueRange before) {
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

  Value position(Value row) { return b_.loadIndex(kernel_.pointer(op_.getPositions()), row); }
  Value firstRange(Value row) {
    return attentionFirstRange(b_, position(row), op_.getWindow(), op_.getRange());
  }
  Value rangesOf(Value row) {
    return b_.sub(b_.add(b_.div(position(row), op_.getRange()), 1), firstRange(row));
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
