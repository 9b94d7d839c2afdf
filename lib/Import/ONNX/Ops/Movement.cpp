//===- Movement.cpp - elements to other places: transpose, slice, pad … ---------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>
#include <numeric>

namespace lamina::onnx {

namespace {
/// Copies the input as `strides` and `offset` read it in the output's shape.
absl::Status gatherByStrides(OpContext &context, const Dims &strides, int64_t offset = 0) {
  Tensor &y = context.out(0);
  walk<1>(y.dims(), {strides},
          [&](int64_t i, const std::array<int64_t, 1> &at) { y.copy(i, context.in(0), offset + at[0]); });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> permutation(OpContext &context) {
  std::vector<int64_t> order(context.in(0).rank());
  std::iota(order.rbegin(), order.rend(), 0);
  order = context.integers("perm", order);
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int64_t> expected(context.in(0).rank());
  std::iota(expected.begin(), expected.end(), 0);
  if (sorted != expected)
    return context.error("attribute 'perm' is not a permutation of the axes of ", context.in(0).describe());
  return order;
}

absl::Status transposeRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> order, permutation(context));
  Dims dims;
  for (int64_t axis : order)
    dims.push_back(context.dims(0)[axis]);
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status transpose(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> order, permutation(context));
  Dims from = stridesOf(context.dims(0)), strides;
  for (int64_t axis : order)
    strides.push_back(from[axis]);
  return gatherByStrides(context, strides);
}

absl::Status expandRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Dims shape, context.known(1));
  LAMINA_ASSIGN_OR_RETURN(Dims dims, context.broadcasted(context.dims(0), shape));
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status expand(OpContext &context) {
  return gatherByStrides(context, broadcastStrides(context.dims(0), context.out(0).dims()));
}

absl::Status tileRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Dims dims, context.known(1));
  if (dims.size() != context.dims(0).size())
    return context.error("expected a repetition for each axis of ", context.in(0).describe(), ", got ",
                         dims.size());
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] < 0 || __builtin_mul_overflow(dims[i], context.dims(0)[i], &dims[i]))
      return context.error("cannot repeat axis ", i, " so often");
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status tile(OpContext &context) {
  const Dims &from = context.dims(0), strides = stridesOf(from);
  Tensor &y = context.out(0);
  // Each axis is read as two: the repetition, which does not move, and the place within.
  Dims split, splitStrides;
  for (size_t i = 0; i < from.size(); ++i) {
    split.insert(split.end(), {from[i] == 0 ? 0 : y.dims()[i] / from[i], from[i]});
    splitStrides.insert(splitStrides.end(), {0, strides[i]});
  }
  walk<1>(split, {splitStrides},
          [&](int64_t i, const std::array<int64_t, 1> &at) { y.copy(i, context.in(0), at[0]); });
  return absl::OkStatus();
}

absl::Status concatRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(sameTypes(context));
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  Dims dims = context.dims(0);
  for (size_t n = 1; n < context.numInputs(); ++n) {
    Dims expected = context.dims(0);
    expected[axis] = -1;
    LAMINA_RETURN_IF_ERROR(context.expectDims(n, expected));
    if (__builtin_add_overflow(dims[axis], context.dims(n)[axis], &dims[axis]))
      return context.error("the result would be too large");
  }
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status concat(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  AxisView to(context.out(0).dims(), axis);
  int64_t start = 0;
  for (size_t n = 0; n < context.numInputs(); ++n) {
    AxisView from(context.dims(n), axis);
    for (int64_t o = 0; o < from.outer; ++o)
      context.out(0).copy(to.at(o, start, 0), context.in(n), from.at(o, 0, 0), from.size * from.inner);
    start += from.size;
  }
  return absl::OkStatus();
}

/// Sizes are an attribute up to opset 12, then an input, or the axis is split evenly: by the number of
/// outputs, the last part being smaller since opset 18.
absl::Status splitRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  int64_t size = context.dims(0)[axis], parts = static_cast<int64_t>(context.numOutputs());
  std::vector<int64_t> sizes = context.integers("split");
  if (context.has(1)) {
    LAMINA_ASSIGN_OR_RETURN(sizes, context.known(1));
  }
  if (sizes.empty()) {
    parts = context.integer("num_outputs", parts);
    int64_t each = parts < 1 ? 0 : size / parts + (size % parts != 0);
    for (int64_t left = size, i = 0; i < static_cast<int64_t>(context.numOutputs());
         ++i, left -= sizes.back())
      sizes.push_back(std::min(each, left));
  }
  int64_t sum = 0;
  for (int64_t part : sizes)
    if (part < 0 || __builtin_add_overflow(sum, part, &sum))
      return context.error("a part has size ", part);
  if (sum != size || sizes.size() < context.numOutputs())
    return context.error("the parts do not make up axis ", axis, " of ", context.in(0).describe());
  for (size_t i = 0; i < context.numOutputs(); ++i) {
    Dims dims = context.dims(0);
    dims[axis] = sizes[i];
    context.result(i, context.type(0), std::move(dims));
  }
  return absl::OkStatus();
}

