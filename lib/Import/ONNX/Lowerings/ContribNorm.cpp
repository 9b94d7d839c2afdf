//===- ContribNorm.cpp - onnxruntime's norms with a sum or an embedding before them ---------------------===//

#include "lib/Import/ONNX/Lowerings/Norm.h"

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

/// Norms the rows of a sum into output 0.
void normRows(Lowering &low, const Operand &sum, bool centred, size_t gamma, std::optional<size_t> beta) {
  double epsilon = low.op.real("epsilon", 1e-12);
  RowsView rows(sum, {static_cast<int64_t>(sum.dims().size()) - 1}, sum.type);
  Statistics found = statistics(low, rows, sum.type, centred, epsilon);
  std::optional<Operand> shift;
  if (beta && low.op.has(*beta))
    shift = low.in(*beta);
  normalize(low, sum, found, low.in(gamma), shift);
}

/// Inputs: x, what is added to it, gamma, of a layer norm beta, a bias. Outputs: y, two statistics, the sum.
absl::Status skipNorm(Lowering &low) {
  Scalars &s = low.s;
  bool centred = low.op.node().op == "SkipLayerNormalization";
  size_t bias = centred ? 4 : 3;
  if (low.op.wants(1) || low.op.wants(2))
    return low.op.error("gives statistics, which is not compiled; export the model for inference");
  ElementType type = statisticsOf(low.op.type(0));
  SmallVector<Operand> addends{low.in(0), low.in(1)};
  if (low.op.has(bias))
    addends.push_back(low.in(bias));
  Operand sum = low.map(type, low.op.dims(0), addends, [&](Indices x) {
    Value y = s.cast(x[0], low.op.type(0), type);
    for (Value addend : x.drop_front())
      y = s.add(y, s.cast(addend, low.op.type(0), type));
    return y;
  });
  normRows(low, sum, centred, 2, centred ? std::optional<size_t>(3) : std::nullopt);
  if (low.op.wants(3))
    low.map(3, sum, [&](Indices x) { return s.cast(x[0], type, low.op.out(3).type()); });
  return absl::OkStatus();
}

enum Embed { Ids, Segments, Words, Positions, SegmentTable, Gamma, Beta, Mask, PositionIds };

/// Of each sequence, how many tokens the mask leaves; 0 without a mask, as onnxruntime has it.
void countTokens(Lowering &low) {
  Scalars &s = low.s;
  low.compute(1, [&](Indices index) {
    if (!low.op.has(Mask))
      return s.integer(s.getI32Type(), 0);
    return low.sum({low.op.dims(Ids)[1]}, s.getI32Type(), [&](Indices token) {
      Value mask = low.read(low.in(Mask), {index[0], token[0]});
      Value counts = s.compare(Compare::Equal, mask, s.integer(mask.getType(), 1), low.op.type(Mask));
      return s.cast(counts, ElementType::Bool, ElementType::Int32);
    });
  });
}

/// Ids outside of a table, which would be an error, are moved inside.
absl::Status embed(Lowering &low) {
  Scalars &s = low.s;
  ElementType type = statisticsOf(low.op.type(Words));
  Operand sum = low.compute(type, low.op.out(0).dims(), [&](Indices index) {
    auto row = [&](size_t table, Value at) {
      Value element = low.read(low.in(table), {s.clampIndex(at, low.op.dims(table)[0]), index[2]});
      return s.cast(element, low.op.type(table), type);
    };
    auto idIn = [&](size_t ids) {
      return s.toIndex(low.readBroadcast(low.in(ids), index.take_front(2)), low.op.type(ids));
    };
    Value y =
        s.add(row(Words, idIn(Ids)), row(Positions, low.op.has(PositionIds) ? idIn(PositionIds) : index[1]));
    return low.op.has(Segments) ? s.add(y, row(SegmentTable, idIn(Segments))) : y;
  });
  normRows(low, sum, true, Gamma, Beta);
  if (low.op.wants(1))
    countTokens(low);
  if (low.op.wants(2))
    low.map(2, sum, [&](Indices x) { return s.cast(x[0], type, low.op.out(2).type()); });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"SkipLayerNormalization", skipNorm, kContrib},
    {"SkipSimplifiedLayerNormalization", skipNorm, kContrib},
    {"EmbedLayerNormalization", embed, kContrib},
};
} // namespace

std::span<const LoweringRow> contribNormLowerings() { return kRows; }

} // namespace lamina::onnx
