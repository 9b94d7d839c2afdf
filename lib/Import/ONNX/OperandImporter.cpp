//===- OperandImporter.cpp - what operators read: computed values, numbers, what the batch decides --------===//

#include "dialects/LM/Transforms/RotaryPairs.h"
#include "lib/Import/ONNX/NodeImporter.h"

#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace lamina::onnx {

std::optional<double> NodeImporter::number(const Node &node, size_t input) const {
  ValueId id = node.input(input);
  if (id == kAbsent)
    return std::nullopt;
  const Meaning &meaning = probed_[id].meaning;
  if (const auto *filled = std::get_if<Filled>(&meaning))
    return filled->value;
  const auto *fixed = std::get_if<Fixed>(&meaning);
  if (!fixed || fixed->value.count() == 0)
    return std::nullopt;
  double first = fixed->value.real(0);
  for (int64_t i = 1; i < fixed->value.count(); ++i)
    if (fixed->value.real(i) != first)
      return std::nullopt;
  return first;
}

FailureOr<Placed> NodeImporter::operand(const Node &node, size_t input) {
  ValueId id = node.input(input);
  if (id == kAbsent)
    return error(node) << "has no input " << input;
  if (auto apart = apart_.find(id); apart != apart_.end() && !values_.contains(id))
    defineHeads(id, lm::pairsBeside(b_, loc_, apart->second.rows, apart->second.head, apart->second.length));
  Placed placed = values_.lookup(id);
  if (!placed.value)
    if (std::optional<double> same = number(node, input))
      placed = {make_.number(*same), Axes(dims(id).size(), kUnit)};
  if (!placed.value)
    placed = fromBatch(id);
  // Rows of a table by position are computed like rows by token.
  auto producer = producers_.find(id);
  if (!placed.value && producer != producers_.end() &&
      std::holds_alternative<RowsByPosition>(probed_[id].meaning)) {
    constexpr int kDeepest = 64; // operations behind each other, each on the stack
    llvm::SaveAndRestore<int> deeper(depth_, depth_ + 1);
    if (depth_ > kDeepest)
      return error(node) << "reads a table of positions behind more than " << kDeepest << " operations";
    if (failed(import(*producer->second)))
      return failure();
    placed = values_.lookup(id);
  }
  auto type = placed.value ? dyn_cast<RankedTensorType>(placed.value.getType()) : RankedTensorType();
  if (!placed.value ||
      (type && type.getRank() != llvm::count_if(placed.axes, [](int64_t axis) { return axis != kUnit; })))
    return error(node) << "expected input " << input
                       << " to be computed from tokens, a mask, a rotation or a vector, got "
                       << probed_[id].describe();
  values_[id] = placed;
  return placed;
}

FailureOr<Placed> NodeImporter::realOperand(const Node &node, size_t input) {
  FailureOr<Placed> x = operand(node, input);
  if (succeeded(x) && !getElementTypeOrSelf(x->value.getType()).isF32())
    return error(node) << "expected input " << input << " to be real numbers, got "
                       << probed_[node.input(input)].describe();
  return x;
}

/// What the batch alone decides, by what it means; null if it is none of what lm has.
Placed NodeImporter::fromBatch(ValueId id) {
  const ProbedValue &value = probed_[id];
  Axes axes = usualAxes(value.dims);
  if (const TensorConstant *constant = weights_.find(id)) {
    int64_t length = int64_t(countElements(constant->dims).value_or(0));
    lm::WeightOp vector =
        llvm::is_contained(constant->dims, length) ? weights_.vector(id, length) : lm::WeightOp();
    return vector ? Placed{weight(vector), axes} : Placed();
  }
  if (const auto *mask = std::get_if<Mask>(&value.meaning)) {
    bool additive = isReal(value.type);
    if (additive && mask->visible != 0)
      return {};
    auto type = RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic},
                                      additive ? mlir::Type(b_.getF32Type()) : mlir::Type(b_.getI1Type()));
    Axes pairs(value.dims.size(), kUnit);
    pairs[pairs.size() - 2] = 0;
    pairs.back() = 1;
    return {create<lm::CausalMaskOp>(type, step_.positions,
                                     mask->window ? b_.getI64IntegerAttr(*mask->window) : IntegerAttr()),
            pairs};
  }
  const auto *rows = std::get_if<RowsByPosition>(&value.meaning);
  using Kind = RowsByPosition::Kind;
  if (!rows || rows->first != kPast || (rows->kind != Kind::Cosines && rows->kind != Kind::Sines))
    return {};
  int64_t width = int64_t(rows->frequencies.size());
  mlir::Value wave = make_.sliced(waveTable(*rows), 1, rows->kind == Kind::Cosines ? 0 : width, width, 1);
  auto type = make_.typeOf(value.dims, axes, b_.getF32Type());
  return {make_.reshaped(wave, type.getShape().drop_front()), axes};
}

/// The same table for cosines and sines, whose magnitudes were read off rounded elements.
mlir::Value NodeImporter::waveTable(const RowsByPosition &rows) {
  constexpr double kRounding = 1e-5;
  double magnitude = std::abs(rows.magnitude - 1) < kRounding ? 1 : rows.magnitude;
  for (lm::RopeTableOp table : waves_)
    if (table.getFrequencies() == ArrayRef<double>(rows.frequencies) &&
        std::abs(table.getMagnitude().convertToDouble() - magnitude) < kRounding * std::abs(magnitude))
      return table;
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointAfterValue(step_.positions);
  waves_.push_back(lm::RopeTableOp::create(b_, loc_, rowsOf(2 * int64_t(rows.frequencies.size())),
                                           step_.positions, b_.getDenseF64ArrayAttr(rows.frequencies),
                                           f32(magnitude)));
  return waves_.back();
}

} // namespace lamina::onnx
