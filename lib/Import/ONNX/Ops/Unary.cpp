//===- Unary.cpp - one element in, one element out ------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>
#include <cmath>

namespace lamina::onnx {

namespace {
constexpr OpRow unary(std::string_view name, int since, Semantics semantics) {
  return {.name = name, .since = since, .rule = likeFirst, .semantics = semantics};
}

template <auto F> absl::Status reals(OpContext &context) { return mapReals(context, F); }

/// The same for reals and integers.
template <auto F> absl::Status numbers(OpContext &context) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  if (isReal(x.type()))
    return mapReals(context, F);
  for (int64_t i = 0; i < y.count(); ++i)
    y.setInteger(i, F(x.integer(i)));
  return absl::OkStatus();
}

absl::Status boolLike(OpContext &context) {
  context.result(0, ElementType::Bool, context.dims(0));
  return absl::OkStatus();
}

template <auto F> absl::Status predicate(OpContext &context) {
  for (int64_t i = 0; i < context.out(0).count(); ++i)
    context.out(0).setInteger(i, F(context.in(0).real(i)));
  return absl::OkStatus();
}

absl::Status isInfinite(OpContext &context) {
  bool negative = context.integer("detect_negative", 1), positive = context.integer("detect_positive", 1);
  for (int64_t i = 0; i < context.out(0).count(); ++i) {
    double x = context.in(0).real(i);
    context.out(0).setInteger(i, std::isinf(x) && (x < 0 ? negative : positive));
  }
  return absl::OkStatus();
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x * M_SQRT1_2)); }
double geluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }

absl::Status geluOf(OpContext &context) {
  std::string approximate = context.text("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return context.error("approximation ", quoteName(approximate), " is not known; 'none' and 'tanh' are");
  return approximate == "none" ? mapReals(context, gelu) : mapReals(context, geluTanh);
}

/// gelu(x + bias)
template <double (*F)(double)> absl::Status biasGelu(OpContext &context) {
  if (!context.has(1))
    return mapReals(context, F);
  return zip(context, [&](Tensor &y, int64_t i, int64_t a, int64_t b) {
    y.setReal(i, F(context.in(0).real(a) + context.in(1).real(b)));
  });
}

constexpr OpRow biased(std::string_view name, unsigned required, Semantics semantics) {
  return {.name = name,
          .required = required,
          .most = 2,
          .rule = broadcastAll,
          .semantics = semantics,
          .domain = kContrib};
}

/// Both bounds are optional; absent ones do not bound.
absl::Status clip(OpContext &context, const Tensor &low, const Tensor &high) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  for (int64_t i = 0; i < y.count(); ++i) {
    y.copy(i, x, i);
    bool isInt = !isReal(x.type());
    auto less = [&](const Tensor &a, int64_t at, const Tensor &b, int64_t bt) {
      return isInt ? a.integer(at) < b.integer(bt) : a.real(at) < b.real(bt);
    };
    if (!low.isAbsent() && less(y, i, low, 0))
      y.copy(i, low, 0);
    if (!high.isAbsent() && less(high, 0, y, i))
      y.copy(i, high, 0);
  }
  return absl::OkStatus();
}

absl::Status clipRule(OpContext &context) {
  for (size_t i : {1, 2})
    if (context.has(i) && (context.type(i) != context.type(0) || context.in(i).count() != 1))
      return context.error("expected one element of the first input's type as input ", i);
  return likeFirst(context);
}

absl::Status clipByAttributes(OpContext &context) {
  return mapReals(context, [low = context.real("min", -INFINITY), high = context.real("max", INFINITY)](
                               double x) { return std::min(std::max(x, low), high); });
}

absl::Status dropoutRule(OpContext &context) {
  context.result(0, context.type(0), context.dims(0));
  context.result(1, ElementType::Bool, context.dims(0));
  if (context.has(2)) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> training, context.known(2));
    if (training.empty() || training[0])
      return context.error("training mode is not supported; export the model for inference");
  }
  return absl::OkStatus();
}

absl::Status dropout(OpContext &context) {
  if (context.wants(1))
    for (int64_t i = 0; i < context.out(1).count(); ++i)
      context.out(1).setInteger(i, 1);
  return copyFirst(context);
}

int64_t negate(int64_t x) { return wrapSub(0, x); }
double negate(double x) { return -x; }
int64_t invert(int64_t x) { return ~x; }
double invert(double x) { return static_cast<double>(~truncateToInteger(x)); }

