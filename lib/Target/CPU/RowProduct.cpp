//===- RowProduct.cpp - rows of activations times rows of a weight ------------------------------------===//

#include "lib/Target/CPU/RowProduct.h"

#include "lib/Target/CPU/IntegerDot.h"
#include "runtime/device/KernelABI.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

static_assert(sizeof(LaminaQuantizedBlock) == 2 * kPackedStep); // so element k is in the block at byte 2·k

RowProduct::RowProduct(KernelBuilder &builder, Value input, Value weight)
    : b_(builder), decoder_(builder, weight),
      integers_(isa<lm::Q8Type>(cast<RankedTensorType>(input.getType()).getElementType())),
      inputPitch_(rowBytes(input)) {
  bool experts = cast<RankedTensorType>(weight.getType()).getRank() > 2;
  if (integers_ && b_.target().byteTiles && !experts)
    byteTiles_.emplace(b_);
}

/// In integers one group keeps the units busy, and memory is read fastest in one stream.
int64_t RowProduct::groupsAtOnce(int64_t tokens) const {
  if (integers_)
    return 1;
  return tokens == 1 ? b_.target().groupsAtOnce : b_.target().groupsOfFour;
}

int64_t RowProduct::tileTokens() const {
  if (usesByteTiles())
    return ByteTiles::kTokens;
  return integers_ ? b_.target().integerTileTokens : b_.target().tileTokens;
}

void RowProduct::forEachTile(Value begin, Value end, llvm::function_ref<void(Value, int64_t)> body) {
  int64_t larger = tileTokens() + 1;
  for (int64_t size : {tileTokens(), int64_t(8), int64_t(4), int64_t(1)}) {
    if (size >= larger)
      continue;
    larger = size;
    Value tiled = b_.add(begin, b_.mul(b_.div(b_.sub(end, begin), size), size));
    b_.loop(begin, tiled, size, [&](Value first) { body(first, size); });
    begin = tiled;
  }
}

Values RowProduct::dot(ValueRange groups, ValueRange inputRows) {
  if (!integers_)
    return floatDot(groups, inputRows);
  Values sums;
  for (Value group : groups)
    for (size_t t = 0; t < inputRows.size(); t += tileTokens()) // more would not stay in registers
      llvm::append_range(
          sums, integerDot(group, inputRows.slice(t, std::min<size_t>(tileTokens(), inputRows.size() - t))));
  return sums;
}

Values RowProduct::floatDot(ValueRange groups, ValueRange inputRows) {
  Values zeros(groups.size() * inputRows.size(), b_.constant(b_.f32(kPackedRows), 0.0));
  Value blocks = b_.i64(decoder_.rowLength() / decoder_.blockElements());
  return decoder_.decode(groups, b_.i64(0), blocks, fetchesAhead(inputRows.size()), zeros,
                         [&](Value first, int64_t k, ValueRange weights, Values &sums) {
                           Value column = b_.mul(first, 4);
                           for (auto [t, row] : llvm::enumerate(inputRows)) {
                             Value x = b_.loadF32(b_.offset(b_.offset(row, column), 4 * k), 0);
                             x = b_.broadcast(x, kPackedRows);
                             for (size_t g = 0; g < groups.size(); ++g) {
                               Value &sum = sums[g * inputRows.size() + t];
                               sum = b_.fma(weights[g], x, sum);
                             }
                           }
                         });
}

Values RowProduct::integerDot(Value group, ValueRange inputRows) {
  Values zeros(inputRows.size(), b_.constant(b_.f32(kPackedRows), 0.0));
  bool wholeTile = usesByteTiles() && inputRows.size() == ByteTiles::kTokens;
  auto form = wholeTile ? WeightDecoder::CodeForm::Signed : WeightDecoder::CodeForm::Unsigned;
  return decoder_.decodeCodes(group, form, fetchesAhead(inputRows.size()), zeros,
                              [&](const WeightDecoder::Codes &codes, Values &sums) {
                                wholeTile ? addTile(codes, inputRows[0], sums)
                                          : addCodes(codes, inputRows, sums);
                              });
}

