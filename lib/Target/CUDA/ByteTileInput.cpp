//===- ByteTileInput.cpp - activations rounded to eight bits, for tensor cores ------------------------===//

#include "lib/Target/CUDA/ByteTileInput.h"

#include "runtime/device/KernelABI.h"

using namespace mlir;
using namespace lamina;

Value ByteTileInput::block(Value firstStep, Value place, Value token) {
  return b_.offset(rowOf(token), b_.mul(stepOf(firstStep, place), sizeof(LaminaQuantizedBlock)));
}

Value ByteTileInput::fieldOffset(Value field) {
  Value offset = b_.i64(numbers_.back());
  for (int64_t i = int64_t(numbers_.size()) - 2; i >= 0; --i)
    offset = b_.select(b_.equal(field, b_.i64(i)), b_.i64(numbers_[i]), offset);
  return offset;
}

Values ByteTileInput::fetch(Value firstStep) {
  Values fetched;
  constexpr int64_t kPieces = kCodeBytes / kPieceBytes;
  forOwn(stage_.places() * tokens_ * kPieces, [&](Value index) {
    Value item = b_.div(index, kPieces), piece = b_.rem(index, kPieces);
    Value from = block(firstStep, b_.div(item, tokens_), b_.rem(item, tokens_));
    fetched.push_back(b_.load(b_.i32(kPieceBytes / 4), b_.offset(from, b_.mul(piece, kPieceBytes))));
  });
  forOwn(stage_.places() * tokens_ * int64_t(numbers_.size()), [&](Value index) {
    Value rest = b_.div(index, tokens_), fields = b_.rem(rest, int64_t(numbers_.size()));
    Value from = block(firstStep, b_.div(rest, int64_t(numbers_.size())), b_.rem(index, tokens_));
    fetched.push_back(b_.loadF32(b_.offset(from, fieldOffset(fields)), 0));
  });
  return fetched;
}

void ByteTileInput::store(ValueRange fetched, Value buffer) {
  auto put = [&](Value base, int64_t bytes) {
    return [this, &fetched, base, bytes](Value index) {
      b_.store(fetched.front(), b_.offset(base, b_.mul(index, bytes)));
      fetched = fetched.drop_front();
    };
  };
  int64_t items = stage_.places() * tokens_;
  forOwn(items * kCodeBytes / kPieceBytes, put(buffer, kPieceBytes));
  forOwn(items * int64_t(numbers_.size()), put(b_.offset(buffer, items * kCodeBytes), 4));
}

Value ByteTileInput::codes(Value buffer, Value chain, int64_t slot, Value token) {
  Value item = b_.add(b_.mul(place(chain, slot), tokens_), token);
  return b_.offset(buffer, b_.mul(item, kCodeBytes));
}

Value ByteTileInput::numbers(Value buffer, Value chain, int64_t slot, int64_t field, Value token) {
  Value row = b_.add(b_.mul(place(chain, slot), int64_t(numbers_.size())), field);
  Value base = b_.offset(buffer, stage_.places() * tokens_ * kCodeBytes);
  return b_.offset(base, b_.mul(b_.add(b_.mul(row, tokens_), token), 4));
}
