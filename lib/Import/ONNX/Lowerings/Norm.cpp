//===- Norm.cpp - norms and softmax ---------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/Norm.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace lamina::onnx {

Statistics statistics(Lowering &low, const RowsView &rows, ElementType type, bool centred, double epsilon) {
  Scalars &s = low.s;
  mlir::Type real = s.computed(type);
  Statistics result;
  if (centred)
    result.mean = low.compute(type, rows.outer(), [&](Indices row) {
      mlir::Value sum = rows.fold(low, row, s.real(real, 0),
                                  [&](mlir::Value sofar, mlir::Value x) { return s.add(sofar, x); });
      return s.mul(sum, s.real(real, 1.0 / rows.count()));
    });
  result.inverse = low.compute(type, rows.outer(), [&](Indices row) {
    mlir::Value mean = centred ? low.read(*result.mean, row) : mlir::Value();
    mlir::Value squares = rows.fold(low, row, s.real(real, 0), [&](mlir::Value sofar, mlir::Value x) {
      mlir::Value offset = centred ? s.sub(x, mean) : x;
      return s.add(sofar, s.mul(offset, offset));
    });
    mlir::Value variance = s.mul(squares, s.real(real, 1.0 / rows.count()));
    return s.div(s.real(real, 1), s.sqrt(s.add(variance, s.real(real, epsilon))), type);
  });
  return result;
}

void normalize(Lowering &low, Operand x, const Statistics &of, Operand scale, std::optional<Operand> bias,
               size_t output) {
  Scalars &s = low.s;
  SmallVector<Operand> operands{x, of.inverse, scale};
  if (of.mean)
    operands.push_back(*of.mean);
  if (bias)
    operands.push_back(*bias);
  low.map(output, operands, [&](Indices e) {
    ElementType type = of.inverse.type;
    mlir::Value y = s.cast(e[0], x.type, type);
    if (of.mean)
      y = s.sub(y, e[3]);
    y = s.mul(s.mul(y, e[1]), s.cast(e[2], scale.type, type));
    if (bias)
      y = s.add(y, s.cast(e.back(), bias->type, type));
    return s.cast(y, type, low.op.out(output).type());
  });
}

