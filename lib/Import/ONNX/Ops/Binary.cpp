//===- Binary.cpp - elements of inputs that broadcast ---------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Arithmetic.h"

#include <cmath>

namespace lamina::onnx {

namespace {
/// Integers round toward zero. By 0 gives 0: it is undefined, and must not stop us.
constexpr Arithmetic kDiv{[](double a, double b) { return a / b; },
                          [](int64_t a, int64_t b) { return b == 0    ? 0
                                                            : b == -1 ? wrapSub(0, a)
                                                                      : a / b; },
                          [](uint64_t a, uint64_t b) { return b == 0 ? 0 : a / b; }};
/// The sign of the divisor (Python), or of the dividend (fmod in C).
constexpr Arithmetic kMod{[](double a, double b) {
                            double m = std::fmod(a, b);
                            return m != 0 && (m < 0) != (b < 0) ? m + b : m;
                          },
                          [](int64_t a, int64_t b) {
                            int64_t m = b == 0 || b == -1 ? 0 : a % b;
                            return m != 0 && (m < 0) != (b < 0) ? m + b : m;
                          },
                          [](uint64_t a, uint64_t b) { return b == 0 ? 0 : a % b; }};
constexpr Arithmetic kFmod{[](double a, double b) { return std::fmod(a, b); },
                           [](int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; },
                           [](uint64_t a, uint64_t b) { return b == 0 ? 0 : a % b; }};
constexpr Arithmetic kAnd{nullptr, [](int64_t a, int64_t b) { return a & b; }};
constexpr Arithmetic kOr{nullptr, [](int64_t a, int64_t b) { return a | b; }};
constexpr Arithmetic kXor{nullptr, [](int64_t a, int64_t b) { return a ^ b; }};

absl::Status combine(OpContext &context, const Arithmetic &arithmetic) {
  return zip(context, [&](Tensor &y, int64_t at, int64_t i, int64_t j) {
    arithmetic.apply(y, at, context.in(0), i, context.in(1), j);
  });
}
template <const Arithmetic &A> absl::Status combined(OpContext &context) { return combine(context, A); }

absl::Status mod(OpContext &context) { return combine(context, context.integer("fmod", 0) ? kFmod : kMod); }

absl::Status integersOnly(OpContext &context) {
  if (isReal(context.type(0)))
    return context.error("expected integers, got ", context.in(0).describe());
  return broadcastAll(context);
}

absl::Status shift(OpContext &context) {
  bool left = context.text("direction") == "LEFT";
  return zip(context, [&](Tensor &y, int64_t at, int64_t i, int64_t j) {
    auto value = static_cast<uint64_t>(context.in(0).integer(i));
    auto by = static_cast<uint64_t>(context.in(1).integer(j));
    y.setInteger(at, by > 63 ? 0 : static_cast<int64_t>(left ? value << by : value >> by));
  });
}

/// The exponent may be of another type.
absl::Status powRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Dims dims, broadcastOf(context));
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status pow(OpContext &context) {
  const Tensor &base = context.in(0), &exponent = context.in(1);
  return zip(context, [&](Tensor &y, int64_t at, int64_t i, int64_t j) {
    if (isReal(base.type()) || isReal(exponent.type()) || exponent.integer(j) < 0) {
      y.setReal(at, std::pow(base.real(i), exponent.real(j)));
      return;
    }
    int64_t result = 1, square = base.integer(i);
    for (auto n = static_cast<uint64_t>(exponent.integer(j)); n; n /= 2, square = wrapMul(square, square))
      if (n & 1)
        result = wrapMul(result, square);
    y.setInteger(at, result);
  });
}

absl::Status prelu(OpContext &context) {
  return zip(context, [&](Tensor &y, int64_t at, int64_t i, int64_t j) {
    double x = context.in(0).real(i);
    y.setReal(at, x < 0 ? x * context.in(1).real(j) : x);
  });
}

absl::Status compareRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(broadcastAll(context));
  context.result(0, ElementType::Bool, context.out(0).dims());
  return absl::OkStatus();
}

template <auto F> absl::Status compare(OpContext &context) {
  const Tensor &a = context.in(0), &b = context.in(1);
  return zip(context, [&](Tensor &y, int64_t at, int64_t i, int64_t j) {
    if (isReal(a.type()))
      y.setInteger(at, F(a.real(i), b.real(j)));
    else if (a.type() == ElementType::UInt64)
      y.setInteger(at, F(static_cast<uint64_t>(a.integer(i)), static_cast<uint64_t>(b.integer(j))));
    else
      y.setInteger(at, F(a.integer(i), b.integer(j)));
  });
}

