//===- RotaryImporter.cpp - rotations by tables of cosines and sines ------------------------------------===//

#include "dialects/LM/Transforms/RotaryPairs.h"
#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Import/ONNX/RopeCache.h"
#include "lib/Support/Names.h"

using namespace mlir;

namespace lamina::onnx {

static int64_t widthOf(mlir::Value rows) { return cast<RankedTensorType>(rows.getType()).getShape().back(); }

FailureOr<mlir::Value> NodeImporter::ropeTable(const Node &node, ValueId cosines, ValueId sines) {
  mlir::Value &table = ropeTables_[{cosines, sines}];
  if (table)
    return table;
  // Constants, or a choice between some that is the same for all positions up to the context.
  const auto *cosine = std::get_if<Fixed>(&probed_[cosines].meaning),
             *sine = std::get_if<Fixed>(&probed_[sines].meaning);
  if (!cosine || !sine)
    return error(node) << "expected constant tables of cosines and sines whose bytes are there";
  absl::StatusOr<RopeCache> cache = readRopeCache(cosine->value, sine->value);
  if (!cache.ok())
    return error(node) << toRef(cache.status().message());
  longest_ = std::min(longest_.value_or(INT64_MAX), cache->positions);
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointAfterValue(step_.positions); // before everything that could rotate
  table = create<lm::RopeTableOp>(rowsOf(2 * int64_t(cache->frequencies.size())), step_.positions,
                                  b_.getDenseF64ArrayAttr(cache->frequencies), f32(cache->magnitude));
  return table;
}

/// Cosines and sines of the tokens themselves, which the graph computes.
FailureOr<mlir::Value> NodeImporter::computedTable(const Node &node, ValueId cosines, ValueId sines) {
  using Kind = RowsByPosition::Kind;
  const auto *c = std::get_if<RowsByPosition>(&probed_[cosines].meaning),
             *s = std::get_if<RowsByPosition>(&probed_[sines].meaning);
  if (!c || !s || c->kind != Kind::Cosines || s->kind != Kind::Sines || c->first != kPast ||
      s->first != kPast || c->frequencies != s->frequencies)
    return error(node) << "expected cosines and sines of the new tokens, got " << probed_[cosines].describe()
                       << " and " << probed_[sines].describe();
  mlir::Value table = waveTable(*c);
  if (waveTable(*s) != table)
    return error(node) << "its cosines and sines have different magnitudes";
  return table;
}

FailureOr<mlir::Value> NodeImporter::rotated(const Node &node, mlir::Value x, int64_t head,
                                             FailureOr<mlir::Value> table, bool interleaved) {
  if (failed(table))
    return failure();
  if (head <= 0 || widthOf(x) % head != 0 || widthOf(*table) > head)
    return error(node) << "cannot rotate heads of " << head << " elements in rows of " << widthOf(x);
  // Behind what is rotated, also where attention rotates: the order of operations does not depend on how a
  // file says it.
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointAfterValue(x);
  if (interleaved)
    x = lm::pairsApart(b_, loc_, x, head, widthOf(*table));
  return create<lm::RotaryEmbeddingOp>(x.getType(), x, *table, b_.getI64IntegerAttr(head));
}

LogicalResult NodeImporter::rotary(const Node &node) {
  bool contrib = node.domain == kContrib; // x, positions, cosines, sines; the standard's positions are last
  ValueId positions = node.input(contrib ? 1 : 3), cosines = node.input(contrib ? 2 : 1),
          sines = node.input(contrib ? 3 : 2);
  FailureOr<mlir::Value> x = headRows(node, 0);
  if (failed(x))
    return failure();
  const auto *from = positions == kAbsent ? nullptr : std::get_if<Positions>(&probed_[positions].meaning);
  if (positions != kAbsent && (!from || from->first != kPast))
    return error(node) << "expected the positions of the new tokens, got " << probed_[positions].describe();
  ArrayRef<Affine> shape = dims(node.input(0));
  int64_t heads = shape.size() == 4 ? shape[1].constant : attributeOr(node, "num_heads", int64_t(0));
  // Without the number of heads the tables say how long one is.
  int64_t head = heads > 0 ? widthOf(*x) / heads : 2 * probed_[cosines].dims.back().constant;
  bool interleaved = attributeOr(node, "interleaved", int64_t(0)) != 0;
  FailureOr<mlir::Value> table = from ? ropeTable(node, cosines, sines) : computedTable(node, cosines, sines);
  FailureOr<mlir::Value> y = rotated(node, *x, head, table, interleaved);
  if (failed(y))
    return failure();
  if (interleaved)
    apart_[node.output(0)] = {*y, head, widthOf(*table)};
  else
    defineHeads(node.output(0), *y);
  return success();
}

} // namespace lamina::onnx
