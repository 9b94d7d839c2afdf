//===- Norm.cpp - layer, RMS, batch, group norm ---------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Norm.h"

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
/// y, and optionally the statistics of each row: mean and inverse deviation, or for RMS norms the latter
/// alone.
absl::Status rowsRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, context.in(0).rank()));
  for (size_t i = 1; i < context.numInputs(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Dims both, context.broadcasted(context.dims(0), context.dims(i)));
    if (both != context.dims(0))
      return context.error("input ", i, ", ", context.in(i).describe(), ", does not broadcast to ",
                           context.in(0).describe());
  }
  context.result(0, context.type(1), context.dims(0));
  Dims rows = context.dims(0);
  std::fill(rows.begin() + axis, rows.end(), 1);
  for (size_t i = 1; i < context.numOutputs(); ++i)
    context.result(i, ElementType::Float, rows);
  return absl::OkStatus();
}

template <bool Centred> absl::Status normalizeRows(OpContext &context) {
  const Tensor &x = context.in(0);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, x.rank()));
  double epsilon = context.real("epsilon", 1e-5);
  int64_t count = elementCount(std::span(x.dims()).subspan(axis));
  int64_t rows = elementCount(std::span(x.dims()).first(axis));
  std::vector<RowStatistics> statistics(rows);
  for (int64_t r = 0; r < rows; ++r)
    statistics[r] = rowStatistics(count, epsilon, Centred, [&](int64_t i) { return x.real(r * count + i); });
  Dims scale = broadcastStrides(context.dims(1), x.dims());
  Dims bias = context.has(2) ? broadcastStrides(context.dims(2), x.dims()) : scale;
  walk<2>(x.dims(), {scale, bias}, [&](int64_t i, const std::array<int64_t, 2> &at) {
    const RowStatistics &row = statistics[i / count];
    double y = (x.real(i) - row.mean) * row.inverse * context.in(1).real(at[0]);
    context.out(0).setReal(i, context.has(2) ? y + context.in(2).real(at[1]) : y);
  });
  for (int64_t r = 0; r < rows; ++r) {
    if (Centred && context.wants(1))
      context.out(1).setReal(r, statistics[r].mean);
    if (size_t inverse = Centred ? 2 : 1; context.wants(inverse))
      context.out(inverse).setReal(r, statistics[r].inverse);
  }
  return absl::OkStatus();
}

/// Inputs x [n, channels, …], then vectors of one number per channel.
absl::Status channelsRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 64));
  int64_t channels = context.dims(0)[1];
  bool perGroup = context.node().op == "GroupNormalization" && context.opset() < 21;
  int64_t groups = context.integer("num_groups", 1);
  if (groups < 1 || channels % groups != 0)
    return context.error("cannot divide ", channels, " channels into ", groups, " groups");
  for (size_t i = 1; i < context.numInputs(); ++i)
    LAMINA_RETURN_IF_ERROR(context.expectDims(i, {perGroup ? groups : channels}));
  context.result(0, context.type(0), context.dims(0));
  for (size_t i = 1; i < context.numOutputs(); ++i)
    context.result(i, context.type(i + 2), {channels});
  return absl::OkStatus();
}

/// f(channel) gives what an element x of it becomes: x * first + second.
template <typename F> void scaleChannels(OpContext &context, F f) {
  AxisView view(context.dims(0), 1);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t c = 0; c < view.size; ++c) {
      auto [factor, offset] = f(o, c);
      for (int64_t n = 0; n < view.inner; ++n)
        context.out(0).setReal(view.at(o, c, n), context.in(0).real(view.at(o, c, n)) * factor + offset);
    }
}

