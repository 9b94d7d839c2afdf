//===- AttentionImporter.cpp - fused attention ----------------------------------------------------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

std::optional<CacheOperands> cacheOperands(const Node &node) {
  bool given = node.input(4) != kAbsent; // the standard's may also be given all keys and values
  if (node.domain.empty())
    return node.op == "Attention" && given ? std::optional(CacheOperands{4, 5}) : std::nullopt;
  if (node.domain != kContrib)
    return std::nullopt;
  if (node.op == "Attention")
    return CacheOperands{4, 4};
  if (node.op == "MultiHeadAttention")
    return CacheOperands{6, 7};
  return node.op == "GroupQueryAttention" || node.op == "PagedAttention" ? std::optional(CacheOperands{3, 4})
                                                                         : std::nullopt;
}

static int64_t widthOf(mlir::Value rows) { return cast<RankedTensorType>(rows.getType()).getShape().back(); }

LogicalResult NodeImporter::checkHeads(const Node &node, const Attention &a) {
  if (a.heads <= 0 || a.keyHeads <= 0 || a.heads % a.keyHeads != 0)
    return error(node) << a.heads << " heads of queries cannot share " << a.keyHeads << " of keys";
  return success();
}

/// Queries, keys and values from inputs 0 to 2, or all from input 0 side by side.
LogicalResult NodeImporter::readOperands(const Node &node, Attention &a) {
  auto operand = [&](size_t input) -> FailureOr<mlir::Value> {
    auto apart = apart_.find(node.input(input));
    return apart != apart_.end()                 ? FailureOr<mlir::Value>(apart->second.rows)
           : dims(node.input(input)).size() == 4 ? headRows(node, input)
                                                 : rows(node, input);
  };
  FailureOr<mlir::Value> query = operand(0);
  if (failed(query))
    return failure();
  if (failed(checkHeads(node, a)))
    return failure();
  if (!given(node, 1) && !given(node, 2)) {
    int64_t columns = a.heads + 2 * a.keyHeads, head = widthOf(*query) / columns;
    if (head * columns != widthOf(*query))
      return error(node) << "rows of " << widthOf(*query) << " are not " << columns << " heads";
    a.query = make_.sliced(*query, 1, 0, a.heads * head, 1);
    a.key = make_.sliced(*query, 1, a.heads * head, a.keyHeads * head, 1);
    a.value = make_.sliced(*query, 1, (a.heads + a.keyHeads) * head, a.keyHeads * head, 1);
    return success();
  }
  FailureOr<mlir::Value> key = operand(1), value = failed(key) ? key : operand(2);
  if (failed(value))
    return failure();
  if (apart_.count(node.input(0)) != apart_.count(node.input(1)))
    return error(node) << "its queries and keys are rotated in different ways";
  a.query = *query, a.key = *key, a.value = *value;
  return success();
}

LogicalResult NodeImporter::attention(const Node &node, const Attention &a) {
  mlir::Value cache = step_.caches[attentions_++];
  auto type = cast<lm::KVCacheType>(cache.getType());
  if (type.getHeads() != a.keyHeads || widthOf(a.query) != a.heads * type.getKeyLength() ||
      widthOf(a.key) != a.keyHeads * type.getKeyLength() ||
      widthOf(a.value) != a.keyHeads * type.getValueLength())
    return error(node) << "its queries, keys, values and cache do not fit each other";
  cache = create<lm::CacheAppendOp>(type, cache, a.key, a.value, step_.positions, step_.sequences,
                                    step_.blockTable);
  double scale = a.scale != 0 ? a.scale : 1 / std::sqrt(double(type.getKeyLength()));
  FloatAttr softCap = a.softCap != 0 ? f32(a.softCap) : FloatAttr();
  IntegerAttr window = a.window ? b_.getI64IntegerAttr(*a.window) : IntegerAttr();
  defineHeads(node.output(0), create<lm::AttentionOp>(rowsOf(a.heads * type.getValueLength()), a.query, cache,
                                                      step_.positions, step_.sequences, step_.blockTable,
                                                      f32(scale), softCap, window));
  return success();
}

LogicalResult NodeImporter::heedMask(const Node &node, size_t input, bool &causal, Attention &a) {
  const ProbedValue &value = probed_[node.input(input)];
  bool chooses = !isReal(value.type);
  const auto *mask = std::get_if<Mask>(&value.meaning);
  const auto *filled = std::get_if<Filled>(&value.meaning);
  if (value.dims.empty() || value.dims.back() != kContext)
    return error(node) << "expected a mask of all keys, got " << value.describe();
  if (filled && filled->value == (chooses ? 1 : 0))
    return success();
  if (!mask || mask->visible != (chooses ? 1 : 0))
    return error(node) << "expected a causal mask that " << (chooses ? "chooses" : "is added to")
                       << " the scores, got " << value.describe();
  causal = true;
  if (mask->window)
    a.window = std::min(a.window.value_or(*mask->window), *mask->window);
  return success();
}

