//===- WeightDecoder.cpp - f32 weights out of a packed matrix -----------------------------------------===//

#include "lib/Target/Kernels/WeightDecoder.h"

#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <numeric>

using namespace mlir;
using namespace lamina;

static const BlockFormat &formatOf(Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  return *findBlockFormat(std::string_view(cast<lm::BlockType>(type.getElementType()).getFormat()));
}

WeightDecoder::WeightDecoder(KernelBuilder &builder, Value weight, DecodedPart part)
    : b_(builder), layout_(packedLayout(formatOf(weight))), part_(part) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(weight.getType()).getShape();
  rowLength_ = shape.back();
  groups_ = llvm::divideCeil(shape.drop_back().back(), kPackedRows);
  // Plain rows may have any length; a step of them is what divides it.
  blockElements_ = layout_.plain ? std::gcd(rowLength_, int64_t(16)) : layout_.blockElements;
}

Values WeightDecoder::decode(ValueRange groups, Value beginBlock, Value endBlock, bool fetchAhead,
                             ValueRange state, Consumer consume) {
  if (!layout_.plain)
    return loopOverSteps(groups, beginBlock, endBlock, fetchAhead, state,
                         [&](ValueRange blocks, ArrayRef<Header> headers, Value index, Value first,
                             Values &current) { step(blocks, headers, index, first, current, consume); });
  int64_t bytes = blockElements_ * layout_.blockBytes;
  return b_.loop(beginBlock, endBlock, 1, state, [&](Value block, ValueRange blockState) {
    Values current(blockState), blocks;
    for (Value group : groups)
      blocks.push_back(b_.offset(group, b_.mul(block, bytes)));
    if (fetchAhead)
      for (Value address : blocks)
        fetch(address, bytes);
    plainBlock(blocks, b_.mul(block, blockElements_), current, consume);
    return current;
  });
}

Values WeightDecoder::loopOverSteps(ValueRange groups, Value beginBlock, Value endBlock, bool fetchAhead,
                                    ValueRange state, Step step) {
  int64_t steps = blockElements_ / kPackedStep, stepBytes = llvm::divideCeil(layout_.blockBytes, steps);
  return b_.loop(beginBlock, endBlock, 1, state, [&](Value block, ValueRange blockState) {
    Values current(blockState), blocks;
    Value first = b_.mul(block, blockElements_);
    for (Value group : groups)
      blocks.push_back(b_.offset(group, b_.mul(block, layout_.blockBytes)));
    SmallVector<Header> headers;
    for (Value address : blocks)
      headers.push_back(loadHeader(address));
    auto one = [&](Value index, ValueRange stepState) {
      Values next(stepState);
      if (fetchAhead)
        for (Value address : blocks)
          fetch(b_.offset(address, b_.mul(index, stepBytes)), stepBytes);
      step(blocks, headers, index, b_.add(first, b_.mul(index, kPackedStep)), next);
      return next;
    };
    return steps == 1 ? one(b_.i64(0), current) : b_.loop(b_.i64(0), b_.i64(steps), 1, current, one);
  });
}

std::pair<Value, Value> WeightDecoder::blockOf(Value group, Value step) {
  int64_t steps = blockElements_ / stepElements();
  int64_t bytes = layout_.plain ? blockElements_ * layout_.blockBytes : layout_.blockBytes;
  return {b_.offset(group, b_.mul(b_.div(step, steps), bytes)), b_.rem(step, steps)};
}

void WeightDecoder::decodeStep(Value group, Value index, Values &state, Consumer consume) {
  Value first = b_.mul(index, stepElements());
  auto [block, inBlock] = blockOf(group, index);
  if (layout_.plain)
    return plainBlock(block, first, state, consume);
  Header header = loadHeader(block);
  step(block, header, inBlock, first, state, consume);
}

Value WeightDecoder::place(Value field, int64_t bytesEach) {
  return part_.first ? b_.offset(field, b_.mul(part_.first, bytesEach)) : field;
}

Value WeightDecoder::loadRows(PackedNumber number, Value field) {
  int64_t bytes = number == PackedNumber::U4High ? kPackedRows : packedNumberBytes(number);
  return b_.loadNumber(number, place(field, bytes / kPackedRows), part_.lanes);
}

/// How far ahead of its use a weight is fetched: some hundred nanoseconds at the speed of memory.
static constexpr int64_t kFetchBytes = 8192;

void WeightDecoder::fetch(Value address, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += LAMINA_BUFFER_ALIGNMENT)
    b_.prefetch(b_.offset(address, kFetchBytes + line));
}

//===--- Numbers ---------------------------------------------------------------------------------------===//

bool WeightDecoder::foldsOffset() const {
  const BlockFormat &format = *layout_.format;
  return b_.target().fma && format.values.empty() && format.valueOffset != 0 && !format.hasMins();
}

