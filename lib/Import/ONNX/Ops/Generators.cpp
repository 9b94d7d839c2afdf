//===- Generators.cpp - tensors out of shapes and numbers, and padding ----------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lamina::onnx {

namespace {
/// The one attribute of several that says what the constant is.
absl::StatusOr<Tensor> constantOf(OpContext &context) {
  if (const TensorConstant *value = context.tensor("value"))
    return context.host().constant(*value);
  if (context.hasAttribute("value_int"))
    return Tensor::ofIntegers(std::vector<int64_t>{context.integer("value_int", 0)}, {});
  if (context.hasAttribute("value_float"))
    return Tensor::ofReals(std::vector<double>{context.real("value_float", 0)}, {});
  if (context.hasAttribute("value_ints")) {
    std::vector<int64_t> values = context.integers("value_ints");
    return Tensor::ofIntegers(values, {static_cast<int64_t>(values.size())});
  }
  if (context.hasAttribute("value_floats")) {
    std::vector<double> values = context.reals("value_floats");
    return Tensor::ofReals(values, {static_cast<int64_t>(values.size())});
  }
  if (context.hasAttribute("value_string") || context.hasAttribute("value_strings"))
    return Tensor(ElementType::String, {});
  return context.error("has no value");
}

absl::Status constant(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Tensor value, constantOf(context));
  if (context.wants(0))
    context.out(0) = std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<Tensor> fillOf(OpContext &context) {
  Tensor zero(ElementType::Float, {1});
  zero.allocate();
  const TensorConstant *value = context.tensor("value");
  if (!value)
    return zero;
  LAMINA_ASSIGN_OR_RETURN(Tensor fill, context.host().constant(*value));
  if (fill.count() != 1 || !fill.hasData())
    return context.error("expected one number as attribute 'value', got ", fill.describe());
  return fill;
}

absl::Status constantOfShapeRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Dims dims, context.known(0));
  LAMINA_ASSIGN_OR_RETURN(Tensor fill, fillOf(context));
  context.result(0, fill.type(), std::move(dims));
  return absl::OkStatus();
}

absl::Status constantOfShape(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Tensor fill, fillOf(context));
  for (int64_t i = 0; i < context.out(0).count(); ++i)
    context.out(0).copy(i, fill, 0);
  return absl::OkStatus();
}

absl::Status rangeRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(sameTypes(context));
  for (size_t i = 0; i < 3; ++i)
    if (context.in(i).count() != 1)
      return context.error("expected one number as input ", i, ", got ", context.in(i).describe());
    else if (!context.in(i).hasData())
      return absl::FailedPreconditionError(strCat(
          context.node().describe(), ": the shape of the result depends on values that the model computes"));
  double start = context.in(0).real(0), limit = context.in(1).real(0), delta = context.in(2).real(0);
  double count = std::ceil((limit - start) / delta);
  if (delta == 0 || !(count < 0x1p53))
    return context.error("a range from ", start, " to ", limit, " in steps of ", delta, " has no end");
  context.result(0, context.type(0), {static_cast<int64_t>(std::max(count, 0.0))});
  return absl::OkStatus();
}

absl::Status range(OpContext &context) {
  const Tensor &start = context.in(0), &delta = context.in(2);
  Tensor &y = context.out(0);
  for (int64_t i = 0; i < y.count(); ++i)
    if (isReal(y.type()))
      y.setReal(i, start.real(0) + static_cast<double>(i) * delta.real(0));
    else
      y.setInteger(i, wrapAdd(start.integer(0), wrapMul(i, delta.integer(0))));
  return absl::OkStatus();
}

absl::Status eyeLikeRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 2));
  int64_t number = context.integer("dtype", static_cast<int64_t>(context.type(0)));
  if (number <= 0 || number >= kNumElementTypes)
    return context.error("attribute 'dtype' is ", number, ", not an element type");
  context.result(0, static_cast<ElementType>(number), context.dims(0));
  return absl::OkStatus();
}

absl::Status eyeLike(OpContext &context) {
  int64_t k = context.integer("k", 0), columns = context.dims(0)[1];
  for (int64_t i = 0; i < context.out(0).count(); ++i)
    context.out(0).setInteger(i, wrapSub(i % columns, i / columns) == k);
  return absl::OkStatus();
}

absl::Status triluRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 64));
  if (context.has(1) && context.in(1).count() != 1)
    return context.error("expected one number as input 1, got ", context.in(1).describe());
  return likeFirst(context);
}

