//===- LinearAttention.cpp - recurrent mixers: LinearAttention, CausalConvWithState; SwiGLU -------------===//

#include "lib/Import/ONNX/Ops/AttentionCore.h"

namespace lamina::onnx {

namespace {
enum Input { Q, K, V, Past, Decay, Beta };

/// Inputs [batch, rows, width], decay and beta too; a state [batch, kv heads, size, value size] goes in and
/// out.
absl::StatusOr<AttentionSizes> sizesOf(OpContext &context) {
  AttentionSizes s{.heads = context.integer("q_num_heads", 0), .kvHeads = context.integer("kv_num_heads", 0)};
  for (size_t i : {Q, K, V})
    LAMINA_RETURN_IF_ERROR(context.expectRank(i, 3, 3));
  const Dims &q = context.dims(Q), &v = context.dims(V);
  if (s.heads < 1 || s.heads > 1 << 20 || s.kvHeads < 1 || s.heads % s.kvHeads != 0 || q[2] % s.heads != 0 ||
      v[2] % s.kvHeads != 0)
    return context.error("cannot divide ", context.in(Q).describe(), " into ", s.heads, " heads and ",
                         context.in(V).describe(), " into ", s.kvHeads);
  s.batch = q[0], s.queries = q[1], s.size = q[2] / s.heads, s.valueSize = v[2] / s.kvHeads;
  LAMINA_RETURN_IF_ERROR(context.expectDims(K, {s.batch, s.queries, s.kvHeads * s.size}));
  LAMINA_RETURN_IF_ERROR(context.expectDims(V, {s.batch, s.queries, v[2]}));
  if (context.has(Past))
    LAMINA_RETURN_IF_ERROR(context.expectDims(Past, {s.batch, s.kvHeads, s.size, s.valueSize}));
  return s;
}

absl::Status linearRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionSizes s, sizesOf(context));
  std::string rule = context.text("update_rule", "gated_delta");
  bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return context.error("update rule ", quoteName(rule),
                         " is not known; linear, gated, delta and gated_delta are");
  if (gated != context.has(Decay) || delta != context.has(Beta))
    return context.error("update rule ", quoteName(rule), " does not go with its inputs");
  for (size_t i : {Decay, Beta})
    if (context.has(i)) {
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, {s.batch, s.queries, -1}));
      int64_t width = context.dims(i)[2];
      if (width != s.kvHeads && width != (i == Decay ? s.kvHeads * s.size : 1))
        return context.error("input ", i, ", ", context.in(i).describe(), ", does not fit ", s.kvHeads,
                             " heads");
    }
  context.result(0, context.type(Q), {s.batch, s.queries, s.heads * s.valueSize});
  context.result(1, context.has(Past) ? context.type(Past) : context.type(Q),
                 {s.batch, s.kvHeads, s.size, s.valueSize});
  return absl::OkStatus();
}

/// One step of one head: forgets, corrects, writes. `state` is [size, value size].
void update(OpContext &context, const AttentionSizes &s, int64_t b, int64_t h, int64_t t, double *state) {
  int64_t row = b * s.queries + t;
  auto k = [&](int64_t d) { return context.in(K).real((row * s.kvHeads + h) * s.size + d); };
  if (context.has(Decay)) {
    int64_t width = context.dims(Decay)[2];
    for (int64_t d = 0; d < s.size; ++d) {
      double decay =
          std::exp(context.in(Decay).real(row * width + (width == s.kvHeads ? h : h * s.size + d)));
      for (int64_t m = 0; m < s.valueSize; ++m)
        state[d * s.valueSize + m] *= decay;
    }
  }
  for (int64_t m = 0; m < s.valueSize; ++m) {
    double v = context.in(V).real((row * s.kvHeads + h) * s.valueSize + m);
    if (context.has(Beta)) {
      int64_t width = context.dims(Beta)[2];
      for (int64_t d = 0; d < s.size; ++d)
        v -= state[d * s.valueSize + m] * k(d);
      v *= context.in(Beta).real(row * width + (width == 1 ? 0 : h));
    }
    for (int64_t d = 0; d < s.size; ++d)
      state[d * s.valueSize + m] += k(d) * v;
  }
}

