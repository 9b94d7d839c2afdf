//===- AttentionImporter.cpp - fused attention and rotations --------------------------------------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Import/ONNX/RopeCache.h"
#include "lib/Support/Names.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

std::optional<size_t> firstCacheInput(const Node &node) {
  if (node.domain == kContrib && node.op == "MultiHeadAttention")
    return 6;
  if (node.domain == kContrib && node.op == "GroupQueryAttention")
    return 3;
  if (node.domain.empty() && node.op == "Attention")
    return 4;
  return std::nullopt;
}

static int64_t widthOf(mlir::Value rows) { return cast<RankedTensorType>(rows.getType()).getShape().back(); }

FailureOr<mlir::Value> NodeImporter::rotated(const Node &node, mlir::Value x, int64_t head, ValueId cosines, ValueId sines,
                                       bool interleaved) {
  if (interleaved)
    return error(node) << "rotates elements side by side, which is not supported yet";
  mlir::Value &table = ropeTables_[{cosines, sines}];
  if (!table) {
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
  }
  if (head <= 0 || widthOf(x) % head != 0 || widthOf(table) > head)
    return error(node) << "cannot rotate heads of " << head << " elements in rows of " << widthOf(x);
  // Behind what is rotated, also where attention rotates: the order of operations does not depend on how a file says it.
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointAfterValue(x);
  return create<lm::RotaryEmbeddingOp>(x.getType(), x, table, b_.getI64IntegerAttr(head));
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
  FailureOr<mlir::Value> y = rotated(node, *x, head, cosines, sines, attributeOr(node, "interleaved", int64_t(0)) != 0);
  if (failed(y))
    return failure();
  define(node, 0, *y);
  return success();
}

LogicalResult NodeImporter::attention(const Node &node, const Attention &a) {
  mlir::Value query = a.rotatedQuery, key = a.rotatedKey, value = find(a.value);
  query = query ? query : find(a.query);
  key = key ? key : find(a.key);
  if (!query || !key || !value)
    return error(node) << "expected queries, keys and values as rows of tokens";
  mlir::Value cache = step_.caches[attentions_++];
  auto type = cast<lm::KVCacheType>(cache.getType());
  if (a.heads <= 0 || a.keyHeads <= 0 || a.heads % a.keyHeads != 0 || type.getHeads() != a.keyHeads ||
      widthOf(query) != a.heads * type.getKeyLength() || widthOf(key) != a.keyHeads * type.getKeyLength() ||
      widthOf(value) != a.keyHeads * type.getValueLength())
    return error(node) << "its queries, keys, values and cache do not fit each other";
  cache = create<lm::CacheAppendOp>(type, cache, key, value, step_.positions, step_.sequences, step_.blockTable);
  double scale = a.scale != 0 ? a.scale : 1 / std::sqrt(double(type.getKeyLength()));
  FloatAttr softCap = a.softCap != 0 ? f32(a.softCap) : FloatAttr();
  IntegerAttr window = a.window ? b_.getI64IntegerAttr(*a.window) : IntegerAttr();
  define(node, 0, create<lm::AttentionOp>(rowsOf(a.heads * type.getValueLength()), query, cache, step_.positions,
                                          step_.sequences, step_.blockTable, f32(scale), softCap, window));
  return success();
}

