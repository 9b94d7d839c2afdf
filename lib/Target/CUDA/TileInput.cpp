//===- TileInput.cpp - activations on their way to tensor cores ---------------------------------------===//

#include "lib/Target/CUDA/TileInput.h"

using namespace mlir;
using namespace lamina;

/// Whole rounds repeat, so that neighbouring threads still have neighbouring things.
void TileInput::forOwn(int64_t count, llvm::function_ref<void(Value)> body) {
  for (int64_t begin = 0; begin < count; begin += b_.threads()) {
    Value index = b_.add(b_.thread(), begin);
    body(begin + b_.threads() <= count ? index : b_.rem(index, count));
  }
}

Value TileInput::stepOf(Value firstStep, Value place) {
  Value chain = b_.div(place, stage_.slots), slot = b_.rem(place, stage_.slots);
  Value step = b_.add(stage_.step(b_, firstStep, chain, 0), b_.mul(slot, stage_.stride));
  return b_.min(step, b_.i64(stage_.steps - 1));
}

Value TileInput::rowOf(Value token) {
  return kernel_.rowPointer(input_, b_.min(b_.add(first_, token), b_.sub(kernel_.rows, b_.i64(1))));
}
