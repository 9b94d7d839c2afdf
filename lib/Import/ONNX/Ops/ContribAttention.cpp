//===- ContribAttention.cpp - onnxruntime's Attention and MultiHeadAttention ----------------------------===//
//
// Attention projects x to q, k, v inside; MultiHeadAttention is given them. Both take masks as numbers of
// keys, as a row of keys or for each query, and add a bias to the scores.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/AttentionCore.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
/// What the two operators read from different inputs.
struct Inputs {
  size_t mask, bias, past;
};
constexpr Inputs kAttention{3, 5, 4}, kMultiHead{4, 5, 6};

constexpr int64_t kMostHeads = 1 << 20;

absl::Status checkMasks(OpContext &context, const Inputs &inputs, const AttentionSizes &s) {
  if (context.has(inputs.mask)) {
    Dims mask = context.dims(inputs.mask);
    if (mask != Dims{s.batch} && mask != Dims{s.batch, s.keys} && mask != Dims{s.batch, s.queries, s.keys})
      return context.error("mask ", context.in(inputs.mask).describe(),
                           " is of a form that is not supported");
    if (!isInteger(context.type(inputs.mask)))
      return context.error("expected integers as mask, got ", context.in(inputs.mask).describe());
  }
  if (!context.has(inputs.bias))
    return absl::OkStatus();
  LAMINA_RETURN_IF_ERROR(context.expectDims(inputs.bias, {-1, -1, s.queries, s.keys}));
  const Dims &bias = context.dims(inputs.bias);
  if ((bias[0] != 1 && bias[0] != s.batch) || (bias[1] != 1 && bias[1] != s.heads))
    return context.error("bias ", context.in(inputs.bias).describe(), " does not fit the scores");
  return absl::OkStatus();
}

/// Masked keys get a number added that is only large; later positions are out of sight.
class Bias {
public:
  Bias(OpContext &context, const Inputs &inputs, const AttentionShape &problem)
      : context_(context), inputs_(inputs), problem_(problem), causal_(context.integer("unidirectional", 0)),
        filter_(context.real("mask_filter_value", -10000)) {}

  double operator()(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const AttentionSizes &s = problem_.sizes;
    if (causal_ && j > i + problem_.past)
      return -INFINITY;
    double bias = isMasked(b, i, j) ? filter_ : 0;
    if (!context_.has(inputs_.bias))
      return bias;
    const Dims &dims = context_.dims(inputs_.bias);
    int64_t row = ((dims[0] == 1 ? 0 : b) * dims[1] + (dims[1] == 1 ? 0 : h)) * s.queries + i;
    return bias + context_.in(inputs_.bias).real(row * s.keys + j);
  }

private:
  bool isMasked(int64_t b, int64_t i, int64_t j) const {
    const AttentionSizes &s = problem_.sizes;
    const Tensor &mask = context_.in(inputs_.mask);
    switch (context_.has(inputs_.mask) ? mask.rank() : 0) {
    case 1:
      return j >= mask.integer(b);
    case 2:
      return mask.integer(b * s.keys + j) <= 0;
    case 3:
      return mask.integer((b * s.queries + i) * s.keys + j) <= 0;
    default:
      return false;
    }
  }
  OpContext &context_;
  Inputs inputs_;
  AttentionShape problem_;
  bool causal_;
  double filter_;
};

/// From projected heads to the output.
absl::StatusOr<Heads> run(OpContext &context, const Inputs &inputs, const AttentionShape &problem, Heads q,
                          Heads k, Heads v, Tensor *scores) {
  AttentionProblem p;
  p.sizes = problem.sizes;
  p.q = std::move(q), p.k = std::move(k), p.v = std::move(v);
  double scale = context.real("scale", 0);
  p.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(p.sizes.size)) : scale;
  p.bias = Bias(context, inputs, problem);
  return attend(context, p, scores, ScoreStage::Probability);
}

// Attention: x [batch, rows, width], weights [width, q + k + v], bias, mask, past [2, batch, heads, rows,
// size].

} // namespace

