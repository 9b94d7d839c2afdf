//===- SplitLinears.cpp - parts of a product become products with parts of the weight ---------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "runtime/io/BlockFormat.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMSPLITLINEARSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

/// Rows of a weight: runs of equal length, one after another.
struct Runs {
  SmallVector<int64_t> firsts;
  int64_t length = 0;

  int64_t rows() const { return int64_t(firsts.size()) * length; }
};

/// Rotary pairs that lie side by side in the source's heads.
struct Pairs {
  int64_t head = 0, length = 0; ///< elements of a head, and how many of them are rotated; 0: there are none

  /// Which element of the source, counted from the first, becomes element `i`.
  int64_t sourceOf(int64_t i) const {
    int64_t inHead = length ? i % head : 0;
    return inHead >= length ? i : i - inHead + inHead % (length / 2) * 2 + inHead / (length / 2);
  }
};

/// Whether a row is elements of the source one after another, but for pairs that were moved apart.
bool isMovedBy(const RowTrace &trace, const Pairs &pairs) {
  if (trace.waves || trace.elements.empty() || trace.elements.front().empty())
    return false;
  int64_t first = trace.elements.front().front().element;
  for (auto [i, terms] : llvm::enumerate(trace.elements))
    if (terms.size() != 1 || terms.front().factor != 1 ||
        terms.front().element != first + pairs.sourceOf(int64_t(i)))
      return false;
  return true;
}

/// The runs that a row of a product has; none if its elements come singly or in any other order.
std::optional<Runs> runsOf(const RowTrace &trace, const Pairs &pairs) {
  Runs runs;
  if (trace.waves)
    return std::nullopt;
  if (pairs.length)
    return isMovedBy(trace, pairs)
               ? std::optional(Runs{{trace.elements.front().front().element}, int64_t(trace.elements.size())})
               : std::nullopt;
  int64_t next = -1, length = 0; // of the run that is being read
  auto end = [&] {
    bool fits = runs.firsts.empty() || runs.length == 0 || runs.length == length;
    runs.length = length;
    return fits;
  };
  for (const auto &terms : trace.elements) {
    if (terms.size() != 1 || terms.front().factor != 1)
      return std::nullopt;
    if (terms.front().element != next) {
      if (!end())
        return std::nullopt;
      runs.firsts.push_back(terms.front().element);
      length = 0;
    }
    next = terms.front().element + 1;
    ++length;
  }
  // Packed heads have runs of a head; single rows are a permutation, which a place in a file does not say.
  bool oneRun = runs.firsts.size() == 1;
  return end() && length > 0 && (oneRun || length > 1) ? std::optional(runs) : std::nullopt;
}

