//===- Movement.cpp - elements to other places ----------------------------------------------------------===//
//
// Where each element of a result comes from is asked of the reference semantics: they are run over the numbers of the
// elements. What comes out is a sum over the axes, for all operators here, so the loops compute it from the index.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <numeric>
#include <optional>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

constexpr int64_t kNowhere = std::numeric_limits<int64_t>::min();
/// Elements that are numbered, each by eight bytes here.
constexpr int64_t kMostElements = int64_t{1} << 28;

/// The element of the first input that an output's element with index i is: base + the sum of along[axis][i[axis]]; none where
/// an addend is kNowhere.
struct Sources {
  int64_t base = 0;
  std::vector<std::vector<int64_t>> along;

  int64_t at(const Dims &index) const {
    int64_t sum = base;
    for (size_t axis = 0; axis < along.size(); ++axis) {
      if (along[axis][index[axis]] == kNowhere)
        return kNowhere;
      sum += along[axis][index[axis]];
    }
    return sum;
  }
};

/// The numbers of the elements of the first input where they come to lie in output `i`, counted from 1; 0: nowhere.
absl::StatusOr<std::vector<int64_t>> elementNumbers(Lowering &low, size_t i) {
  const OpContext &op = low.op;
  if (std::max(op.in(0).count(), op.out(i).count()) > kMostElements)
    return op.error("moves more than ", kMostElements,
                    " elements, which is not compiled: ", op.in(0).describe(), " to ", op.out(i).describe());
  std::vector<Tensor> inputs;
  for (size_t n = 0; n < op.numInputs(); ++n)
    inputs.push_back(op.in(n));
  std::vector<int64_t> numbers(op.in(0).count());
  std::iota(numbers.begin(), numbers.end(), 1);
  inputs[0] = Tensor::ofIntegers(numbers, op.dims(0));
  if (op.node().op == "Pad" && op.has(2))
    inputs[2] = Tensor::ofIntegers(std::vector<int64_t>{0}, op.dims(2));
  OpContext run(op.node(), op.opset(), std::move(inputs), op.host());
  LAMINA_ASSIGN_OR_RETURN(const OpRow *row, findRow(op.node(), op.opset()));
  LAMINA_RETURN_IF_ERROR(row->rule(run));
  for (size_t n = 0; n < run.numOutputs(); ++n)
    run.out(n).allocate();
  LAMINA_RETURN_IF_ERROR(row->semantics(run));
  return run.out(i).integers();
}

absl::StatusOr<Sources> sourcesOf(Lowering &low, size_t output) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> numbers, elementNumbers(low, output));
  const Dims &dims = low.op.out(output).dims();
  Dims strides = stridesOf(dims);
  Sources sources;
  int64_t some = 0; // an element that comes from somewhere
  while (some < static_cast<int64_t>(numbers.size()) && numbers[some] == 0)
    ++some;
  bool none = some == static_cast<int64_t>(numbers.size());
  sources.base = none ? 0 : numbers[some] - 1;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    std::vector<int64_t> &along = sources.along.emplace_back(dims[axis], none ? kNowhere : 0);
    for (int64_t j = 0; !none && j < dims[axis]; ++j) {
      int64_t number = numbers[some + (j - some / strides[axis] % dims[axis]) * strides[axis]];
      along[j] = number == 0 ? kNowhere : number - 1 - sources.base;
    }
  }
  Dims index(dims.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    for (size_t axis = 0; axis < dims.size(); ++axis)
      index[axis] = static_cast<int64_t>(i) / strides[axis] % dims[axis];
    int64_t source = sources.at(index);
    if ((source == kNowhere ? 0 : source + 1) != numbers[i] && !(none && numbers[i] == 0))
      return low.op.error("moves elements in a way that is not compiled");
  }
  return sources;
}

/// base + stride * j, if that is what it is.
std::optional<int64_t> strideOf(const std::vector<int64_t> &along) {
  int64_t stride = along.size() > 1 && along[0] != kNowhere && along[1] != kNowhere ? along[1] - along[0] : 0;
  for (size_t j = 0; j < along.size(); ++j)
    if (along[j] == kNowhere || along[j] != along[0] + stride * static_cast<int64_t>(j))
      return std::nullopt;
  return stride;
}

