//===- Quantize.cpp - numbers to few bits and back ------------------------------------------------------===//

#include "lib/Import/ONNX/Minifloat.h"
#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
/// How scales (and zero points, of the same shape) are laid over a tensor: one for all, one for each index of
/// an axis, or one for each block along it.
absl::StatusOr<Dims> scaleStrides(OpContext &context, const Dims &dims) {
  const Dims &scale = context.dims(1);
  int64_t axis = context.integer("axis", 1),
          block = context.integer("block_size", 0); // mean nothing to one scale
  if (context.has(2) && context.in(2).count() != context.in(1).count())
    return context.error("scales ", context.in(1).describe(), " and zero points ", context.in(2).describe(),
                         " differ in shape");
  if (context.in(1).count() == 1)
    return Dims(dims.size(), 0);
  LAMINA_ASSIGN_OR_RETURN(axis, context.normalizedAxis(axis, static_cast<int64_t>(dims.size())));
  Dims expected = dims;
  if (block <= 0) {
    LAMINA_RETURN_IF_ERROR(context.expectDims(1, {dims[axis]}));
    Dims strides(dims.size(), 0);
    strides[axis] = 1;
    return strides;
  }
  expected[axis] = dims[axis] / block + (dims[axis] % block != 0);
  LAMINA_RETURN_IF_ERROR(context.expectDims(1, expected));
  return stridesOf(scale);
}

/// Calls f(element, scale) for their indices.
template <typename F> absl::Status eachScaled(OpContext &context, F f) {
  const Dims &dims = context.dims(0);
  LAMINA_ASSIGN_OR_RETURN(Dims strides, scaleStrides(context, dims));
  int64_t block = std::max<int64_t>(context.integer("block_size", 0), 0), blocked = -1;
  if (block > 0 && context.in(1).count() > 1) {
    LAMINA_ASSIGN_OR_RETURN(blocked, context.axis("axis", 1, static_cast<int64_t>(dims.size())));
  }
  Dims own = stridesOf(dims);
  for (int64_t i = 0; i < context.in(0).count(); ++i) {
    int64_t scale = 0;
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      int64_t index = i / own[axis] % dims[axis];
      scale += (static_cast<int64_t>(axis) == blocked ? index / block : index) * strides[axis];
    }
    f(i, scale);
  }
  return absl::OkStatus();
}

/// The type of an attribute if it is given and not 0.
absl::StatusOr<ElementType> typeOr(OpContext &context, std::string_view name, ElementType fallback) {
  int64_t number = context.integer(name, 0);
  if (number < 0 || number >= kNumElementTypes || (number > 0 && elementBytes(ElementType(number)) == 0))
    return context.error("attribute '", name, "' is ", number,
                         ", not an element type that can be computed with");
  return number == 0 ? fallback : static_cast<ElementType>(number);
}

absl::Status quantizeRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(scaleStrides(context, context.dims(0)).status());
  ElementType zero = context.has(2) ? context.type(2) : ElementType::UInt8;
  LAMINA_ASSIGN_OR_RETURN(ElementType type, typeOr(context, "output_dtype", zero));
  if (context.has(2) && type != zero)
    return context.error("attribute 'output_dtype' is not the type of the zero points");
  context.result(0, type, context.dims(0));
  return absl::OkStatus();
}

absl::Status quantize(OpContext &context) {
  Tensor &y = context.out(0);
  bool saturate = context.integer("saturate", 1);
  // The quotient is rounded as the types of x and the scale have it, because that decides ties.
  LAMINA_ASSIGN_OR_RETURN(ElementType quotient, typeOr(context, "precision", context.type(1)));
  auto [least, most] = integerRange(y.type());
  return eachScaled(context, [&, least = double(least), most = double(most)](int64_t i, int64_t scale) {
    double value = roundTo(quotient, context.in(0).real(i) / context.in(1).real(scale));
    double zero = context.has(2) ? context.in(2).real(scale) : 0;
    if (isReal(y.type()))
      y.setReal(i, value + zero, saturate);
    else
      y.setReal(i, std::fmin(std::fmax(std::nearbyint(value) + zero, least), most));
  });
}

absl::Status dequantizeRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(scaleStrides(context, context.dims(0)).status());
  LAMINA_ASSIGN_OR_RETURN(ElementType type, typeOr(context, "output_dtype", context.type(1)));
  context.result(0, type, context.dims(0));
  return absl::OkStatus();
}

absl::Status dequantize(OpContext &context) {
  return eachScaled(context, [&](int64_t i, int64_t scale) {
    double zero = context.has(2) ? context.in(2).real(scale) : 0;
    context.out(0).setReal(i, (context.in(0).real(i) - zero) * context.in(1).real(scale));
  });
}

absl::Status dynamicRule(OpContext &context) {
  context.result(0, ElementType::UInt8, context.dims(0));
  context.result(1, ElementType::Float, {});
  context.result(2, ElementType::UInt8, {});
  return absl::OkStatus();
}

/// All in f32, as the standard says it.
absl::Status dynamicQuantize(OpContext &context) {
  const Tensor &x = context.in(0);
  float least = 0, most = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    least = std::min(least, static_cast<float>(x.real(i)));
    most = std::max(most, static_cast<float>(x.real(i)));
  }
  float scale = most == least ? 1.0f / 255 : (most - least) / 255;
  float zero = std::nearbyint(std::clamp(-least / scale, 0.0f, 255.0f));
  if (context.wants(1))
    context.out(1).setReal(0, scale);
  if (context.wants(2))
    context.out(2).setReal(0, zero);
  if (context.wants(0))
    for (int64_t i = 0; i < x.count(); ++i)
      context.out(0).setReal(
          i, std::clamp(std::nearbyint(static_cast<float>(x.real(i)) / scale) + zero, 0.0f, 255.0f));
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "QuantizeLinear",
     .since = 10,
     .required = 2,
     .most = 3,
     .rule = quantizeRule,
     .semantics = quantize},
    {.name = "DequantizeLinear",
     .since = 10,
     .required = 2,
     .most = 3,
     .rule = dequantizeRule,
     .semantics = dequantize},
    {.name = "QuantizeLinear",
     .required = 2,
     .most = 3,
     .rule = quantizeRule,
     .semantics = quantize,
     .domain = kContrib},
    {.name = "DequantizeLinear",
     .required = 2,
     .most = 3,
     .rule = dequantizeRule,
     .semantics = dequantize,
     .domain = kContrib},
    {.name = "DynamicQuantizeLinear", .since = 11, .rule = dynamicRule, .semantics = dynamicQuantize},
};
} // namespace

std::span<const OpRow> quantizeRows() { return kRows; }

} // namespace lamina::onnx
