//===- Order.cpp - what is computed one element after the other -----------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

/// Writes a computed element.
Value insert(Lowering &low, Value element, ElementType type, Value tensor, Indices index) {
  return tensor::InsertOp::create(low.s, low.s.narrow(element, type), tensor, index);
}

//===--- Scatter ----------------------------------------------------------------------------------------===//

/// Calls f(indices of an update) for the place in the output, and whether there is one, for all updates in order.
template <typename F> absl::Status scatter(Lowering &low, F place) {
  Scalars &s = low.s;
  ElementType type = low.op.type(0);
  std::string reduction = low.op.text("reduction", "none");
  if (low.op.in(0).count() == 0)
    return low.set(0, low.in(0).value), absl::OkStatus();
  Value result = low.fold(low.op.dims(2), low.in(0).value, [&](Indices index, ValueRange sofar) {
    auto [at, inside] = place(index);
    Operand current{sofar[0], type};
    Value old = low.read(current, at), update = low.read(low.in(2), index);
    Value merged = reduction == "add"   ? s.add(old, update)
                   : reduction == "mul" ? s.mul(old, update)
                   : reduction == "max" ? s.max(old, update, type)
                   : reduction == "min" ? s.min(old, update, type)
                                        : update;
    return SmallVector<Value>{insert(low, s.select(inside, merged, old), type, sofar[0], at)};
  })[0];
  low.set(0, result);
  return absl::OkStatus();
}

/// An index that may count from the end, kept inside, and whether it was.
std::pair<Value, Value> place(Lowering &low, Value index, ElementType type, int64_t size) {
  Value at = low.s.indexFromEnd(index, type, size);
  return {low.s.clampIndex(at, size), low.s.inRange(at, size)};
}

absl::Status scatterElements(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", 0, low.op.in(0).rank()));
  return scatter(low, [&](Indices index) {
    auto [at, inside] = place(low, low.read(low.in(1), index), low.op.type(1), low.op.dims(0)[axis]);
    SmallVector<Value> to(index);
    to[axis] = at;
    return std::pair(to, inside);
  });
}

absl::Status scatterND(Lowering &low) {
  const Dims &indices = low.op.dims(1);
  size_t outer = indices.size() - 1;
  return scatter(low, [&](Indices index) {
    SmallVector<Value> to;
    Value inside = low.s.integer(low.s.getI1Type(), 1);
    for (int64_t d = 0; d < indices.back(); ++d) {
      SmallVector<Value> from(index.take_front(outer));
      from.push_back(low.s.index(d));
      auto [at, fits] = place(low, low.read(low.in(1), from), low.op.type(1), low.op.dims(0)[d]);
      to.push_back(at);
      inside = low.s.land(inside, fits);
    }
    llvm::append_range(to, index.drop_front(outer));
    return std::pair(to, inside);
  });
}

/// A cache, what is written to it, and for each batch where; circular caches wrap around.
absl::Status tensorScatter(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", -2, low.op.in(0).rank()));
  bool circular = low.op.text("mode", "linear") == "circular";
  int64_t size = low.op.dims(0)[axis];
  Value result = low.fold(low.op.dims(1), low.in(0).value, [&](Indices index, ValueRange sofar) {
    Value start = low.op.has(2) ? s.toIndex(low.read(low.in(2), index[0]), low.op.type(2)) : s.index(0);
    Value at = s.add(start, index[axis]);
    if (circular)
      at = arith::RemUIOp::create(s, at, s.index(std::max<int64_t>(size, 1)));
    SmallVector<Value> to(index);
    to[axis] = s.clampIndex(at, size);
    Value old = low.read({sofar[0], low.op.type(0)}, to), update = low.read(low.in(1), index);
    return SmallVector<Value>{
        insert(low, s.select(s.inRange(at, size), update, old), low.op.type(0), sofar[0], to)};
  })[0];
  low.set(0, result);
  return absl::OkStatus();
}

//===--- Along an axis ----------------------------------------------------------------------------------===//