/// Folds any number of inputs from the left. Sums of reals are rounded once.
absl::Status fold(OpContext &context, const Arithmetic &arithmetic, double scale = 1) {
  Tensor &y = context.out(0);
  bool real = isReal(y.type());
  Tensor sum(real ? ElementType::Double : y.type(), y.dims());
  sum.allocate();
  for (size_t n = 0; n < context.numInputs(); ++n)
    walk<1>(y.dims(), {broadcastStrides(context.dims(n), y.dims())},
            [&](int64_t i, const std::array<int64_t, 1> &at) {
              const Tensor &x = context.in(n);
              if (n > 0)
                real ? sum.setReal(i, arithmetic.reals(sum.real(i), x.real(at[0])))
                     : arithmetic.apply(sum, i, sum, i, x, at[0]);
              else
                real ? sum.setReal(i, x.real(at[0])) : sum.setInteger(i, x.integer(at[0]));
            });
  for (int64_t i = 0; i < y.count(); ++i)
    real ? y.setReal(i, sum.real(i) * scale) : y.setInteger(i, sum.integer(i));
  return absl::OkStatus();
}
template <const Arithmetic &A> absl::Status folded(OpContext &context) { return fold(context, A); }
absl::Status mean(OpContext &context) { return fold(context, kAdd, 1.0 / context.numInputs()); }

absl::Status whereRule(OpContext &context) {
  if (context.type(1) != context.type(2))
    return context.error("inputs differ in type: ", context.in(1).describe(), " and ",
                         context.in(2).describe());
  LAMINA_ASSIGN_OR_RETURN(Dims dims, broadcastOf(context));
  context.result(0, context.type(1), std::move(dims));
  return absl::OkStatus();
}

absl::Status where(OpContext &context) {
  Tensor &y = context.out(0);
  auto strides = [&](size_t i) { return broadcastStrides(context.dims(i), y.dims()); };
  walk<3>(y.dims(), {strides(0), strides(1), strides(2)}, [&](int64_t i, const std::array<int64_t, 3> &at) {
    int chosen = context.in(0).integer(at[0]) ? 1 : 2;
    y.copy(i, context.in(chosen), at[chosen]);
  });
  return absl::OkStatus();
}

constexpr OpRow binary(std::string_view name, int since, ShapeRule rule, Semantics semantics) {
  return {.name = name, .since = since, .required = 2, .most = 2, .rule = rule, .semantics = semantics};
}
constexpr OpRow variadic(std::string_view name, int since, Semantics semantics) {
  return {.name = name, .since = since, .most = kVariadic, .rule = broadcastAll, .semantics = semantics};
}

constexpr OpRow kRows[] = {
    binary("Add", 7, broadcastAll, combined<kAdd>),
    binary("Sub", 7, broadcastAll, combined<kSub>),
    binary("Mul", 7, broadcastAll, combined<kMul>),
    binary("Div", 7, broadcastAll, combined<kDiv>),
    binary("Mod", 10, broadcastAll, mod),
    binary("Pow", 7, powRule, pow),
    binary("PRelu", 7, broadcastAll, prelu),
    binary("And", 7, integersOnly, combined<kAnd>),
    binary("Or", 7, integersOnly, combined<kOr>),
    binary("Xor", 7, integersOnly, combined<kXor>),
    binary("BitwiseAnd", 18, integersOnly, combined<kAnd>),
    binary("BitwiseOr", 18, integersOnly, combined<kOr>),
    binary("BitwiseXor", 18, integersOnly, combined<kXor>),
    binary("BitShift", 11, integersOnly, shift),
    binary("Equal", 7, compareRule, compare<[](auto a, auto b) { return a == b; }>),
    binary("Less", 7, compareRule, compare<[](auto a, auto b) { return a < b; }>),
    binary("LessOrEqual", 12, compareRule, compare<[](auto a, auto b) { return a <= b; }>),
    binary("Greater", 7, compareRule, compare<[](auto a, auto b) { return a > b; }>),
    binary("GreaterOrEqual", 12, compareRule, compare<[](auto a, auto b) { return a >= b; }>),
    variadic("Max", 8, folded<kMax>),
    variadic("Min", 8, folded<kMin>),
    variadic("Sum", 8, folded<kAdd>),
    variadic("Mean", 8, mean),
    {.name = "Where", .since = 9, .required = 3, .most = 3, .rule = whereRule, .semantics = where},
};
} // namespace

std::span<const OpRow> binaryRows() { return kRows; }

} // namespace lamina::onnx
