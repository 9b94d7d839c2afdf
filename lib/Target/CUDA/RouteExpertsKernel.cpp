//===- RouteExpertsKernel.cpp - choosing experts ------------------------------------------------------===//
//
// A block of one warp is a row. Softmax over the logits of all experts, then as many times as experts are
// chosen the largest that is left, the first of equal ones.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/KernelGenerators.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace lamina;

namespace {

class DeviceRouteExperts {
public:
  explicit DeviceRouteExperts(DeviceContext &kernel)
      : b_(kernel.device), op_(kernel.ops<lm::RouteExpertsOp>().front()), experts_(width(op_.getLogits())),
        chosen_(width(op_.getWeights())), logits_(kernel.rowPointer(op_.getLogits(), kernel.begin)),
        outExperts_(kernel.rowPointer(op_.getExperts(), kernel.begin)),
        outWeights_(kernel.rowPointer(op_.getWeights(), kernel.begin)), weights_(b_.shared(4 * experts_)) {}

  void emit() {
    Value largest = fold(number(-std::numeric_limits<double>::infinity()),
                         [&](Value i, Value so) { return b_.maxf(load(logits_, i), so); });
    largest = b_.maxWarp(largest);
    Value total = b_.sumWarp(fold(number(0.0), [&](Value i, Value so) {
      Value weight = b_.exp(b_.subf(load(logits_, i), largest));
      b_.store(weight, at(weights_, i));
      return b_.addf(so, weight);
    }));
    b_.barrier();
    Values sum = b_.loop(b_.i64(0), b_.i64(chosen_), 1, number(0.0),
                         [&](Value j, ValueRange so) { return Values{b_.addf(so[0], choose(j))}; });
    finish(op_.getNormalize() ? sum[0] : total);
  }

private:
  Value number(double value) { return b_.constant(b_.f32(0), value); }
  Value at(Value base, Value i) { return b_.offset(base, b_.mul(i, 4)); }
  Value load(Value base, Value i) { return b_.loadF32(at(base, i), 0); }

  /// What a lane makes of its experts.
  Value fold(Value start, llvm::function_ref<Value(Value i, Value so)> add) {
    return b_.loop(b_.lane(), b_.i64(experts_), kWarp, start,
                   [&](Value i, ValueRange so) { return Values{add(i, so[0])}; })[0];
  }

  /// The largest weight that is left becomes choice `j`; it is -1 from then on.
  Value choose(Value j) {
    Value none = b_.constant(b_.i32(0), experts_);
    Values best =
        b_.loop(b_.lane(), b_.i64(experts_), kWarp, Values{number(-1.0), none}, [&](Value i, ValueRange so) {
          Value weight = load(weights_, i), larger = b_.lessf(so[0], weight);
          return Values{b_.select(larger, weight, so[0]), b_.select(larger, narrow(i), so[1])};
        });
    Value greatest = b_.maxWarp(best[0]);
    Value mine = b_.select(b_.lessf(best[0], greatest), none, best[1]);
    Value expert = b_.foldWarp(mine, [&](Value x, Value y) { return b_.min(x, y); });
    expert = b_.select(b_.less(expert, none), expert, b_.constant(b_.i32(0), int64_t(0))); // nothing but NaNs
    b_.barrier();                                                                          // all have read
    b_.byOneThread([&] {
      b_.store(number(-1.0), at(weights_, b_.toI64(expert)));
      b_.store(expert, at(outExperts_, j));
      b_.store(greatest, at(outWeights_, j));
    });
    b_.barrier();
    return greatest;
  }

  void finish(Value divisor) {
    int64_t padded = paddedWidth(op_.getWeights());
    b_.forThreads(padded, [&](Value j) {
      b_.branch(
          b_.less(j, b_.i64(chosen_)),
          [&] {
            Value weight = b_.divf(load(outWeights_, j), divisor);
            b_.store(b_.mulf(weight, number(op_.getScale().convertToDouble())), at(outWeights_, j));
          },
          [&] {
            b_.store(b_.constant(b_.i32(0), int64_t(0)), at(outExperts_, j));
            b_.store(number(0.0), at(outWeights_, j));
          });
    });
  }

  Value narrow(Value i) { return arith::TruncIOp::create(b_, b_.getI32Type(), i); }

  DeviceBuilder &b_;
  lm::RouteExpertsOp op_;
  int64_t experts_, chosen_;
  Value logits_, outExperts_, outWeights_;
  Value weights_; ///< shared
};

} // namespace

void lamina::emitDeviceRouteExperts(DeviceContext &kernel) { DeviceRouteExperts(kernel).emit(); }
