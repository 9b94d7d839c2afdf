//===- GroupQueryAttention.cpp - onnxruntime's causal attention over a cache ----------------------------===//
//
// A sequence b has seqlens_k[b] + 1 tokens in all. In a first prompt (the longest sequence is as long as the
// input) token i is at position i, otherwise the input's tokens are the sequence's last ones. Rotation, if
// asked for, and the norms of heads happen inside.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Norm.h"
#include "lib/Import/ONNX/Ops/Rotary.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
enum Input {
  Q,
  K,
  V,
  PastKey,
  PastValue,
  Lengths,
  Total,
  Cos,
  Sin,
  Positions,
  Bias,
  Sink,
  KScale,
  VScale,
  QNorm,
  KNorm
};

struct Shape {
  AttentionSizes sizes; // keys: rows of the caches that go out
  int64_t past = 0;     // rows of the caches that come in
};

absl::StatusOr<Shape> shapeOf(OpContext &context) {
  Shape shape;
  AttentionSizes &s = shape.sizes;
  LAMINA_RETURN_IF_ERROR(context.expectRank(Q, 3, 3));
  s.heads = context.integer("num_heads", 0), s.kvHeads = context.integer("kv_num_heads", 0);
  s.batch = context.dims(Q)[0], s.queries = context.dims(Q)[1];
  if (s.heads < 1 || s.kvHeads < 1 || s.heads % s.kvHeads != 0 || s.heads > 1 << 20)
    return context.error(s.heads, " heads of queries cannot share ", s.kvHeads, " of keys");
  if (context.has(K) != context.has(V))
    return context.error("has a key or value without the other");
  int64_t columns = context.has(K) ? s.heads : s.heads + 2 * s.kvHeads, width = context.dims(Q)[2];
  if (width % columns != 0)
    return context.error("cannot divide ", context.in(Q).describe(), " into ", columns, " heads");
  s.size = s.valueSize = width / columns;
  for (size_t i : {K, V})
    if (context.has(i))
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, {s.batch, s.queries, s.kvHeads * s.size}));
  if (context.has(PastKey)) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(PastKey, {s.batch, s.kvHeads, -1, s.size}));
    shape.past = context.dims(PastKey)[2];
    LAMINA_RETURN_IF_ERROR(context.expectDims(PastValue, context.dims(PastKey)));
  }
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> total, context.known(Total));
  if (total.size() != 1 || total[0] < s.queries)
    return context.error("the total length is not one number that is at least the number of queries");
  s.keys = std::max(shape.past, total[0]);
  return shape;
}

absl::Status checkOptional(OpContext &context, const AttentionSizes &s) {
  if (!context.has(Lengths) || context.in(Lengths).count() != s.batch)
    return context.error("expected a length per sequence as input ", int(Lengths), ", got ",
                         context.in(Lengths).describe());
  if (context.integer("do_rotary", 0)) {
    LAMINA_RETURN_IF_ERROR(context.expectRank(Cos, 2, 2));
    LAMINA_RETURN_IF_ERROR(context.expectDims(Sin, context.dims(Cos)));
    if (2 * context.dims(Cos)[1] > s.size)
      return context.error("tables ", context.in(Cos).describe(), " rotate more than heads of ", s.size);
  }
  if (context.has(Positions))
    LAMINA_RETURN_IF_ERROR(context.expectDims(Positions, {s.batch, s.queries}));
  if (context.has(Bias)) {
    LAMINA_RETURN_IF_ERROR(context.expectRank(Bias, 4, 4));
    const Dims &bias = context.dims(Bias);
    if ((bias[0] != 1 && bias[0] != s.batch) || (bias[1] != 1 && bias[1] != s.heads) || bias[2] != s.queries)
      return context.error("bias ", context.in(Bias).describe(), " does not fit the scores");
  }
  if (context.has(Sink))
    LAMINA_RETURN_IF_ERROR(context.expectDims(Sink, {s.heads}));
  for (size_t i : {QNorm, KNorm})
    if (context.has(i))
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, {s.size}));
  if (context.has(KScale) || context.has(VScale) || context.integer("kv_cache_bit_width", 0) != 0)
    return quantizedCacheError(context);
  if (context.integer("sliding_window_cache", 0))
    return context.error("has a cache that slides, which is not supported; export without "
                         "sliding_window_cache, with a cache of all "
                         "positions, of which local_window_size hides the old ones");
  return absl::OkStatus();
}

absl::Status gqaRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Shape shape, shapeOf(context));
  const AttentionSizes &s = shape.sizes;
  LAMINA_RETURN_IF_ERROR(checkOptional(context, s));
  context.result(0, context.type(Q), {s.batch, s.queries, s.heads * s.size});
  for (size_t i : {1, 2})
    context.result(i, context.type(Q), {s.batch, s.kvHeads, s.keys, s.size});
  context.result(3, context.type(Q), {s.batch, s.heads, s.queries, s.keys});
  return absl::OkStatus();
}

void normHeads(OpContext &context, Heads &x, size_t weight) {
  double epsilon = context.real("qk_norm_epsilon", 1e-6);
  for (size_t start = 0; context.has(weight) && start < x.values.size(); start += x.size) {
    double *row = x.values.data() + start;
    RowStatistics statistics = rowStatistics(x.size, epsilon, false, [&](int64_t i) { return row[i]; });
    for (int64_t i = 0; i < x.size; ++i)
      row[i] *= statistics.inverse * context.in(weight).real(i);
  }
}

