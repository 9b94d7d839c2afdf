//===- LMOps.cpp - verifiers of the lm dialect ----------------------------------------------------------------===//

#include "dialects/LM/IR/LM.h"

#include "runtime/device/KernelABI.h"
#include "runtime/io/BlockFormat.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina::lm;

#define GET_OP_CLASSES
#include "dialects/LM/IR/LMOps.cpp.inc"

namespace {

RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

int64_t lastDim(Value value) { return tensorOf(value).getShape().back(); }

/// Fails unless `got` equals `expected`; `what` names the dimension in the message.
LogicalResult expectEqual(Operation *op, StringRef what, int64_t expected, int64_t got) {
  if (expected == got)
    return success();
  return op->emitOpError() << "expected " << what << " of " << expected << ", got: " << got;
}

LogicalResult expectRank(Operation *op, StringRef what, int64_t expected, Value value) {
  return expectEqual(op, (what + " rank").str(), expected, tensorOf(value).getRank());
}

/// Verifies that eight-bit input meets a weight of blocks, which have the scales that the order of the sum follows.
LogicalResult verifyProduct(Operation *op, Value input, Value weight) {
  if (!isa<Q8Type>(tensorOf(input).getElementType()))
    return success();
  StringRef name = cast<BlockType>(tensorOf(weight).getElementType()).getFormat();
  const lamina::BlockFormat *format = lamina::findBlockFormat(std::string_view(name));
  if (format && format->isPlain())
    return op->emitOpError() << "expected a weight in a quantised format for input of "
                             << tensorOf(input).getElementType() << ", got: " << name;
  return success();
}

/// The arrays that place tokens in a cache: two vectors and the page table.
LogicalResult verifyPlaces(Operation *op, Value positions, Value sequences, Value blockTable) {
  if (failed(expectRank(op, "positions", 1, positions)) || failed(expectRank(op, "sequences", 1, sequences)))
    return failure();
  return expectRank(op, "block table", 2, blockTable);
}

LogicalResult verifySplit(Operation *op, int64_t range, int64_t ranges, int64_t splitTokens) {
  if (range <= 0 || range % LAMINA_ATTENTION_BLOCK != 0)
    return op->emitOpError() << "expected a range of whole blocks of " << int(LAMINA_ATTENTION_BLOCK)
                             << " positions, got: " << range;
  if (ranges <= 0 || splitTokens < 0)
    return op->emitOpError() << "expected ranges and tokens to split, got: " << ranges << " and "
                             << splitTokens;
  return success();
}

LogicalResult verifyQuery(Operation *op, Value query, KVCacheType cache) {
  int64_t keys = cache.getHeads() * cache.getKeyLength();
  if (lastDim(query) <= 0 || lastDim(query) % keys != 0)
    return op->emitOpError() << "expected a query width that is a multiple of " << keys
                             << ", got: " << lastDim(query);
  return success();
}

LogicalResult verifySlots(Operation *op, Value partials, int64_t heads, int64_t length) {
  int64_t slot = OnlineAttentionOp::slotWidth(heads, length);
  if (lastDim(partials) % slot != 0)
    return op->emitOpError() << "expected partial results in slots of " << slot
                             << ", got: " << lastDim(partials);
  return success();
}

} // namespace

/// Verifies the following:
/// - there is at least one source, and stacked sources divide the leading dimension
/// - rope_heads and rope_length come together, the heads divide the rows and the length fits in a head
/// - column_pitch belongs to a matrix, whose rows it does not overlap
LogicalResult WeightOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type.hasStaticShape() || type.getRank() == 0)
    return emitOpError() << "expected a static shape, got: " << type;
  int64_t sources = getSources().size();
  if (sources == 0)
    return emitOpError("expected at least one source");
  if (type.getDimSize(0) % sources != 0)
    return emitOpError() << "expected sources that divide the leading dimension of " << type
                         << ", got: " << sources;
  if (getColumnPitch() && type.getRank() != 2)
    return emitOpError() << "expected column_pitch on a matrix, got: " << type;
  if (getColumnPitch() && int64_t(*getColumnPitch()) < type.getDimSize(0) / sources)
    return emitOpError() << "expected a column_pitch of at least " << type.getDimSize(0) / sources
                         << ", got: " << *getColumnPitch();
  if (getRopeHeads().has_value() != getRopeLength().has_value())
    return emitOpError("expected rope_heads and rope_length together");
  if (!getRopeHeads())
    return success();
  int64_t rows = type.getDimSize(0), heads = *getRopeHeads(), length = *getRopeLength();
  if (heads <= 0 || rows % heads != 0)
    return emitOpError() << "expected rope_heads that divide " << rows << " rows, got: " << heads;
  if (length <= 0 || length % 2 != 0 || length > rows / heads)
    return emitOpError() << "expected an even rope_length up to " << rows / heads << ", got: " << length;
  return success();
}

