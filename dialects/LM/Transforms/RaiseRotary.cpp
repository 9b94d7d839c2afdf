//===- RaiseRotary.cpp - rotations written as products with cosines and sines ------------------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RotaryPairs.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

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
  int64_t angle = -1;   ///< in the table
  double frequency = 0; ///< radians per position
};

std::optional<Turn> turnOf(int64_t element, ArrayRef<RowTerm> terms, RopeTableOp waves) {
  if (terms.size() == 1 && terms[0].angle < 0)
    return terms[0].factor == 1 && terms[0].element == element ? std::optional(Turn{}) : std::nullopt;
  if (terms.size() != 2)
    return std::nullopt;
  RowTerm own = terms[0].element == element ? terms[0] : terms[1],
          other = terms[0].element == element ? terms[1] : terms[0];
  ArrayRef<double> frequencies = waves.getFrequencies();
  auto count = int64_t(frequencies.size());
  // x[element] · cos ∓ x[partner] · sin, of one frequency.
  if (own.element != element || other.element == element || own.factor != 1 || std::abs(other.factor) != 1 ||
      own.angle < 0 || own.angle >= count || other.angle < count ||
      frequencies[own.angle] != frequencies[other.angle - count])
    return std::nullopt;
  auto kind = other.factor < 0 ? Turn::First : Turn::Second;
  return Turn{kind, other.element, own.angle, frequencies[own.angle]};
}

/// The heads of a row, of which the first `2 · frequencies` elements are rotated: halves against each other, or neighbours.
struct Rotation {
  int64_t head = 0;
  bool neighbours = false;
  SmallVector<double> frequencies;

  int64_t half() const { return int64_t(frequencies.size()); }
  /// What becomes of an element of a head.
  Turn at(int64_t i) const {
    if (i >= 2 * half())
      return {};
    bool first = neighbours ? i % 2 == 0 : i < half();
    int64_t distance = neighbours ? 1 : half();
    return {first ? Turn::First : Turn::Second, first ? i + distance : i - distance, -1,
            frequencies[neighbours ? i / 2 : i % half()]};
  }
};

/// The first head of a row says what the others are like.
std::optional<Rotation> firstHead(ArrayRef<Turn> turns) {
  auto size = int64_t(turns.size());
  int64_t distance = turns[0].kind == Turn::First ? turns[0].partner : 0;
  if (distance <= 0 || 2 * distance > size)
    return std::nullopt;
  Rotation rotation;
  rotation.neighbours = distance == 1 && size > 2 && turns[1].kind == Turn::Second &&
                        turns[2].kind == Turn::First && turns[2].angle != turns[0].angle;
  // The next head begins where a first half, or the first pair, begins again.
  rotation.head = 2 * distance;
  while (rotation.head < size && (turns[rotation.head].kind != Turn::First ||
                                  (rotation.neighbours && turns[rotation.head].angle != turns[0].angle)))
    ++rotation.head;
  int64_t rotated = 2 * distance;
  while (rotation.neighbours && rotated < rotation.head && turns[rotated].kind != Turn::None)
    ++rotated;
  if (size % rotation.head != 0 || rotated % 2 != 0)
    return std::nullopt;
  for (int64_t i = 0; i < rotated / 2; ++i)
    rotation.frequencies.push_back(turns[rotation.neighbours ? 2 * i : i].frequency);
  return rotation;
}

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
  std::optional<Rotation> rotation = firstHead(turns);
  for (int64_t i = 0; rotation && i < size; ++i) {
    Turn want = rotation->at(i % rotation->head);
    if (want.kind != turns[i].kind ||
        (want.kind != Turn::None && (want.partner != turns[i].partner - i / rotation->head * rotation->head ||
                                     want.frequency != turns[i].frequency)))
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
    // Slices of what was rotated would look like parts of a product.
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
      if (isOpTriviallyDead(op))
        op->erase();
    });
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
    int64_t length = 2 * rotation->half();
    if (rotation->neighbours)
      rows = pairsApart(builder, loc, rows, rotation->head, length);
    Value rotated = RotaryEmbeddingOp::create(builder, loc, rows.getType(), rows, table,
                                              builder.getI64IntegerAttr(rotation->head));
    if (rotation->neighbours)
      rotated = pairsBeside(builder, loc, rotated, rotation->head, length);
    result.replaceAllUsesWith(shapedLike(builder, loc, rotated, result));
    ++numRaised;
  }

  /// The table with each frequency once, where exporters have it for both elements of a pair.
  Value tableOf(RopeTableOp waves, ArrayRef<double> frequencies) {
    if (waves.getFrequencies() == frequencies)
      return waves;
    for (Operation *user : waves.getPositions().getUsers())
      if (auto table = dyn_cast<RopeTableOp>(user);
          table && table.getFrequencies() == frequencies && table.getMagnitude() == waves.getMagnitude() &&
          table->getBlock() == waves->getBlock() && !waves->isBeforeInBlock(table))
        return table;
    OpBuilder builder(waves);
    auto type =
        RankedTensorType::get({ShapedType::kDynamic, 2 * int64_t(frequencies.size())}, builder.getF32Type());
    return RopeTableOp::create(builder, waves.getLoc(), type, waves.getPositions(),
                               builder.getDenseF64ArrayAttr(frequencies), waves.getMagnitudeAttr());
  }
};

} // namespace
