//===- Pool.cpp - pools over windows --------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Windows.h"

#include <limits>

namespace lamina::onnx {

namespace {
absl::Status poolRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Windows w, windowsOf(context));
  Dims dims{context.dims(0)[0], context.dims(0)[1]};
  dims.insert(dims.end(), w.output.begin(), w.output.end());
  context.result(0, context.type(0), dims);
  context.result(1, ElementType::Int64, dims);
  return absl::OkStatus();
}

/// Calls f(output, first element of the channel, window) for all windows.
template <typename F> absl::Status eachWindow(OpContext &context, const Windows &w, F f) {
  int64_t windows = elementCount(w.output), inner = elementCount(w.input), count = context.out(0).count();
  int64_t axes = static_cast<int64_t>(w.kernel.size());
  LAMINA_RETURN_IF_ERROR(context.spend({count, elementCount(w.kernel), 8 * axes}));
  for (int64_t i = 0; i < count; ++i)
    f(i, i / windows * inner, i % windows);
  return absl::OkStatus();
}

/// The place of the largest, counted over the whole tensor, in the order of rows or of columns.
int64_t flatIndex(const Windows &w, int64_t first, int64_t offset, bool columns) {
  if (!columns)
    return first + offset;
  int64_t index = 0, stride = 1;
  Dims source = stridesOf(w.input);
  for (size_t i = 0; i < w.input.size(); ++i) {
    index += offset / source[i] % w.input[i] * stride;
    stride *= w.input[i];
  }
  return first + index;
}

absl::Status maxPool(OpContext &context) {
  const Tensor &x = context.in(0);
  LAMINA_ASSIGN_OR_RETURN(Windows w, windowsOf(context));
  bool columns = context.integer("storage_order", 0);
  return eachWindow(context, w, [&](int64_t i, int64_t first, int64_t window) {
    int64_t best = -1;
    w.each(window, [&](int64_t, int64_t offset) {
      if (best < 0 || x.less(first + best, first + offset))
        best = offset;
    });
    if (best < 0) { // a window in the padding alone
      if (context.wants(0))
        context.out(0).setReal(i, emptyMaximum(x.type()));
      return;
    }
    if (context.wants(0))
      context.out(0).copy(i, x, first + best);
    if (context.wants(1))
      context.out(1).setInteger(i, flatIndex(w, first, best, columns));
  });
}

absl::Status averagePool(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Windows w, windowsOf(context));
  bool countPads = context.integer("count_include_pad", 0);
  return eachWindow(context, w, [&](int64_t i, int64_t first, int64_t window) {
    double sum = 0, count = 0;
    w.each(window, [&](int64_t, int64_t offset) {
      sum += context.in(0).real(first + offset);
      ++count;
    });
    if (countPads)
      count = static_cast<double>(w.padded(window));
    context.out(0).setReal(i, sum / std::max(count, 1.0)); // 0 of no elements, as onnxruntime has it
  });
}

absl::Status globalRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 3, 10));
  Dims dims(context.dims(0).size(), 1);
  dims[0] = context.dims(0)[0], dims[1] = context.dims(0)[1];
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status globalAverage(OpContext &context) {
  int64_t inner = elementCount(std::span(context.dims(0)).subspan(2));
  for (int64_t i = 0; i < context.out(0).count(); ++i) {
    double sum = 0;
    for (int64_t n = 0; n < inner; ++n)
      sum += context.in(0).real(i * inner + n);
    context.out(0).setReal(i, sum / static_cast<double>(inner));
  }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "MaxPool", .rule = poolRule, .semantics = maxPool},
    {.name = "AveragePool", .since = 7, .rule = poolRule, .semantics = averagePool},
    {.name = "GlobalAveragePool", .rule = globalRule, .semantics = globalAverage},
};
} // namespace

double emptyMaximum(ElementType type) {
  if (!isReal(type))
    return static_cast<double>(integerRange(type).first);
  double half = 65504, shorter = 0x1.fep127; // the largest of float16 and bfloat16
  return -(type == ElementType::Double     ? std::numeric_limits<double>::max()
           : type == ElementType::Float16  ? half
           : type == ElementType::BFloat16 ? shorter
                                           : std::numeric_limits<float>::max());
}

std::span<const OpRow> poolRows() { return kRows; }

} // namespace lamina::onnx