/// Verifies the following:
/// - the symbol is an lm.weight
/// - the result has the weight's type
LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError() << "expected the name of an lm.weight, got: " << getWeightAttr();
  if (weight.getType() != getType()) {
    InFlightDiagnostic diag = emitOpError() << "expected the weight's type " << weight.getType();
    diag.attachNote(weight.getLoc()) << "weight declared here";
    return diag;
  }
  return success();
}

LogicalResult BatchFieldOp::verify() {
  return expectEqual(*this, "rank", getField() == BatchField::block_table ? 2 : 1,
                     tensorOf(getResult()).getRank());
}

LogicalResult EmbeddingOp::verify() {
  if (failed(expectRank(*this, "ids", 1, getIds())))
    return failure();
  return expectEqual(*this, "result width", lastDim(getTable()), lastDim(getResult()));
}

LogicalResult GatherRowsOp::verify() {
  if (failed(expectRank(*this, "rows", 1, getRows())))
    return failure();
  return expectEqual(*this, "result width", lastDim(getInput()), lastDim(getResult()));
}

/// Verifies the following:
/// - the result has the input's shape
/// - blocks divide the row
LogicalResult QuantizeOp::verify() {
  if (tensorOf(getInput()).getShape() != tensorOf(getResult()).getShape())
    return emitOpError() << "expected a result of the input's shape, got: " << getResult().getType();
  if (lastDim(getInput()) % LAMINA_QUANTIZED_BLOCK_ELEMENTS != 0)
    return emitOpError() << "expected rows of a multiple of " << int(LAMINA_QUANTIZED_BLOCK_ELEMENTS)
                         << " elements, got: " << lastDim(getInput());
  return success();
}

/// Verifies the following:
/// - input and result are matrices of rows
/// - the input is as wide as the weight's rows
/// - the result is as wide as the weight has rows
/// - q8 input meets a weight of blocks
LogicalResult LinearOp::verify() {
  if (failed(expectRank(*this, "input", 2, getInput())) ||
      failed(expectRank(*this, "result", 2, getResult())))
    return failure();
  if (failed(expectEqual(*this, "input width", lastDim(getWeight()), lastDim(getInput()))))
    return failure();
  if (failed(expectEqual(*this, "result width", tensorOf(getWeight()).getDimSize(0), lastDim(getResult()))))
    return failure();
  return verifyProduct(*this, getInput(), getWeight());
}

LogicalResult BiasAddOp::verify() {
  return expectEqual(*this, "bias length", lastDim(getInput()), lastDim(getBias()));
}

LogicalResult SoftCapOp::verify() {
  if (getCap().convertToFloat() <= 0)
    return emitOpError() << "expected a positive cap, got: " << getCap().convertToFloat();
  return success();
}

/// Verifies the following:
/// - the weight is not empty and its length divides the row
/// - epsilon is not negative
LogicalResult RMSNormOp::verify() {
  if (lastDim(getWeight()) == 0 || lastDim(getInput()) % lastDim(getWeight()) != 0)
    return emitOpError() << "expected a weight whose length divides " << lastDim(getInput())
                         << ", got: " << lastDim(getWeight());
  if (getEpsilon().convertToFloat() < 0)
    return emitOpError() << "expected a non-negative epsilon, got: " << getEpsilon().convertToFloat();
  return success();
}

/// Verifies the following:
/// - weight and bias are as long as the row
/// - epsilon is not negative
LogicalResult LayerNormOp::verify() {
  if (failed(expectEqual(*this, "weight length", lastDim(getInput()), lastDim(getWeight()))) ||
      (getBias() && failed(expectEqual(*this, "bias length", lastDim(getInput()), lastDim(getBias())))))
    return failure();
  if (getEpsilon().convertToFloat() < 0)
    return emitOpError() << "expected a non-negative epsilon, got: " << getEpsilon().convertToFloat();
  return success();
}

