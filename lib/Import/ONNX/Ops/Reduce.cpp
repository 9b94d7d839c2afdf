//===- Reduce.cpp - many elements along axes to one -----------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Arithmetic.h"

#include <algorithm>
#include <numeric>

namespace lamina::onnx {

namespace {
/// Starts, takes one element after the other, and finishes knowing how many there were. Integers are folded
/// as such where there is an operation for them.
struct Reduction {
  double start;
  double (*fold)(double sum, double x);
  double (*finish)(double sum, double count) = nullptr;
  int64_t (*integers)(int64_t, int64_t) = nullptr;
};

double plus(double a, double b) { return a + b; }
double plusSquare(double a, double b) { return a + b * b; }
double logOfSum(double a, double b) {
  double high = std::max(a, b), low = std::min(a, b);
  return std::isinf(high) ? high : high + std::log1p(std::exp(low - high));
}

constexpr Reduction kSum{0, plus, nullptr, wrapAdd};
constexpr Reduction kMeanOf{0, plus, [](double sum, double count) { return sum / count; }};
constexpr Reduction kProduct{1, [](double a, double b) { return a * b; }, nullptr, wrapMul};
constexpr Reduction kLargest{-INFINITY, kMax.reals, nullptr, kMax.integers};
constexpr Reduction kSmallest{INFINITY, kMin.reals, nullptr, kMin.integers};
constexpr Reduction kL1{0, [](double a, double b) { return a + std::fabs(b); }};
constexpr Reduction kL2{0, plusSquare, [](double sum, double) { return std::sqrt(sum); }};
constexpr Reduction kSumSquare{0, plusSquare, nullptr,
                               [](int64_t a, int64_t b) { return wrapAdd(a, wrapMul(b, b)); }};
constexpr Reduction kLogSum{0, plus, [](double sum, double) { return std::log(sum); }};
constexpr Reduction kLogSumExp{-INFINITY, logOfSum};

/// Which axes are reduced: an attribute or, later, an input; none means all, or with `noop_with_empty_axes`
/// none.
absl::StatusOr<std::vector<int64_t>> axesOf(OpContext &context) {
  std::vector<int64_t> axes = context.integers("axes");
  if (context.has(1)) {
    LAMINA_ASSIGN_OR_RETURN(axes, context.known(1));
  }
  bool noop = context.integer("noop_with_empty_axes", 0) != 0;
  if (axes.empty() && !noop) {
    axes.resize(context.in(0).rank());
    std::iota(axes.begin(), axes.end(), 0);
  }
  return context.normalizedAxes(std::move(axes), context.in(0).rank());
}

absl::Status reduceRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> axes, axesOf(context));
  bool keep = context.integer("keepdims", 1);
  Dims dims;
  for (int64_t i = 0; i < context.in(0).rank(); ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i))
      dims.push_back(context.dims(0)[i]);
    else if (keep)
      dims.push_back(1);
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

/// Calls f(from, to) for each element of the input and the one of the output that it goes into.
template <typename F> void eachReduced(const Dims &dims, const std::vector<int64_t> &axes, F f) {
  Dims kept = dims;
  for (int64_t axis : axes)
    kept[axis] = 1;
  walk<1>(dims, {broadcastStrides(kept, dims)},
          [&](int64_t i, const std::array<int64_t, 1> &at) { f(i, at[0]); });
}

absl::Status reduceIntegers(OpContext &context, const Reduction &reduction,
                            const std::vector<int64_t> &axes) {
  const Tensor &x = context.in(0);
  auto [least, most] = integerRange(x.type());
  int64_t start = reduction.start < 0   ? least
                  : reduction.start > 1 ? most
                                        : static_cast<int64_t>(reduction.start);
  std::vector<int64_t> sums(context.out(0).count(), start);
  eachReduced(x.dims(), axes,
              [&](int64_t from, int64_t to) { sums[to] = reduction.integers(sums[to], x.integer(from)); });
  context.out(0).setIntegers(sums);
  return absl::OkStatus();
}

absl::Status reduce(OpContext &context, const Reduction &reduction) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> axes, axesOf(context));
  const Tensor &x = context.in(0);
  if (!isReal(x.type()) && reduction.integers)
    return reduceIntegers(context, reduction, axes);
  std::vector<double> sums(context.out(0).count(), reduction.start);
  eachReduced(x.dims(), axes,
              [&](int64_t from, int64_t to) { sums[to] = reduction.fold(sums[to], x.real(from)); });
  double count = 1;
  for (int64_t axis : axes)
    count *= static_cast<double>(x.dims()[axis]);
  if (reduction.finish)
    for (double &sum : sums)
      sum = reduction.finish(sum, count);
  context.out(0).setReals(sums);
  return absl::OkStatus();
}
template <const Reduction &R> absl::Status reduced(OpContext &context) { return reduce(context, R); }

/// Axes are an attribute, or in later opsets an input.
constexpr OpRow withAttribute(std::string_view name, int until, Semantics semantics) {
  return {.name = name, .until = until, .rule = reduceRule, .semantics = semantics};
}
constexpr OpRow withInput(std::string_view name, int since, Semantics semantics) {
  return {.name = name, .since = since, .most = 2, .rule = reduceRule, .semantics = semantics};
}

constexpr OpRow kRows[] = {
    withAttribute("ReduceSum", 12, reduced<kSum>),
    withInput("ReduceSum", 13, reduced<kSum>),
    withAttribute("ReduceMean", 17, reduced<kMeanOf>),
    withInput("ReduceMean", 18, reduced<kMeanOf>),
    withAttribute("ReduceMax", 17, reduced<kLargest>),
    withInput("ReduceMax", 18, reduced<kLargest>),
    withAttribute("ReduceMin", 17, reduced<kSmallest>),
    withInput("ReduceMin", 18, reduced<kSmallest>),
    withAttribute("ReduceProd", 17, reduced<kProduct>),
    withInput("ReduceProd", 18, reduced<kProduct>),
    withAttribute("ReduceL1", 17, reduced<kL1>),
    withInput("ReduceL1", 18, reduced<kL1>),
    withAttribute("ReduceL2", 17, reduced<kL2>),
    withInput("ReduceL2", 18, reduced<kL2>),
    withAttribute("ReduceSumSquare", 17, reduced<kSumSquare>),
    withInput("ReduceSumSquare", 18, reduced<kSumSquare>),
    withAttribute("ReduceLogSum", 17, reduced<kLogSum>),
    withInput("ReduceLogSum", 18, reduced<kLogSum>),
    withAttribute("ReduceLogSumExp", 17, reduced<kLogSumExp>),
    withInput("ReduceLogSumExp", 18, reduced<kLogSumExp>),
};
} // namespace

std::span<const OpRow> reduceRows() { return kRows; }

} // namespace lamina::onnx
