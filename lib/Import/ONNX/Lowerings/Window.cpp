//===- Window.cpp - convolutions and pools --------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"
#include "lib/Import/ONNX/Ops/Windows.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

struct Place {
  SmallVector<Value> at; // kept inside
  Value inside;          // whether it lies in the input
  Value padded;          // or in the padding
};

/// The place in the input that an index of the kernel covers in a window.
Place placeOf(Scalars &s, const Windows &w, Indices window, Indices kernel) {
  Value always = s.integer(s.getI1Type(), 1);
  Place result{{}, always, always};
  for (size_t i = 0; i < w.input.size(); ++i) {
    Value padded = s.add(s.mul(window[i], s.index(w.strides[i])), s.mul(kernel[i], s.index(w.dilations[i])));
    Value place = s.sub(padded, s.index(w.before[i]));
    result.inside = s.land(result.inside, s.inRange(place, w.input[i]));
    result.padded = s.land(result.padded, s.inRange(padded, w.before[i] + w.input[i] + w.after[i]));
    result.at.push_back(s.clampIndex(place, w.input[i]));
  }
  return result;
}

/// The sums in `type`; `x` and `weight` turn elements into what is multiplied.
template <typename X, typename W>
absl::StatusOr<Operand> convolve(Lowering &low, ElementType type, const Dims &result, X x, W weight) {
  Scalars &s = low.s;
  const Dims &weights = low.op.dims(1);
  LAMINA_ASSIGN_OR_RETURN(Windows w, windowsOf(low.op, Dims(weights.begin() + 2, weights.end())));
  int64_t group = low.op.integer("group", 1), perGroup = std::max<int64_t>(weights[0] / group, 1);
  Dims sizes(weights.begin() + 1, weights.end()); // channels of a group, then the kernel
  return low.compute(type, result, [&](Indices index) {
    Value ofGroup = arith::DivUIOp::create(s, index[1], s.index(perGroup));
    Value first = s.mul(ofGroup, s.index(weights[1]));
    return low.sum(sizes, s.computed(type), [&](Indices term) {
      auto [at, inside, padded] = placeOf(s, w, index.drop_front(2), term.drop_front());
      SmallVector<Value> from{index[0], s.add(first, term[0])}, factor{index[1]};
      llvm::append_range(from, at);
      llvm::append_range(factor, term);
      Value product = s.mul(x(from), weight(factor, index[1]));
      return s.select(inside, product, s.number(product.getType(), 0));
    });
  });
}

absl::Status conv(Lowering &low) {
  Scalars &s = low.s;
  ElementType type = low.op.type(0), sums = type == ElementType::Double ? type : ElementType::Float;
  LAMINA_ASSIGN_OR_RETURN(Operand y, convolve(
                                         low, sums, low.op.out(0).dims(),
                                         [&](Indices at) { return low.read(low.in(0), at); },
                                         [&](Indices at, Value) { return low.read(low.in(1), at); }));
  SmallVector<Operand> operands{y};
  if (low.op.has(2)) {
    Dims dims(low.op.in(0).rank() - 1, 1);
    dims[0] = low.op.dims(2)[0];
    operands.push_back(low.reshape(low.in(2), dims));
  }
  low.map(0, operands, [&](Indices x) { return x.size() > 1 ? s.add(x[0], x[1]) : x[0]; });
  return absl::OkStatus();
}

absl::Status convInteger(Lowering &low) {
  Scalars &s = low.s;
  ElementType i32 = ElementType::Int32;
  auto without = [&](size_t i, size_t zero, Indices at, Value point) {
    Value x = s.cast(low.read(low.in(i), at), low.op.type(i), i32);
    return low.op.has(zero) ? s.sub(x, s.cast(point, low.op.type(zero), i32)) : x;
  };
  std::optional<Operand> xZero, wZero;
  if (low.op.has(2))
    xZero = low.reshape(low.in(2), {});
  if (low.op.has(3))
    wZero = low.reshape(low.in(3), {low.op.in(3).count()});
  auto x = [&](Indices at) { return without(0, 2, at, xZero ? low.read(*xZero, {}) : Value()); };
  auto weight = [&](Indices at, Value channel) {
    Value point = wZero ? low.readBroadcast(*wZero, channel) : Value();
    return without(1, 3, at, point);
  };
  LAMINA_ASSIGN_OR_RETURN(Operand y, convolve(low, i32, low.op.out(0).dims(), x, weight));
  low.set(0, y.value);
  return absl::OkStatus();
}

