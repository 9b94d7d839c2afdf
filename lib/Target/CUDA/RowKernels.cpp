//===- RowKernels.cpp - kernels whose blocks work on a row --------------------------------------------===//
//
// Norms, rotations, gathers, sums of experts, chains of elementwise operations and the rounding of what these
// give. All threads share a row; where it has heads, a warp takes a head.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/DeviceTail.h"
#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/ElementwiseTail.h"

#include "runtime/device/KernelABI.h"

using namespace mlir;
using namespace lamina;

namespace {

class DeviceRowKernel {
public:
  explicit DeviceRowKernel(DeviceContext &kernel)
      : kernel_(kernel), b_(kernel.device), tail_(kernel), row_(kernel.begin),
        width_(width(kernel.results()[0])), head_(width_) {
    for (auto norm : kernel.ops<lm::RMSNormOp>())
      head_ = std::min(head_, width(norm.getWeight()));
    for (auto rotary : kernel.ops<lm::RotaryEmbeddingOp>())
      head_ = std::min(head_, int64_t(rotary.getHeadLength()));
  }

  void emit() {
    if (cast<RankedTensorType>(kernel_.results()[0].getType()).getRank() == 3)
      return roundSlots();
    for (auto norm : kernel_.ops<lm::RMSNormOp>())
      if (width(norm.getWeight()) == width_)
        tail_.setNormFactor(norm, reciprocalRoot(sumOfSquares(norm, {}), width_, norm.getEpsilon()));
    for (auto norm : kernel_.ops<lm::LayerNormOp>())
      findStatistics(norm);
    bool heads = head_ != width_ || !kernel_.ops<lm::RotaryEmbeddingOp>().empty();
    if (!heads)
      return storeRow();
    b_.forWarps(width_ / head_, [&](Value head) { emitHead(b_.mul(head, head_)); });
    for (Value result : kernel_.results())
      emitZeros(b_, kernel_.rowPointer(result, row_), width_, paddedWidth(result));
  }

private:
  Point point(Value column) { return {row_, {}, column, 0}; }
  Value number(double value) { return b_.constant(b_.f32(0), value); }

  /// The sum of what a thread adds for each of its elements of the row, over all threads.
  Value sumOver(llvm::function_ref<Value(Value index, Value sum)> add) {
    Values sum = b_.loop(b_.thread(), b_.i64(width_), b_.threads(), number(0.0),
                         [&](Value i, ValueRange state) { return Values{add(i, state[0])}; });
    return b_.sumBlock(sum[0]);
  }

  /// Of the whole row, or by one warp of the head that begins at `head`.
  Value sumOfSquares(lm::RMSNormOp norm, Value head) {
    auto add = [&](Value column, Value sum) {
      Value x = tail_.at(norm.getInput(), point(column));
      return b_.fma(x, x, sum);
    };
    if (!head)
      return sumOver(add);
    Values sum = b_.loop(b_.lane(), b_.i64(head_), kWarp, number(0.0),
                         [&](Value i, ValueRange state) { return Values{add(b_.add(head, i), state[0])}; });
    return b_.sumWarp(sum[0]);
  }

  /// Mean and deviation in two passes, the second one over what the first has centred.
  void findStatistics(lm::LayerNormOp norm) {
    auto input = [&](Value i) { return tail_.at(norm.getInput(), point(i)); };
    Value sum = sumOver([&](Value i, Value sum) { return b_.addf(sum, input(i)); });
    Value mean = b_.divf(sum, number(double(width_)));
    Value squares = sumOver([&](Value i, Value sum) {
      Value centred = b_.subf(input(i), mean);
      return b_.fma(centred, centred, sum);
    });
    tail_.setMean(norm, mean);
    tail_.setNormFactor(norm, reciprocalRoot(squares, width_, norm.getEpsilon()));
  }

  /// 1 / sqrt(sum / count + epsilon)
  Value reciprocalRoot(Value sum, int64_t count, const llvm::APFloat &epsilon) {
    Value variance = b_.addf(b_.divf(sum, number(double(count))), number(epsilon.convertToDouble()));
    return b_.divf(number(1.0), b_.sqrt(variance));
  }

  /// Padding comes out as zeros when it is computed along with the row.
  void storeRow() {
    for (Value result : kernel_.results())
      if (auto quantize = result.getDefiningOp<lm::QuantizeOp>())
        b_.forWarps(width_ / kWarp, [&](Value block) { round(quantize, {}, b_.mul(block, kWarp)); });
      else
        b_.forThreads(paddedWidth(result), [&](Value i) { tail_.storeResult(result, point(i)); });
  }

  /// The rows of all chosen experts of a token.
  void roundSlots() {
    auto quantize = kernel_.ops<lm::QuantizeOp>().front();
    int64_t blocks = width_ / kWarp;
    b_.forWarps(quantize.getResult().getType().getDimSize(1) * blocks,
                [&](Value i) { round(quantize, b_.div(i, blocks), b_.mul(b_.rem(i, blocks), kWarp)); });
  }

  void round(lm::QuantizeOp quantize, Value slot, Value column) {
    Value element = tail_.at(quantize.getInput(), {row_, slot, b_.add(column, b_.lane()), 0});
    emitWarpBlock(b_, element, tail_.address(quantize, {row_, slot, column, 0}));
  }

  void emitHead(Value begin) {
    for (auto norm : kernel_.ops<lm::RMSNormOp>())
      if (width(norm.getWeight()) != width_)
        tail_.setNormFactor(norm, reciprocalRoot(sumOfSquares(norm, begin), head_, norm.getEpsilon()));
    for (Value result : kernel_.results())
      if (auto rotary = result.getDefiningOp<lm::RotaryEmbeddingOp>())
        rotate(rotary, begin);
      else
        forLanes(head_, [&](Value i) { tail_.storeResult(result, point(b_.add(begin, i))); });
  }

  void forLanes(int64_t count, llvm::function_ref<void(Value)> body) {
    b_.loop(b_.lane(), b_.i64(count), kWarp, body);
  }

  void rotate(lm::RotaryEmbeddingOp rotary, Value begin) {
    int64_t half = width(rotary.getTable()) / 2;
    forLanes(half, [&](Value i) {
      Point first = point(b_.add(begin, i)), second = point(b_.add(first.column, half));
      Value cosine = tail_.at(rotary.getTable(), point(i)),
            sine = tail_.at(rotary.getTable(), point(b_.add(i, half)));
      Value x = tail_.at(rotary.getInput(), first), y = tail_.at(rotary.getInput(), second);
      b_.store(b_.subf(b_.mulf(x, cosine), b_.mulf(y, sine)), tail_.address(rotary, first));
      b_.store(b_.addf(b_.mulf(y, cosine), b_.mulf(x, sine)), tail_.address(rotary, second));
    });
    forLanes(int64_t(rotary.getHeadLength()) - 2 * half, [&](Value i) { // not rotated
      Point at = point(b_.add(b_.add(begin, 2 * half), i));
      b_.store(tail_.at(rotary.getInput(), at), tail_.address(rotary, at));
    });
  }

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  ElementwiseTail tail_;
  Value row_;
  int64_t width_, head_;
};

} // namespace

void lamina::emitDeviceRows(DeviceContext &kernel) { DeviceRowKernel(kernel).emit(); }
