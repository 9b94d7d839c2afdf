//===- SplitLinears.cpp - parts of a product become products with parts of the weight ---------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "runtime/io/BlockFormat.h"

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
    SmallVector<tensor::ExtractSliceOp> slices;
    getOperation().walk([&](tensor::ExtractSliceOp slice) { slices.push_back(slice); });
    bool any = false;
    for (tensor::ExtractSliceOp slice : slices)
      any |= split(slice, symbols);
    if (any)
      eraseUnused();
  }

private:
  bool split(tensor::ExtractSliceOp slice, SymbolTable &symbols) {
    std::optional<RowTrace> trace = traceRow(slice);
    auto bias = trace ? trace->source.getDefiningOp<BiasAddOp>() : BiasAddOp();
    Value product = bias ? bias.getInput() : trace ? trace->source : Value();
    auto linear = product ? product.getDefiningOp<LinearOp>() : LinearOp();
    if (!linear || !isRun(*trace))
      return false;
    int64_t first = trace->elements.front().front().element, count = int64_t(trace->elements.size());
    OpBuilder builder(slice);
    Value weight = part(linear.getWeight(), first, count, symbols, builder);
    Value vector = weight && bias ? part(bias.getBias(), first, count, symbols, builder) : Value();
    if (!weight || (bias && !vector))
      return false;
    auto type = RankedTensorType::get({ShapedType::kDynamic, count}, builder.getF32Type());
    Value rows = LinearOp::create(builder, linear.getLoc(), type, linear.getInput(), weight);
    if (bias)
      rows = BiasAddOp::create(builder, bias.getLoc(), type, rows, vector);
    slice.replaceAllUsesWith(shapedLike(builder, slice.getLoc(), rows, slice));
    slice.erase();
    ++numSplit;
    return true;
  }

  /// What nothing reads any more: products with whole weights, and these.
  void eraseUnused() {
    llvm::StringSet<> used;
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
      if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, BiasAddOp, LinearOp, GetWeightOp>(op) && op->use_empty())
        op->erase();
    });
    getOperation().walk([&](GetWeightOp get) { used.insert(get.getWeight()); });
    for (WeightOp weight : llvm::make_early_inc_range(getOperation().getOps<WeightOp>()))
      if (!used.contains(weight.getSymName()))
        weight.erase();
  }

  /// Whether a row is elements of the source one after another.
  static bool isRun(const RowTrace &trace) {
    if (trace.waves || trace.elements.empty())
      return false;
    int64_t first = trace.elements.front().front().element;
    for (auto [i, terms] : llvm::enumerate(trace.elements))
      if (terms.size() != 1 || terms.front().factor != 1 || terms.front().element != first + int64_t(i))
        return false;
    return true;
  }

  /// Rows [first, first + count) of a weight as a weight of their own; null if its bytes cannot be told apart.
  Value part(Value whole, int64_t first, int64_t count, SymbolTable &symbols, OpBuilder &builder) {
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
    auto existing = symbols.lookup<WeightOp>(name);
    if (!existing) {
      OpBuilder after(weight);
      after.setInsertionPointAfter(weight);
      existing = weight.clone();
      existing.setSymName(name);
      existing.setType(partType);
      int64_t offset = source.getOffset() + elements / int64_t(format->elements) * int64_t(format->bytes);
      existing.setSourcesAttr(after.getArrayAttr(SourceAttr::get(&getContext(), source.getTensor(), source.getFormat(),
                                                                 source.getPart(), offset)));
      after.insert(existing);
      symbols.insert(existing);
    }
    return GetWeightOp::create(builder, get.getLoc(), partType, existing.getSymName());
  }
};

} // namespace