/// In training mode by the statistics of the batch, which then move the running ones.
absl::Status batchNorm(OpContext &context) {
  double epsilon = context.real("epsilon", 1e-5), momentum = context.real("momentum", 0.9);
  bool training = context.opset() >= 14 && context.integer("training_mode", 0);
  AxisView view(context.dims(0), 1);
  std::vector<double> mean = context.in(3).reals(), variance = context.in(4).reals();
  if (training)
    for (int64_t c = 0; c < view.size; ++c) {
      auto x = [&](int64_t i) { return context.in(0).real(view.at(i / view.inner, c, i % view.inner)); };
      RowStatistics row = rowStatistics(view.outer * view.inner, 0, true, x);
      double newVariance = 1 / (row.inverse * row.inverse);
      if (context.wants(1))
        context.out(1).setReal(c, mean[c] * momentum + row.mean * (1 - momentum));
      if (context.wants(2))
        context.out(2).setReal(c, variance[c] * momentum + newVariance * (1 - momentum));
      mean[c] = row.mean, variance[c] = newVariance;
    }
  scaleChannels(context, [&](int64_t, int64_t c) {
    double factor = context.in(1).real(c) / std::sqrt(variance[c] + epsilon);
    return std::pair(factor, context.in(2).real(c) - mean[c] * factor);
  });
  return absl::OkStatus();
}

/// Channels in groups; with `Instance` each channel is its own.
template <bool Instance> absl::Status groupNorm(OpContext &context) {
  AxisView view(context.dims(0), 1);
  int64_t groups = Instance ? view.size : context.integer("num_groups", 1);
  if (view.size == 0)
    return absl::OkStatus();
  int64_t channels = view.size / groups, count = channels * view.inner;
  double epsilon = context.real("epsilon", 1e-5);
  std::vector<RowStatistics> statistics;
  for (int64_t g = 0; g < view.outer * groups; ++g)
    statistics.push_back(
        rowStatistics(count, epsilon, true, [&](int64_t i) { return context.in(0).real(g * count + i); }));
  bool perGroup = context.in(1).count() == groups;
  scaleChannels(context, [&](int64_t o, int64_t c) {
    const RowStatistics &row = statistics[o * groups + c / channels];
    int64_t at = perGroup ? c / channels : c;
    double factor = context.in(1).real(at) * row.inverse;
    return std::pair(factor, context.in(2).real(at) - row.mean * factor);
  });
  return absl::OkStatus();
}

absl::Status lpRule(OpContext &context) {
  if (int64_t p = context.integer("p", 2); p != 1 && p != 2)
    return context.error("p is ", p, ", expected 1 or 2");
  LAMINA_RETURN_IF_ERROR(context.axis("axis", -1, context.in(0).rank()).status());
  return likeFirst(context);
}

absl::Status lpNorm(OpContext &context) {
  const Tensor &x = context.in(0);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, x.rank()));
  AxisView view(x.dims(), axis);
  bool squares = context.integer("p", 2) == 2;
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      double norm = 0;
      for (int64_t i = 0; i < view.size; ++i) {
        double element = x.real(view.at(o, i, n));
        norm += squares ? element * element : std::fabs(element);
      }
      norm = squares ? std::sqrt(norm) : norm;
      for (int64_t i = 0; i < view.size; ++i)
        context.out(0).setReal(view.at(o, i, n), norm == 0 ? 0 : x.real(view.at(o, i, n)) / norm);
    }
  return absl::OkStatus();
}

/// Over what follows an axis; scale and perhaps bias beside the input.
constexpr OpRow ofRows(std::string_view name, int since, unsigned most, Semantics semantics) {
  return {
      .name = name, .since = since, .required = 2, .most = most, .rule = rowsRule, .semantics = semantics};
}

/// Over the places of channels.
constexpr OpRow ofChannels(std::string_view name, int since, unsigned inputs, Semantics semantics) {
  return {.name = name,
          .since = since,
          .required = inputs,
          .most = inputs,
          .rule = channelsRule,
          .semantics = semantics};
}

constexpr OpRow kRows[] = {
    ofRows("LayerNormalization", 1, 3, normalizeRows<true>),
    ofRows("RMSNormalization", 23, 2, normalizeRows<false>),
    // onnxruntime's, which its exporters put into the standard's domain.
    ofRows("SimplifiedLayerNormalization", 1, 2, normalizeRows<false>),
    ofChannels("BatchNormalization", 9, 5, batchNorm),
    ofChannels("InstanceNormalization", 6, 3, groupNorm<true>),
    ofChannels("GroupNormalization", 18, 3, groupNorm<false>),
    {.name = "LpNormalization", .rule = lpRule, .semantics = lpNorm},
};
} // namespace

std::span<const OpRow> normRows() { return kRows; }

} // namespace lamina::onnx