void WeightDecoder::plainBlock(ValueRange blocks, Value first, Values &state, Consumer consume) {
  for (int64_t k = 0; k < blockElements_; ++k) {
    Values weights;
    for (Value block : blocks)
      weights.push_back(loadRows(layout_.plainNumber, b_.offset(block, k * layout_.blockBytes)));
    consume(first, k, weights, state);
  }
}

WeightDecoder::Header WeightDecoder::loadHeader(Value block) {
  Header header;
  if (layout_.superScale.elements == layout_.blockElements)
    header.superScale = loadRows(layout_.superScale.number, b_.offset(block, layout_.superScale.offset));
  if (layout_.superMin.number != PackedNumber::None) {
    Value min = loadRows(layout_.superMin.number, b_.offset(block, layout_.superMin.offset));
    // x = scale·value - min: what is added is the negated min.
    header.superMin = layout_.format->minSign > 0 ? b_.subf(b_.constant(min.getType(), 0.0), min) : min;
  }
  return header;
}

/// The entry of `field` for the elements from kPackedStep·step + part on.
Value WeightDecoder::loadEntry(const PackedField &field, Value block, Value step, int64_t part) {
  Value address = b_.offset(block, field.offset);
  int64_t bytes = field.number == PackedNumber::U4High ? kPackedRows : packedNumberBytes(field.number);
  if (field.elements >= kPackedStep)
    address = b_.offset(address, b_.mul(b_.div(step, field.elements / kPackedStep), bytes));
  else
    address = b_.offset(b_.offset(address, b_.mul(step, kPackedStep / field.elements * bytes)),
                        part / field.elements * bytes);
  return loadRows(field.number, address);
}

WeightDecoder::Scale WeightDecoder::loadScale(Value block, const Header &header, Value step, int64_t part) {
  Scale scale{header.superScale, header.superMin};
  if (!scale.factor)
    scale.factor = loadEntry(layout_.superScale, block, step, part);
  if (layout_.format->scaleFactor != 1.0f)
    scale.factor =
        b_.mulf(scale.factor, b_.constant(scale.factor.getType(), double(layout_.format->scaleFactor)));
  if (layout_.subScale.number != PackedNumber::None)
    scale.factor = b_.mulf(scale.factor, b_.intToFloat(loadEntry(layout_.subScale, block, step, part)));
  if (scale.min && layout_.subMin.number != PackedNumber::None)
    scale.min = b_.mulf(scale.min, b_.intToFloat(loadEntry(layout_.subMin, block, step, part)));
  return scale;
}

WeightDecoder::Scale WeightDecoder::foldOffset(Scale scale) {
  if (foldsOffset())
    scale.min =
        b_.mulf(scale.factor, b_.constant(scale.factor.getType(), double(layout_.format->valueOffset)));
  return scale;
}

void WeightDecoder::step(ValueRange blocks, ArrayRef<Header> headers, Value step, Value first, Values &state,
                         Consumer consume) {
  SmallVector<SmallVector<LoadedWord>> words(blocks.size()); // of each group
  SmallVector<Scale> scales(blocks.size());
  SmallVector<Value> codes(blocks.size());
  auto values = [&](Value fileCodes) {
    ArrayRef<int8_t> table = layout_.format->values;
    return table.empty() ? fileCodes : b_.lookupBytes(fileCodes, table);
  };
  for (int64_t k = 0; k < kPackedStep; ++k) {
    Values weights;
    for (size_t g = 0; g < blocks.size(); ++g) {
      if (k % scaleElements() == 0)
        scales[g] = foldOffset(loadScale(blocks[g], headers[g], step, k));
      if (k % 4 == 0)
        codes[g] = values(fourCodes(blocks[g], step, quadsOf(0, kPackedStep, k / 4), words[g]));
      weights.push_back(weightOf(codes[g], k % 4, scales[g]));
    }
    consume(first, k, weights, state);
  }
}

Value WeightDecoder::weightOf(Value codes, int64_t byte, const Scale &scale) {
  const BlockFormat &format = *layout_.format;
  Value number;
  if (format.codeSigned || !format.values.empty())
    number = b_.shiftRightSigned(b_.shiftLeft(codes, 24 - 8 * byte), 24);
  else
    number = b_.bitAnd(b_.shiftRight(codes, 8 * byte), 0xFF);
  if (format.values.empty() && format.valueOffset != 0 && !foldsOffset())
    number = b_.add(number, b_.constant(number.getType(), int64_t(format.valueOffset)));
  Value value = b_.intToFloat(number);
  return scale.min ? b_.fma(value, scale.factor, scale.min) : b_.mulf(value, scale.factor);
}
