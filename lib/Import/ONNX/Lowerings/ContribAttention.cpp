//===- ContribAttention.cpp - onnxruntime's Attention and MultiHeadAttention ----------------------------===//
//
// As the standard's, past keys and values are inputs and present ones outputs.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/AttentionCore.h"
#include "lib/Import/ONNX/Lowerings/Norm.h"
#include "lib/Import/ONNX/Lowerings/Product.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

/// What masks and biases do to a score: masked keys get a number added that is only large, later positions are out of sight.
class Bias {
public:
  Bias(Lowering &low, const AttentionShape &shape, ElementType type, size_t mask, size_t bias)
      : low_(low), s_(low.s), shape_(shape), type_(type), mask_(mask), bias_(bias),
        causal_(low.op.integer("unidirectional", 0)), filter_(low.op.real("mask_filter_value", -10000)) {}

  Value operator()(Value score, Indices index) const {
    mlir::Type real = score.getType();
    if (low_.op.has(mask_))
      score = s_.add(score, s_.select(isMasked(index), s_.real(real, filter_), s_.real(real, 0)));
    if (low_.op.has(bias_))
      score = s_.add(score, s_.cast(low_.readBroadcast(low_.in(bias_), index), low_.op.type(bias_), type_));
    if (!causal_)
      return score;
    Value last = s_.add(index[2], s_.index(shape_.past));
    Value seen = s_.compare(Compare::LessOrEqual, index[3], last, ElementType::Int64);
    return s_.select(seen, score, s_.real(real, -INFINITY));
  }

private:
  /// The mask is the number of keys, a row of keys, or a row for each query.
  Value isMasked(Indices index) const {
    Operand mask = low_.in(mask_);
    if (mask.dims().size() == 1)
      return s_.compare(Compare::LessOrEqual, s_.toIndex(low_.read(mask, index[0]), mask.type), index[3],
                        ElementType::Int64);
    Value element = mask.dims().size() == 2 ? low_.read(mask, {index[0], index[3]})
                                            : low_.read(mask, {index[0], index[2], index[3]});
    return s_.compare(Compare::LessOrEqual, element, s_.integer(element.getType(), 0), mask.type);
  }

  Lowering &low_;
  Scalars &s_;
  AttentionShape shape_;
  ElementType type_;
  size_t mask_, bias_;
  bool causal_;
  double filter_;
};

/// What is computed once q, k and v are there.
absl::Status run(Lowering &low, const AttentionShape &shape, const HeadsView &q, const HeadsView &k,
                 const HeadsView &v, size_t mask, size_t bias) {
  if (shape.sizes.keys == 0)
    return low.op.error("attention without keys is not compiled");
  AttentionLoops loops{.sizes = shape.sizes, .q = q, .k = k, .v = v};
  double scale = low.op.real("scale", 0);
  loops.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(shape.sizes.size)) : scale;
  loops.type = statisticsOf(low.op.type(0));
  loops.biased = Bias(low, shape, loops.type, mask, bias);
  attend(low, loops);
  return absl::OkStatus();
}

/// Half of a tensor [2, …], with the same type: keys or values.
Operand halfOf(Lowering &low, const Operand &both, int64_t which) {
  return low.compute(both.type, both.dims().drop_front(), [&](Indices index) {
    SmallVector<Value> at{low.s.index(which)};
    llvm::append_range(at, index);
    return low.read(both, at);
  });
}

/// x [batch, rows, width], weights [width, q + k + v], bias, mask, past and present [2, batch, heads, rows, size].
absl::Status attention(Lowering &low) {
  enum { X, Weights, ProjectionBias, Mask, Past, ScoreBias };
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(AttentionShape shape, projectedAttentionShape(low.op));
  const AttentionSizes &n = shape.sizes;
  low.op.integers("qkv_hidden_sizes", {});
  ElementType type = statisticsOf(low.op.type(X));
  Operand projected = Product{.sums = type}.of(low, low.in(X), low.in(Weights));
  /// Its columns from one on, with the bias: a tensor of its own, so that queries can go before keys and values.
  auto part = [&](int64_t first, int64_t size) {
    return HeadsView{low.compute(type, {n.batch, n.queries, n.heads * size},
                                 [&](Indices at) {
                                   Value column = s.add(at[2], s.index(first)),
                                         x = low.read(projected, {at[0], at[1], column});
                                   if (!low.op.has(ProjectionBias))
                                     return x;
                                   return s.add(x, s.cast(low.read(low.in(ProjectionBias), column),
                                                          low.op.type(ProjectionBias), type));
                                 }),
                     size};
  };
  int64_t hidden = n.heads * n.size;
  HeadsView q = part(0, n.size), k = part(hidden, n.size), v = part(2 * hidden, n.valueSize);
  if (shape.past != 0 || low.op.wants(1)) { // both are of one size
    Dims dims{n.batch, n.heads, n.keys, n.size};
    auto all = [&](const HeadsView &fresh, int64_t which) {
      std::optional<Operand> past;
      if (shape.past != 0)
        past = halfOf(low, low.in(Past), which);
      return HeadsView{appendRows(low, past, fresh, dims), n.size};
    };
    k = all(k, 0), v = all(v, 1);
  }
  if (low.op.wants(1))
    low.compute(1, [&](Indices index) {
      Value isKey = s.compare(Compare::Equal, index[0], s.index(0), ElementType::Int64);
      Value key = low.read(k.tensor, index.drop_front()), value = low.read(v.tensor, index.drop_front());
      return s.cast(s.select(isKey, key, value), type, low.op.out(1).type());
    });
  return run(low, shape, q, k, v, Mask, ScoreBias);
}

/// q [batch, rows, width], k and v likewise or [batch, heads, rows, size], a bias of all three.
absl::Status multiHead(Lowering &low) {
  enum { Q, K, V, InputBias, Mask, ScoreBias, PastKey, PastValue };
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(AttentionShape shape, multiHeadAttentionShape(low.op));
  const AttentionSizes &n = shape.sizes;
  HeadsView parts[3];
  int64_t offset = 0; // of the part in the bias
  for (size_t i : {Q, K, V}) {
    int64_t size = i == V ? n.valueSize : n.size, rows = i == Q ? n.queries : n.keys - shape.past;
    parts[i] = {low.in(i), size};
    if (low.op.has(InputBias))
      parts[i] = {
          low.compute(low.op.type(i), {n.batch, n.heads, rows, size},
                      [&](Indices at) {
                        Value column = s.add(s.index(offset), s.add(s.mul(at[1], s.index(size)), at[3]));
                        Value bias = s.cast(low.read(low.in(InputBias), column), low.op.type(InputBias),
                                            low.op.type(i));
                        return s.add(HeadsView{low.in(i), size}.read(low, at[0], at[1], at[2], at[3]), bias);
                      }),
          size};
    offset += n.heads * size;
    size_t past = i == K ? PastKey : PastValue;
    if (i == Q || (shape.past == 0 && !low.op.wants(i)))
      continue;
    parts[i] = {appendRows(low, shape.past != 0 ? std::optional(low.in(past)) : std::nullopt, parts[i],
                           {n.batch, n.heads, n.keys, size}),
                size};
    if (low.op.wants(i))
      low.set(i, parts[i].tensor.value);
  }
  return run(low, shape, parts[Q], parts[K], parts[V], Mask, ScoreBias);
}

constexpr LoweringRow kRows[] = {
    {"Attention", attention, kContrib},
    {"MultiHeadAttention", multiHead, kContrib},
};
} // namespace

std::span<const LoweringRow> contribAttentionLowerings() { return kRows; }

} // namespace lamina::onnx