Operand constantTable(Lowering &low, const std::vector<int64_t> &numbers) {
  Dims dims{static_cast<int64_t>(numbers.size())};
  auto type = low.tensorType(ElementType::Int64, dims);
  return {arith::ConstantOp::create(low.s, DenseElementsAttr::get(type, ArrayRef<int64_t>(numbers))),
          ElementType::Int64};
}

/// `fill` gives an element that comes from nowhere.
absl::Status moveTo(Lowering &low, size_t output, llvm::function_ref<Value()> fill) {
  LAMINA_ASSIGN_OR_RETURN(Sources sources, sourcesOf(low, output));
  if (low.op.out(output).count() == 0)
    return low.set(output, low.empty(low.op.out(output).type(), low.op.out(output).dims())), absl::OkStatus();
  Scalars &s = low.s;
  Operand flat = low.reshape(low.in(0), {low.op.in(0).count()});
  std::vector<std::optional<int64_t>> strides;
  std::vector<Operand> tables(sources.along.size());
  for (size_t axis = 0; axis < sources.along.size(); ++axis) {
    strides.push_back(strideOf(sources.along[axis]));
    if (strides[axis])
      sources.base += sources.along[axis][0];
    else
      tables[axis] = constantTable(low, sources.along[axis]);
  }
  low.compute(output, [&](Indices index) {
    Value at = s.index(sources.base), inside;
    for (size_t axis = 0; axis < strides.size(); ++axis) {
      Value step;
      if (strides[axis]) {
        step = s.mul(index[axis], s.index(*strides[axis]));
      } else {
        Value entry = low.read(tables[axis], index[axis]);
        if (!llvm::is_contained(sources.along[axis], kNowhere)) {
          at = s.add(at, s.toIndex(entry, ElementType::Int64));
          continue;
        }
        Value found = s.lnot(
            s.compare(Compare::Equal, entry, s.integer(entry.getType(), kNowhere), ElementType::Int64));
        inside = inside ? s.land(inside, found) : found;
        step = s.toIndex(s.select(found, entry, s.integer(entry.getType(), 0)), ElementType::Int64);
      }
      at = s.add(at, step);
    }
    if (!inside)
      return low.readRaw(flat, at);
    if (flat.dims()[0] == 0)
      return fill();
    Value element = low.readRaw(flat, s.clampIndex(at, flat.dims()[0]));
    return s.select(inside, element, fill());
  });
  return absl::OkStatus();
}

absl::Status move(Lowering &low) {
  for (size_t i = 0; i < low.op.numOutputs(); ++i)
    if (low.op.wants(i))
      LAMINA_RETURN_IF_ERROR(moveTo(low, i, nullptr));
  return absl::OkStatus();
}

absl::Status pad(Lowering &low) {
  std::optional<Operand> given;
  if (low.op.has(2))
    given = low.reshape(low.in(2), {});
  double value = low.op.real("value", 0);
  return moveTo(low, 0, [&] {
    return given ? low.readRaw(*given, {}) : low.s.number(low.s.storage(low.op.type(0)), value);
  });
}

absl::Status reshape(Lowering &low) {
  low.set(0, low.reshape(low.in(0), low.op.out(0).dims()).value);
  return absl::OkStatus();
}

absl::Status concat(Lowering &low) {
  const Tensor &out = low.op.out(0);
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", 0, out.rank()));
  Value result = low.empty(out.type(), out.dims());
  auto numbers = [&](const Dims &values) {
    SmallVector<OpFoldResult> attributes;
    for (int64_t value : values)
      attributes.push_back(low.s.getIndexAttr(value));
    return attributes;
  };
  Dims offsets(out.rank(), 0), steps(out.rank(), 1);
  for (size_t n = 0; n < low.op.numInputs(); ++n) {
    const Dims &dims = low.op.dims(n);
    if (low.op.in(n).count() != 0)
      result = tensor::InsertSliceOp::create(low.s, low.in(n).value, result, numbers(offsets), numbers(dims),
                                             numbers(steps));
    offsets[axis] += dims[axis];
  }
  low.set(0, result);
  return absl::OkStatus();
}

