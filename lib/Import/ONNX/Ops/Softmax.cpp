//===- Softmax.cpp - softmax and its logarithm ----------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
/// Over one axis; before opset 13 over all from that axis on, by default from axis 1.
absl::StatusOr<AxisView> viewOf(OpContext &context) {
  const Dims &dims = context.dims(0);
  bool flattens = context.opset() < 13;
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", flattens ? 1 : -1, context.in(0).rank()));
  AxisView view(dims, axis);
  if (flattens)
    view.size = std::exchange(view.inner, 1) * view.size;
  return view;
}

absl::Status softmaxRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(viewOf(context).status());
  return likeFirst(context);
}

template <bool Logarithm> absl::Status softmax(OpContext &context) {
  const Tensor &x = context.in(0);
  LAMINA_ASSIGN_OR_RETURN(AxisView view, viewOf(context));
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t n = 0; n < view.inner; ++n) {
      double largest = -INFINITY, sum = 0;
      for (int64_t i = 0; i < view.size; ++i)
        largest = std::fmax(largest, x.real(view.at(o, i, n)));
      for (int64_t i = 0; i < view.size; ++i)
        sum += std::exp(x.real(view.at(o, i, n)) - largest);
      for (int64_t i = 0; i < view.size; ++i) {
        double shifted = x.real(view.at(o, i, n)) - largest;
        context.out(0).setReal(view.at(o, i, n),
                               Logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum);
      }
    }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Softmax", .rule = softmaxRule, .semantics = softmax<false>},
    {.name = "LogSoftmax", .rule = softmaxRule, .semantics = softmax<true>},
};
} // namespace

std::span<const OpRow> softmaxRows() { return kRows; }

} // namespace lamina::onnx