LogicalResult NodeImporter::heedMasks(const Node &node, size_t padding, size_t added, Attention &a) {
  bool causal = attributeOr(node, "unidirectional", int64_t(0)) != 0;
  // How many keys each sequence has, or which are some.
  bool lengths = given(node, padding) && dims(node.input(padding)).size() == 1;
  if (lengths && !isNumbers(node, padding, {{0, 1, 1}}))
    return error(node) << "expected the number of all tokens, got "
                       << probed_[node.input(padding)].describe();
  if (given(node, padding) && !lengths && failed(heedMask(node, padding, causal, a)))
    return failure();
  if (given(node, added) && failed(heedMask(node, added, causal, a)))
    return failure();
  if (!causal)
    return error(node) << "expected that queries see no later keys, by unidirectional or a mask";
  return success();
}

/// Inputs: query, key, value, bias, key padding mask, attention bias, past key, past value.
LogicalResult NodeImporter::multiHeadAttention(const Node &node) {
  Attention a;
  a.heads = a.keyHeads = attributeOr(node, "num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  if (failed(heedMasks(node, 4, 5, a)) || failed(readOperands(node, a)))
    return failure();
  int64_t first = 0; // of the part in the bias
  for (mlir::Value *x : {&a.query, &a.key, &a.value}) {
    int64_t width = widthOf(*x);
    lm::WeightOp part = given(node, 3)
                            ? weights_.part(node.input(3), std::exchange(first, first + width), width)
                            : lm::WeightOp();
    if (given(node, 3) && !part)
      return failure();
    *x = part ? create<lm::BiasAddOp>(x->getType(), *x, weight(part)) : *x;
  }
  return attention(node, a);
}

/// Inputs: rows, matrix of queries, keys and values, bias, mask of padding, past, attention bias.
LogicalResult NodeImporter::projectedAttention(const Node &node) {
  Attention a;
  a.heads = a.keyHeads = attributeOr(node, "num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  lm::WeightOp matrix = weights_.matrix(node.input(1), MatrixForm::Columns);
  if (!matrix || failed(heedMasks(node, 3, 5, a)))
    return failure();
  FailureOr<mlir::Value> all = timesMatrix(node, matrix, 2);
  if (failed(all))
    return failure();
  // The shape rule has checked that widths add up, and queries have that of keys.
  std::vector<int64_t> widths =
      attributeOr(node, "qkv_hidden_sizes", std::vector<int64_t>(3, widthOf(*all) / 3));
  a.query = make_.sliced(*all, 1, 0, widths[0], 1);
  a.key = make_.sliced(*all, 1, widths[0], widths[0], 1);
  a.value = make_.sliced(*all, 1, 2 * widths[0], widths[2], 1);
  return attention(node, a);
}

/// The standard's: query, key, value, mask, past key, past value, lengths without padding.
LogicalResult NodeImporter::standardAttention(const Node &node) {
  if (node.output(3) != kAbsent)
    return error(node) << "gives out its scores, which is not supported";
  Attention a;
  bool apart = dims(node.input(0)).size() == 4; // [1, heads, tokens, length]
  a.heads = apart ? dims(node.input(0))[1].constant : attributeOr(node, "q_num_heads", int64_t(0));
  a.keyHeads = apart ? dims(node.input(1))[1].constant : attributeOr(node, "kv_num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  a.softCap = attributeOr(node, "softcap", 0.0f);
  // Both the mask and the attributes may hide keys.
  int64_t left = attributeOr(node, "left_window_size", int64_t(-1)),
          right = attributeOr(node, "right_window_size", int64_t(-1));
  bool causal = attributeOr(node, "is_causal", int64_t(0)) != 0 || right == 0;
  if (left >= 0)
    a.window = left + 1;
  if (given(node, 6) && !isNumbers(node, 6, {kContext}))
    return error(node) << "expected the number of all tokens as input 6, got "
                       << probed_[node.input(6)].describe();
  if ((causal || a.window) && !given(node, 4) && !given(node, 6))
    return error(node) << "is_causal and windows count positions from 0, where the cache already has some; "
                          "expected a mask";
  if (given(node, 3) && failed(heedMask(node, 3, causal, a)))
    return failure();
  if (!causal)
    return error(node) << "expected that queries see no later keys, by is_causal or a mask";
  if (!given(node, 4))
    return attentionOverContext(node, a);
  return failed(readOperands(node, a)) ? failure() : attention(node, a);
}

bool NodeImporter::isNumbers(const Node &node, size_t input, const std::vector<Affine> &expected) const {
  const auto *numbers =
      given(node, input) ? std::get_if<Numbers>(&probed_[node.input(input)].meaning) : nullptr;
  return numbers && numbers->elements == expected;
}

LogicalResult NodeImporter::refuseInputs(const Node &node, ArrayRef<std::pair<size_t, StringRef>> inputs) {
  for (auto [input, what] : inputs)
    if (given(node, input))
      return error(node) << "has " << what << " (input " << input << "), which is not supported yet";
  return success();
}

/// What GroupQueryAttention and PagedAttention have in common: `tables` is the input that holds cosines,
/// `norms` the weights of the queries' norm, each with the other of its kind behind it.
LogicalResult NodeImporter::groupedAttention(const Node &node, size_t tables, size_t norms) {
  Attention a;
  a.heads = attributeOr(node, "num_heads", int64_t(0));
  a.keyHeads = attributeOr(node, "kv_num_heads", int64_t(0));
  a.scale = attributeOr(node, "scale", 0.0f);
  a.softCap = attributeOr(node, "softcap", 0.0f);
  if (int64_t window = attributeOr(node, "local_window_size", int64_t(-1)); window > 0)
    a.window = window;
  if (failed(readOperands(node, a)))
    return failure();
  int64_t head = widthOf(a.query) / a.heads;
  for (size_t i : {0, 1}) {
    mlir::Value &x = i == 0 ? a.query : a.key;
    if (given(node, norms + i)) {
      lm::WeightOp scale = weights_.vector(node.input(norms + i), head);
      if (!scale)
        return failure();
      x = create<lm::RMSNormOp>(x.getType(), x, weight(scale),
                                f32(attributeOr(node, "qk_norm_epsilon", 1e-6f)));
    }
    if (attributeOr(node, "do_rotary", int64_t(0)) == 0)
      continue;
    bool interleaved = attributeOr(node, "rotary_interleaved", int64_t(0)) != 0;
    FailureOr<mlir::Value> table = ropeTable(node, node.input(tables), node.input(tables + 1));
    FailureOr<mlir::Value> y = rotated(node, x, head, table, interleaved);
    if (failed(y))
      return failure();
    x = *y;
  }
  return attention(node, a);
}

/// Inputs: query, key, value, past key, past value, last position of each sequence, total length, cosines,
/// sines, positions, bias, sinks, scales of keys and values, norms of queries and keys.
LogicalResult NodeImporter::groupQueryAttention(const Node &node) {
  if (failed(refuseInputs(node, {{10, "a bias of the scores"}, {11, "attention sinks"}})))
    return failure();
  const auto *positions = given(node, 9) ? std::get_if<Positions>(&probed_[node.input(9)].meaning) : nullptr;
  if (given(node, 9) && (!positions || positions->first != Affine{0, 0, 1}))
    return error(node) << "expected the positions of the new tokens, got "
                       << probed_[node.input(9)].describe();
  if (!isNumbers(node, 5, {{-1, 1, 1}}) || !isNumbers(node, 6, {{0, 1, 1}}))
    return error(node)
           << "expected the position of the last token and the number of all tokens as inputs 5 and 6";
  return groupedAttention(node, 7, 14);
}

/// Inputs: query, key, value, key cache, value cache, where each sequence begins, how many tokens it has
/// before these, its pages, cosines, sines, places, sinks, norms of queries and keys, scales of keys and
/// values.
LogicalResult NodeImporter::pagedAttention(const Node &node) {
  if (failed(refuseInputs(node, {{10, "places of rows"},
                                 {11, "attention sinks"},
                                 {14, "scales of keys"},
                                 {15, "scales of values"}})))
    return failure();
  if (!isNumbers(node, 5, {{0, 0, 0}, {0, 1, 0}}) || !isNumbers(node, 6, {{0, 0, 1}}))
    return error(node) << "expected where sequences begin and the tokens before them as inputs 5 and 6";
  if (attributeOr(node, "is_causal", int64_t(1)) == 0)
    return error(node) << "expected that queries see no later keys";
  return groupedAttention(node, 8, 12);
}

} // namespace lamina::onnx
