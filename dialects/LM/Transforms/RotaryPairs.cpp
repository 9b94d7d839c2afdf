//===- RotaryPairs.cpp - where the two elements of rotary pairs lie -----------------------------------------------===//

#include "dialects/LM/Transforms/RotaryPairs.h"

#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace lamina::lm {

namespace {

/// Elements [first, first + size) of each head.
Value slicedHeads(OpBuilder &builder, Location loc, Value heads, int64_t first, int64_t size) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, heads),
                            offsets(3, builder.getIndexAttr(0)), strides(3, builder.getIndexAttr(1));
  offsets[2] = builder.getIndexAttr(first);
  sizes[2] = builder.getIndexAttr(size);
  return tensor::ExtractSliceOp::create(builder, loc, heads, offsets, sizes, strides);
}

/// The first elements of each head, `outer` times `inner` of them, as `inner` times `outer`.
Value turned(OpBuilder &builder, Location loc, Value rows, int64_t head, int64_t outer, int64_t inner) {
  int64_t heads = *rowSize(rows) / head, length = outer * inner;
  Value whole = expandedRows(builder, loc, rows, {heads, head}), part = whole;
  if (length < head)
    part = slicedHeads(builder, loc, whole, 0, length);
  part = expandedRows(builder, loc, rowsOf(builder, loc, part), {heads, outer, inner});
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, part);
  std::swap(sizes[2], sizes[3]);
  Value init = tensor::EmptyOp::create(builder, loc, sizes, builder.getF32Type());
  part = linalg::TransposeOp::create(builder, loc, part, init, ArrayRef<int64_t>{0, 1, 3, 2})->getResult(0);
  part = rowsOf(builder, loc, part);
  if (length == head)
    return part;
  Value both[] = {expandedRows(builder, loc, part, {heads, length}),
                  slicedHeads(builder, loc, whole, length, head - length)};
  return rowsOf(builder, loc, tensor::ConcatOp::create(builder, loc, 2, both));
}

} // namespace

Value pairsApart(OpBuilder &builder, Location loc, Value rows, int64_t head, int64_t length) {
  return turned(builder, loc, rows, head, length / 2, 2);
}

Value pairsBeside(OpBuilder &builder, Location loc, Value rows, int64_t head, int64_t length) {
  return turned(builder, loc, rows, head, 2, length / 2);
}

} // namespace lamina::lm
