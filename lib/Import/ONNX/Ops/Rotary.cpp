//===- Rotary.cpp - RotaryEmbedding of the standard and of onnxruntime ----------------------------------===//

#include "lib/Import/ONNX/Ops/Rotary.h"

namespace lamina::onnx {

namespace {
/// The standard has x, cos, sin, positions; onnxruntime x, positions, cos, sin.
struct Inputs {
  size_t positions, cos, sin;
};
constexpr Inputs kStandard{3, 1, 2}, kOrt{1, 2, 3};
const Inputs &inputsOf(const OpContext &context) { return context.node().domain.empty() ? kStandard : kOrt; }

/// x is [batch, rows, heads * size] or [batch, heads, rows, size]; the tables have a row per position or,
/// without positions, per batch and row.
struct Rotation {
  int64_t batch = 0, heads = 0, rows = 0, size = 0, half = 0;
};

absl::StatusOr<Rotation> rotationOf(OpContext &context) {
  const Inputs &inputs = inputsOf(context);
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 3, 4));
  LAMINA_RETURN_IF_ERROR(context.expectRank(inputs.cos, 2, 3));
  const Dims &x = context.dims(0);
  Rotation r{.batch = x[0], .heads = context.integer("num_heads", 0), .rows = x[x.size() - 2]};
  int64_t rotated = context.integer("rotary_embedding_dim", 0);
  if (x.size() == 4) {
    r.heads = x[1], r.size = x[3];
  } else {
    if (r.heads == 0 && rotated == 0 &&
        context.node().domain == kContrib) // the tables tell the size of a head
      r.heads = x[2] / std::max<int64_t>(2 * context.dims(inputs.cos).back(), 1);
    if (r.heads < 1 || x[2] % r.heads != 0)
      return context.error("cannot divide ", context.in(0).describe(), " into ", r.heads, " heads");
    r.size = x[2] / r.heads;
  }
  r.half = (rotated > 0 ? rotated : r.size) / 2;
  if (rotated < 0 || 2 * r.half > r.size)
    return context.error("cannot rotate ", rotated, " elements of heads of ", r.size);
  if (context.has(inputs.positions)) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(inputs.cos, {-1, r.half}));
    if (context.node().domain.empty() || context.in(inputs.positions).count() != 1)
      LAMINA_RETURN_IF_ERROR(context.expectDims(inputs.positions, {r.batch, r.rows}));
  } else {
    LAMINA_RETURN_IF_ERROR(context.expectDims(inputs.cos, {r.batch, r.rows, r.half}));
  }
  LAMINA_RETURN_IF_ERROR(context.expectDims(inputs.sin, context.dims(inputs.cos)));
  return r;
}

absl::Status rotaryRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(rotationOf(context).status());
  return likeFirst(context);
}

absl::Status rotary(OpContext &context) {
  const Inputs &inputs = inputsOf(context);
  LAMINA_ASSIGN_OR_RETURN(Rotation r, rotationOf(context));
  const Tensor &positions = context.in(inputs.positions), &cos = context.in(inputs.cos);
  std::vector<int64_t> rows(r.batch * r.rows);
  for (int64_t i = 0; i < r.batch * r.rows; ++i) {
    rows[i] = i;
    if (context.has(inputs.positions)) {
      // One position alone is that of the first row.
      bool offset = positions.count() == 1;
      rows[i] = offset ? wrapAdd(positions.integer(0), i % r.rows) : positions.integer(i);
      if (rows[i] < 0 || rows[i] >= cos.dims()[0])
        return context.error("position ", rows[i], " is outside of the tables ", cos.describe());
    }
  }
  Heads x = headsOf(context.in(0), r.batch, r.heads, r.rows, r.size);
  rotate(x, r.batch, r.half, context.integer("interleaved", 0), cos, context.in(inputs.sin),
         [&](int64_t b, int64_t row) { return rows[b * r.rows + row]; });
  storeHeads(x, context.out(0));
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "RotaryEmbedding",
     .since = 23,
     .required = 3,
     .most = 4,
     .rule = rotaryRule,
     .semantics = rotary},
    {.name = "RotaryEmbedding",
     .required = 4,
     .most = 4,
     .rule = rotaryRule,
     .semantics = rotary,
     .domain = kContrib},
};
} // namespace

std::span<const OpRow> rotaryRows() { return kRows; }

} // namespace lamina::onnx