/// Folds over the elements of each window that lie in the input; one that has none is 0.
absl::Status averagePool(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(Windows w, windowsOf(low.op));
  bool countPads = low.op.integer("count_include_pad", 0);
  mlir::Type type = s.computed(low.op.type(0));
  Value zero = s.real(type, 0);
  low.compute(0, [&](Indices index) {
    SmallVector<Value> sums = low.fold(w.kernel, {zero, zero}, [&](Indices kernel, ValueRange sofar) {
      auto [at, inside, padded] = placeOf(s, w, index.drop_front(2), kernel);
      SmallVector<Value> from(index.take_front(2));
      llvm::append_range(from, at);
      Value x = s.select(inside, low.read(low.in(0), from), s.real(type, 0));
      Value one = s.select(countPads ? padded : inside, s.real(type, 1), s.real(type, 0));
      return SmallVector<Value>{s.add(sofar[0], x), s.add(sofar[1], one)};
    });
    return s.div(sums[0], s.max(sums[1], s.real(type, 1), low.op.type(0)), low.op.type(0));
  });
  return absl::OkStatus();
}

absl::Status maxPool(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(Windows w, windowsOf(low.op));
  bool columns = low.op.integer("storage_order", 0);
  ElementType type = low.op.type(0);
  auto best = [&](Indices index) {
    SmallVector<Value> initial{s.number(s.computed(type), emptyMaximum(type)), s.index(0),
                               s.integer(s.getI1Type(), 0)};
    return low.fold(w.kernel, initial, [&](Indices kernel, ValueRange sofar) {
      auto [at, inside, padded] = placeOf(s, w, index.drop_front(2), kernel);
      SmallVector<Value> from(index.take_front(2));
      llvm::append_range(from, at);
      Value x = low.read(low.in(0), from), place = s.index(0);
      for (size_t i = 0; i < at.size(); ++i) {
        size_t axis = columns ? at.size() - 1 - i : i;
        place = s.add(s.mul(place, s.index(w.input[axis])), at[axis]);
      }
      Value better = s.lor(s.lnot(sofar[2]), s.compare(Compare::Less, sofar[0], x, type));
      Value takes = s.land(inside, better);
      return SmallVector<Value>{s.select(takes, x, sofar[0]), s.select(takes, place, sofar[1]),
                                s.lor(sofar[2], inside)};
    });
  };
  if (low.op.wants(0))
    low.compute(0, [&](Indices index) { return best(index)[0]; });
  if (low.op.wants(1))
    low.compute(1, [&](Indices index) {
      Value image = s.add(s.mul(index[0], s.index(low.op.dims(0)[1])), index[1]);
      Value at = s.add(s.mul(image, s.index(elementCount(w.input))), best(index)[1]);
      return s.fromIndex(at, s.getI64Type());
    });
  return absl::OkStatus();
}

absl::Status globalAverage(Lowering &low) {
  Scalars &s = low.s;
  Dims sizes(low.op.dims(0).begin() + 2, low.op.dims(0).end());
  mlir::Type type = s.computed(low.op.type(0));
  low.compute(0, [&](Indices index) {
    Value sum = low.sum(sizes, type, [&](Indices along) {
      SmallVector<Value> at(index.take_front(2));
      llvm::append_range(at, along);
      return low.read(low.in(0), at);
    });
    return s.div(sum, s.real(type, elementCount(sizes)), low.op.type(0));
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Conv", conv},       {"ConvInteger", convInteger},         {"AveragePool", averagePool},
    {"MaxPool", maxPool}, {"GlobalAveragePool", globalAverage},
};
} // namespace

std::span<const LoweringRow> windowLowerings() { return kRows; }

} // namespace lamina::onnx
