//===- Scatter.cpp - elements written to places named by indices ----------------------------------------===//

#include "lib/Import/ONNX/Ops/Arithmetic.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
/// Writes elements of `updates` into the output, which began as a copy of the first input.
class Writer {
public:
  static absl::StatusOr<Writer> create(OpContext &context, size_t updates) {
    std::string name = context.text("reduction", "none");
    Writer writer{context.out(0), context.in(updates), reductionNamed(name)};
    if (!writer.reduction_ && name != "none")
      return context.error("reduction ", quoteName(name),
                           " is not known; 'none', 'add', 'mul', 'max' and 'min' are");
    LAMINA_RETURN_IF_ERROR(copyFirst(context));
    return writer;
  }
  void write(int64_t to, int64_t from) {
    if (reduction_)
      reduction_->apply(y_, to, y_, to, updates_, from);
    else
      y_.copy(to, updates_, from);
  }

private:
  Writer(Tensor &y, const Tensor &updates, const Arithmetic *reduction)
      : y_(y), updates_(updates), reduction_(reduction) {}
  Tensor &y_;
  const Tensor &updates_;
  const Arithmetic *reduction_;
};

absl::Status outside(const OpContext &context, int64_t index, int64_t size) {
  return context.error("index ", index, " is outside of an axis of size ", size);
}

absl::Status sameTypeAsUpdates(OpContext &context, size_t updates) {
  if (context.type(updates) != context.type(0))
    return context.error("inputs differ in type: ", context.in(0).describe(), " and ",
                         context.in(updates).describe());
  return likeFirst(context);
}

absl::Status scatterElementsRule(OpContext &context) {
  int64_t rank = context.in(0).rank();
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, rank));
  LAMINA_RETURN_IF_ERROR(context.expectRank(1, rank, rank));
  LAMINA_RETURN_IF_ERROR(context.expectDims(2, context.dims(1)));
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis && context.dims(1)[i] > context.dims(0)[i])
      return context.error("indices of shape ", context.in(1).describe(), " exceed ",
                           context.in(0).describe());
  return sameTypeAsUpdates(context, 2);
}

absl::Status scatterElements(OpContext &context) {
  const Tensor &x = context.in(0), &indices = context.in(1);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, x.rank()));
  LAMINA_ASSIGN_OR_RETURN(Writer writer, Writer::create(context, 2));
  Dims strides = stridesOf(x.dims());
  int64_t along = std::exchange(strides[axis], 0), size = x.dims()[axis];
  absl::Status status;
  walk<1>(indices.dims(), {strides}, [&](int64_t i, const std::array<int64_t, 1> &at) {
    int64_t index = indices.integer(i);
    index += index < 0 ? size : 0;
    if (index >= 0 && index < size)
      writer.write(at[0] + index * along, i);
    else
      status = outside(context, index, size);
  });
  return status;
}

/// updates: indices' shape but for the last axis, whose coordinates name blocks of the remaining axes.
absl::Status scatterNDRule(OpContext &context) {
  const Dims &x = context.dims(0), &indices = context.dims(1);
  if (indices.empty() || indices.back() > static_cast<int64_t>(x.size()))
    return context.error("indices of shape ", context.in(1).describe(), " do not name places in ",
                         context.in(0).describe());
  Dims expected(indices.begin(), indices.end() - 1);
  expected.insert(expected.end(), x.begin() + indices.back(), x.end());
  LAMINA_RETURN_IF_ERROR(context.expectDims(2, expected));
  return sameTypeAsUpdates(context, 2);
}

absl::Status scatterND(OpContext &context) {
  const Tensor &x = context.in(0), &indices = context.in(1);
  LAMINA_ASSIGN_OR_RETURN(Writer writer, Writer::create(context, 2));
  int64_t depth = indices.dims().back();
  int64_t count = elementCount(std::span(indices.dims()).first(indices.rank() - 1));
  int64_t inner = elementCount(std::span(x.dims()).subspan(depth));
  for (int64_t i = 0; i < count; ++i) {
    int64_t block = 0;
    for (int64_t d = 0; d < depth; ++d) {
      int64_t size = x.dims()[d], index = indices.integer(i * depth + d);
      index += index < 0 ? size : 0;
      if (index < 0 || index >= size)
        return outside(context, index, size);
      block = block * size + index;
    }
    for (int64_t n = 0; n < inner; ++n)
      writer.write(block * inner + n, i * inner + n);
  }
  return absl::OkStatus();
}

/// A cache [batch, …, positions, …], what is written to it, and per batch where; circular caches wrap around.
absl::Status tensorScatterRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 64));
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -2, context.in(0).rank()));
  Dims expected = context.dims(0);
  expected[axis] = -1;
  LAMINA_RETURN_IF_ERROR(context.expectDims(1, expected));
  if (axis == 0 || context.dims(1)[axis] > context.dims(0)[axis])
    return context.error("cannot write ", context.in(1).describe(), " along axis ", axis, " of ",
                         context.in(0).describe());
  if (context.has(2))
    LAMINA_RETURN_IF_ERROR(context.expectDims(2, {context.dims(0)[0]}));
  std::string mode = context.text("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return context.error("mode ", quoteName(mode), " is not known; 'linear' and 'circular' are");
  return sameTypeAsUpdates(context, 1);
}

absl::Status tensorScatter(OpContext &context) {
  const Tensor &cache = context.in(0), &update = context.in(1);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -2, cache.rank()));
  LAMINA_RETURN_IF_ERROR(copyFirst(context));
  AxisView to(cache.dims(), axis), from(update.dims(), axis);
  int64_t perBatch = to.outer / std::max<int64_t>(cache.dims()[0], 1);
  bool circular = context.text("mode", "linear") == "circular";
  for (int64_t o = 0; o < from.outer; ++o) {
    int64_t start = context.has(2) ? context.in(2).integer(o / perBatch) : 0;
    if (start < 0 || (circular ? start > (int64_t{1} << 62) : start > to.size - from.size))
      return outside(context, start, to.size);
    for (int64_t i = 0; i < from.size; ++i)
      context.out(0).copy(to.at(o, (start + i) % to.size, 0), update, from.at(o, i, 0), from.inner);
  }
  return absl::OkStatus();
}

constexpr OpRow three(std::string_view name, int since, int until, ShapeRule rule, Semantics semantics) {
  return {.name = name,
          .since = since,
          .until = until,
          .required = 3,
          .most = 3,
          .rule = rule,
          .semantics = semantics};
}

constexpr OpRow kRows[] = {
    three("Scatter", 9, 10, scatterElementsRule, scatterElements),
    three("ScatterElements", 11, kNewestOpset, scatterElementsRule, scatterElements),
    three("ScatterND", 11, kNewestOpset, scatterNDRule, scatterND),
    {.name = "TensorScatter",
     .since = 24,
     .required = 2,
     .most = 3,
     .rule = tensorScatterRule,
     .semantics = tensorScatter},
};
} // namespace

std::span<const OpRow> scatterRows() { return kRows; }

} // namespace lamina::onnx
