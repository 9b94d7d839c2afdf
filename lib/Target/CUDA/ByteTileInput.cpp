//===- TileInput.cpp - activations on their way to tensor cores ---------------------------------------===//

#include "lib/Target/CUDA/TileInput.h"

#include "runtime/device/KernelABI.h"

using namespace mlir;
using namespace lamina;

TileInput::TileInput(DeviceContext &kernel, Value input, int64_t tokens, const TileStage &stage,
                     ArrayRef<int64_t> numbers)
    : kernel_(kernel), b_(kernel.device), input_(input), tokens_(tokens), stage_(stage), numbers_(numbers) {}

void TileInput::forOwn(int64_t count, llvm::function_ref<void(Value)> body) {
  for (int64_t begin = 0; begin < count; begin += b_.threads()) {
    Value index = b_.add(b_.thread(), begin);
    body(begin + b_.threads() <= count ? index : b_.min(index, b_.i64(count - 1))); // the last one several times
  }
}

Value TileInput::block(Value firstStep, Value place, Value token) {
  Value chain = b_.div(place, TileStage::kSlots), slot = b_.rem(place, TileStage::kSlots);
  Value step = b_.add(stage_.step(b_, firstStep, chain, 0), b_.mul(slot, stage_.stride));
  step = b_.min(step, b_.i64(stage_.steps - 1));
  Value row = b_.min(b_.add(first_, token), b_.sub(kernel_.rows, b_.i64(1)));
  return b_.offset(kernel_.rowPointer(input_, row), b_.mul(step, sizeof(LaminaQuantizedBlock)));
}

Value TileInput::fieldOffset(Value field) {
  Value offset = b_.i64(numbers_.back());
  for (int64_t i = int64_t(numbers_.size()) - 2; i >= 0; --i)
    offset = b_.select(b_.equal(field, b_.i64(i)), b_.i64(numbers_[i]), offset);
  return offset;
}

Values TileInput::fetch(Value firstStep) {
  Values fetched;
  constexpr int64_t kPieces = kCodeBytes / kPieceBytes;
  forOwn(places() * tokens_ * kPieces, [&](Value index) {
    Value item = b_.div(index, kPieces), piece = b_.rem(index, kPieces);
    Value from = block(firstStep, b_.div(item, tokens_), b_.rem(item, tokens_));
    fetched.push_back(b_.load(b_.i32(kPieceBytes / 4), b_.offset(from, b_.mul(piece, kPieceBytes))));
  });
  forOwn(places() * tokens_ * int64_t(numbers_.size()), [&](Value index) {
    Value rest = b_.div(index, tokens_), fields = b_.rem(rest, int64_t(numbers_.size()));
    Value from = block(firstStep, b_.div(rest, int64_t(numbers_.size())), b_.rem(index, tokens_));
    fetched.push_back(b_.loadF32(b_.offset(from, fieldOffset(fields)), 0));
  });
  return fetched;
}

void TileInput::store(ValueRange fetched, Value buffer) {
  auto put = [&](Value base, int64_t bytes) {
    return [this, &fetched, base, bytes](Value index) {
      b_.store(fetched.front(), b_.offset(base, b_.mul(index, bytes)));
      fetched = fetched.drop_front();
    };
  };
  int64_t items = places() * tokens_;
  forOwn(items * kCodeBytes / kPieceBytes, put(buffer, kPieceBytes));
  forOwn(items * int64_t(numbers_.size()), put(b_.offset(buffer, items * kCodeBytes), 4));
}

Value TileInput::codes(Value buffer, Value chain, int64_t slot, Value token) {
  Value item = b_.add(b_.mul(place(chain, slot), tokens_), token);
  return b_.offset(buffer, b_.mul(item, kCodeBytes));
}

Value TileInput::numbers(Value buffer, Value chain, int64_t slot, int64_t field, Value token) {
  Value row = b_.add(b_.mul(place(chain, slot), int64_t(numbers_.size())), field);
  Value base = b_.offset(buffer, places() * tokens_ * kCodeBytes);
  return b_.offset(base, b_.mul(b_.add(b_.mul(row, tokens_), token), 4));
}
