//===- ContribNorm.cpp - onnxruntime's norms with a sum or an embedding before them ---------------------===//

#include "lib/Import/ONNX/Ops/Norm.h"
#include "lib/Import/ONNX/Ops/Rules.h"

namespace lamina::onnx {

namespace {
/// Where the optional inputs and outputs of the two kinds are.
struct Skip {
  bool centred;
  size_t beta, bias; // 0: none
};
constexpr Skip kLayer{true, 3, 4}, kSimplified{false, 0, 3};
const Skip &kindOf(const OpContext &context) {
  return context.node().op == "SkipLayerNormalization" ? kLayer : kSimplified;
}

/// Inputs: x [.., width], what is added to it (the batch may be one or absent), gamma. Outputs: y,
/// statistics, and at index 3 the sum.
absl::Status skipRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 3));
  const Skip &kind = kindOf(context);
  int64_t width = context.dims(0).back();
  LAMINA_ASSIGN_OR_RETURN(Dims both, context.broadcasted(context.dims(0), context.dims(1)));
  if (both != context.dims(0) || context.dims(1).empty() || context.dims(1).back() != width)
    return context.error("cannot add ", context.in(1).describe(), " to ", context.in(0).describe());
  for (size_t i = 2; i < context.numInputs(); ++i)
    if (context.has(i))
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, {width}));
  if (!kind.centred && context.numInputs() > 4)
    return context.error("expected at most 4 inputs");
  Dims rows = context.dims(0);
  rows.back() = 1;
  context.result(0, context.type(0), context.dims(0));
  context.result(1, ElementType::Float, rows);
  context.result(2, ElementType::Float, rows);
  context.result(3, context.type(0), context.dims(0));
  return absl::OkStatus();
}

/// Norms the rows of `sum` into output 0.
void normInto(OpContext &context, const std::vector<double> &sum, int64_t width, bool centred, size_t gamma,
              size_t beta) {
  double epsilon = context.real("epsilon", 1e-12);
  int64_t rows = width == 0 ? 0 : static_cast<int64_t>(sum.size()) / width;
  for (int64_t r = 0; r < rows; ++r) {
    RowStatistics row = rowStatistics(width, epsilon, centred, [&](int64_t i) { return sum[r * width + i]; });
    for (int64_t i = 0; context.wants(0) && i < width; ++i) {
      double y = (sum[r * width + i] - row.mean) * row.inverse * context.in(gamma).real(i);
      context.out(0).setReal(r * width + i, context.has(beta) && beta ? y + context.in(beta).real(i) : y);
    }
  }
}

absl::Status skipNorm(OpContext &context) {
  const Skip &kind = kindOf(context);
  const Tensor &x = context.in(0);
  int64_t width = x.dims().back();
  std::vector<double> sum = x.reals();
  walk<1>(x.dims(), {broadcastStrides(context.dims(1), x.dims())},
          [&](int64_t i, const std::array<int64_t, 1> &at) {
            sum[i] += context.in(1).real(at[0]);
            if (context.has(kind.bias))
              sum[i] += context.in(kind.bias).real(i % width);
          });
  if (context.wants(3))
    context.out(3).setReals(sum);
  normInto(context, sum, width, kind.centred, 2, kind.beta);
  return absl::OkStatus();
}

/// Inputs of EmbedLayerNormalization.
enum Embed { Ids, Segments, Words, Positions, SegmentTable, Gamma, Beta, Mask, PositionIds };

absl::Status embedRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(Ids, 2, 2));
  LAMINA_RETURN_IF_ERROR(context.expectRank(Words, 2, 2));
  if (context.has(PositionIds))
    LAMINA_RETURN_IF_ERROR(context.expectRank(PositionIds, 2, 2));
  const Dims &ids = context.dims(Ids);
  int64_t width = context.dims(Words)[1];
  for (size_t i : {Positions, SegmentTable})
    if (context.has(i))
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, {-1, width}));
  for (size_t i : {Gamma, Beta})
    LAMINA_RETURN_IF_ERROR(context.expectDims(i, {width}));
  for (size_t i : {Segments, Mask})
    if (context.has(i))
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, ids));
  if (context.has(PositionIds) && context.dims(PositionIds)[0] != 1)
    LAMINA_RETURN_IF_ERROR(context.expectDims(PositionIds, ids));
  if (!context.has(Positions) || context.has(Segments) != context.has(SegmentTable))
    return context.error("has ids or a table of segments without the other, or no table of positions");
  context.result(0, context.type(Words), {ids[0], ids[1], width});
  context.result(1, ElementType::Int32, {ids[0]});
  context.result(2, context.type(Words), {ids[0], ids[1], width});
  return absl::OkStatus();
}

absl::Status embed(OpContext &context) {
  int64_t tokens = context.in(Ids).count(), rows = context.dims(Ids)[1], width = context.dims(Words)[1];
  std::vector<double> sum(tokens * width, 0);
  auto add = [&](size_t table, int64_t token, int64_t row) -> absl::Status {
    if (row < 0 || row >= context.dims(table)[0])
      return context.error("row ", row, " is outside of ", context.in(table).describe());
    for (int64_t i = 0; i < width; ++i)
      sum[token * width + i] += context.in(table).real(row * width + i);
    return absl::OkStatus();
  };
  for (int64_t t = 0; t < tokens; ++t) {
    LAMINA_RETURN_IF_ERROR(add(Words, t, context.in(Ids).integer(t)));
    bool shared = context.has(PositionIds) && context.in(PositionIds).count() == rows;
    int64_t position =
        context.has(PositionIds) ? context.in(PositionIds).integer(shared ? t % rows : t) : t % rows;
    LAMINA_RETURN_IF_ERROR(add(Positions, t, position));
    if (context.has(Segments))
      LAMINA_RETURN_IF_ERROR(add(SegmentTable, t, context.in(Segments).integer(t)));
  }
  // How many tokens of each sequence the mask leaves; 0 without a mask, as onnxruntime has it.
  for (int64_t b = 0; context.wants(1) && context.has(Mask) && b < context.dims(Ids)[0]; ++b) {
    int64_t count = 0;
    for (int64_t i = 0; i < rows; ++i)
      count += context.in(Mask).integer(b * rows + i) == 1;
    context.out(1).setInteger(b, count);
  }
  if (context.wants(2))
    context.out(2).setReals(sum);
  normInto(context, sum, width, true, Gamma, Beta);
  return absl::OkStatus();
}

constexpr OpRow contrib(std::string_view name, unsigned required, unsigned most, ShapeRule rule,
                        Semantics semantics) {
  return {.name = name,
          .required = required,
          .most = most,
          .rule = rule,
          .semantics = semantics,
          .domain = kContrib};
}

constexpr OpRow kRows[] = {
    contrib("SkipLayerNormalization", 3, 5, skipRule, skipNorm),
    contrib("SkipSimplifiedLayerNormalization", 3, 4, skipRule, skipNorm),
    contrib("EmbedLayerNormalization", 3, 9, embedRule, embed),
};
} // namespace

std::span<const OpRow> contribNormRows() { return kRows; }

} // namespace lamina::onnx