absl::StatusOr<AttentionShape> projectedAttentionShape(OpContext &context) {
  AttentionShape p;
  AttentionSizes &s = p.sizes;
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 3, 3));
  LAMINA_RETURN_IF_ERROR(context.expectDims(1, {context.dims(0)[2], -1}));
  int64_t all = context.dims(1)[1];
  std::vector<int64_t> widths = context.integers("qkv_hidden_sizes", Dims(3, all / 3));
  s.heads = s.kvHeads = context.integer("num_heads", 0);
  if (s.heads < 1 || s.heads > kMostHeads || widths.size() != 3)
    return context.error("has ", s.heads, " heads and ", widths.size(), " widths");
  for (int64_t width : widths)
    if (width < 0 || width > all || width % s.heads != 0)
      return context.error("cannot divide a width of ", width, " into ", s.heads, " heads");
  if (widths[0] != widths[1] || widths[0] + widths[1] + widths[2] != all)
    return context.error("weights ", context.in(1).describe(), " do not have the widths of q, k and v");
  s.batch = context.dims(0)[0], s.queries = s.keys = context.dims(0)[1];
  s.size = widths[0] / s.heads, s.valueSize = widths[2] / s.heads;
  if (context.has(2))
    LAMINA_RETURN_IF_ERROR(context.expectDims(2, {all}));
  if (context.has(kAttention.past)) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(kAttention.past, {2, s.batch, s.heads, -1, s.size}));
    p.past = context.dims(kAttention.past)[3];
    s.keys += p.past;
  }
  if (context.integer("do_rotary", 0) || context.has(6) ||
      (s.valueSize != s.size && (context.has(4) || context.wants(1))))
    return context.error(
        "has rotary embeddings, a shared cache, or a cache of values of another size than keys, "
        "which is not supported");
  LAMINA_RETURN_IF_ERROR(checkMasks(context, kAttention, s));
  return p;
}

namespace {
absl::Status attentionRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape p, projectedAttentionShape(context));
  const AttentionSizes &s = p.sizes;
  context.result(0, context.type(0), {s.batch, s.queries, s.heads * s.valueSize});
  context.result(1, context.type(0), {2, s.batch, s.heads, s.keys, s.size});
  return absl::OkStatus();
}

absl::Status attention(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape p, projectedAttentionShape(context));
  const AttentionSizes &s = p.sizes;
  int64_t inner = context.dims(0)[2], rows = s.batch * s.queries, hidden = s.heads * s.size,
          all = context.dims(1)[1];
  LAMINA_RETURN_IF_ERROR(context.spend({rows, inner + 16, all, 4}));
  Tensor projected(ElementType::Double, {s.batch, s.queries, all});
  projected.allocate();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < all; ++c) {
      double sum = context.has(2) ? context.in(2).real(c) : 0;
      for (int64_t k = 0; k < inner; ++k)
        sum += context.in(0).real(r * inner + k) * context.in(1).real(k * all + c);
      projected.setReal(r * all + c, sum);
    }
  Heads q = headsOf(projected, s.batch, s.heads, s.queries, s.size);
  Heads k = headsOf(projected, s.batch, s.heads, s.queries, s.size, hidden);
  Heads v = headsOf(projected, s.batch, s.heads, s.queries, s.valueSize, 2 * hidden);
  if (context.has(kAttention.past)) {
    std::vector<double> past = context.in(kAttention.past).reals();
    Heads old(s.batch, s.heads, p.past, s.size);
    size_t half = past.size() / 2;
    old.values.assign(past.begin(), past.begin() + half);
    k = appendRows(old, k, s.batch);
    old.values.assign(past.begin() + half, past.end());
    v = appendRows(old, v, s.batch);
  }
  if (context.wants(1)) {
    std::vector<double> present = k.values;
    present.insert(present.end(), v.values.begin(), v.values.end());
    context.out(1).setReals(present);
  }
  LAMINA_ASSIGN_OR_RETURN(Heads y,
                          run(context, kAttention, p, std::move(q), std::move(k), std::move(v), nullptr));
  if (context.wants(0))
    storeHeads(y, context.out(0));
  return absl::OkStatus();
}

// MultiHeadAttention: q [batch, rows, width], k and v likewise or [batch, heads, rows, size], bias of all
// three.

} // namespace

