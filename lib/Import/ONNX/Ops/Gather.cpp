//===- Gather.cpp - elements named by indices -----------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
absl::Status outside(const OpContext &context, int64_t index, int64_t size) {
  return context.error("index ", index, " is outside of an axis of size ", size);
}

/// Negative indices count from the end.
bool normalize(int64_t &index, int64_t size) {
  index += index < 0 ? size : 0;
  return index >= 0 && index < size;
}

absl::Status gatherRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  Dims dims = context.dims(0);
  dims.erase(dims.begin() + axis);
  dims.insert(dims.begin() + axis, context.dims(1).begin(), context.dims(1).end());
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status gather(OpContext &context) {
  const Tensor &x = context.in(0), &indices = context.in(1);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, x.rank()));
  AxisView from(x.dims(), axis);
  for (int64_t o = 0; o < from.outer; ++o)
    for (int64_t i = 0; i < indices.count(); ++i) {
      int64_t index = indices.integer(i);
      if (!normalize(index, from.size))
        return outside(context, index, from.size);
      context.out(0).copy((o * indices.count() + i) * from.inner, x, from.at(o, index, 0), from.inner);
    }
  return absl::OkStatus();
}

/// The offset that replaces the coordinate along `axis` by an index, for each element of the indices' shape.
absl::Status gatherElementsRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, context.in(0).rank()));
  LAMINA_RETURN_IF_ERROR(context.expectRank(1, context.in(0).rank(), context.in(0).rank()));
  for (int64_t i = 0; i < context.in(0).rank(); ++i)
    if (i != axis && context.dims(1)[i] > context.dims(0)[i])
      return context.error("indices of shape ", context.in(1).describe(), " exceed ",
                           context.in(0).describe());
  context.result(0, context.type(0), context.dims(1));
  return absl::OkStatus();
}

absl::Status gatherElements(OpContext &context) {
  const Tensor &x = context.in(0), &indices = context.in(1);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", 0, x.rank()));
  Dims strides = stridesOf(x.dims());
  int64_t along = std::exchange(strides[axis], 0), size = x.dims()[axis];
  absl::Status status;
  walk<1>(indices.dims(), {strides}, [&](int64_t i, const std::array<int64_t, 1> &at) {
    int64_t index = indices.integer(i);
    if (normalize(index, size))
      context.out(0).copy(i, x, at[0] + index * along);
    else
      status = outside(context, index, size);
  });
  return status;
}

/// How GatherND reads: `batch` leading axes are common, then `depth` coordinates name a block of `inner`
/// elements.
struct Coordinates {
  int64_t batch = 0, depth = 0, batches = 0, perBatch = 0, inner = 0;
};

absl::StatusOr<Coordinates> coordinatesOf(OpContext &context) {
  const Dims &x = context.dims(0), &indices = context.dims(1);
  Coordinates c;
  c.batch = context.integer("batch_dims", 0);
  if (c.batch < 0 || c.batch >= static_cast<int64_t>(indices.size()) ||
      c.batch >= static_cast<int64_t>(x.size()) ||
      !std::equal(x.begin(), x.begin() + c.batch, indices.begin()))
    return context.error("the first ", c.batch, " axes of ", context.in(0).describe(), " and ",
                         context.in(1).describe(), " are not common");
  c.depth = indices.back();
  if (c.depth < 0 || c.batch + c.depth > static_cast<int64_t>(x.size()))
    return context.error(c.depth, " coordinates are too many for ", context.in(0).describe());
  c.batches = elementCount(std::span(x).first(c.batch));
  c.perBatch = elementCount(std::span(indices).subspan(c.batch, indices.size() - c.batch - 1));
  c.inner = elementCount(std::span(x).subspan(c.batch + c.depth));
  return c;
}

absl::Status gatherNDRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Coordinates c, coordinatesOf(context));
  Dims dims(context.dims(1).begin(), context.dims(1).end() - 1);
  dims.insert(dims.end(), context.dims(0).begin() + c.batch + c.depth, context.dims(0).end());
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status gatherND(OpContext &context) {
  const Tensor &x = context.in(0), &indices = context.in(1);
  LAMINA_ASSIGN_OR_RETURN(Coordinates c, coordinatesOf(context));
  for (int64_t i = 0; i < c.batches * c.perBatch; ++i) {
    int64_t block = i / c.perBatch;
    for (int64_t d = 0; d < c.depth; ++d) {
      int64_t size = x.dims()[c.batch + d], index = indices.integer(i * c.depth + d);
      if (!normalize(index, size))
        return outside(context, index, size);
      block = block * size + index;
    }
    context.out(0).copy(i * c.inner, x, block * c.inner, c.inner);
  }
  return absl::OkStatus();
}

/// The places of nonzero elements, one column each; how many there are only the elements say.
absl::Status nonZeroRule(OpContext &context) {
  const Tensor &x = context.in(0);
  if (!x.hasData())
    return absl::FailedPreconditionError(strCat(
        context.node().describe(), ": the shape of the result depends on values that the model computes"));
  int64_t count = 0;
  for (int64_t i = 0; i < x.count(); ++i)
    count += x.real(i) != 0;
  context.result(0, ElementType::Int64, {x.rank(), count});
  return absl::OkStatus();
}

absl::Status nonZero(OpContext &context) {
  const Tensor &x = context.in(0);
  Tensor &y = context.out(0);
  Dims strides = stridesOf(x.dims());
  int64_t column = 0, columns = y.dims()[1];
  for (int64_t i = 0; i < x.count(); ++i)
    if (x.real(i) != 0) {
      for (int64_t axis = 0; axis < x.rank(); ++axis)
        y.setInteger(axis * columns + column, i / strides[axis] % x.dims()[axis]);
      ++column;
    }
  return absl::OkStatus();
}

/// The values are off and on. Rank grows by one at `axis`.
absl::Status oneHotRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, context.in(0).rank() + 1));
  LAMINA_RETURN_IF_ERROR(context.expectDims(2, {2}));
  if (context.in(1).count() != 1)
    return context.error("expected one number as depth, got ", context.in(1).describe());
  if (!context.in(1).hasData())
    return absl::FailedPreconditionError(
        strCat(context.node().describe(),
               ": the shape of the result needs the depth, which is not known before the model runs"));
  Dims dims = context.dims(0);
  dims.insert(dims.begin() + axis, context.in(1).integer(0));
  context.result(0, context.type(2), std::move(dims));
  return absl::OkStatus();
}

absl::Status oneHot(OpContext &context) {
  const Tensor &indices = context.in(0);
  Tensor &y = context.out(0);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, context.axis("axis", -1, indices.rank() + 1));
  AxisView to(y.dims(), axis);
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t inner = i % to.inner, along = i / to.inner % to.size, outer = i / to.inner / to.size;
    int64_t index = indices.integer(outer * to.inner + inner);
    y.copy(i, context.in(2), normalize(index, to.size) && index == along);
  }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Gather", .required = 2, .most = 2, .rule = gatherRule, .semantics = gather},
    {.name = "GatherElements",
     .since = 11,
     .required = 2,
     .most = 2,
     .rule = gatherElementsRule,
     .semantics = gatherElements},
    {.name = "GatherND", .since = 11, .required = 2, .most = 2, .rule = gatherNDRule, .semantics = gatherND},
    {.name = "NonZero", .since = 9, .rule = nonZeroRule, .semantics = nonZero},
    {.name = "OneHot", .since = 9, .required = 3, .most = 3, .rule = oneHotRule, .semantics = oneHot},
};
} // namespace

std::span<const OpRow> gatherRows() { return kRows; }

} // namespace lamina::onnx
