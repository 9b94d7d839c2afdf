//===- AttentionRows.cpp - what rows of a step attend to ----------------------------------------------===//

#include "lib/Target/Kernels/AttentionRows.h"

using namespace lamina;

Value lamina::attentionFirstRange(KernelBuilder &b, Value position, std::optional<uint64_t> window,
                                  int64_t range) {
  if (!window)
    return b.i64(0);
  return b.div(b.max(b.add(position, 1 - int64_t(*window)), b.i64(0)), range);
}

AttentionRanges lamina::attentionRanges(KernelContext &kernel, lm::OnlineAttentionOp op, Value row) {
  KernelBuilder &b = kernel.b;
  auto sequence = [&](Value of) { return b.loadIndex(kernel.pointer(op.getSequences()), of); };
  Value position = b.loadIndex(kernel.pointer(op.getPositions()), row), own = b.div(position, op.getRange());
  Value first = attentionFirstRange(b, position, op.getWindow(), op.getRange());
  // Of the row before, which row 0 has not.
  Value before = b.max(b.add(row, -1), b.i64(0));
  Value follows = b.equal(sequence(before), sequence(row)), isZero = b.equal(row, b.i64(0));
  Value cachedEnd = b.select(isZero, own, b.select(follows, first, own));
  return {first, cachedEnd, b.add(own, 1)};
}

Value lamina::attentionRowFollows(KernelContext &kernel, lm::OnlineAttentionOp op, Value row, int64_t rows) {
  KernelBuilder &b = kernel.b;
  auto position = [&](Value of) { return b.loadIndex(kernel.pointer(op.getPositions()), of); };
  auto sequence = [&](Value of) { return b.loadIndex(kernel.pointer(op.getSequences()), of); };
  Value no = b.constant(b.getI1Type(), int64_t(0));
  Value before = b.max(b.add(row, -1), b.i64(0)); // row 0 does not follow itself
  Value next = b.equal(b.add(position(before), 1), position(row));
  next = b.select(b.equal(sequence(before), sequence(row)), next, no);
  return b.select(b.equal(b.rem(position(row), rows), b.i64(0)), no, next);
}

Value lamina::attentionRowsTogether(KernelContext &kernel, lm::OnlineAttentionOp op, Value row,
                                    int64_t rows) {
  KernelBuilder &b = kernel.b;
  Value count = b.i64(1), open = b.constant(b.getI1Type(), int64_t(1));
  for (int64_t i = 1; i < rows; ++i) {
    Value index = b.add(row, i), last = b.add(kernel.rows, -1);
    Value no = b.constant(b.getI1Type(), int64_t(0));
    open = b.select(open, attentionRowFollows(kernel, op, b.min(index, last), rows), no);
    open = b.select(b.less(last, index), no, open);
    count = b.select(open, b.i64(i + 1), count);
  }
  return count;
}
