//===- Cast.cpp - elements to another type --------------------------------------------------------------===//

#include "lib/Import/ONNX/Minifloat.h"
#include "lib/Import/ONNX/Ops/Rules.h"

#include <bit>

namespace lamina::onnx {

namespace {
/// An attribute that names an element type, or an error.
absl::StatusOr<ElementType> typeAttribute(OpContext &context, std::string_view name) {
  int64_t number = context.integer(name, 0);
  auto type = static_cast<ElementType>(number);
  if (number <= 0 || number >= kNumElementTypes || elementBytes(type) == 0)
    return context.error("attribute ", quoteName(name), " is ", number,
                         ", not an element type that can be computed with");
  return type;
}

absl::Status castRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(ElementType type, typeAttribute(context, "to"));
  context.result(0, type, context.dims(0));
  return absl::OkStatus();
}

absl::Status castLikeRule(OpContext &context) {
  context.result(0, context.type(1), context.dims(0));
  return absl::OkStatus();
}

/// Powers of two are rounded by the bits of the f32, as the standard's reference does: to nearest rounds a
/// half up unless the exponent is that of subnormals.
uint8_t castToPowerOfTwo(double value, bool saturate, std::string_view mode) {
  uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  uint32_t exponent = (bits >> 23) & 0xFF, fraction = bits & 0x7FFFFF;
  if (exponent == 0xFF)
    return 0xFF;
  bool half = fraction & 0x400000;
  bool up =
      mode == "up" ? fraction != 0 : mode == "nearest" && half && ((fraction & 0x3FFFFF) || exponent > 0);
  return exponent + (up && !(saturate && exponent == 0xFE));
}

absl::Status cast(OpContext &context) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  bool saturate = context.integer("saturate", 1);
  std::string mode = context.text("round_mode", "up");
  for (int64_t i = 0; i < y.count(); ++i)
    if (y.type() == x.type())
      y.copy(i, x, i);
    else if (y.type() == ElementType::Bool)
      y.setInteger(i, isReal(x.type()) ? x.real(i) != 0 : x.integer(i) != 0);
    else if (y.type() == ElementType::Float8E8M0)
      y.setCode(i, castToPowerOfTwo(x.real(i), saturate, mode));
    else if (isReal(y.type()) || isReal(x.type()))
      y.setReal(i, x.real(i), saturate);
    else
      y.setInteger(i, x.integer(i));
  return absl::OkStatus();
}

absl::Status bitCastRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(ElementType type, typeAttribute(context, "to"));
  if (elementBits(type) != elementBits(context.type(0)))
    return context.error("elements of type ", elementTypeName(type), " have another size than those of ",
                         context.in(0).describe());
  context.result(0, type, context.dims(0));
  return absl::OkStatus();
}

absl::Status bitCast(OpContext &context) {
  std::memcpy(context.out(0).mutableBytes(), context.in(0).bytes().data(), context.in(0).bytes().size());
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Cast", .since = 6, .rule = castRule, .semantics = cast},
    {.name = "CastLike", .since = 15, .required = 2, .most = 2, .rule = castLikeRule, .semantics = cast},
    {.name = "BitCast", .since = 26, .rule = bitCastRule, .semantics = bitCast},
};
} // namespace

std::span<const OpRow> castRows() { return kRows; }

} // namespace lamina::onnx
