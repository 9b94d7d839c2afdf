//===- Shape.cpp - the same elements in another shape ---------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include "absl/strings/str_join.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
absl::Status shapeRule(OpContext &context) {
  int64_t rank = context.in(0).rank();
  auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = bound(context.integer("start", 0)), end = bound(context.integer("end", rank));
  context.result(0, ElementType::Int64, {std::max<int64_t>(0, end - start)});
  return absl::OkStatus();
}

absl::Status shape(OpContext &context) {
  int64_t rank = context.in(0).rank(), start = context.integer("start", 0);
  start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  for (int64_t i = 0; i < context.out(0).count(); ++i)
    context.out(0).setInteger(i, context.dims(0)[start + i]);
  return absl::OkStatus();
}

absl::Status sizeRule(OpContext &context) {
  context.result(0, ElementType::Int64, {});
  return absl::OkStatus();
}

absl::Status size(OpContext &context) {
  context.out(0).setInteger(0, context.in(0).count());
  return absl::OkStatus();
}

/// The result, if it has as many elements as the input.
absl::Status reshapedTo(OpContext &context, Dims dims) {
  if (std::any_of(dims.begin(), dims.end(), [](int64_t size) { return size < 0; }) ||
      elementCount(dims) != context.in(0).count())
    return context.error("cannot reshape ", context.in(0).describe(), " to [", absl::StrJoin(dims, ", "),
                         "]");
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status reshapeRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Dims dims, context.known(1));
  const Dims &from = context.dims(0);
  bool keepZero = context.integer("allowzero", 0);
  std::optional<size_t> free;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !keepZero) {
      if (i >= from.size())
        return context.error("size 0 at axis ", i, " copies an axis that ", context.in(0).describe(),
                             " lacks");
      dims[i] = from[i];
    } else if (dims[i] == -1) {
      if (free)
        return context.error("more than one size of the new shape is -1");
      free = i;
    }
  }
  if (free) {
    dims[*free] = 1;
    int64_t rest = elementCount(dims);
    dims[*free] = rest == 0 ? 0 : context.in(0).count() / rest;
  }
  return reshapedTo(context, std::move(dims));
}

absl::Status flattenRule(OpContext &context) {
  int64_t rank = context.in(0).rank(), axis = context.integer("axis", 1);
  if (axis < -rank || axis > rank)
    return context.error("axis ", axis, " is not one of a tensor of rank ", rank);
  std::span<const int64_t> dims = context.dims(0);
  axis += axis < 0 ? rank : 0;
  return reshapedTo(context, {elementCount(dims.first(axis)), elementCount(dims.subspan(axis))});
}

/// Axes are an attribute up to opset 12 and then an input.
absl::StatusOr<std::vector<int64_t>> axesOf(OpContext &context, int64_t rank) {
  std::vector<int64_t> axes = context.integers("axes");
  if (context.has(1)) {
    LAMINA_ASSIGN_OR_RETURN(axes, context.known(1));
  }
  return context.normalizedAxes(std::move(axes), rank);
}

absl::Status squeezeRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> axes, axesOf(context, context.in(0).rank()));
  bool all = !context.has(1) && !context.hasAttribute("axes");
  Dims dims;
  for (int64_t i = 0; i < context.in(0).rank(); ++i) {
    bool listed = std::binary_search(axes.begin(), axes.end(), i);
    if (listed && context.dims(0)[i] != 1)
      return context.error("cannot squeeze axis ", i, " of ", context.in(0).describe());
    if (!listed && !(all && context.dims(0)[i] == 1))
      dims.push_back(context.dims(0)[i]);
  }
  return reshapedTo(context, std::move(dims));
}

absl::Status unsqueezeRule(OpContext &context) {
  size_t added = context.integers("axes").size();
  if (context.has(1))
    added = context.in(1).count();
  if (added > 64)
    return context.error("adds ", added, " axes");
  int64_t rank = context.in(0).rank() + static_cast<int64_t>(added);
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> axes, axesOf(context, rank));
  Dims dims = context.dims(0);
  for (int64_t axis : axes)
    dims.insert(dims.begin() + axis, 1);
  return reshapedTo(context, std::move(dims));
}

constexpr OpRow reshaping(std::string_view name, int since, int until, unsigned required, unsigned most,
                          ShapeRule rule) {
  return {.name = name,
          .since = since,
          .until = until,
          .required = required,
          .most = most,
          .rule = rule,
          .semantics = copyFirst};
}

constexpr OpRow kRows[] = {
    {.name = "Shape", .rule = shapeRule, .semantics = shape, .needsElements = false},
    {.name = "Size", .rule = sizeRule, .semantics = size, .needsElements = false},
    reshaping("Reshape", 5, kNewestOpset, 2, 2, reshapeRule),
    reshaping("Flatten", 1, kNewestOpset, 1, 1, flattenRule),
    reshaping("Squeeze", 1, 12, 1, 1, squeezeRule),
    reshaping("Squeeze", 13, kNewestOpset, 1, 2, squeezeRule),
    reshaping("Unsqueeze", 1, 12, 1, 1, unsqueezeRule),
    reshaping("Unsqueeze", 13, kNewestOpset, 2, 2, unsqueezeRule),
};
} // namespace

std::span<const OpRow> shapeRows() { return kRows; }

} // namespace lamina::onnx
