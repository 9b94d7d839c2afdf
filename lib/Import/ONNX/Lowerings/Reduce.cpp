//===- Reduce.cpp - many elements along axes to one -----------------------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"
#include "lib/Import/ONNX/Lowerings/Rows.h"

#include "llvm/ADT/StringSwitch.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

enum class Kind { Sum, Mean, Max, Min, Product, L1, L2, SumSquare, LogSum, LogSumExp };

Kind kindOf(std::string_view name) {
  return llvm::StringSwitch<Kind>(llvm::StringRef(name.data(), name.size()).drop_front(6))
      .Case("Sum", Kind::Sum)
      .Case("Mean", Kind::Mean)
      .Case("Max", Kind::Max)
      .Case("Min", Kind::Min)
      .Case("Prod", Kind::Product)
      .Case("L1", Kind::L1)
      .Case("L2", Kind::L2)
      .Case("SumSquare", Kind::SumSquare)
      .Case("LogSum", Kind::LogSum)
      .Default(Kind::LogSumExp);
}

/// Which axes are reduced. The rule has checked them.
absl::StatusOr<std::vector<int64_t>> axesOf(OpContext &op) {
  std::vector<int64_t> axes = op.integers("axes");
  if (op.has(1)) {
    LAMINA_ASSIGN_OR_RETURN(axes, op.known(1));
  }
  if (axes.empty() && !op.integer("noop_with_empty_axes", 0))
    for (int64_t i = 0; i < op.in(0).rank(); ++i)
      axes.push_back(i);
  return op.normalizedAxes(std::move(axes), op.in(0).rank());
}

/// What nothing reduces to.
Value startOf(Scalars &s, Kind kind, ElementType type) {
  mlir::Type computed = s.computed(type);
  if (kind == Kind::Product)
    return s.number(computed, 1);
  if (kind != Kind::Max && kind != Kind::Min)
    return s.number(computed, 0);
  if (isReal(type))
    return s.real(computed, kind == Kind::Max ? -INFINITY : INFINITY);
  auto [least, most] = integerRange(type);
  return s.integer(computed, kind == Kind::Max ? least : most);
}

Value foldIn(Scalars &s, Kind kind, Value sofar, Value x, ElementType type) {
  switch (kind) {
  case Kind::Max:
    return s.max(sofar, x, type);
  case Kind::Min:
    return s.min(sofar, x, type);
  case Kind::Product:
    return s.mul(sofar, x);
  case Kind::L1:
    return s.add(sofar, s.abs(x));
  case Kind::L2:
  case Kind::SumSquare:
    return s.add(sofar, s.mul(x, x));
  default:
    return s.add(sofar, x);
  }
}

Value finish(Scalars &s, Kind kind, Value sum, int64_t count) {
  if (kind == Kind::Mean)
    return s.mul(sum, s.real(sum.getType(), 1.0 / count));
  if (kind == Kind::L2)
    return s.sqrt(sum);
  return kind == Kind::LogSum ? s.log(sum) : sum;
}

/// In the largest's units, so that nothing overflows.
Value logSumExp(Lowering &low, const RowsView &view, Indices row, mlir::Type type) {
  Scalars &s = low.s;
  Value least = s.real(type, -INFINITY);
  Value largest =
      view.fold(low, row, least, [&](Value sofar, Value x) { return s.max(sofar, x, ElementType::Float); });
  Value finite =
      s.select(s.compare(Compare::Less, s.abs(largest), s.real(type, INFINITY), ElementType::Float), largest,
               s.real(type, 0));
  Value sum = view.fold(low, row, s.real(type, 0),
                        [&](Value sofar, Value x) { return s.add(sofar, s.exp(s.sub(x, finite))); });
  return s.add(s.log(sum), finite);
}

absl::Status reduce(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> axes, axesOf(low.op));
  low.op.integer("keepdims", 1);
  Scalars &s = low.s;
  Kind kind = kindOf(low.op.node().op);
  ElementType type = low.op.type(0);
  bool byReals = kind == Kind::Mean || kind == Kind::L1 || kind == Kind::L2 || kind == Kind::LogSum ||
                 kind == Kind::LogSumExp;
  ElementType in = !isReal(type) && byReals ? ElementType::Float : type;
  RowsView view(low.in(0), axes, in);
  Operand rows = low.compute(type, view.outer(), [&](Indices row) {
    if (kind == Kind::LogSumExp)
      return s.cast(logSumExp(low, view, row, s.computed(in)), in, type);
    Value sum = view.fold(low, row, startOf(s, kind, in),
                          [&](Value sofar, Value x) { return foldIn(s, kind, sofar, x, in); });
    return s.cast(finish(s, kind, sum, view.count()), in, type);
  });
  low.set(0, low.reshape(rows, low.op.out(0).dims()).value);
  return absl::OkStatus();
}

template <bool Max> absl::Status arg(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", 0, low.op.in(0).rank()));
  bool last = low.op.integer("select_last_index", 0);
  low.op.integer("keepdims", 1);
  Scalars &s = low.s;
  ElementType type = low.op.type(0);
  int64_t size = low.op.dims(0)[axis];
  RowsView view(low.in(0), {axis}, type);
  Operand rows = low.compute(ElementType::Int64, view.outer(), [&](Indices row) {
    Value zero = s.index(0), first = view.read(low, row, zero);
    return s.fromIndex(low.fold({size}, {first, zero},
                                [&](Indices at, ValueRange sofar) {
                                  Value x = view.read(low, row, at[0]);
                                  Value a = Max ? sofar[0] : x, b = Max ? x : sofar[0];
                                  Value better =
                                      s.compare(last ? Compare::LessOrEqual : Compare::Less, a, b, type);
                                  return SmallVector<Value>{s.select(better, x, sofar[0]),
                                                            s.select(better, at[0], sofar[1])};
                                })[1],
                       s.getI64Type());
  });
  low.set(0, low.reshape(rows, low.op.out(0).dims()).value);
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"ReduceSum", reduce},    {"ReduceMean", reduce},      {"ReduceMax", reduce}, {"ReduceMin", reduce},
    {"ReduceProd", reduce},   {"ReduceL1", reduce},        {"ReduceL2", reduce},  {"ReduceSumSquare", reduce},
    {"ReduceLogSum", reduce}, {"ReduceLogSumExp", reduce}, {"ArgMax", arg<true>}, {"ArgMin", arg<false>},
};
} // namespace

std::span<const LoweringRow> reduceLowerings() { return kRows; }

} // namespace lamina::onnx
