//===- Control.cpp - If, Loop, Scan ---------------------------------------------------------------------===//
//
// These evaluate subgraphs, whose nodes are bounded one by one, so they have a shape rule alone that does
// everything.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

namespace lamina::onnx {

namespace {
absl::Status setOutputs(OpContext &context, std::vector<Tensor> results) {
  if (results.size() < context.numOutputs())
    return context.error("its body gives ", results.size(), " results, expected ", context.numOutputs());
  for (size_t i = 0; i < context.numOutputs(); ++i)
    if (context.wants(i))
      context.out(i) = std::move(results[i]);
  return absl::OkStatus();
}

absl::StatusOr<const Graph *> bodyOf(OpContext &context, std::string_view name) {
  if (const Graph *graph = context.graph(name))
    return graph;
  return context.error("has no graph '", name, "'");
}

/// What the two branches agree on if the condition is not known.
absl::StatusOr<std::vector<Tensor>> common(const OpContext &context, std::vector<Tensor> a,
                                           std::vector<Tensor> b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (i >= b.size() || a[i].type() != b[i].type() || a[i].dims() != b[i].dims())
      return context.error("its branches differ in output ", i,
                           " and the condition is not known: ", a[i].describe(), " and ",
                           i < b.size() ? b[i].describe() : "none");
    a[i] = Tensor(a[i].type(), a[i].dims());
  }
  return a;
}

absl::Status ifThenElse(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(const Graph *then, bodyOf(context, "then_branch"));
  LAMINA_ASSIGN_OR_RETURN(const Graph *otherwise, bodyOf(context, "else_branch"));
  const Tensor &condition = context.in(0);
  if (condition.count() != 1)
    return context.error("expected one condition, got ", condition.describe());
  if (condition.hasData()) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> results,
                            context.host().subgraph(condition.integer(0) ? *then : *otherwise, {}));
    return setOutputs(context, std::move(results));
  }
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> a, context.host().subgraph(*then, {}));
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> b, context.host().subgraph(*otherwise, {}));
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> results, common(context, std::move(a), std::move(b)));
  return setOutputs(context, std::move(results));
}

/// Puts slices side by side along a new axis.
absl::StatusOr<Tensor> stack(const OpContext &context, const std::vector<Tensor> &slices, int64_t axis,
                             bool reverse) {
  const Tensor &first = slices.front();
  if (axis < -first.rank() - 1 || axis > first.rank())
    return context.error("axis ", axis, " is not one of the stacked result");
  Dims dims = first.dims();
  axis += axis < 0 ? first.rank() + 1 : 0;
  dims.insert(dims.begin() + axis, static_cast<int64_t>(slices.size()));
  Tensor result(first.type(), dims);
  bool known = true;
  for (const Tensor &slice : slices) {
    if (slice.dims() != first.dims() || slice.type() != first.type())
      return context.error("results of its iterations differ: ", first.describe(), " and ", slice.describe());
    known &= slice.hasData();
  }
  if (!known)
    return result;
  LAMINA_RETURN_IF_ERROR(context.spend({result.count()}));
  result.allocate();
  AxisView to(dims, axis);
  for (int64_t i = 0; i < to.size; ++i)
    for (int64_t o = 0; o < to.outer; ++o)
      result.copy(to.at(o, i, 0), slices[reverse ? to.size - 1 - i : i], o * to.inner, to.inner);
  return result;
}

Tensor sliceOf(const Tensor &x, int64_t axis, int64_t index) {
  AxisView from(x.dims(), axis);
  Dims dims = x.dims();
  dims.erase(dims.begin() + axis);
  Tensor slice(x.type(), dims);
  if (!x.hasData())
    return slice;
  slice.allocate();
  for (int64_t o = 0; o < from.outer; ++o)
    slice.copy(o * from.inner, x, from.at(o, index, 0), from.inner);
  return slice;
}

constexpr int64_t kIteration = 1000, kKept = 8; // about nanoseconds, and each element that stays in memory