/// Inputs: query, key, value, bias, key padding mask, attention bias, past key, past value.
LogicalResult NodeImporter::multiHeadAttention(const Node &node) {
  for (size_t i : {3, 4})
    if (given(node, i))
      return error(node) << (i == 3 ? "has a bias of its projections" : "has a mask of padding")
                         << ", which is not supported yet";
  Attention a{.query = node.input(0), .key = node.input(1), .value = node.input(2)};
  a.heads = a.keyHeads = attributeOr(node, "num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  bool causal = attributeOr(node, "unidirectional", int64_t(0)) != 0;
  if (given(node, 5) && failed(heedMask(node, 5, causal, a)))
    return failure();
  if (!causal)
    return error(node) << "expected that queries see no later keys, by unidirectional or a mask";
  return attention(node, a);
}

/// Inputs: query, key, value, past key, past value, last position of each sequence, total length, cosines, sines,
/// positions; then what is not supported yet.
LogicalResult NodeImporter::groupQueryAttention(const Node &node) {
  for (size_t i = 10; i < 16; ++i)
    if (given(node, i))
      return error(node) << "has an input " << i << ", which is not supported yet";
  if (!given(node, 1) || !given(node, 2))
    return error(node) << "has query, key and value in one input, which is not supported yet";
  auto isNumber = [&](size_t input, Affine expected) {
    const auto *numbers = given(node, input) ? std::get_if<Numbers>(&probed_[node.input(input)].meaning) : nullptr;
    return numbers && numbers->elements == std::vector<Affine>{expected};
  };
  if (!isNumber(5, {-1, 1, 1}) || !isNumber(6, {0, 1, 1}))
    return error(node) << "expected the position of the last token and the number of all tokens as inputs 5 and 6";
  Attention a{.query = node.input(0), .key = node.input(1), .value = node.input(2)};
  a.heads = attributeOr(node, "num_heads", int64_t(0));
  a.keyHeads = attributeOr(node, "kv_num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  a.softCap = attributeOr(node, "softcap", 0.0f);
  if (int64_t window = attributeOr(node, "local_window_size", int64_t(-1)); window > 0)
    a.window = window;
  if (attributeOr(node, "do_rotary", int64_t(0)) != 0) {
    FailureOr<mlir::Value> query = rows(node, 0), key = failed(query) ? query : rows(node, 1);
    if (failed(key))
      return failure();
    bool interleaved = attributeOr(node, "rotary_interleaved", int64_t(0)) != 0;
    auto rotate = [&](mlir::Value x, int64_t heads) {
      return rotated(node, x, heads > 0 ? widthOf(x) / heads : 0, node.input(7), node.input(8), interleaved);
    };
    query = rotate(*query, a.heads);
    key = failed(query) ? query : rotate(*key, a.keyHeads);
    if (failed(key))
      return failure();
    a.rotatedQuery = *query;
    a.rotatedKey = *key;
  }
  return attention(node, a);
}

/// The standard's: query, key, value, mask, past key, past value, lengths without padding.
LogicalResult NodeImporter::standardAttention(const Node &node) {
  if (given(node, 6))
    return error(node) << "its keys and values are a whole cache with padding, which is not supported yet";
  if (node.output(3) != kAbsent)
    return error(node) << "gives out its scores, which is not supported";
  Attention a{.query = node.input(0), .key = node.input(1), .value = node.input(2)};
  a.heads = attributeOr(node, "q_num_heads", int64_t(0));
  a.keyHeads = attributeOr(node, "kv_num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  a.softCap = attributeOr(node, "softcap", 0.0f);
  // Both the mask and the attributes may hide keys.
  bool causal = attributeOr(node, "is_causal", int64_t(0)) != 0;
  int64_t left = attributeOr(node, "left_window_size", int64_t(-1)), right = attributeOr(node, "right_window_size", int64_t(-1));
  causal |= right == 0;
  if (left >= 0)
    a.window = left + 1;
  if (given(node, 3) && failed(heedMask(node, 3, causal, a)))
    return failure();
  if (!causal)
    return error(node) << "expected that queries see no later keys, by is_causal or a mask";
  return attention(node, a);
}

LogicalResult NodeImporter::heedMask(const Node &node, size_t input, bool &causal, Attention &a) {
  const ProbedValue &value = probed_[node.input(input)];
  bool chooses = value.type == ElementType::Bool;
  const auto *mask = std::get_if<Mask>(&value.meaning);
  const auto *filled = std::get_if<Filled>(&value.meaning);
  if (filled && filled->value == (chooses ? 1 : 0))
    return success();
  if (!mask || mask->visible != (chooses ? 1 : 0))
    return error(node) << "expected a causal mask that " << (chooses ? "chooses" : "is added to") << " the scores, got "
                       << value.describe();
  causal = true;
  if (mask->window)
    a.window = std::min(a.window.value_or(*mask->window), *mask->window);
  return success();
}

} // namespace lamina::onnx