/// The diagonal may be known only when the model runs.
absl::Status trilu(Lowering &low) {
  Scalars &s = low.s;
  bool upper = low.op.integer("upper", 1);
  std::optional<Operand> diagonal;
  if (low.op.has(1))
    diagonal = low.reshape(low.in(1), {});
  low.compute(0, [&](Indices index) {
    Value k = diagonal ? low.read(*diagonal, {}) : s.integer(s.getI64Type(), 0);
    Value column = s.fromIndex(index.back(), s.getI64Type()),
          row = s.fromIndex(index[index.size() - 2], s.getI64Type());
    Value above = s.sub(column, row), element = low.readRaw(low.in(0), index);
    Value kept = upper ? s.compare(Compare::LessOrEqual, k, above, ElementType::Int64)
                       : s.compare(Compare::LessOrEqual, above, k, ElementType::Int64);
    return s.select(kept, element, s.number(element.getType(), 0));
  });
  return absl::OkStatus();
}

//===--- By indices, which are kept inside --------------------------------------------------------------===//

/// What lies outside, which the standard forbids, becomes the nearest.
Value axisIndex(Lowering &low, Value index, ElementType type, int64_t size) {
  return low.s.clampIndex(low.s.indexFromEnd(index, type, size), size);
}

absl::Status gather(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", 0, low.op.in(0).rank()));
  size_t depth = low.op.dims(1).size();
  low.compute(0, [&](Indices index) {
    Value at = low.read(low.in(1), index.slice(axis, depth));
    SmallVector<Value> from(index.take_front(axis));
    from.push_back(axisIndex(low, at, low.op.type(1), low.op.dims(0)[axis]));
    llvm::append_range(from, index.drop_front(axis + depth));
    return low.readRaw(low.in(0), from);
  });
  return absl::OkStatus();
}

absl::Status gatherElements(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", 0, low.op.in(0).rank()));
  low.compute(0, [&](Indices index) {
    SmallVector<Value> from(index);
    from[axis] = axisIndex(low, low.read(low.in(1), index), low.op.type(1), low.op.dims(0)[axis]);
    return low.readRaw(low.in(0), from);
  });
  return absl::OkStatus();
}

absl::Status gatherND(Lowering &low) {
  const Dims &indices = low.op.dims(1);
  int64_t batch = low.op.integer("batch_dims", 0), depth = indices.back();
  size_t outer = indices.size() - 1;
  low.compute(0, [&](Indices index) {
    SmallVector<Value> from(index.take_front(batch));
    for (int64_t d = 0; d < depth; ++d) {
      SmallVector<Value> place(index.take_front(outer));
      place.push_back(low.s.index(d));
      from.push_back(axisIndex(low, low.read(low.in(1), place), low.op.type(1), low.op.dims(0)[batch + d]));
    }
    llvm::append_range(from, index.drop_front(outer));
    return low.readRaw(low.in(0), from);
  });
  return absl::OkStatus();
}

absl::Status oneHot(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", -1, low.op.in(0).rank() + 1));
  ElementType type = low.op.type(0);
  Operand values = low.in(2);
  int64_t size = low.op.out(0).dims()[axis];
  low.compute(0, [&](Indices index) {
    SmallVector<Value> from(index);
    from.erase(from.begin() + axis);
    Value hot = s.cast(low.read(low.in(0), from), type, ElementType::Int64);
    Value negative = s.compare(Compare::Less, hot, s.integer(hot.getType(), 0), ElementType::Int64);
    hot = s.select(negative, s.add(hot, s.integer(hot.getType(), size)), hot);
    Value here = s.fromIndex(index[axis], s.getI64Type());
    Value on = s.compare(Compare::Equal, hot, here, ElementType::Int64);
    return s.select(on, low.readRaw(values, s.index(1)), low.readRaw(values, s.index(0)));
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Transpose", move},    {"Expand", move},
    {"Tile", move},         {"Slice", move},
    {"Split", move},        {"Pad", pad},
    {"Concat", concat},     {"Reshape", reshape},
    {"Flatten", reshape},   {"Squeeze", reshape},
    {"Unsqueeze", reshape}, {"Trilu", trilu},
    {"Gather", gather},     {"GatherElements", gatherElements},
    {"GatherND", gatherND}, {"OneHot", oneHot},
};
} // namespace

std::span<const LoweringRow> movementLowerings() { return kRows; }

} // namespace lamina::onnx
