//===- AttentionKernel.cpp - how attention over a paged cache divides ---------------------------------===//
//
// A step of few tokens is split over rows, ranges of positions and key/value heads. Workgroups are equal shares of
// the pieces that there are: how many depends on the positions. Heads come last, as a page holds all of them. A
// larger step is split over rows and heads, where some rows of a sequence go together.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/AttentionTile.h"
#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/AttentionRows.h"

using namespace mlir;
using namespace lamina;

namespace {

class OnlineAttentionKernel {
public:
  explicit OnlineAttentionKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), op_(kernel.ops<lm::OnlineAttentionOp>().front()),
        type_(op_.getCache().getType()), heads_(type_.getHeads()), sharing_(op_.getQueryHeads() / heads_),
        together_(AttentionTile::headsTogether(b_.target(), op_)),
        slots_(kernel, op_.getResult(), op_.getQueryHeads(), type_.getValueLength()) {
    if (op_.getCached())
      cached_.emplace(kernel, op_.getCached(), op_.getQueryHeads(), type_.getValueLength());
  }

  /// Rows one by one, ranges side by side.
  void emitSplit() {
    AttentionTile::Memory memory(b_, op_, together_);
    AttentionTile tile(kernel_, op_, 1, memory);
    Value pieces = countPieces();
    auto share = [&](Value workgroup) { return b_.div(b_.mul(workgroup, pieces), kAttentionShares); };
    Value begin = share(kernel_.begin), end = share(kernel_.end);
    b_.loop(b_.i64(0), kernel_.rows, 1, b_.i64(0), [&](Value row, ValueRange before) {
      AttentionRanges ranges = attentionRanges(kernel_, op_, row);
      Value pieces = piecesOf(ranges), zero = b_.i64(0);
      Value from = b_.max(b_.sub(begin, before[0]), zero), to = b_.min(b_.sub(end, before[0]), pieces);
      b_.loop(from, to, 1, [&](Value piece) {
        emitPiece(tile, row, b_.add(ranges.first, b_.div(piece, heads_)), ranges.cachedEnd,
                  b_.rem(piece, heads_));
      });
      return Values{b_.add(before[0], pieces)};
    });
  }

  /// Rows of a sequence together, ranges one after another.
  void emitWhole() {
    int64_t rows = AttentionTile::rowsTogether(b_.target(), op_);
    AttentionTile::Memory memory(b_, op_, rows * together_);
    factors_ = b_.scratch(4 * 2 * together_);
    AttentionTile one(kernel_, op_, 1, memory), many(kernel_, op_, rows, memory);
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value workgroup) {
      Value row = b_.div(workgroup, heads_), head = b_.rem(workgroup, heads_);
      if (rows == 1)
        return emitOne(one, row, head);
      b_.branch(
          attentionRowFollows(kernel_, op_, row, rows), [] {},
          [&] {
            Value count = attentionRowsTogether(kernel_, op_, row, rows);
            b_.branch(
                b_.equal(count, b_.i64(1)), [&] { emitOne(one, row, head); },
                [&] { emitMany(many, row, count, head); });
          });
    });
  }

