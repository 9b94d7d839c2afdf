//===- SplitLinears.cpp - parts of a product become products with parts of the weight ---------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "runtime/io/BlockFormat.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringSet.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMSPLITLINEARSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

struct LMSplitLinearsPass : lamina::lm::impl::LMSplitLinearsPassBase<LMSplitLinearsPass> {
  using Base::Base;

  void runOnOperation() final {
    SymbolTable symbols(getOperation());
    SmallVector<RotaryEmbeddingOp> rotations;
    SmallVector<tensor::ExtractSliceOp> slices;
    getOperation().walk([&](RotaryEmbeddingOp rotation) { rotations.push_back(rotation); });
    getOperation().walk([&](tensor::ExtractSliceOp slice) { slices.push_back(slice); });
    bool any = false;
    // Before slices, which may be of what moves pairs apart.
    for (RotaryEmbeddingOp rotation : rotations)
      any |= movePairs(rotation, symbols);
    for (tensor::ExtractSliceOp slice : slices)
      any |= split(slice, symbols);
    if (any)
      eraseUnused();
  }

private:
  /// Rotary pairs that lie side by side in the source's heads.
  struct Pairs {
    int64_t head = 0, length = 0; ///< elements of a head, and how many of them are rotated; 0: there are none

    /// Which element of the source, counted from the first, becomes element `i`.
    int64_t sourceOf(int64_t i) const {
      int64_t inHead = length ? i % head : 0;
      return inHead >= length ? i : i - inHead + inHead % (length / 2) * 2 + inHead / (length / 2);
    }
  };

  bool split(tensor::ExtractSliceOp slice, SymbolTable &symbols) {
    OpBuilder builder(slice);
    Value rows = product(slice, {}, symbols, builder);
    if (!rows)
      return false;
    slice.replaceAllUsesWith(shapedLike(builder, slice.getLoc(), rows, slice));
    slice.erase();
    ++numSplit;
    return true;
  }

  bool movePairs(RotaryEmbeddingOp rotation, SymbolTable &symbols) {
    auto table = cast<RankedTensorType>(rotation.getTable().getType());
    OpBuilder builder(rotation);
    Pairs pairs{int64_t(rotation.getHeadLength()), table.getShape().back()};
    Value rows = rotation.getInput().getDefiningOp<LinearOp>() ? Value()
                                                               : product(rotation.getInput(), pairs, symbols, builder);
    if (!rows)
      return false;
    rotation.getInputMutable().assign(rows);
    ++numSplit;
    return true;
  }

  /// Elements of a product as a product of their own; null if they are others than one after another, or pairs moved apart.
  Value product(Value moved, const Pairs &pairs, SymbolTable &symbols, OpBuilder &builder) {
    std::optional<RowTrace> trace = traceRow(moved);
    auto bias = trace ? trace->source.getDefiningOp<BiasAddOp>() : BiasAddOp();
    Value whole = bias ? bias.getInput() : trace ? trace->source : Value();
    auto linear = whole ? whole.getDefiningOp<LinearOp>() : LinearOp();
    if (!linear || !isMovedBy(*trace, pairs))
      return {};
    int64_t first = trace->elements.front().front().element, count = int64_t(trace->elements.size());
    Value weight = part(linear.getWeight(), first, count, pairs, symbols, builder);
    Value vector = weight && bias ? part(bias.getBias(), first, count, pairs, symbols, builder) : Value();
    if (!weight || (bias && !vector))
      return {};
    auto type = RankedTensorType::get({ShapedType::kDynamic, count}, builder.getF32Type());
    Value rows = LinearOp::create(builder, linear.getLoc(), type, linear.getInput(), weight);
    return bias ? Value(BiasAddOp::create(builder, bias.getLoc(), type, rows, vector)) : rows;
  }

  /// What nothing reads any more: products with whole weights, and these.
  void eraseUnused() {
    llvm::StringSet<> used;
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
      bool moves = isa<tensor::TensorDialect, linalg::LinalgDialect>(op->getDialect()) && op->getNumResults() > 0;
      if ((moves || isa<BiasAddOp, LinearOp, GetWeightOp>(op)) && op->use_empty())
        op->erase();
    });
    getOperation().walk([&](GetWeightOp get) { used.insert(get.getWeight()); });
    for (WeightOp weight : llvm::make_early_inc_range(getOperation().getOps<WeightOp>()))
      if (!used.contains(weight.getSymName()))
        weight.erase();
  }

  /// Whether a row is elements of the source one after another, but for pairs that were moved apart.
  static bool isMovedBy(const RowTrace &trace, const Pairs &pairs) {
    if (trace.waves || trace.elements.empty() || trace.elements.front().empty())
      return false;
    int64_t first = trace.elements.front().front().element;
    for (auto [i, terms] : llvm::enumerate(trace.elements))
      if (terms.size() != 1 || terms.front().factor != 1 || terms.front().element != first + pairs.sourceOf(int64_t(i)))
        return false;
    return true;
  }

  /// Rows [first, first + count) of a weight as a weight of their own; null if its bytes cannot be told apart.
  Value part(Value whole, int64_t first, int64_t count, const Pairs &pairs, SymbolTable &symbols, OpBuilder &builder) {
    auto get = whole.getDefiningOp<GetWeightOp>();
    auto weight = get ? symbols.lookup<WeightOp>(get.getWeight()) : WeightOp();
    if (!weight || weight.getSources().size() != 1 || weight.getRopeHeads())
      return {};
    auto source = cast<SourceAttr>(weight.getSources()[0]);
    RankedTensorType type = weight.getTensorType();
    const lamina::BlockFormat *format = lamina::findBlockFormat(std::string_view(source.getFormat()));
    if (!format)
      return {};
    // Elements between two rows in the file: one where it holds columns, else a row.
    int64_t elements = first;
    if (!weight.getColumnPitch() && type.getRank() == 2)
      elements *= type.getDimSize(1);
    if (elements % int64_t(format->elements) != 0)
      return {};
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = count;
    auto partType = RankedTensorType::get(shape, type.getElementType());
    std::string name = (weight.getSymName() + "." + Twine(first) + "to" + Twine(first + count)).str();
    name += pairs.length ? ".apart" : "";
    int64_t offset = source.getOffset() + elements / int64_t(format->elements) * int64_t(format->bytes);
    auto place = ArrayAttr::get(&getContext(), SourceAttr::get(&getContext(), source.getTensor(), source.getFormat(),
                                                               source.getPart(), offset));
    auto existing = symbols.lookup<WeightOp>(name);
    if (!existing || existing.getSources() != place) { // the model itself may have a weight of this name
      OpBuilder after(weight);
      after.setInsertionPointAfter(weight);
      existing = weight.clone();
      existing.setSymName(name);
      existing.setType(partType);
      existing.setSourcesAttr(place);
      if (pairs.length) {
        existing.setRopeHeads(count / pairs.head);
        existing.setRopeLength(pairs.length);
      }
      after.insert(existing);
      symbols.insert(existing);
    }
    return GetWeightOp::create(builder, get.getLoc(), partType, existing.getSymName());
  }
};

} // namespace