constexpr OpRow kRows[] = {
    unary("Abs", 6, numbers<[](auto x) { return std::signbit(static_cast<double>(x)) ? negate(x) : x; }>),
    unary("Neg", 6, numbers<[](auto x) { return negate(x); }>),
    unary("Sign", 9, numbers<[](auto x) { return static_cast<decltype(x)>((x > 0) - (x < 0)); }>),
    unary("Relu", 6, numbers<[](auto x) { return x < 0 ? decltype(x)(0) : x; }>),
    unary("Not", 1, numbers<[](auto x) { return decltype(x)(x == 0); }>),
    unary("BitwiseNot", 18, numbers<[](auto x) { return invert(x); }>),
    unary("Identity", 1, copyFirst),
    unary("Ceil", 6, reals<[](double x) { return std::ceil(x); }>),
    unary("Floor", 6, reals<[](double x) { return std::floor(x); }>),
    unary("Round", 11, reals<[](double x) { return std::nearbyint(x); }>), // ties to even
    unary("Sqrt", 6, reals<[](double x) { return std::sqrt(x); }>),
    unary("Reciprocal", 6, reals<[](double x) { return 1 / x; }>),
    unary("Exp", 6, reals<[](double x) { return std::exp(x); }>),
    unary("Log", 6, reals<[](double x) { return std::log(x); }>),
    unary("Sin", 7, reals<[](double x) { return std::sin(x); }>),
    unary("Cos", 7, reals<[](double x) { return std::cos(x); }>),
    unary("Tan", 7, reals<[](double x) { return std::tan(x); }>),
    unary("Asin", 7, reals<[](double x) { return std::asin(x); }>),
    unary("Acos", 7, reals<[](double x) { return std::acos(x); }>),
    unary("Atan", 7, reals<[](double x) { return std::atan(x); }>),
    unary("Sinh", 9, reals<[](double x) { return std::sinh(x); }>),
    unary("Cosh", 9, reals<[](double x) { return std::cosh(x); }>),
    unary("Tanh", 6, reals<[](double x) { return std::tanh(x); }>),
    unary("Asinh", 9, reals<[](double x) { return std::asinh(x); }>),
    unary("Acosh", 9, reals<[](double x) { return std::acosh(x); }>),
    unary("Atanh", 9, reals<[](double x) { return std::atanh(x); }>),
    unary("Erf", 9, reals<[](double x) { return std::erf(x); }>),
    unary("Sigmoid", 6, reals<sigmoid>),
    unary("Softplus", 1, reals<softplus>),
    unary("Softsign", 1, reals<[](double x) { return x / (1 + std::fabs(x)); }>),
    unary("HardSwish", 14, reals<[](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }>),
    unary("Mish", 18, reals<[](double x) { return x * std::tanh(softplus(x)); }>),
    unary("LeakyRelu", 6,
          [](OpContext &context) {
            return mapReals(context,
                            [a = context.real("alpha", 0.01)](double x) { return x < 0 ? a * x : x; });
          }),
    unary("Elu", 6,
          [](OpContext &context) {
            return mapReals(
                context, [a = context.real("alpha", 1)](double x) { return x < 0 ? a * std::expm1(x) : x; });
          }),
    unary("HardSigmoid", 6,
          [](OpContext &context) {
            double alpha = context.real("alpha", 0.2), beta = context.real("beta", 0.5);
            return mapReals(context, [=](double x) { return std::clamp(alpha * x + beta, 0.0, 1.0); });
          }),
    unary("Swish", 24,
          [](OpContext &context) {
            return mapReals(context, [a = context.real("alpha", 1)](double x) { return x * sigmoid(a * x); });
          }),
    {.name = "QuickGelu",
     .rule = likeFirst,
     .semantics =
         [](OpContext &context) {
           return mapReals(context,
                           [a = context.real("alpha", 1.702)](double x) { return x * sigmoid(a * x); });
         },
     .domain = kContrib},
    unary("Gelu", 20, geluOf),
    {.name = "Gelu", .rule = likeFirst, .semantics = reals<gelu>, .domain = kContrib},
    biased("BiasGelu", 2, biasGelu<gelu>),
    biased("FastGelu", 1, biasGelu<geluTanh>),
    {.name = "IsNaN",
     .since = 9,
     .rule = boolLike,
     .semantics = predicate<[](double x) { return std::isnan(x); }>},
    {.name = "IsInf", .since = 10, .rule = boolLike, .semantics = isInfinite},
    {.name = "Clip", .since = 6, .until = 10, .rule = likeFirst, .semantics = clipByAttributes},
    {.name = "Clip",
     .since = 11,
     .most = 3,
     .rule = clipRule,
     .semantics = [](OpContext &context) { return clip(context, context.in(1), context.in(2)); }},
    {.name = "Dropout", .since = 7, .most = 3, .rule = dropoutRule, .semantics = dropout},
};
} // namespace

std::span<const OpRow> unaryRows() { return kRows; }

} // namespace lamina::onnx