absl::StatusOr<AttentionShape> multiHeadAttentionShape(OpContext &context) {
  AttentionShape p;
  AttentionSizes &s = p.sizes;
  if (!context.has(1) || !context.has(2))
    return context.error("expected query, key and value as an input each; several packed in one of five axes "
                         "are not supported");
  for (size_t i = 0; i < 3; ++i)
    LAMINA_RETURN_IF_ERROR(context.expectRank(i, 3, i == 0 ? 3 : 4));
  s.heads = s.kvHeads = context.integer("num_heads", 0);
  bool split = context.in(1).rank() == 4;
  const Dims &q = context.dims(0), &v = context.dims(2);
  if (s.heads < 1 || s.heads > kMostHeads || q[2] % s.heads != 0 || (!split && v.back() % s.heads != 0))
    return context.error("cannot divide its inputs into ", s.heads, " heads");
  s.batch = q[0], s.queries = q[1], s.size = q[2] / s.heads;
  s.keys = context.dims(1)[split ? 2 : 1];
  s.valueSize = split ? v.back() : v.back() / s.heads;
  for (size_t i : {1, 2}) {
    int64_t size = i == 1 ? s.size : s.valueSize;
    LAMINA_RETURN_IF_ERROR(context.expectDims(i, split ? Dims{s.batch, s.heads, s.keys, size}
                                                       : Dims{s.batch, s.keys, s.heads * size}));
  }
  if (context.has(3))
    LAMINA_RETURN_IF_ERROR(context.expectDims(3, {s.heads * (2 * s.size + s.valueSize)}));
  if (context.has(6) != context.has(7))
    return context.error("has a past key or value without the other");
  if (context.has(6)) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(6, {s.batch, s.heads, -1, s.size}));
    p.past = context.dims(6)[2];
    LAMINA_RETURN_IF_ERROR(context.expectDims(7, {s.batch, s.heads, p.past, s.valueSize}));
    s.keys += p.past;
  }
  LAMINA_RETURN_IF_ERROR(checkMasks(context, kMultiHead, s));
  return p;
}

namespace {
absl::Status multiHeadRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape p, multiHeadAttentionShape(context));
  const AttentionSizes &s = p.sizes;
  context.result(0, context.type(0), {s.batch, s.queries, s.heads * s.valueSize});
  context.result(1, context.type(0), {s.batch, s.heads, s.keys, s.size});
  context.result(2, context.type(0), {s.batch, s.heads, s.keys, s.valueSize});
  context.result(3, context.type(0), {s.batch, s.heads, s.queries, s.keys});
  return absl::OkStatus();
}

absl::Status multiHead(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape p, multiHeadAttentionShape(context));
  const AttentionSizes &s = p.sizes;
  Heads parts[3];
  int64_t offset = 0; // of the part in the bias
  for (size_t i = 0; i < 3; ++i) {
    int64_t size = i == 2 ? s.valueSize : s.size;
    parts[i] = headsOf(context.in(i), s.batch, s.heads, i == 0 ? s.queries : s.keys - p.past, size);
    for (size_t at = 0; context.has(3) && at < parts[i].values.size(); ++at) {
      int64_t head = static_cast<int64_t>(at) / size / parts[i].rows % s.heads;
      parts[i].values[at] += context.in(3).real(offset + head * size + static_cast<int64_t>(at) % size);
    }
    offset += s.heads * size;
    if (i > 0 && context.has(5 + i))
      parts[i] = appendRows(headsOf(context.in(5 + i), s.batch, s.heads, p.past, size), parts[i], s.batch);
    if (i > 0 && context.wants(i))
      storeHeads(parts[i], context.out(i));
  }
  Tensor *scores = context.wants(3) ? &context.out(3) : nullptr;
  LAMINA_ASSIGN_OR_RETURN(Heads y, run(context, kMultiHead, p, std::move(parts[0]), std::move(parts[1]),
                                       std::move(parts[2]), scores));
  if (context.wants(0))
    storeHeads(y, context.out(0));
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Attention",
     .required = 2,
     .most = 6,
     .rule = attentionRule,
     .semantics = attention,
     .domain = kContrib},
    {.name = "MultiHeadAttention",
     .required = 1,
     .most = 8,
     .rule = multiHeadRule,
     .semantics = multiHead,
     .domain = kContrib},
};
} // namespace

std::span<const OpRow> contribAttentionRows() { return kRows; }

} // namespace lamina::onnx