/// The cache with the new rows of each sequence behind its old ones.
Heads extended(OpContext &context, const Shape &shape, size_t past, const Heads &fresh,
               const std::vector<int64_t> &start) {
  const AttentionSizes &s = shape.sizes;
  Heads cache(s.batch, s.kvHeads, s.keys, s.size);
  Heads old;
  if (context.has(past))
    old = headsOf(context.in(past), s.batch, s.kvHeads, shape.past, s.size);
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.kvHeads; ++h)
      for (int64_t r = 0; r < s.keys; ++r)
        for (int64_t d = 0; d < s.size; ++d)
          if (int64_t i = r - start[b]; i >= 0 && i < s.queries)
            cache.at(b, h, r, d) = fresh.at(b, h, i, d);
          else if (r < start[b])
            cache.at(b, h, r, d) = old.at(b, h, r, d);
  return cache;
}

absl::Status gqa(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Shape shape, shapeOf(context));
  const AttentionSizes &s = shape.sizes;
  LAMINA_RETURN_IF_ERROR(
      context.spend({s.batch, s.kvHeads, s.keys, s.size, 64})); // the caches, even if unwanted
  bool first = context.in(Total).integer(0) == s.queries;
  std::vector<int64_t> start(s.batch, 0), rows(s.batch * s.queries);
  for (int64_t b = 0; b < s.batch; ++b) {
    int64_t total = wrapAdd(context.in(Lengths).integer(b), 1);
    if (total < (first ? 0 : s.queries) || total > s.keys)
      return context.error("sequence ", b, " has ", total, " tokens, expected ", s.queries, " to ", s.keys);
    start[b] = first ? 0 : total - s.queries;
    for (int64_t i = 0; i < s.queries; ++i) {
      int64_t &row = rows[b * s.queries + i];
      row = context.has(Positions) ? context.in(Positions).integer(b * s.queries + i) : start[b] + i;
      if (context.integer("do_rotary", 0) && (row < 0 || row >= context.dims(Cos)[0]))
        return context.error("position ", row, " is outside of the tables ", context.in(Cos).describe());
    }
  }
  AttentionProblem problem;
  problem.sizes = s;
  problem.q = headsOf(context.in(Q), s.batch, s.heads, s.queries, s.size);
  const Tensor &k = context.has(K) ? context.in(K) : context.in(Q),
               &v = context.has(V) ? context.in(V) : context.in(Q);
  Heads newKey = headsOf(k, s.batch, s.kvHeads, s.queries, s.size, context.has(K) ? 0 : s.heads * s.size);
  Heads newValue =
      headsOf(v, s.batch, s.kvHeads, s.queries, s.size, context.has(V) ? 0 : (s.heads + s.kvHeads) * s.size);
  normHeads(context, problem.q, QNorm);
  normHeads(context, newKey, KNorm);
  if (context.integer("do_rotary", 0))
    for (Heads *x : {&problem.q, &newKey})
      rotate(*x, s.batch, context.dims(Cos)[1], context.integer("rotary_interleaved", 0), context.in(Cos),
             context.in(Sin), [&](int64_t b, int64_t i) { return rows[b * s.queries + i]; });
  problem.k = extended(context, shape, PastKey, newKey, start);
  problem.v = extended(context, shape, PastValue, newValue, start);
  if (context.wants(1))
    storeHeads(problem.k, context.out(1));
  if (context.wants(2))
    storeHeads(problem.v, context.out(2));
  double scale = context.real("scale", 0);
  problem.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(s.size)) : scale;
  problem.softcap = context.real("softcap", 0);
  if (context.has(Sink))
    problem.sinks = context.in(Sink).reals();
  else if (context.integer("smooth_softmax", 0) > 0)
    problem.sinks.assign(s.heads, 0);
  int64_t window = context.integer("local_window_size", -1);
  problem.bias = [&](int64_t b, int64_t h, int64_t i, int64_t j) -> double {
    int64_t at = start[b] + i;
    if (j > at || (window > 0 && at - j >= window))
      return -INFINITY;
    if (!context.has(Bias))
      return 0;
    const Dims &dims = context.dims(Bias);
    int64_t row = ((dims[0] == 1 ? 0 : b) * dims[1] + (dims[1] == 1 ? 0 : h)) * dims[2] + i;
    return j < dims[3] ? context.in(Bias).real(row * dims[3] + j) : -INFINITY;
  };
  int64_t stage = context.integer("qk_output", 0);
  Tensor *scores = context.wants(3) ? &context.out(3) : nullptr;
  LAMINA_ASSIGN_OR_RETURN(
      Heads y, attend(context, problem, scores, stage == 2 ? ScoreStage::Probability : ScoreStage::Biased));
  if (context.wants(0))
    storeHeads(y, context.out(0));
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "GroupQueryAttention",
     .required = 1,
     .most = 16,
     .rule = gqaRule,
     .semantics = gqa,
     .domain = kContrib},
};
} // namespace

std::span<const OpRow> groupQueryAttentionRows() { return kRows; }

} // namespace lamina::onnx