absl::Status cumSum(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> axes, low.op.known(1));
  LAMINA_ASSIGN_OR_RETURN(int64_t axis,
                          low.op.normalizedAxis(axes.empty() ? 0 : axes[0], low.op.in(0).rank()));
  bool exclusive = low.op.integer("exclusive", 0), reverse = low.op.integer("reverse", 0);
  ElementType type = low.op.type(0);
  ElementType sums = isReal(type) && type != ElementType::Double ? ElementType::Float : type;
  int64_t size = low.op.dims(0)[axis];
  mlir::Type computed = s.computed(sums);
  Value result =
      low.fold(low.op.dims(0), low.empty(sums, low.op.dims(0)), [&](Indices index, ValueRange sofar) {
        SmallVector<Value> at(index), before(index);
        if (reverse)
          at[axis] = s.sub(s.index(size - 1), index[axis]);
        before[axis] =
            s.clampIndex(reverse ? s.add(at[axis], s.index(1)) : s.sub(at[axis], s.index(1)), size);
        Value first = s.compare(Compare::Equal, index[axis], s.index(0), ElementType::Int64);
        Value sum = s.select(first, s.number(computed, 0), low.read({sofar[0], sums}, before));
        auto element = [&](Indices where) { return s.cast(low.read(low.in(0), where), type, sums); };
        Value addend = exclusive ? s.select(first, s.number(computed, 0), element(before)) : element(at);
        return SmallVector<Value>{insert(low, s.add(sum, addend), sums, sofar[0], at)};
      })[0];
  low.map(0, Operand{result, sums}, [&](Indices x) { return s.cast(x[0], sums, type); });
  return absl::OkStatus();
}

/// NaN counts as the largest.
Value lessOrNaN(Scalars &s, Value a, Value b, ElementType type) {
  Value less = s.compare(Compare::Less, a, b, type);
  return isReal(type) ? s.land(s.lnot(s.isNaN(a)), s.lor(s.isNaN(b), less)) : less;
}

/// Each element's rank is how many come before it: more work than sorting, but the loops know nothing of each other.
absl::Status topK(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", -1, low.op.in(0).rank()));
  bool largest = low.op.integer("largest", 1);
  low.op.integer("sorted", 1);
  low.op.integer("k", -1);
  ElementType type = low.op.type(0), i64 = ElementType::Int64;
  const Dims &dims = low.op.dims(0);
  auto element = [&](Indices row, Value along) {
    SmallVector<Value> at(row);
    at[axis] = along;
    return low.read(low.in(0), at);
  };
  Operand ranks = low.compute(i64, dims, [&](Indices index) {
    Value own = low.read(low.in(0), index);
    return low.sum({dims[axis]}, s.getI64Type(), [&](Indices other) {
      Value x = element(index, other[0]);
      Value before = largest ? lessOrNaN(s, own, x, type) : lessOrNaN(s, x, own, type);
      Value after = largest ? lessOrNaN(s, x, own, type) : lessOrNaN(s, own, x, type);
      Value earlier = s.compare(Compare::Less, other[0], index[axis], i64);
      Value first = s.lor(before, s.land(s.lnot(after), earlier));
      return s.cast(first, ElementType::Bool, i64);
    });
  });
  Dims taken = (low.op.wants(0) ? low.op.out(0) : low.op.out(1)).dims();
  Operand chosen = low.compute(i64, taken, [&](Indices index) {
    Value wanted = s.fromIndex(index[axis], s.getI64Type());
    return low.sum({dims[axis]}, s.getI64Type(), [&](Indices other) {
      SmallVector<Value> at(index);
      at[axis] = other[0];
      Value here = s.compare(Compare::Equal, low.read(ranks, at), wanted, i64);
      return s.select(here, s.fromIndex(other[0], s.getI64Type()), s.integer(s.getI64Type(), 0));
    });
  });
  if (low.op.wants(0))
    low.compute(0, [&](Indices index) { return element(index, s.toIndex(low.read(chosen, index), i64)); });
  low.set(low.op.numOutputs() > 1 ? 1 : 0, low.op.numOutputs() > 1 ? chosen.value : low.result(0));
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Scatter", scatterElements}, {"ScatterElements", scatterElements},
    {"ScatterND", scatterND},     {"TensorScatter", tensorScatter},
    {"CumSum", cumSum},           {"TopK", topK},
};
} // namespace

std::span<const LoweringRow> orderLowerings() { return kRows; }

} // namespace lamina::onnx