absl::Status trilu(OpContext &context) {
  const Tensor &x = context.in(0);
  // A diagonal beyond every element is as good as any other such.
  int64_t k = context.has(1)
                  ? std::clamp<int64_t>(context.in(1).integer(0), -(int64_t{1} << 40), int64_t{1} << 40)
                  : 0;
  bool upper = context.integer("upper", 1);
  int64_t rows = x.dims()[x.rank() - 2], columns = x.dims().back();
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t above = i % columns - i / columns % rows; // the diagonal that the element is on
    if (upper ? above >= k : above <= k)
      context.out(0).copy(i, x, i);
  }
  return absl::OkStatus();
}

/// What is added before and behind, for each axis.
absl::StatusOr<std::pair<Dims, Dims>> padsOf(OpContext &context) {
  int64_t rank = context.in(0).rank();
  std::vector<int64_t> pads = context.integers("pads"), axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (context.opset() >= 11) {
    LAMINA_ASSIGN_OR_RETURN(pads, context.known(1));
  }
  if (context.has(3)) {
    LAMINA_ASSIGN_OR_RETURN(axes, context.known(3));
    LAMINA_RETURN_IF_ERROR(context.normalizedAxes(axes, rank).status());
  }
  if (pads.size() != 2 * axes.size())
    return context.error("expected ", 2 * axes.size(), " pads, got ", pads.size());
  std::pair<Dims, Dims> result{Dims(rank, 0), Dims(rank, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    for (int64_t pad : {pads[i], pads[axes.size() + i]})
      if (std::abs(std::clamp<int64_t>(pad, -(int64_t{1} << 40), int64_t{1} << 40)) == int64_t{1} << 40)
        return context.error("a pad of ", pad);
    LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.normalizedAxis(axes[i], rank));
    result.first[axis] = pads[i];
    result.second[axis] = pads[axes.size() + i];
  }
  return result;
}

absl::Status padRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(auto pads, padsOf(context));
  std::string mode = context.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    return context.error("mode ", quoteName(mode),
                         " is not known; 'constant', 'reflect', 'edge' and 'wrap' are");
  if (context.has(2) && (context.in(2).count() != 1 || context.type(2) != context.type(0)))
    return context.error("expected one element of the first input's type as input 2");
  Dims dims = context.dims(0);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (mode != "constant" && dims[i] == 0)
      return context.error("nothing along axis ", i, " of ", context.in(0).describe(), " to pad with");
    dims[i] += pads.first[i] + pads.second[i];
  }
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

/// Where along an axis an element outside of it comes from; -1: nowhere.
int64_t padSource(std::string_view mode, int64_t at, int64_t size) {
  if (at >= 0 && at < size)
    return at;
  if (mode == "constant")
    return -1;
  if (mode == "edge")
    return at < 0 ? 0 : size - 1;
  if (mode == "wrap")
    return (at % size + size) % size;
  int64_t period = std::max<int64_t>(2 * (size - 1), 1), phase = (at % period + period) % period;
  return phase < size ? phase : period - phase;
}

absl::Status pad(OpContext &context) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  LAMINA_ASSIGN_OR_RETURN(auto pads, padsOf(context));
  std::string mode = context.text("mode", "constant");
  Tensor fill(y.type(), {});
  fill.allocate();
  fill.setReal(0, context.real("value", 0));
  if (context.has(2))
    fill = context.in(2);
  Dims from = stridesOf(x.dims()), to = stridesOf(y.dims());
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t source = 0;
    for (int64_t axis = 0; axis < y.rank() && source >= 0; ++axis) {
      int64_t at = padSource(mode, i / to[axis] % y.dims()[axis] - pads.first[axis], x.dims()[axis]);
      source = at < 0 ? -1 : source + at * from[axis];
    }
    source < 0 ? y.copy(i, fill, 0) : y.copy(i, x, source);
  }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Constant", .required = 0, .most = 0, .rule = constant},
    {.name = "ConstantOfShape", .since = 9, .rule = constantOfShapeRule, .semantics = constantOfShape},
    {.name = "Range", .since = 11, .required = 3, .most = 3, .rule = rangeRule, .semantics = range},
    {.name = "EyeLike", .since = 9, .rule = eyeLikeRule, .semantics = eyeLike, .needsElements = false},
    {.name = "Trilu", .since = 14, .most = 2, .rule = triluRule, .semantics = trilu},
    {.name = "Pad", .since = 2, .until = 10, .rule = padRule, .semantics = pad},
    {.name = "Pad", .since = 11, .required = 2, .most = 4, .rule = padRule, .semantics = pad},
};
} // namespace

std::span<const OpRow> generatorRows() { return kRows; }

} // namespace lamina::onnx
