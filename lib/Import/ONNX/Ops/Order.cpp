//===- Order.cpp - the largest, the smallest, sums along an axis ----------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>
#include <numeric>

namespace lamina::onnx {

namespace {
absl::Status argRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  Dims dims = context.dims(0);
  if (dims[axis] == 0)
    return context.error("nothing along axis ", axis, " of ", context.in(0).describe());
  if (context.integer("keepdims", 1))
    dims[axis] = 1;
  else
    dims.erase(dims.begin() + axis);
  context.result(0, ElementType::Int64, std::move(dims));
  return absl::OkStatus();
}

template <bool Max> absl::Status arg(OpContext &context) {
  const Tensor &x = context.in(0);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, x.rank()));
  bool last = context.integer("select_last_index", 0);
  AxisView view(x.dims(), axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      int64_t best = 0;
      for (int64_t i = 1; i < view.size; ++i) {
        int64_t at = view.at(o, i, n), old = view.at(o, best, n);
        bool better = Max ? x.less(old, at) : x.less(at, old);
        bool worse = Max ? x.less(at, old) : x.less(old, at);
        if (better || (last && !worse))
          best = i;
      }
      context.out(0).setInteger(o * view.inner + n, best);
    }
  return absl::OkStatus();
}

absl::Status topKRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, context.in(0).rank()));
  int64_t k = context.integer("k", -1);
  (void)context.integer("sorted", 1); // 0 allows any order, also this one
  if (context.opset() >= 10) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> count, context.known(1));
    k = count.size() == 1 ? count[0] : -1;
  }
  Dims dims = context.dims(0);
  if (k < 0 || k > dims[axis])
    return context.error("cannot take ", k, " of axis ", axis, " of ", context.in(0).describe());
  dims[axis] = k;
  context.result(0, context.type(0), dims);
  context.result(1, ElementType::Int64, dims);
  return absl::OkStatus();
}

/// In order, whether or not that is asked for; equal elements by ascending index.
absl::Status topK(OpContext &context) {
  const Tensor &x = context.in(0);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, x.rank()));
  bool largest = context.integer("largest", 1);
  AxisView from(x.dims(), axis);
  int64_t k = (context.wants(0) ? context.out(0) : context.out(1)).dims()[axis];
  std::vector<int64_t> order(from.size);
  for (int64_t o = 0; o < from.outer; ++o)
    for (int64_t n = 0; n < from.inner; ++n) {
      std::iota(order.begin(), order.end(), 0);
      // NaN is less than nothing, which is no order; it counts as the largest.
      auto nan = [&](int64_t i) { return isReal(x.type()) && std::isnan(x.real(from.at(o, i, n))); };
      auto less = [&](int64_t a, int64_t b) {
        return nan(a) ? false : nan(b) || x.less(from.at(o, a, n), from.at(o, b, n));
      };
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        bool before = largest ? less(b, a) : less(a, b), after = largest ? less(a, b) : less(b, a);
        return before || (!after && a < b);
      });
      for (int64_t i = 0; i < k; ++i) {
        int64_t to = (o * k + i) * from.inner + n;
        if (context.wants(0))
          context.out(0).copy(to, x, from.at(o, order[i], n));
        if (context.wants(1))
          context.out(1).setInteger(to, order[i]);
      }
    }
  return absl::OkStatus();
}

absl::Status cumSum(OpContext &context) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  if (context.in(1).count() != 1)
    return context.error("expected one axis, got ", context.in(1).describe());
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.normalizedAxis(context.in(1).integer(0), x.rank()));
  bool exclusive = context.integer("exclusive", 0), reverse = context.integer("reverse", 0);
  AxisView view(x.dims(), axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      double real = 0;
      int64_t integer = 0;
      for (int64_t step = 0; step < view.size; ++step) {
        int64_t at = view.at(o, reverse ? view.size - 1 - step : step, n);
        auto store = [&] { isReal(y.type()) ? y.setReal(at, real) : y.setInteger(at, integer); };
        if (exclusive)
          store();
        isReal(y.type()) ? void(real += x.real(at)) : void(integer = wrapAdd(integer, x.integer(at)));
        if (!exclusive)
          store();
      }
    }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "ArgMax", .rule = argRule, .semantics = arg<true>},
    {.name = "ArgMin", .rule = argRule, .semantics = arg<false>},
    {.name = "TopK", .until = 9, .rule = topKRule, .semantics = topK},
    {.name = "TopK", .since = 10, .required = 2, .most = 2, .rule = topKRule, .semantics = topK},
    {.name = "CumSum", .since = 11, .required = 2, .most = 2, .rule = likeFirst, .semantics = cumSum},
};
} // namespace

std::span<const OpRow> orderRows() { return kRows; }

} // namespace lamina::onnx