absl::Status split(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  AxisView from(context.dims(0), axis);
  int64_t start = 0;
  for (size_t n = 0; n < context.numOutputs(); ++n) {
    AxisView to(context.out(n).dims(), axis);
    for (int64_t o = 0; o < to.outer; ++o)
      context.out(n).copy(to.at(o, 0, 0), context.in(0), from.at(o, start, 0), to.size * to.inner);
    start += to.size;
  }
  return absl::OkStatus();
}

/// Where a slice begins and how it steps, for each axis.
struct Slices {
  Dims starts, steps, dims;
};

absl::StatusOr<Slices> slicesOf(OpContext &context) {
  const Dims &from = context.dims(0);
  std::vector<int64_t> starts = context.integers("starts"), ends = context.integers("ends");
  std::vector<int64_t> axes = context.integers("axes"), steps;
  if (context.opset() >= 10) {
    LAMINA_ASSIGN_OR_RETURN(starts, context.known(1));
    LAMINA_ASSIGN_OR_RETURN(ends, context.known(2));
    if (context.has(3)) {
      LAMINA_ASSIGN_OR_RETURN(axes, context.known(3));
    }
    if (context.has(4)) {
      LAMINA_ASSIGN_OR_RETURN(steps, context.known(4));
    }
  }
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (steps.empty())
    steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return context.error("starts, ends, axes and steps differ in length");
  LAMINA_RETURN_IF_ERROR(context.normalizedAxes(axes, context.in(0).rank()).status());
  Slices slices{Dims(from.size(), 0), Dims(from.size(), 1), from};
  for (size_t i = 0; i < axes.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.normalizedAxis(axes[i], context.in(0).rank()));
    int64_t size = from[axis], step = steps[i];
    if (step == 0 || step == std::numeric_limits<int64_t>::min())
      return context.error("step ", step, " along axis ", axis);
    // Going down, the first index is at most the last element, and the end may lie one before the first.
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    auto bound = [&](int64_t at) { return std::clamp(at < 0 ? at + size : at, low, high); };
    int64_t start = bound(starts[i]), end = bound(ends[i]), span = step > 0 ? end - start : start - end;
    int64_t stride = step > 0 ? step : -step;
    slices.starts[axis] = start;
    slices.steps[axis] = step;
    slices.dims[axis] = span <= 0 ? 0 : (span - 1) / stride + 1;
  }
  return slices;
}

absl::Status sliceRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Slices slices, slicesOf(context));
  context.result(0, context.type(0), std::move(slices.dims));
  return absl::OkStatus();
}

absl::Status slice(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Slices slices, slicesOf(context));
  if (context.out(0).count() == 0)
    return absl::OkStatus();
  Dims strides = stridesOf(context.dims(0));
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    offset += slices.starts[i] * strides[i];
    // A step past the whole axis is taken once at most.
    strides[i] = slices.dims[i] == 1 ? 0 : strides[i] * slices.steps[i];
  }
  return gatherByStrides(context, strides, offset);
}

constexpr OpRow kRows[] = {
    {.name = "Transpose", .rule = transposeRule, .semantics = transpose},
    {.name = "Expand", .since = 8, .required = 2, .most = 2, .rule = expandRule, .semantics = expand},
    {.name = "Tile", .since = 6, .required = 2, .most = 2, .rule = tileRule, .semantics = tile},
    {.name = "Concat", .since = 4, .most = kVariadic, .rule = concatRule, .semantics = concat},
    {.name = "Split", .since = 2, .until = 12, .rule = splitRule, .semantics = split},
    {.name = "Split", .since = 13, .most = 2, .rule = splitRule, .semantics = split},
    {.name = "Slice", .until = 9, .rule = sliceRule, .semantics = slice},
    {.name = "Slice", .since = 10, .required = 3, .most = 5, .rule = sliceRule, .semantics = slice},
};
} // namespace

std::span<const OpRow> movementRows() { return kRows; }

} // namespace lamina::onnx
