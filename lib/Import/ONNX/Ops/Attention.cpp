//===- Attention.cpp - the standard's Attention ---------------------------------------------------------===//
//
// Inputs: Q, K, V, mask, past key, past value, number of keys that are no padding. Q, K and V are [batch,
// rows, width] with numbers of heads as attributes, or [batch, heads, rows, size].
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/AttentionCore.h"

namespace lamina::onnx {

namespace {
enum Input { Q, K, V, Mask, PastKey, PastValue, NonPad };

absl::Status splitWidth(const OpContext &context, size_t i, int64_t heads, int64_t &size) {
  int64_t width = context.dims(i)[2];
  if (heads < 1 || heads > 1 << 20 || width % heads != 0)
    return context.error("cannot divide ", context.in(i).describe(), " into ", heads, " heads");
  size = width / heads;
  return absl::OkStatus();
}

absl::Status readSizes(OpContext &context, AttentionSizes &s) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(Q, 3, 4));
  int64_t rank = context.in(Q).rank();
  for (size_t i : {K, V})
    LAMINA_RETURN_IF_ERROR(context.expectRank(i, rank, rank));
  s.batch = context.dims(Q)[0];
  s.queries = context.dims(Q)[rank - 2];
  s.keys = context.dims(K)[rank - 2];
  if (rank == 4) {
    s.heads = context.dims(Q)[1], s.kvHeads = context.dims(K)[1];
    s.size = context.dims(Q)[3], s.valueSize = context.dims(V)[3];
    LAMINA_RETURN_IF_ERROR(context.expectDims(K, {s.batch, s.kvHeads, s.keys, s.size}));
    return context.expectDims(V, {s.batch, s.kvHeads, s.keys, s.valueSize});
  }
  s.heads = context.integer("q_num_heads", 0), s.kvHeads = context.integer("kv_num_heads", 0);
  LAMINA_RETURN_IF_ERROR(splitWidth(context, Q, s.heads, s.size));
  LAMINA_RETURN_IF_ERROR(splitWidth(context, V, s.kvHeads, s.valueSize));
  LAMINA_RETURN_IF_ERROR(context.expectDims(K, {s.batch, s.keys, s.kvHeads * s.size}));
  return context.expectDims(V, {s.batch, s.keys, s.kvHeads * s.valueSize});
}

} // namespace

absl::StatusOr<AttentionShape> attentionShape(OpContext &context) {
  AttentionShape shape;
  AttentionSizes &s = shape.sizes;
  LAMINA_RETURN_IF_ERROR(readSizes(context, s));
  if (s.kvHeads < 1 || s.heads % s.kvHeads != 0)
    return context.error(s.heads, " heads of queries cannot share ", s.kvHeads, " of keys");
  if (context.has(PastKey) != context.has(PastValue))
    return context.error("has a past key or value without the other");
  if (context.has(PastKey)) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(PastKey, {s.batch, s.kvHeads, -1, s.size}));
    shape.past = context.dims(PastKey)[2];
    LAMINA_RETURN_IF_ERROR(context.expectDims(PastValue, {s.batch, s.kvHeads, shape.past, s.valueSize}));
    s.keys += shape.past;
  }
  if (context.has(NonPad)) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(NonPad, {s.batch}));
    if (context.has(PastKey))
      return context.error(
          "has past keys and a number of keys that are no padding, which exclude each other");
  }
  return shape;
}

namespace {
absl::Status attentionRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape shape, attentionShape(context));
  const AttentionSizes &s = shape.sizes;
  if (context.has(Mask)) {
    Dims dims = context.dims(Mask);
    if (dims.empty() || dims.size() > 4 || dims.back() > s.keys)
      return context.error("mask ", context.in(Mask).describe(), " does not fit ", s.keys, " keys");
    dims.back() = 1;
    LAMINA_ASSIGN_OR_RETURN(Dims both, context.broadcasted({s.batch, s.heads, s.queries, 1}, dims));
    if (both != Dims{s.batch, s.heads, s.queries, 1})
      return context.error("mask ", context.in(Mask).describe(), " does not broadcast to the scores");
  }
  for (std::string_view name : {"left_window_size", "right_window_size"})
    if (context.integer(name, -1) < -1)
      return context.error("attribute '", name, "' is ", context.integer(name, -1), ", expected -1 or more");
  int64_t precision = context.integer("softmax_precision", 0),
          stage = context.integer("qk_matmul_output_mode", 0);
  if (precision < 0 || precision >= kNumElementTypes || (precision && !isReal(ElementType(precision))))
    return context.error("attribute 'softmax_precision' is ", precision, ", not a type of reals");
  if (stage < 0 || stage > 3)
    return context.error("attribute 'qk_matmul_output_mode' is ", stage, ", expected 0 to 3");
  Dims y{s.batch, s.queries, s.heads * s.valueSize};
  if (context.in(Q).rank() == 4)
    y = {s.batch, s.heads, s.queries, s.valueSize};
  context.result(0, context.type(Q), std::move(y));
  context.result(1, context.type(K), {s.batch, s.kvHeads, s.keys, s.size});
  context.result(2, context.type(V), {s.batch, s.kvHeads, s.keys, s.valueSize});
  context.result(3, context.type(Q), {s.batch, s.heads, s.queries, s.keys});
  return absl::OkStatus();
}