LogicalResult RopeTableOp::verify() {
  if (failed(expectRank(*this, "positions", 1, getPositions())))
    return failure();
  return expectEqual(*this, "result width", 2 * int64_t(getFrequencies().size()), lastDim(getResult()));
}

/// Verifies the following:
/// - the heads divide the row
/// - the table rotates no more than a head
LogicalResult RotaryEmbeddingOp::verify() {
  int64_t head = getHeadLength();
  if (head <= 0 || lastDim(getInput()) % head != 0)
    return emitOpError() << "expected a head length that divides " << lastDim(getInput())
                         << ", got: " << head;
  if (lastDim(getTable()) > head)
    return emitOpError() << "expected a table of at most " << head
                         << " columns, got: " << lastDim(getTable());
  return success();
}

/// Verifies the following:
/// - keys and values are as wide as the cache's heads
/// - the places are two vectors and a table
LogicalResult CacheAppendOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(expectEqual(*this, "key width", cache.getHeads() * cache.getKeyLength(), lastDim(getKey()))) ||
      failed(
          expectEqual(*this, "value width", cache.getHeads() * cache.getValueLength(), lastDim(getValue()))))
    return failure();
  return verifyPlaces(*this, getPositions(), getSequences(), getBlockTable());
}

/// Verifies the following:
/// - a row of the input has the keys or values of the cache's heads
LogicalResult ConcatCacheOp::verify() {
  KVCacheType cache = getCache().getType();
  int64_t length = getPart() == CachePart::keys ? cache.getKeyLength() : cache.getValueLength();
  ArrayRef<int64_t> row = tensorOf(getInput()).getShape().drop_front();
  if (ShapedType::isDynamicShape(row))
    return emitOpError() << "expected rows of a static shape, got: " << getInput().getType();
  return expectEqual(*this, "row size", cache.getHeads() * length, ShapedType::getNumElements(row));
}

/// Verifies the following:
/// - there is a row for each position
/// - the window is positive
LogicalResult CausalMaskOp::verify() {
  if (failed(expectRank(*this, "positions", 1, getPositions())))
    return failure();
  if (getWindow() && *getWindow() <= 0)
    return emitOpError() << "expected a positive window, got: " << *getWindow();
  return success();
}

Value AttentionOp::getQueryOperand() { return getQuery(); }
Value AttentionOp::getStateOperand() { return getCache(); }

/// Verifies the following:
/// - the query is a multiple of the cache's heads wide
/// - the result has a value for each query head
/// - soft cap and window are positive
/// - the places are two vectors and a table
LogicalResult AttentionOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(verifyQuery(*this, getQuery(), cache)))
    return failure();
  int64_t queryHeads = lastDim(getQuery()) / cache.getKeyLength();
  if (failed(expectEqual(*this, "result width", queryHeads * cache.getValueLength(), lastDim(getResult()))))
    return failure();
  if (getSoftCap() && getSoftCap()->convertToFloat() <= 0)
    return emitOpError() << "expected a positive soft cap, got: " << getSoftCap()->convertToFloat();
  if (getWindow() && *getWindow() <= 0)
    return emitOpError() << "expected a positive window, got: " << *getWindow();
  return verifyPlaces(*this, getPositions(), getSequences(), getBlockTable());
}

Value TensorAttentionOp::getQueryOperand() { return getQuery(); }
Value TensorAttentionOp::getStateOperand() { return {}; }

/// Verifies the following:
/// - there is a result
/// - the body's arguments are the operands, and it yields the results
LogicalResult TensorAttentionOp::verify() {
  if (getOutputs().empty())
    return emitOpError("expected at least one result");
  Block &body = getBody().front();
  if (body.getArgumentTypes() != getOperandTypes())
    return emitOpError() << "expected body arguments of types (" << getOperandTypes() << "), got: ("
                         << body.getArgumentTypes() << ")";
  auto yield = body.empty() ? YieldOp() : dyn_cast<YieldOp>(body.back());
  if (!yield)
    return emitOpError("expected a body that ends with lm.yield");
  if (yield.getValues().getTypes() != getOutputs().getTypes())
    return yield.emitOpError() << "expected values of types (" << getOutputs().getTypes() << "), got: ("
                               << yield.getValues().getTypes() << ")";
  return success();
}

