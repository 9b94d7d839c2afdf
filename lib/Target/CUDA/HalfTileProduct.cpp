//===- HalfTileProduct.cpp - products with weights of 16 bits on tensor cores -------------------------===//

#include "lib/Target/CUDA/HalfTileProduct.h"

using namespace mlir;
using namespace lamina;

/// None for weights in blocks.
static PackedNumber numberOf(Value weight) {
  auto type = cast<lm::BlockType>(cast<RankedTensorType>(weight.getType()).getElementType());
  return packedLayout(*findBlockFormat(std::string_view(type.getFormat()))).plainNumber;
}

bool HalfTileProduct::multiplies(Operation *op) {
  auto linear = dyn_cast<lm::LinearOp>(op);
  PackedNumber number = linear ? numberOf(linear.getWeight()) : PackedNumber::None;
  return number == PackedNumber::F16 || number == PackedNumber::BF16;
}

/// Many tokens need much of the block's memory. With few a block, which may be alone on its multiprocessor, has 32 KB of
/// weights on their way: as much as comes from memory while a load takes.
HalfTileProduct::HalfTileProduct(DeviceContext &kernel, Value input, Value weight, int64_t tokens,
                                 int64_t teams, int64_t warps)
    : TileProduct(kernel,
                  {tokens, teams, /*folded=*/1, warps, /*slots=*/tokens > kTokens ? 1 : 2,
                   /*ahead=*/2},
                  llvm::divideCeil(width(weight), kPackedStep)),
      number_(numberOf(weight)), row_(b_.div(b_.lane(), 4)), quarter_(b_.rem(b_.lane(), 4)),
      decoder_(b_, weight), input_(kernel, input, tokens, stage_, number_) {}

/// A word is an element of two rows; four lanes have neighbouring elements. Where the last step is not whole, elements
/// behind the row's last count as zeros: what lies there may be no number.
void HalfTileProduct::loadWeights(Value step, Values &loaded) {
  constexpr int64_t kElementBytes = 2 * kPackedRows;
  int64_t length = decoder_.rowLength();
  bool whole = length % kPackedStep == 0;
  Value first = b_.add(b_.mul(b_.min(step, b_.i64(stage_.steps - 1)), kPackedStep), quarter_);
  Value rows = b_.offset(group_, b_.mul(row_, 4));
  for (int64_t i = 0; i < kWords; ++i) {
    Value element = b_.add(first, 4 * i), zero = b_.constant(b_.i32(0), int64_t(0));
    Value existing = whole ? element : b_.min(element, b_.i64(length - 1));
    Value word = b_.load(b_.i32(0), b_.offset(rows, b_.mul(existing, kElementBytes)));
    loaded.push_back(whole ? word : b_.select(b_.less(element, b_.i64(length)), word, zero));
  }
}

void HalfTileProduct::multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums) {
  constexpr int64_t kDepths = kPackedStep / 16; // of the instruction
  std::array<Values, kDepths> a;
  for (int64_t i = 0; i < kWords; i += 2) {
    a[i / 4].push_back(b_.lowerHalves(weights[i], weights[i + 1]));
    a[i / 4].push_back(b_.upperHalves(weights[i], weights[i + 1]));
  }
  for (int64_t tile = 0; tile < tiles(); ++tile) {
    Value token = b_.add(row_, tile * kTokens), column = b_.add(b_.mul(quarter_, 2), tile * kTokens);
    Values products(kSumsOfTile, b_.constant(b_.f32(0), 0.0));
    for (int64_t term = input_.terms().count() - 1; term >= 0; --term) {
      Value place = b_.offset(input_.term(buffer, warp_, slot, term, token), b_.mul(quarter_, 16));
      Value words = b_.load(b_.i32(4), place);
      for (int64_t depth = 0; depth < kDepths; ++depth)
        products = b_.multiplyTiles(
            number_, a[depth], {b_.extract(words, 2 * depth), b_.extract(words, 2 * depth + 1)}, products);
    }
    for (int64_t i = 0; i < kSumsOfTile; ++i) {
      Value &sum = sums[tile * kSumsOfTile + i];
      sum = input_.terms().hasScale()
                ? b_.fma(products[i], b_.loadF32(input_.scale(buffer, warp_, slot, b_.add(column, i % 2)), 0),
                         sum)
                : b_.addf(products[i], sum);
    }
  }
}