/// A number of a block of the input that all rows of the weight are multiplied by.
Value RowProduct::loadOfBlock(Type type, Value input, int64_t offset) {
  return b_.broadcast(b_.load(type, b_.offset(input, offset)), kPackedRows);
}

/// Where LaminaQuantizedBlock has what belongs to `codes` in its arrays of sums.
static int64_t partOf(const WeightDecoder::Codes &codes) {
  return 4 * (codes.elements == kPackedStep ? 2 : codes.k / codes.elements);
}

/// The integers of one scale times the scales of both sides, and the min.
Value RowProduct::addScaled(Value integers, const WeightDecoder::Scale &weight, Value input, int64_t part,
                            Value sum) {
  Value scale = loadOfBlock(b_.getF32Type(), input, offsetof(LaminaQuantizedBlock, scale));
  sum = b_.fma(b_.intToFloat(integers), b_.mulf(weight.factor, scale), sum);
  if (!weight.min)
    return sum;
  Value scaledSum = loadOfBlock(b_.getF32Type(), input, offsetof(LaminaQuantizedBlock, scaledSums) + part);
  return b_.fma(weight.min, scaledSum, sum);
}

/// The integers of one scale for a whole tile at once.
void RowProduct::addTile(const WeightDecoder::Codes &codes, Value inputRows, Values &sums) {
  Value weights = codes.stored;
  if (!weights) {
    weights = byteTiles_->weights();
    for (int64_t quad = 0; quad < codes.elements / 4; ++quad)
      b_.store(codes.quad(quad), b_.offset(weights, quad * 4 * kPackedRows));
  }
  Value input = b_.offset(inputRows, b_.mul(codes.first, 2));
  Value integers = byteTiles_->multiply(b_.offset(input, codes.k), inputPitch_, weights, codes.elements);
  WeightDecoder::Scale weight = codes.scale();
  for (auto [t, sum] : llvm::enumerate(sums)) {
    Value ofToken = b_.load(b_.i32(kPackedRows), b_.offset(integers, int64_t(t) * 4 * kPackedRows));
    sum = addScaled(ofToken, weight, b_.offset(input, int64_t(t) * inputPitch_), partOf(codes), sum);
  }
}

/// The integers of one scale, then one multiply-add in f32, or two where the format has mins.
void RowProduct::addCodes(const WeightDecoder::Codes &codes, ValueRange inputRows, Values &sums) {
  Values inputs;
  for (Value row : inputRows)
    inputs.push_back(b_.offset(row, b_.mul(codes.first, 2)));

  IntegerDot dot(b_, decoder_.largestCode());
  SmallVector<IntegerDot::Sum> dots;
  for (Value input : inputs) {
    Value start = b_.constant(b_.i32(kPackedRows), int64_t(0));
    if (int64_t offset = decoder_.codeOffset() - dot.bias()) {
      Value negatedSum =
          loadOfBlock(b_.getI32Type(), input, offsetof(LaminaQuantizedBlock, negatedSums) + partOf(codes));
      start = b_.mul(negatedSum, b_.constant(negatedSum.getType(), offset));
    }
    dots.push_back(dot.begin(start));
  }
  for (int64_t quad = 0; quad < codes.elements / 4; ++quad) {
    Value weights = codes.quad(quad);
    for (auto [input, sum] : llvm::zip(inputs, dots))
      dot.add(sum, weights, loadOfBlock(b_.getI32Type(), input, codes.k + 4 * quad));
  }
  WeightDecoder::Scale weight = codes.scale(); // only now, when the codes' registers are free
  for (auto [input, integers, sum] : llvm::zip(inputs, dots, sums))
    sum = addScaled(dot.finish(integers), weight, input, partOf(codes), sum);
}