namespace {
using mlir::Value;

std::vector<int64_t> axesFrom(int64_t axis, int64_t rank) {
  std::vector<int64_t> axes(rank - axis);
  std::iota(axes.begin(), axes.end(), axis);
  return axes;
}

//===--- Softmax ----------------------------------------------------------------------------------------===//

template <bool Logarithm> absl::Status softmax(Lowering &low) {
  Scalars &s = low.s;
  bool flattens = low.op.opset() < 13;
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", flattens ? 1 : -1, low.op.in(0).rank()));
  ElementType sums = statisticsOf(low.op.type(0));
  mlir::Type type = s.computed(sums);
  RowsView rows(low.in(0), flattens ? axesFrom(axis, low.op.in(0).rank()) : std::vector<int64_t>{axis}, sums);
  Operand largest = low.compute(sums, rows.outer(), [&](Indices row) {
    return rows.fold(low, row, s.real(type, -INFINITY),
                     [&](Value sofar, Value x) { return s.max(sofar, x, sums); });
  });
  Operand total = low.compute(sums, rows.outer(), [&](Indices row) {
    Value shift = low.read(largest, row);
    return rows.fold(low, row, s.real(type, 0),
                     [&](Value sofar, Value x) { return s.add(sofar, s.exp(s.sub(x, shift))); });
  });
  low.map(0, {low.in(0), largest, total}, [&](Indices x) {
    Value shifted = s.sub(s.cast(x[0], low.op.type(0), sums), x[1]);
    Value y = Logarithm ? s.sub(shifted, s.log(x[2])) : s.div(s.exp(shifted), x[2], sums);
    return s.cast(y, sums, low.op.type(0));
  });
  return absl::OkStatus();
}

//===--- Norms ------------------------------------------------------------------------------------------===//

template <bool Centred> absl::Status rowNorm(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", -1, low.op.in(0).rank()));
  low.op.integer("stash_type", 1);
  ElementType type = statisticsOf(low.op.type(0));
  RowsView rows(low.in(0), axesFrom(axis, low.op.in(0).rank()), type);
  Statistics found = statistics(low, rows, type, Centred, low.op.real("epsilon", 1e-5));
  normalize(low, low.in(0), found, low.in(1), low.op.has(2) ? std::optional(low.in(2)) : std::nullopt);
  auto store = [&](size_t i, const Operand &value) {
    if (low.op.wants(i))
      low.map(i, value, [&](Indices x) { return low.s.cast(x[0], type, low.op.out(i).type()); });
  };
  if (Centred)
    store(1, *found.mean);
  store(Centred ? 2 : 1, found.inverse);
  return absl::OkStatus();
}

/// A number for each channel, so that it broadcasts to [n, channels, …].
Operand perChannel(Lowering &low, Operand vector) {
  Dims dims(low.op.in(0).rank() - 1, 1);
  dims[0] = vector.dims()[0];
  return low.reshape(vector, dims);
}

absl::Status batchNorm(Lowering &low) {
  if (low.op.integer("training_mode", 0))
    return low.op.error("training mode is not compiled; export the model for inference");
  low.op.real("momentum", 0.9);
  low.op.integer("spatial", 1);
  Scalars &s = low.s;
  double epsilon = low.op.real("epsilon", 1e-5);
  ElementType type = statisticsOf(low.op.type(0));
  Statistics given;
  given.mean = low.map(type, perChannel(low, low.in(3)).dims(), perChannel(low, low.in(3)),
                       [&](Indices x) { return s.cast(x[0], low.op.type(3), type); });
  given.inverse =
      low.map(type, perChannel(low, low.in(4)).dims(), perChannel(low, low.in(4)), [&](Indices x) {
        Value variance = s.cast(x[0], low.op.type(4), type);
        return s.div(s.real(variance.getType(), 1),
                     s.sqrt(s.add(variance, s.real(variance.getType(), epsilon))), type);
      });
  normalize(low, low.in(0), given, perChannel(low, low.in(1)), perChannel(low, low.in(2)));
  return absl::OkStatus();
}

/// Channels in groups; of an instance norm each channel is its own.
absl::Status groupNorm(Lowering &low) {
  const Dims &dims = low.op.dims(0);
  int64_t channels = dims[1];
  bool instance = low.op.node().op == "InstanceNormalization";
  int64_t groups = instance ? channels : low.op.integer("num_groups", 1);
  low.op.integer("stash_type", 1);
  if (channels == 0 || low.op.in(0).count() == 0)
    return low.set(0, low.in(0).value), absl::OkStatus();
  ElementType type = statisticsOf(low.op.type(0));
  Operand grouped =
      low.reshape(low.in(0), {dims[0], groups, channels / groups, low.op.in(0).count() / dims[0] / channels});
  RowsView rows(grouped, {2, 3}, type);
  Statistics found = statistics(low, rows, type, true, low.op.real("epsilon", 1e-5));
  auto spread = [&](Operand vector) {
    bool each = vector.dims()[0] == channels;
    return low.reshape(vector, {groups, each ? channels / groups : 1, 1});
  };
  Operand x = grouped, scale = spread(low.in(1)), bias = spread(low.in(2));
  Scalars &s = low.s;
  Operand y =
      low.map(low.op.out(0).type(), x.dims(), {x, found.inverse, scale, *found.mean, bias}, [&](Indices e) {
        Value centred = s.mul(s.sub(s.cast(e[0], x.type, type), e[3]), e[1]);
        Value scaled = s.add(s.mul(centred, s.cast(e[2], scale.type, type)), s.cast(e[4], bias.type, type));
        return s.cast(scaled, type, low.op.out(0).type());
      });
  low.set(0, low.reshape(y, dims).value);
  return absl::OkStatus();
}

absl::Status lpNorm(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(int64_t axis, low.op.axis("axis", -1, low.op.in(0).rank()));
  bool squares = low.op.integer("p", 2) == 2;
  ElementType type = statisticsOf(low.op.type(0));
  RowsView rows(low.in(0), {axis}, type);
  Operand norms = low.compute(type, rows.outer(), [&](Indices row) {
    Value sum = rows.fold(low, row, s.real(s.computed(type), 0), [&](Value sofar, Value x) {
      return s.add(sofar, squares ? s.mul(x, x) : s.abs(x));
    });
    return squares ? s.sqrt(sum) : sum;
  });
  low.map(0, {low.in(0), norms}, [&](Indices x) {
    Value none = s.real(x[1].getType(), 0), zero = s.compare(Compare::Equal, x[1], none, type);
    return s.cast(s.select(zero, none, s.div(s.cast(x[0], low.op.type(0), type), x[1], type)), type,
                  low.op.type(0));
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Softmax", softmax<false>},
    {"LogSoftmax", softmax<true>},
    {"LayerNormalization", rowNorm<true>},
    {"RMSNormalization", rowNorm<false>},
    {"SimplifiedLayerNormalization", rowNorm<false>},
    {"BatchNormalization", batchNorm},
    {"InstanceNormalization", groupNorm},
    {"GroupNormalization", groupNorm},
    {"LpNormalization", lpNorm},
};
} // namespace

std::span<const LoweringRow> normLowerings() { return kRows; }

} // namespace lamina::onnx