/// Whether elements that were taken apart are put together again with others of the same product, as those of a head are that
/// is rotated: then they are no part by themselves.
bool isJoinedAgain(Value part, const RowTrace &trace) {
  llvm::DenseSet<int32_t> own;
  for (const auto &terms : trace.elements)
    own.insert(terms.front().element);
  llvm::SmallSetVector<Value, 8> moved;
  moved.insert(part);
  for (size_t i = 0; i < moved.size(); ++i)
    for (Operation *user : moved[i].getUsers()) {
      if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::ExtractSliceOp, tensor::ConcatOp,
               linalg::TransposeOp, linalg::BroadcastOp, arith::NegFOp, arith::MulFOp, arith::AddFOp,
               arith::SubFOp, ScaleOp>(user))
        continue;
      moved.insert(user->getResult(0));
      std::optional<RowTrace> joined =
          isa<tensor::ConcatOp>(user) ? traceRow(user->getResult(0), /*rotations=*/true) : std::nullopt;
      if (!joined || joined->source != trace.source)
        continue;
      for (const auto &terms : joined->elements)
        for (const RowTerm &term : terms)
          if (!own.contains(term.element))
            return true;
    }
  return false;
}

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
    Value rows = rotation.getInput().getDefiningOp<LinearOp>()
                     ? Value()
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
    std::optional<Runs> runs = linear ? runsOf(*trace, pairs) : std::nullopt;
    if (!runs || isJoinedAgain(moved, *trace))
      return {};
    Value weight = part(linear.getWeight(), *runs, pairs, symbols, builder);
    Value vector = weight && bias ? part(bias.getBias(), *runs, pairs, symbols, builder) : Value();
    if (!weight || (bias && !vector))
      return {};
    auto type = RankedTensorType::get({ShapedType::kDynamic, runs->rows()}, builder.getF32Type());
    Value rows = LinearOp::create(builder, linear.getLoc(), type, linear.getInput(), weight);
    return bias ? Value(BiasAddOp::create(builder, bias.getLoc(), type, rows, vector)) : rows;
  }

  /// What nothing reads any more: products with whole weights, and these.
  void eraseUnused() {
    llvm::StringSet<> used;
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
      bool moves =
          isa<tensor::TensorDialect, linalg::LinalgDialect>(op->getDialect()) && op->getNumResults() > 0;
      if ((moves || isa<BiasAddOp, LinearOp, GetWeightOp>(op)) && op->use_empty())
        op->erase();
    });
    getOperation().walk([&](GetWeightOp get) { used.insert(get.getWeight()); });
    for (WeightOp weight : llvm::make_early_inc_range(getOperation().getOps<WeightOp>()))
      if (!used.contains(weight.getSymName()))
        weight.erase();
  }

  /// These rows of a weight as a weight of their own; null if its bytes cannot be told apart.
  Value part(Value whole, const Runs &runs, const Pairs &pairs, SymbolTable &symbols, OpBuilder &builder) {
    auto get = whole.getDefiningOp<GetWeightOp>();
    auto weight = get ? symbols.lookup<WeightOp>(get.getWeight()) : WeightOp();
    ArrayAttr sources = weight ? sourcesOf(weight, runs) : ArrayAttr();
    if (!sources)
      return {};
    SmallVector<int64_t> shape(weight.getTensorType().getShape());
    shape[0] = runs.rows();
    auto type = RankedTensorType::get(shape, weight.getTensorType().getElementType());
    std::string name = (weight.getSymName() + "." + Twine(runs.firsts.front()) + "to" +
                        Twine(runs.firsts.back() + runs.length))
                           .str();
    name += sources.size() > 1 ? "in" + std::to_string(sources.size()) : pairs.length ? ".apart" : "";
    auto existing = symbols.lookup<WeightOp>(name);
    if (!existing || existing.getSources() != sources) { // the model itself may have a weight of this name
      existing = weight.clone();
      existing.setSymName(name);
      existing.setType(type);
      existing.setSourcesAttr(sources);
      if (pairs.length) {
        existing.setRopeHeads(runs.rows() / pairs.head);
        existing.setRopeLength(pairs.length);
      }
      symbols.insert(existing, std::next(weight->getIterator()));
    }
    return GetWeightOp::create(builder, get.getLoc(), type, existing.getSymName());
  }

  /// Where each run of a weight lies.
  ArrayAttr sourcesOf(WeightOp weight, const Runs &runs) {
    auto source = cast<SourceAttr>(weight.getSources()[0]);
    const lamina::BlockFormat *format = lamina::findBlockFormat(std::string_view(source.getFormat()));
    if (weight.getSources().size() != 1 || weight.getRopeHeads() || !format)
      return {};
    // Elements between two rows in the file: one where it holds columns, else a row.
    RankedTensorType type = weight.getTensorType();
    int64_t pitch = type.getRank() == 2 && !weight.getColumnPitch() ? type.getDimSize(1) : 1;
    SmallVector<Attribute> places;
    for (int64_t first : runs.firsts) {
      if (first * pitch % int64_t(format->elements) != 0)
        return {};
      int64_t offset =
          source.getOffset() + first * pitch / int64_t(format->elements) * int64_t(format->bytes);
      places.push_back(
          SourceAttr::get(&getContext(), source.getTensor(), source.getFormat(), source.getPart(), offset));
    }
    return ArrayAttr::get(&getContext(), places);
  }
};

} // namespace