/// Which keys a query may see, and what a mask adds.
class Bias {
public:
  Bias(OpContext &context, const AttentionShape &shape)
      : context_(context), shape_(shape), causal_(context.integer("is_causal", 0)),
        left_(context.integer("left_window_size", -1)), right_(context.integer("right_window_size", -1)) {
    if (!context.has(Mask))
      return;
    maskKeys_ = context.dims(Mask).back();
    Dims all{shape.sizes.batch, shape.sizes.heads, shape.sizes.queries, maskKeys_};
    strides_ = broadcastStrides(context.dims(Mask), all);
    strides_[3] = 1; // a mask of one column is for the first key alone, the others are padding
  }

  double operator()(int64_t b, int64_t h, int64_t i, int64_t j) const {
    // The position of the query among the keys.
    int64_t nonPad = context_.has(NonPad) ? context_.in(NonPad).integer(b) : shape_.sizes.keys;
    int64_t at = context_.has(NonPad) ? wrapAdd(i, wrapSub(nonPad, shape_.sizes.queries)) : i + shape_.past;
    bool hidden = (causal_ && j > at) || (left_ >= 0 && wrapSub(at, j) > left_) ||
                  (right_ >= 0 && wrapSub(j, at) > right_) || j >= nonPad;
    if (hidden || (context_.has(Mask) && j >= maskKeys_))
      return -INFINITY;
    if (!context_.has(Mask))
      return 0;
    int64_t place = b * strides_[0] + h * strides_[1] + i * strides_[2] + j * strides_[3];
    if (context_.type(Mask) == ElementType::Bool)
      return context_.in(Mask).integer(place) ? 0 : -INFINITY;
    return context_.in(Mask).real(place);
  }

private:
  OpContext &context_;
  AttentionShape shape_;
  bool causal_;
  int64_t left_, right_, maskKeys_ = 0;
  Dims strides_;
};

absl::Status attention(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape shape, attentionShape(context));
  const AttentionSizes &s = shape.sizes;
  AttentionProblem problem;
  problem.sizes = s;
  int64_t fresh = s.keys - shape.past;
  problem.q = headsOf(context.in(Q), s.batch, s.heads, s.queries, s.size);
  problem.k = headsOf(context.in(K), s.batch, s.kvHeads, fresh, s.size);
  problem.v = headsOf(context.in(V), s.batch, s.kvHeads, fresh, s.valueSize);
  if (context.has(PastKey)) {
    Heads k = headsOf(context.in(PastKey), s.batch, s.kvHeads, shape.past, s.size);
    Heads v = headsOf(context.in(PastValue), s.batch, s.kvHeads, shape.past, s.valueSize);
    problem.k = appendRows(k, problem.k, s.batch);
    problem.v = appendRows(v, problem.v, s.batch);
  }
  if (context.wants(1))
    storeHeads(problem.k, context.out(1));
  if (context.wants(2))
    storeHeads(problem.v, context.out(2));
  problem.scale = context.real("scale", 1 / std::sqrt(static_cast<double>(s.size)));
  problem.softcap = context.real("softcap", 0);
  problem.bias = Bias(context, shape);
  int64_t precision = context.integer("softmax_precision", 0);
  problem.softmaxType = precision ? static_cast<ElementType>(precision) : ElementType::Double;
  auto stage = static_cast<ScoreStage>(context.integer("qk_matmul_output_mode", 0));
  Tensor *scores = context.wants(3) ? &context.out(3) : nullptr;
  LAMINA_ASSIGN_OR_RETURN(Heads y, attend(context, problem, scores, stage));
  if (context.wants(0))
    storeHeads(y, context.out(0));
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Attention",
     .since = 23,
     .required = 3,
     .most = 7,
     .rule = attentionRule,
     .semantics = attention},
};
} // namespace

std::span<const OpRow> attentionRows() { return kRows; }

} // namespace lamina::onnx
