//===- DeviceProduct.cpp - what one thread adds to products with a weight -----------------------------===//

#include "lib/Target/CUDA/DeviceProduct.h"

#include "dialects/LM/IR/LM.h"
#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

/// Rows of which 16 bytes have an element or a word of codes.
static int64_t rowsOfLoad(Value weight) {
  auto type = cast<lm::BlockType>(cast<RankedTensorType>(weight.getType()).getElementType());
  PackedLayout layout = packedLayout(*findBlockFormat(std::string_view(type.getFormat())));
  return layout.plain ? 16 / (packedNumberBytes(layout.plainNumber) / kPackedRows)
                      : kPackedRows / kTeamOfCodes;
}

DeviceProduct::DeviceProduct(DeviceBuilder &builder, Value input, Value weight, Value thread, int64_t threads)
    : b_(builder), rowsEach_(rowsOfLoad(weight)), teams_(threads / threadsOfTeam()),
      team_(b_.div(thread, threadsOfTeam())),
      decoder_(builder, weight, {rowsEach_, b_.mul(b_.rem(thread, threadsOfTeam()), rowsEach_), {}}),
      integers_(isa<lm::Q8Type>(cast<RankedTensorType>(input.getType()).getElementType())) {}

Values DeviceProduct::addStep(Value group, Value step, ValueRange inputRows, ValueRange before) {
  Values sums(before);
  if (integers_)
    decoder_.decodeStepCodes(
        group, step, WeightDecoder::CodeForm::Unsigned, sums,
        [&](const WeightDecoder::Codes &codes, Values &current) { addCodes(codes, inputRows, current); });
  else
    addNumbers(group, step, inputRows, sums);
  return sums;
}

/// Some steps stand together, so that their weights are on their way at once. More rows have more to do meanwhile.
Values DeviceProduct::addSteps(Value group, ValueRange inputRows) {
  int64_t rounds = decoder_.steps() / teams_, together = !integers_ ? 1 : inputRows.size() == 1 ? 4 : 2;
  int64_t inLoop = rounds / together * together;
  auto addSome = [&](Value firstRound, int64_t count, ValueRange before) {
    Values sums(before);
    for (int64_t i = 0; i < count; ++i)
      sums = addStep(group, b_.add(b_.mul(b_.add(firstRound, i), teams_), team_), inputRows, sums);
    return sums;
  };
  Values sums(inputRows.size(), b_.constant(b_.f32(rowsEach_), 0.0));
  sums = b_.loop(b_.i64(0), b_.i64(inLoop), together, sums,
                 [&](Value round, ValueRange before) { return addSome(round, together, before); });
  sums = addSome(b_.i64(inLoop), rounds - inLoop, sums);
  if (decoder_.steps() % teams_ == 0)
    return sums;
  Value last = b_.add(team_, rounds * teams_);
  return b_.branchValues(
      b_.less(last, b_.i64(decoder_.steps())), [&] { return addStep(group, last, inputRows, sums); },
      [&] { return sums; });
}

void DeviceProduct::addNumbers(Value group, Value step, ValueRange inputRows, Values &sums) {
  int64_t together = decoder_.stepElements() % 4 == 0 ? 4 : 1; // numbers of a row that are loaded at once
  Values inputs(inputRows.size());
  decoder_.decodeStep(group, step, sums, [&](Value first, int64_t k, ValueRange weights, Values &current) {
    for (auto [row, input, sum] : llvm::zip(inputRows, inputs, current)) {
      if (k % together == 0)
        input = b_.loadF32(b_.offset(b_.offset(row, b_.mul(first, 4)), 4 * k), together == 1 ? 0 : together);
      Value x = together == 1 ? input : b_.extract(input, k % together);
      sum = b_.fma(weights[0], b_.broadcast(x, rowsEach_), sum);
    }
  });
}

/// The integers of one scale, then one multiply-add in f32, or two where the format has mins.
void DeviceProduct::addCodes(const WeightDecoder::Codes &codes, ValueRange inputRows, Values &sums) {
  constexpr int64_t kCodesOfLoad = 16;
  int64_t part =
      4 * (codes.elements == kPackedStep ? 2 : codes.k / codes.elements); // which of the block's sums
  Values inputs;
  for (Value row : inputRows)
    inputs.push_back(b_.offset(row, b_.mul(codes.first, sizeof(LaminaQuantizedBlock) / kPackedStep)));
  auto load = [&](Type type, Value input, int64_t offset) { return b_.load(type, b_.offset(input, offset)); };

  std::vector<Values> dots;
  for (Value input : inputs) {
    Value start = b_.constant(b_.i32(0), int64_t(0));
    if (int64_t offset = decoder_.codeOffset())
      start = b_.mul(load(b_.i32(0), input, offsetof(LaminaQuantizedBlock, negatedSums) + part),
                     b_.constant(b_.i32(0), offset));
    dots.push_back(Values(rowsEach_, start));
  }
  Values words(inputs.size());
  for (int64_t quad = 0; quad < codes.elements / 4; ++quad) {
    Value weights = codes.quad(quad);
    for (auto [input, word, dot] : llvm::zip(inputs, words, dots)) {
      if (4 * quad % kCodesOfLoad == 0)
        word = load(b_.i32(kCodesOfLoad / 4), input, codes.k + 4 * quad);
      for (int64_t r = 0; r < rowsEach_; ++r)
        dot[r] = b_.dotBytes(b_.extract(weights, r), b_.extract(word, quad % (kCodesOfLoad / 4)), dot[r]);
    }
  }
  WeightDecoder::Scale weight = codes.scale();
  for (auto [input, dot, sum] : llvm::zip(inputs, dots, sums)) {
    Value integers = vector::FromElementsOp::create(b_, cast<VectorType>(b_.i32(rowsEach_)), dot);
    auto number = [&](int64_t offset) { return b_.broadcast(load(b_.f32(0), input, offset), rowsEach_); };
    Value scale = number(offsetof(LaminaQuantizedBlock, scale));
    sum = b_.fma(b_.intToFloat(integers), b_.mulf(weight.factor, scale), sum);
    if (weight.min)
      sum = b_.fma(weight.min, number(offsetof(LaminaQuantizedBlock, scaledSums) + part), sum);
  }
}