private:
  Value piecesOf(const AttentionRanges &ranges) {
    Value end = op_.getCachedOnly() ? ranges.cachedEnd : ranges.end;
    return b_.mul(b_.sub(end, ranges.first), heads_);
  }
  Value countPieces() {
    return b_.loop(b_.i64(0), kernel_.rows, 1, b_.i64(0), [&](Value row, ValueRange sum) {
      return Values{b_.add(sum[0], piecesOf(attentionRanges(kernel_, op_, row)))};
    })[0];
  }

  void forHeads(Value head, llvm::function_ref<void(Value queryHead)> body) {
    b_.loop(sharing_, together_, [&](Value queryHead) { body(b_.add(b_.mul(head, sharing_), queryHead)); });
  }

  void copyPartial(const PartialPlace &to, const PartialPlace &from) {
    emitCopyPartial(b_, to, from, together_, type_.getValueLength());
  }

  void emitPiece(AttentionTile &tile, Value row, Value range, Value cachedEnd, Value head) {
    Value slot = b_.add(b_.mul(row, op_.getRanges()), range);
    forHeads(head, [&](Value queryHead) {
      auto compute = [&] {
        tile.open(row, b_.i64(1), head, queryHead);
        tile.emitRange(range, /*headsFollow=*/true);
        copyPartial(slots_.place(slot, queryHead), tile.partial(0));
      };
      if (!cached_)
        return compute();
      b_.branch(
          b_.less(range, cachedEnd),
          [&] { copyPartial(slots_.place(slot, queryHead), cached_->place(slot, queryHead)); }, compute);
    });
  }

  /// A row by itself, in two operations: its cached ranges, then what is left.
  void emitOverlapped(AttentionTile &tile, Value row, Value head) {
    AttentionRanges ranges = attentionRanges(kernel_, op_, row);
    forHeads(head, [&](Value queryHead) {
      tile.open(row, b_.i64(1), head, queryHead);
      PartialPlace slot = slots_.place(row, queryHead);
      if (cached_)
        copyPartial(slot, cached_->place(row, queryHead));
      else
        emitEmptyPartial(b_, slot, together_, type_.getValueLength());
      Value begin = cached_ ? ranges.cachedEnd : ranges.first, end = cached_ ? ranges.end : ranges.cachedEnd;
      b_.loop(begin, end, 1, [&](Value range) {
        tile.emitRange(range, /*headsFollow=*/false);
        emitMergePartial(b_, slot, tile.partial(0), together_, type_.getValueLength(), factors_);
      });
    });
  }

  void emitOne(AttentionTile &tile, Value row, Value head) {
    cached_ || op_.getCachedOnly() ? emitOverlapped(tile, row, head) : emitTile(tile, row, b_.i64(1), head);
  }

  /// Rows that go together have no cached ranges but those of the first, which are computed with the others.
  void emitMany(AttentionTile &tile, Value row, Value count, Value head) {
    if (!op_.getCachedOnly())
      emitTile(tile, row, count, head);
  }

  void emitTile(AttentionTile &tile, Value firstRow, Value count, Value head) {
    forHeads(head, [&](Value queryHead) {
      tile.open(firstRow, count, head, queryHead);
      auto forRows = [&](llvm::function_ref<void(int64_t, const PartialPlace &)> body) {
        for (int64_t row = 0; row < tile.rows(); ++row)
          b_.branch(b_.less(b_.i64(row), count),
                    [&] { body(row, slots_.place(b_.add(firstRow, row), queryHead)); });
      };
      forRows([&](int64_t, const PartialPlace &slot) {
        emitEmptyPartial(b_, slot, together_, type_.getValueLength());
      });
      b_.loop(tile.firstRange(), tile.endRange(), 1, [&](Value range) {
        tile.emitRange(range, /*headsFollow=*/false);
        forRows([&](int64_t row, const PartialPlace &slot) {
          emitMergePartial(b_, slot, tile.partial(row), together_, type_.getValueLength(), factors_);
        });
      });
    });
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::OnlineAttentionOp op_;
  lm::KVCacheType type_;
  int64_t heads_;
  int64_t sharing_;  ///< query heads of a key/value head
  int64_t together_; ///< of these, how many go through a page at once
  PartialSlots slots_;
  std::optional<PartialSlots>
      cached_; ///< the results of cached ranges, where another operation computed them
  Value factors_;
};

/// A workgroup is a row.
class AttentionCombineKernel {
public:
  explicit AttentionCombineKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), op_(kernel.ops<lm::AttentionCombineOp>().front()),
        heads_(op_.getHeads()), length_(width(op_) / heads_),
        slots_(kernel, op_.getPartials(), heads_, length_) {}

  void emit(bool split) {
    maxima_ = b_.scratch(4 * heads_);
    sums_ = b_.scratch(4 * heads_);
    factors_ = b_.scratch(4 * 2 * heads_);
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value row) {
      if (split)
        emitSplit(row);
      else
        finish(row, slots_.place(row, b_.i64(0)));
      Value out = kernel_.rowPointer(op_, row);
      for (int64_t i = width(op_); i < paddedWidth(op_); ++i)
        b_.store(b_.constant(b_.f32(0), 0.0), b_.offset(out, 4 * i));
    });
  }

private:
  void emitSplit(Value row) {
    Value position = b_.loadIndex(kernel_.pointer(op_.getPositions()), row);
    Value begin = attentionFirstRange(b_, position, op_.getWindow(), op_.getRange());
    PartialPlace merged{kernel_.rowPointer(op_, row), maxima_, sums_, 4 * length_};
    emitEmptyPartial(b_, merged, heads_, length_);
    b_.loop(begin, b_.add(b_.div(position, op_.getRange()), 1), 1, [&](Value range) {
      Value slot = b_.add(b_.mul(row, op_.getRanges()), range);
      emitMergePartial(b_, merged, slots_.place(slot, b_.i64(0)), heads_, length_, factors_);
    });
    finish(row, merged);
  }

  /// Weighted sums divided by the sums of weights.
  void finish(Value row, const PartialPlace &merged) {
    int64_t lanes = lanesFor(length_);
    Value out = kernel_.rowPointer(op_, row);
    b_.loop(heads_, 1, [&](Value head) {
      Value sum = b_.loadF32(b_.offset(merged.sums, b_.mul(head, 4)), 0);
      Value factor = b_.broadcast(b_.divf(b_.constant(b_.f32(0), 1.0), sum), lanes);
      Value from = b_.offset(merged.values, b_.mul(head, merged.stride));
      Value to = b_.offset(out, b_.mul(head, 4 * length_));
      b_.loop(length_, lanes, [&](Value element) {
        Value offset = b_.mul(element, 4);
        b_.store(b_.mulf(b_.loadF32(b_.offset(from, offset), lanes), factor), b_.offset(to, offset));
      });
    });
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::AttentionCombineOp op_;
  int64_t heads_, length_;
  PartialSlots slots_;
  Value maxima_, sums_, factors_;
};

} // namespace

void lamina::emitOnlineAttention(KernelContext &kernel, bool split) {
  OnlineAttentionKernel generator(kernel);
  split ? generator.emitSplit() : generator.emitWhole();
}

void lamina::emitAttentionCombine(KernelContext &kernel, bool split) {
  AttentionCombineKernel(kernel).emit(split);
}
