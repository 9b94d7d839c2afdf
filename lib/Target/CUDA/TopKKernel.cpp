//===- TopKKernel.cpp - the largest elements of rows --------------------------------------------------===//
//
// A block is a row; a thread has every threads()-th column and knows the greatest key of those that were not chosen
// yet. The greatest of all threads' keys is chosen, and the warp of the thread that had it looks through that
// thread's columns for the next one, side by side.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/TopKey.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

namespace {

class DeviceTopK {
public:
  explicit DeviceTopK(DeviceContext &kernel)
      : b_(kernel.device), op_(kernel.ops<lm::TopKOp>().front()), columns_(width(op_.getInput())),
        chosen_(width(op_.getValues())), input_(kernel.rowPointer(op_.getInput(), kernel.begin)),
        values_(kernel.rowPointer(op_.getValues(), kernel.begin)),
        ids_(kernel.rowPointer(op_.getIds(), kernel.begin)),
        count_(b_.min(kernel.candidates, b_.i64(chosen_))) {}

  void emit() {
    b_.branch(b_.less(b_.i64(0), count_), [&] {
      Value own = greatestKey(b_, input_, b_.thread(), columns_, b_.threads(), b_.i64(kAboveKeys));
      b_.loop(b_.i64(0), count_, 1, own, [&](Value j, ValueRange keys) {
        Value key = b_.foldBlock(keys[0], [&](Value x, Value y) { return b_.max(x, y); });
        Value column = columnOf(b_, key);
        b_.byOneThread([&] { choose(column, j); });
        return Values{replaced(keys[0], key, column, b_.less(b_.add(j, 1), count_))};
      });
    });
    b_.byOneThread([&] {
      for (int64_t j = chosen_; j < paddedWidth(op_.getValues()); ++j) {
        b_.store(b_.constant(b_.f32(0), 0.0), at(values_, b_.i64(j)));
        b_.store(b_.constant(b_.i32(0), int64_t(0)), at(ids_, b_.i64(j)));
      }
    });
  }

private:
  Value at(Value base, Value i) { return b_.offset(base, b_.mul(i, 4)); }
  Value narrow(Value i) { return arith::TruncIOp::create(b_, b_.getI32Type(), i); }

  Value greatestOfWarp(Value key) {
    return b_.foldWarp(key, [&](Value x, Value y) { return b_.max(x, y); });
  }

  void choose(Value column, Value j) {
    b_.store(b_.loadF32(at(input_, column), 0), at(values_, j));
    b_.store(narrow(column), at(ids_, j));
  }

  /// The thread's greatest key once `chosen`, of `column`, is out; the same one if none is wanted any more.
  Value replaced(Value own, Value chosen, Value column, Value wanted) {
    Value owner = b_.rem(column, b_.threads());
    Value mine = b_.equal(b_.warp(), b_.div(owner, kWarp));
    auto search = [&] {
      Value first = b_.add(owner, b_.mul(b_.lane(), b_.threads()));
      Value next = greatestOfWarp(greatestKey(b_, input_, first, columns_, kWarp * b_.threads(), chosen));
      return Values{b_.select(b_.equal(b_.thread(), owner), next, own)};
    };
    return b_.branchValues(arith::AndIOp::create(b_, mine, wanted), search, [&] { return Values{own}; })[0];
  }

  DeviceBuilder &b_;
  lm::TopKOp op_;
  int64_t columns_, chosen_;
  Value input_, values_, ids_, count_;
};

} // namespace

void lamina::emitDeviceTopK(DeviceContext &kernel) { DeviceTopK(kernel).emit(); }