int64_t OnlineAttentionOp::slotWidth(int64_t heads, int64_t length) {
  return llvm::alignTo(heads * llvm::alignTo(length, LAMINA_ROW_PADDING) + 2 * heads, LAMINA_ROW_PADDING);
}

int64_t OnlineAttentionOp::getQueryHeads() {
  return lastDim(getQuery()) / getCache().getType().getKeyLength();
}

/// Verifies the following:
/// - the query is a multiple of the cache's heads wide
/// - ranges are blocks of positions, and a row of the result is a number of slots
/// - cached ranges are computed or taken, and taken from slots like the result's
/// - the places are two vectors and a table
LogicalResult OnlineAttentionOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(verifyQuery(*this, getQuery(), cache)))
    return failure();
  if (failed(verifySplit(*this, getRange(), getRanges(), getSplitTokens())) ||
      failed(verifySlots(*this, getResult(), getQueryHeads(), cache.getValueLength())))
    return failure();
  if (getCached() && getCachedOnly())
    return emitOpError("expected cached_only or cached ranges to go on from, got both");
  if (getCached() && getCached().getType() != getResult().getType())
    return emitOpError() << "expected cached ranges in slots like the result's, got: "
                         << getCached().getType();
  return verifyPlaces(*this, getPositions(), getSequences(), getBlockTable());
}

/// Verifies the following:
/// - the heads divide the result
/// - ranges are blocks of positions, and a row of the partial results is a number of slots
LogicalResult AttentionCombineOp::verify() {
  if (int64_t(getHeads()) <= 0 || lastDim(getResult()) % getHeads() != 0)
    return emitOpError() << "expected heads that divide " << lastDim(getResult())
                         << ", got: " << int64_t(getHeads());
  if (failed(verifySplit(*this, getRange(), getRanges(), getSplitTokens())))
    return failure();
  return verifySlots(*this, getPartials(), getHeads(), lastDim(getResult()) / getHeads());
}

/// Verifies the following:
/// - experts and weights have the same shape
/// - no more experts are chosen than there are
LogicalResult RouteExpertsOp::verify() {
  if (tensorOf(getExperts()).getShape() != tensorOf(getWeights()).getShape())
    return emitOpError() << "expected experts and weights of one shape, got: " << getExperts().getType()
                         << " and " << getWeights().getType();
  if (lastDim(getExperts()) > lastDim(getLogits()))
    return emitOpError() << "expected at most " << lastDim(getLogits())
                         << " chosen experts, got: " << lastDim(getExperts());
  return success();
}

/// Verifies the following:
/// - the input is as wide as the weight's rows
/// - the result is [tokens, chosen experts, rows of the weight]
/// - q8 input meets a weight of blocks
LogicalResult ExpertLinearOp::verify() {
  if (failed(expectRank(*this, "result", 3, getResult())) ||
      failed(expectRank(*this, "experts", 2, getExperts())))
    return failure();
  if (failed(expectEqual(*this, "input width", lastDim(getWeight()), lastDim(getInput()))))
    return failure();
  if (failed(
          expectEqual(*this, "chosen experts", lastDim(getExperts()), tensorOf(getResult()).getDimSize(1))))
    return failure();
  if (failed(expectEqual(*this, "result width", tensorOf(getWeight()).getDimSize(1), lastDim(getResult()))))
    return failure();
  return verifyProduct(*this, getInput(), getWeight());
}

LogicalResult CombineExpertsOp::verify() {
  if (failed(expectRank(*this, "input", 3, getInput())))
    return failure();
  if (failed(
          expectEqual(*this, "weights per token", tensorOf(getInput()).getDimSize(1), lastDim(getWeights()))))
    return failure();
  return expectEqual(*this, "result width", lastDim(getInput()), lastDim(getResult()));
}

/// Verifies the following:
/// - values and ids have the same shape, that of rows
/// - no more columns are chosen than there are
LogicalResult TopKOp::verify() {
  if (failed(expectRank(*this, "input", 2, getInput())) ||
      failed(expectRank(*this, "values", 2, getValues())))
    return failure();
  if (tensorOf(getValues()).getShape() != tensorOf(getIds()).getShape())
    return emitOpError() << "expected values and ids of one shape, got: " << getValues().getType() << " and "
                         << getIds().getType();
  if (lastDim(getValues()) > lastDim(getInput()))
    return emitOpError() << "expected at most " << lastDim(getInput())
                         << " columns, got: " << lastDim(getValues());
  return success();
}