/// Inputs: trip count, condition, carried values. Results of the body: condition, carried values, scanned
/// ones.
absl::Status loop(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(const Graph *body, bodyOf(context, "body"));
  for (size_t i : {0, 1})
    if (context.has(i) && (context.in(i).count() != 1 || !context.in(i).hasData()))
      return context.error("its trip count or condition depends on values that the model computes");
  size_t carried = context.numInputs() < 2 ? 0 : context.numInputs() - 2;
  int64_t trips = context.has(0) ? context.in(0).integer(0) : std::numeric_limits<int64_t>::max();
  bool condition = !context.has(1) || context.in(1).integer(0);
  std::vector<Tensor> state;
  for (size_t i = 0; i < carried; ++i)
    state.push_back(context.in(2 + i));
  std::vector<std::vector<Tensor>> scans;
  for (int64_t trip = 0; trip < trips && condition; ++trip) {
    LAMINA_RETURN_IF_ERROR(context.spend({kIteration}));
    std::vector<Tensor> inputs{Tensor::ofIntegers(std::vector<int64_t>{trip}, {}),
                               Tensor::ofIntegers(std::vector<int64_t>{1}, {}, ElementType::Bool)};
    inputs.insert(inputs.end(), state.begin(), state.end());
    LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> results, context.host().subgraph(*body, std::move(inputs)));
    if (results.size() < carried + 1 || results[0].count() != 1 || !results[0].hasData())
      return context.error("its condition depends on values that the model computes");
    condition = results[0].integer(0);
    state.assign(results.begin() + 1, results.begin() + 1 + static_cast<int64_t>(carried));
    scans.resize(results.size() - 1 - carried);
    for (size_t i = 0; i < scans.size(); ++i) {
      LAMINA_RETURN_IF_ERROR(context.spend({results[1 + carried + i].count(), kKept}));
      scans[i].push_back(std::move(results[1 + carried + i]));
    }
  }
  for (std::vector<Tensor> &scan : scans) {
    LAMINA_ASSIGN_OR_RETURN(Tensor stacked, stack(context, scan, 0, false));
    state.push_back(std::move(stacked));
  }
  return setOutputs(context, std::move(state));
}

int64_t entry(const std::vector<int64_t> &list, size_t i) { return i < list.size() ? list[i] : 0; }

/// Inputs: carried values, then tensors whose slices along an axis are the iterations' inputs.
absl::Status scan(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(const Graph *body, bodyOf(context, "body"));
  int64_t scanned = context.integer("num_scan_inputs", 0);
  if (scanned < 1 || scanned > static_cast<int64_t>(context.numInputs()))
    return context.error("attribute 'num_scan_inputs' is ", scanned);
  size_t carried = context.numInputs() - static_cast<size_t>(scanned);
  std::vector<int64_t> axes(scanned), directions = context.integers("scan_input_directions");
  int64_t length = -1;
  for (int64_t i = 0; i < scanned; ++i) {
    const Tensor &input = context.in(carried + i);
    LAMINA_ASSIGN_OR_RETURN(
        axes[i], context.normalizedAxis(entry(context.integers("scan_input_axes"), i), input.rank()));
    if (int64_t size = input.dims()[axes[i]]; length >= 0 && size != length)
      return context.error("its inputs have ", length, " and ", size, " slices");
    else
      length = size;
  }
  std::vector<Tensor> state;
  for (size_t i = 0; i < carried; ++i)
    state.push_back(context.in(i));
  std::vector<std::vector<Tensor>> scans;
  for (int64_t step = 0; step < length; ++step) {
    LAMINA_RETURN_IF_ERROR(context.spend({kIteration}));
    std::vector<Tensor> inputs = state;
    for (int64_t i = 0; i < scanned; ++i)
      inputs.push_back(
          sliceOf(context.in(carried + i), axes[i], entry(directions, i) ? length - 1 - step : step));
    LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> results, context.host().subgraph(*body, std::move(inputs)));
    if (results.size() < carried)
      return context.error("its body gives ", results.size(), " results");
    state.assign(results.begin(), results.begin() + static_cast<int64_t>(carried));
    scans.resize(results.size() - carried);
    for (size_t i = 0; i < scans.size(); ++i) {
      LAMINA_RETURN_IF_ERROR(context.spend({results[carried + i].count(), kKept}));
      scans[i].push_back(std::move(results[carried + i]));
    }
  }
  std::vector<int64_t> outputAxes = context.integers("scan_output_axes");
  std::vector<int64_t> outputDirections = context.integers("scan_output_directions");
  for (size_t i = 0; i < scans.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Tensor stacked,
                            stack(context, scans[i], entry(outputAxes, i), entry(outputDirections, i)));
    state.push_back(std::move(stacked));
  }
  return setOutputs(context, std::move(state));
}

constexpr OpRow kRows[] = {
    {.name = "If", .rule = ifThenElse},
    {.name = "Loop", .required = 0, .most = kVariadic, .rule = loop},
    {.name = "Scan", .since = 9, .required = 0, .most = kVariadic, .rule = scan},
};
} // namespace

std::span<const OpRow> controlRows() { return kRows; }

} // namespace lamina::onnx
