//===- RaiseRotary.cpp - rotations written as products with cosines and sines ------------------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMRAISEROTARYPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

/// How one element of a row is rotated: the first of a pair, the second, or not at all.
struct Turn {
  enum Kind { None, First, Second } kind = None;
  int64_t partner = 0;  ///< the other of the pair
  double frequency = 0; ///< radians per position
};

std::optional<Turn> turnOf(int64_t element, ArrayRef<RowTerm> terms, RopeTableOp waves) {
  if (terms.size() == 1 && terms[0].angle < 0)
    return terms[0].factor == 1 && terms[0].element == element ? std::optional(Turn{}) : std::nullopt;
  if (terms.size() != 2)
    return std::nullopt;
  RowTerm own = terms[0].element == element ? terms[0] : terms[1], other = terms[0].element == element ? terms[1] : terms[0];
  ArrayRef<double> frequencies = waves.getFrequencies();
  auto count = int64_t(frequencies.size());
  // x[element] · cos ∓ x[partner] · sin, of one frequency.
  if (own.element != element || other.element == element || own.factor != 1 || std::abs(other.factor) != 1 ||
      own.angle < 0 || own.angle >= count || other.angle < count ||
      frequencies[own.angle] != frequencies[other.angle - count])
    return std::nullopt;
  auto kind = other.factor < 0 ? Turn::First : Turn::Second;
  return Turn{kind, other.element, frequencies[own.angle]};
}

/// The heads of a row, of which the first `2 · frequencies` elements are rotated, halves against each other.
struct Rotation {
  int64_t head = 0;
  SmallVector<double> frequencies;
};

std::optional<Rotation> rotationOf(const RowTrace &trace) {
  auto size = int64_t(trace.elements.size());
  if (size != rowSize(trace.source))
    return std::nullopt;
  SmallVector<Turn> turns;
  for (int64_t i = 0; i < size; ++i) {
    std::optional<Turn> turn = turnOf(i, trace.elements[i], trace.waves);
    if (!turn)
      return std::nullopt;
    turns.push_back(*turn);
  }
  int64_t half = turns[0].kind == Turn::First ? turns[0].partner : 0;
  if (half <= 0 || 2 * half > size)
    return std::nullopt;
  Rotation rotation;
  // The next head begins where a first half begins again.
  rotation.head = 2 * half;
  while (rotation.head < size && turns[rotation.head].kind != Turn::First)
    ++rotation.head;
  if (size % rotation.head != 0)
    return std::nullopt;
  for (int64_t i = 0; i < half; ++i)
    rotation.frequencies.push_back(turns[i].frequency);
  for (int64_t i = 0; i < size; ++i) {
    int64_t at = i % rotation.head;
    Turn want{at < half ? Turn::First : at < 2 * half ? Turn::Second : Turn::None, 0, 0};
    if (want.kind != turns[i].kind)
      return std::nullopt;
    if (want.kind != Turn::None && (turns[i].partner != (at < half ? i + half : i - half) ||
                                    turns[i].frequency != rotation.frequencies[at % half]))
      return std::nullopt;
  }
  return rotation;
}

struct LMRaiseRotaryPass : lamina::lm::impl::LMRaiseRotaryPassBase<LMRaiseRotaryPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<Operation *> results;
    getOperation().walk([&](Operation *op) {
      if (isa<arith::AddFOp, arith::SubFOp, tensor::ConcatOp>(op))
        results.push_back(op);
    });
    // From the last on: the concatenation with what is not rotated comes after the sum.
    for (Operation *op : llvm::reverse(results))
      if (!op->use_empty())
        raise(op->getResult(0));
  }

private:
  void raise(Value result) {
    std::optional<RowTrace> trace = traceRow(result, /*rotations=*/true);
    if (!trace || !trace->waves)
      return;
    std::optional<Rotation> rotation = rotationOf(*trace);
    if (!rotation)
      return;
    OpBuilder builder(result.getDefiningOp());
    Location loc = result.getLoc();
    Value rows = rowsOf(builder, loc, trace->source), table = tableOf(trace->waves, rotation->frequencies);
    Value rotated = RotaryEmbeddingOp::create(builder, loc, rows.getType(), rows, table,
                                              builder.getI64IntegerAttr(rotation->head));
    result.replaceAllUsesWith(shapedLike(builder, loc, rotated, result));
    ++numRaised;
  }

  /// The table with each frequency once, where exporters have it for both elements of a pair.
  Value tableOf(RopeTableOp waves, ArrayRef<double> frequencies) {
    if (waves.getFrequencies() == frequencies)
      return waves;
    for (Operation *user : waves.getPositions().getUsers())
      if (auto table = dyn_cast<RopeTableOp>(user); table && table.getFrequencies() == frequencies &&
                                                    table.getMagnitude() == waves.getMagnitude() &&
                                                    table->getBlock() == waves->getBlock() &&
                                                    !waves->isBeforeInBlock(table))
        return table;
    OpBuilder builder(waves);
    auto type = RankedTensorType::get({ShapedType::kDynamic, 2 * int64_t(frequencies.size())}, builder.getF32Type());
    return RopeTableOp::create(builder, waves.getLoc(), type, waves.getPositions(), builder.getDenseF64ArrayAttr(frequencies),
                               waves.getMagnitudeAttr());
  }
};

} // namespace