absl::Status linearAttention(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(AttentionSizes s, sizesOf(context));
  LAMINA_RETURN_IF_ERROR(context.spend({s.batch, s.kvHeads, s.size, s.valueSize, 64}));
  LAMINA_RETURN_IF_ERROR(context.spend({s.batch, s.heads, s.queries, s.size, 5 * s.valueSize}));
  double scale = context.real("scale", 0);
  if (scale == 0)
    scale = 1 / std::sqrt(static_cast<double>(s.size));
  int64_t cells = s.size * s.valueSize, group = s.heads / s.kvHeads;
  std::vector<double> states(s.batch * s.kvHeads * cells, 0);
  if (context.has(Past))
    states = context.in(Past).reals();
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t t = 0; t < s.queries; ++t)
      for (int64_t h = 0; h < s.heads; ++h) {
        double *state = states.data() + (b * s.kvHeads + h / group) * cells;
        if (h % group == 0)
          update(context, s, b, h / group, t, state);
        int64_t row = (b * s.queries + t) * s.heads + h;
        for (int64_t m = 0; m < s.valueSize; ++m) {
          double sum = 0;
          for (int64_t d = 0; d < s.size; ++d)
            sum += context.in(Q).real(row * s.size + d) * state[d * s.valueSize + m];
          if (context.wants(0))
            context.out(0).setReal(row * s.valueSize + m, scale * sum);
        }
      }
  if (context.wants(1))
    context.out(1).setReals(states);
  return absl::OkStatus();
}

/// x [batch, channels, rows], weights [channels, 1, taps], bias [channels], the last taps - 1 rows before x.
absl::Status causalConvRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 3, 3));
  int64_t channels = context.dims(0)[1];
  LAMINA_RETURN_IF_ERROR(context.expectDims(1, {channels, 1, -1}));
  int64_t kept = context.dims(1)[2] - 1;
  if (kept < 0)
    return context.error("its kernel is empty");
  if (context.has(2))
    LAMINA_RETURN_IF_ERROR(context.expectDims(2, {channels}));
  if (context.has(3))
    LAMINA_RETURN_IF_ERROR(context.expectDims(3, {context.dims(0)[0], channels, kept}));
  std::string activation = context.text("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return context.error("activation ", quoteName(activation), " is not known; none, silu and swish are");
  context.result(0, context.type(0), context.dims(0));
  context.result(1, context.type(0), {context.dims(0)[0], channels, kept});
  return absl::OkStatus();
}

absl::Status causalConv(OpContext &context) {
  const Tensor &x = context.in(0), &weights = context.in(1);
  int64_t rows = x.dims()[2], taps = weights.dims()[2], channels = x.dims()[1];
  LAMINA_RETURN_IF_ERROR(context.spend({x.count(), taps, 4}));
  bool gated = context.text("activation", "none") != "none";
  for (int64_t line = 0; line < x.dims()[0] * channels; ++line) {
    auto before = [&](int64_t i) { // x with its past before it
      if (i >= 0)
        return x.real(line * rows + i);
      return context.has(3) ? context.in(3).real(line * (taps - 1) + i + taps - 1) : 0.0;
    };
    for (int64_t i = 0; context.wants(0) && i < rows; ++i) {
      double sum = context.has(2) ? context.in(2).real(line % channels) : 0;
      for (int64_t tap = 0; tap < taps; ++tap)
        sum += before(i - (taps - 1) + tap) * weights.real(line % channels * taps + tap);
      context.out(0).setReal(line * rows + i, gated ? sum * sigmoid(sum) : sum);
    }
    for (int64_t i = 0; context.wants(1) && i < taps - 1; ++i)
      context.out(1).setReal(line * (taps - 1) + i, before(rows - (taps - 1) + i));
  }
  return absl::OkStatus();
}

absl::Status swigluRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(sameTypes(context));
  LAMINA_RETURN_IF_ERROR(context.expectDims(1, context.dims(0)));
  return likeFirst(context);
}

absl::Status swiglu(OpContext &context) {
  double alpha = context.real("alpha", 1);
  for (int64_t i = 0; i < context.out(0).count(); ++i) {
    double gate = context.in(0).real(i);
    context.out(0).setReal(i, gate * sigmoid(alpha * gate) * context.in(1).real(i));
  }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "LinearAttention",
     .since = 27,
     .required = 3,
     .most = 6,
     .rule = linearRule,
     .semantics = linearAttention},
    {.name = "CausalConvWithState",
     .since = 27,
     .required = 2,
     .most = 4,
     .rule = causalConvRule,
     .semantics = causalConv},
    {.name = "SwiGLU", .since = 28, .required = 2, .most = 2, .rule = swigluRule, .semantics = swiglu},
};
} // namespace

std::span<const OpRow> linearAttentionRows() { return kRows; }

} // namespace lamina::onnx
