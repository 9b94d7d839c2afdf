//===- RotaryImporter.cpp - rotations by tables of cosines and sines ------------------------------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Import/ONNX/RopeCache.h"
#include "lib/Support/Names.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace lamina::onnx {

static int64_t widthOf(mlir::Value rows) { return cast<RankedTensorType>(rows.getType()).getShape().back(); }

FailureOr<mlir::Value> NodeImporter::ropeTable(const Node &node, ValueId cosines, ValueId sines) {
  mlir::Value &table = ropeTables_[{cosines, sines}];
  if (table)
    return table;
  const TensorConstant *cosine = weights_.find(cosines), *sine = weights_.find(sines);
  if (!cosine || !sine)
    return error(node) << "expected constant tables of cosines and sines";
  absl::StatusOr<Tensor> c = evaluator_.constant(*cosine), s = evaluator_.constant(*sine);
  absl::StatusOr<RopeCache> cache = !c.ok()   ? absl::StatusOr<RopeCache>(c.status())
                                    : !s.ok() ? absl::StatusOr<RopeCache>(s.status())
                                              : readRopeCache(*c, *s);
  if (!cache.ok())
    return error(node) << toRef(cache.status().message());
  longest_ = std::min(longest_.value_or(INT64_MAX), cache->positions);
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointAfterValue(step_.positions); // before everything that could rotate
  table = create<lm::RopeTableOp>(rowsOf(2 * int64_t(cache->frequencies.size())), step_.positions,
                                  b_.getDenseF64ArrayAttr(cache->frequencies), f32(cache->magnitude));
  return table;
}

/// The first `length` elements of each head, whose pairs lie side by side, as all firsts and then all
/// seconds.
mlir::Value NodeImporter::pairsApart(mlir::Value x, int64_t head, int64_t length) {
  int64_t heads = widthOf(x) / head;
  mlir::Value whole = make_.reshaped(x, {heads, head}), turned = whole;
  if (length < head)
    turned = make_.sliced(whole, 2, 0, length, 1);
  turned = make_.transposed(make_.reshaped(turned, {heads, length / 2, 2}), {0, 1, 3, 2});
  turned = make_.reshaped(turned, {heads, length});
  if (length < head)
    turned = create<tensor::ConcatOp>(whole.getType(), 2,
                                      ValueRange{turned, make_.sliced(whole, 2, length, head - length, 1)});
  return make_.reshaped(turned, {heads * head});
}

FailureOr<mlir::Value> NodeImporter::rotated(const Node &node, mlir::Value x, int64_t head, ValueId cosines,
                                             ValueId sines, bool interleaved) {
  FailureOr<mlir::Value> table = ropeTable(node, cosines, sines);
  if (failed(table))
    return failure();
  if (head <= 0 || widthOf(x) % head != 0 || widthOf(*table) > head)
    return error(node) << "cannot rotate heads of " << head << " elements in rows of " << widthOf(x);
  // Behind what is rotated, also where attention rotates: the order of operations does not depend on how a
  // file says it.
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointAfterValue(x);
  if (interleaved)
    x = pairsApart(x, head, widthOf(*table));
  return create<lm::RotaryEmbeddingOp>(x.getType(), x, *table, b_.getI64IntegerAttr(head));
}

LogicalResult NodeImporter::rotary(const Node &node) {
  bool contrib = node.domain == kContrib; // x, positions, cosines, sines; the standard's positions are last
  ValueId positions = node.input(contrib ? 1 : 3), cosines = node.input(contrib ? 2 : 1),
          sines = node.input(contrib ? 3 : 2);
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  const auto *from = positions == kAbsent ? nullptr : std::get_if<Positions>(&probed_[positions].meaning);
  if (!from || from->first != Affine{0, 0, 1})
    return error(node) << "expected the positions of the new tokens, got "
                       << (positions == kAbsent ? "nothing" : probed_[positions].describe());
  int64_t heads = attributeOr(node, "num_heads", int64_t(0));
  // Without the number of heads the tables say how long one is.
  int64_t head = heads > 0 ? widthOf(*x) / heads : 2 * probed_[cosines].dims.back().constant;
  bool interleaved = attributeOr(node, "interleaved", int64_t(0)) != 0;
  FailureOr<mlir::Value> y = rotated(node, *x, head, cosines, sines, interleaved);
  if (failed(y))
    return failure();
  // Only attention may read rows whose pairs were moved apart: it does not see a permutation that queries and
  // keys share.
  if (interleaved)
    apart_[node.output(0)] = *y;
  else
    define(node, 0, *y);
  return success();
}

} // namespace lamina::onnx
