//===- HalfTileInput.cpp - f32 activations as terms of 16 bits, for tensor cores ----------------------===//

#include "lib/Target/CUDA/HalfTileInput.h"

using namespace mlir;
using namespace lamina;

HalfTileInput::HalfTileInput(DeviceContext &kernel, Value input, int64_t tokens, const TileStage &stage,
                             PackedNumber number)
    : TileInput(kernel, input, tokens, stage), width_(paddedWidth(input)), terms_(kernel.device, number) {}

//===--- On the way in ---------------------------------------------------------------------------------===//

/// What lies behind a row's padding counts as zeros, as the padding does.
Values HalfTileInput::fetch(Value firstStep) {
  Values fetched;
  constexpr int64_t kPieces = kPackedStep / kPiece;
  forOwn(items() * kPieces, [&](Value index) {
    Value item = b_.div(index, kPieces), piece = b_.rem(index, kPieces);
    Value row = rowOf(b_.rem(item, tokens_)), step = stepOf(firstStep, b_.div(item, tokens_));
    Value column = b_.add(b_.mul(step, kPackedStep), b_.mul(piece, kPiece));
    bool exists = width_ % kPackedStep == 0;
    Value from = b_.offset(row, b_.mul(exists ? column : b_.min(column, b_.i64(width_ - kPiece)), 4));
    for (int64_t half = 0; half < kPiece; half += 4) {
      Value four = b_.loadF32(b_.offset(from, 4 * half), 4), zeros = b_.constant(b_.f32(4), 0.0);
      fetched.push_back(exists ? four : b_.select(b_.less(column, b_.i64(width_)), four, zeros));
    }
  });
  return fetched;
}

void HalfTileInput::store(ValueRange fetched, Value buffer) {
  constexpr int64_t kPieces = kPackedStep / kPiece;
  forOwn(items() * kPieces, [&](Value index) {
    Value item = b_.div(index, kPieces), piece = b_.rem(index, kPieces);
    Values elements;
    for (int64_t k = 0; k < kPiece; ++k)
      elements.push_back(b_.extract(fetched[k / 4], k % 4));
    fetched = fetched.drop_front(2);
    if (terms_.hasScale()) // threads of the same step store the same
      b_.store(scaleUp(elements), b_.offset(scales(buffer), b_.mul(item, 4)));
    Value place = b_.div(item, tokens_), token = b_.rem(item, tokens_);
    for (int64_t term = 0; term < terms_.count(); ++term) {
      Value row = b_.add(b_.mul(b_.add(b_.mul(place, terms_.count()), term), tokens_), token);
      Value words = b_.offset(b_.offset(buffer, b_.mul(row, kTermBytes)), b_.mul(piece, 4));
      for (int64_t quarter = 0; quarter < 4; ++quarter)
        b_.store(terms_.take(elements[quarter], elements[4 + quarter]), b_.offset(words, 16 * quarter));
    }
  });
}

/// Four neighbouring threads have a step.
Value HalfTileInput::scaleUp(Values &elements) {
  auto greater = [&](Value a, Value b) { return b_.max(a, b); };
  Value exponent = b_.foldWarp(terms_.exponentOf(elements), greater, 1, kPackedStep / kPiece);
  Value power = terms_.power(exponent);
  for (Value &element : elements)
    element = b_.mulf(element, power);
  return terms_.inverse(exponent);
}

//===--- In the block's memory -------------------------------------------------------------------------===//

Value HalfTileInput::existing(Value token) {
  return tokens_ % 8 == 0 ? token : b_.min(token, b_.i64(tokens_ - 1));
}

Value HalfTileInput::term(Value buffer, Value chain, int64_t slot, int64_t term, Value token) {
  Value row = b_.add(b_.mul(place(chain, slot), terms_.count()), term);
  return b_.offset(buffer, b_.mul(b_.add(b_.mul(row, tokens_), existing(token)), kTermBytes));
}

Value HalfTileInput::scale(Value buffer, Value chain, int64_t slot, Value token) {
  Value item = b_.add(b_.mul(place(chain, slot), tokens_), existing(token));
  return b_.offset(scales(buffer), b_.mul(item, 4));
}
