//===- Conv.cpp - convolutions --------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Windows.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
constexpr int64_t kLargest = 1 << 24; // of strides, pads and the like

/// A list of one number per axis, all in a range; or an error.
absl::StatusOr<Dims> listOf(OpContext &context, std::string_view name, size_t axes, int64_t fallback,
                            int64_t least) {
  Dims list = context.integers(name, Dims(axes, fallback));
  bool fits = list.size() == axes;
  for (int64_t number : list)
    fits &= number >= least && number <= kLargest;
  if (!fits)
    return context.error("attribute ", quoteName(name), " does not have ", axes, " numbers from ", least,
                         " to ", kLargest);
  return list;
}

absl::Status padAutomatically(OpContext &context, Windows &w, const std::string &mode) {
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return context.error("attribute 'auto_pad' is ", quoteName(mode), ", which is not known");
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    int64_t windows = (w.input[i] + w.strides[i] - 1) / w.strides[i];
    int64_t covered = (windows - 1) * w.strides[i] + (w.kernel[i] - 1) * w.dilations[i] + 1;
    int64_t pad = std::max<int64_t>(covered - w.input[i], 0);
    w.before[i] = mode == "SAME_UPPER" ? pad / 2 : pad - pad / 2;
    w.after[i] = pad - w.before[i];
  }
  return absl::OkStatus();
}
} // namespace

absl::StatusOr<Windows> windowsOf(OpContext &context, Dims kernel) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 3, 10));
  Windows w;
  w.input.assign(context.dims(0).begin() + 2, context.dims(0).end());
  size_t axes = w.input.size();
  w.kernel = kernel;
  if (kernel.empty() || context.hasAttribute("kernel_shape")) {
    LAMINA_ASSIGN_OR_RETURN(w.kernel, listOf(context, "kernel_shape", axes, 0, 1));
  }
  if (!kernel.empty() && w.kernel != kernel)
    return context.error("attribute 'kernel_shape' is not the shape of its weights");
  LAMINA_ASSIGN_OR_RETURN(w.strides, listOf(context, "strides", axes, 1, 1));
  LAMINA_ASSIGN_OR_RETURN(w.dilations, listOf(context, "dilations", axes, 1, 1));
  LAMINA_ASSIGN_OR_RETURN(Dims pads, listOf(context, "pads", 2 * axes, 0, 0));
  w.before.assign(pads.begin(), pads.begin() + axes);
  w.after.assign(pads.begin() + axes, pads.end());
  std::string mode = context.text("auto_pad", "NOTSET");
  if (mode == "VALID")
    w.before = w.after = Dims(axes, 0);
  else if (mode != "NOTSET")
    LAMINA_RETURN_IF_ERROR(padAutomatically(context, w, mode));
  w.ceil = context.integer("ceil_mode", 0);
  for (size_t i = 0; i < axes; ++i) {
    if (w.kernel[i] < 1 || w.kernel[i] > kLargest)
      return context.error("a kernel has size ", w.kernel[i]);
    int64_t room = w.input[i] + w.before[i] + w.after[i] - (w.kernel[i] - 1) * w.dilations[i] - 1;
    if (room < 0)
      return context.error("its kernel is larger than ", context.in(0).describe());
    int64_t windows = room / w.strides[i] + 1;
    // A last window that is only half covered counts if it begins in the input or the padding before it.
    if (w.ceil && room % w.strides[i] != 0 && windows * w.strides[i] < w.input[i] + w.before[i])
      ++windows;
    w.output.push_back(windows);
  }
  return w;
}

namespace {
struct Convolution {
  Windows windows;
  int64_t group = 1;
  Dims result;
};

absl::StatusOr<Convolution> convolutionOf(OpContext &context) {
  int64_t rank = context.in(0).rank();
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 3, 10));
  LAMINA_RETURN_IF_ERROR(context.expectRank(1, rank, rank));
  const Dims &weights = context.dims(1);
  Convolution c;
  c.group = context.integer("group", 1);
  if (c.group < 1 || c.group > 1 << 20 || weights[0] % c.group != 0 ||
      context.dims(0)[1] != c.group * weights[1])
    return context.error("cannot convolve ", context.in(0).describe(), " with ", context.in(1).describe(),
                         " in ", c.group, " groups");
  LAMINA_ASSIGN_OR_RETURN(c.windows, windowsOf(context, Dims(weights.begin() + 2, weights.end())));
  c.result = {context.dims(0)[0], weights[0]};
  c.result.insert(c.result.end(), c.windows.output.begin(), c.windows.output.end());
  return c;
}

/// The sums; x(i) and weight(i) give the elements of the operands.
template <typename X, typename W>
absl::StatusOr<std::vector<double>> convolve(OpContext &context, const Convolution &c, X x, W weight) {
  int64_t count = elementCount(c.result), channels = context.dims(1)[1], outputs = context.dims(1)[0];
  int64_t windows = elementCount(c.windows.output), kernel = elementCount(c.windows.kernel);
  int64_t inner = elementCount(c.windows.input), perGroup = std::max<int64_t>(outputs / c.group, 1);
  LAMINA_RETURN_IF_ERROR(
      context.spend({count, kernel, channels + 8 * static_cast<int64_t>(c.result.size())}));
  std::vector<double> sums(count, 0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t output = i / windows % outputs, batch = i / windows / outputs;
    int64_t first = (batch * c.group + output / perGroup) * channels;
    c.windows.each(i % windows, [&](int64_t k, int64_t offset) {
      for (int64_t channel = 0; channel < channels; ++channel)
        sums[i] += x((first + channel) * inner + offset) * weight((output * channels + channel) * kernel + k);
    });
  }
  return sums;
}

absl::Status convRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Convolution c, convolutionOf(context));
  if (context.has(2))
    LAMINA_RETURN_IF_ERROR(context.expectDims(2, {c.result[1]}));
  context.result(0, context.type(0), std::move(c.result));
  return absl::OkStatus();
}

absl::Status conv(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Convolution c, convolutionOf(context));
  LAMINA_ASSIGN_OR_RETURN(std::vector<double> sums,
                          convolve(
                              context, c, [&](int64_t i) { return context.in(0).real(i); },
                              [&](int64_t i) { return context.in(1).real(i); }));
  int64_t windows = elementCount(c.windows.output);
  for (size_t i = 0; context.has(2) && i < sums.size(); ++i)
    sums[i] += context.in(2).real(static_cast<int64_t>(i) / windows % c.result[1]);
  context.out(0).setReals(sums);
  return absl::OkStatus();
}

/// Elements of eight bits less their zero points: one for x, one or one per output channel for the weights.
absl::Status convIntegerRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Convolution c, convolutionOf(context));
  if (context.has(2) && context.in(2).count() != 1)
    return context.error("expected one zero point as input 2");
  if (context.has(3) && context.in(3).count() != 1)
    LAMINA_RETURN_IF_ERROR(context.expectDims(3, {c.result[1]}));
  context.result(0, ElementType::Int32, std::move(c.result));
  return absl::OkStatus();
}

absl::Status convInteger(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Convolution c, convolutionOf(context));
  double zero = context.has(2) ? context.in(2).real(0) : 0;
  int64_t perOutput = std::max<int64_t>(elementCount(std::span(context.dims(1)).subspan(1)), 1);
  auto weight = [&](int64_t i) {
    bool each = context.in(3).count() > 1;
    return context.in(1).real(i) - (context.has(3) ? context.in(3).real(each ? i / perOutput : 0) : 0);
  };
  LAMINA_ASSIGN_OR_RETURN(
      std::vector<double> sums,
      convolve(context, c, [&](int64_t i) { return context.in(0).real(i) - zero; }, weight));
  context.out(0).setReals(sums);
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Conv", .required = 2, .most = 3, .rule = convRule, .semantics = conv},
    {.name = "ConvInteger",
     .since = 10,
     .required = 2,
     .most = 4,
     .rule = convIntegerRule,
     .semantics = convInteger},
};
} // namespace

std::span<const OpRow> convRows() { return kRows; }

} // namespace lamina::onnx
