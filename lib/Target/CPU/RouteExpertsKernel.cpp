//===- RouteExpertsKernel.cpp - choosing experts ------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace lamina;

namespace {

/// Softmax over the logits of all experts, then as many times as experts are chosen the largest that is left.
class RouteExpertsKernel {
public:
  explicit RouteExpertsKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), op_(kernel.ops<lm::RouteExpertsOp>().front()),
        experts_(width(op_.getLogits())), chosen_(width(op_.getWeights())),
        weights_(b_.scratch(4 * paddedWidth(op_.getLogits()))) {}

  void emit() {
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value row) {
      Value logits = kernel_.rowPointer(op_.getLogits(), row);
      Value largest = maximum(logits);
      Value total = exponentials(logits, largest);
      choose(kernel_.rowPointer(op_.getExperts(), row), kernel_.rowPointer(op_.getWeights(), row), total);
    });
  }

private:
  Value at(Value base, Value i) { return b_.offset(base, b_.mul(i, 4)); }
  Value scalar(double value) { return b_.constant(b_.f32(0), value); }

  /// 16 logits from `i` on; -infinity where there is no expert.
  Value load(Value logits, Value i) {
    Value places = b_.broadcast(arith::TruncIOp::create(b_, b_.getI32Type(), i), kPackedRows);
    Value exists = b_.less(b_.add(places, b_.iota(kPackedRows)), b_.constant(b_.i32(kPackedRows), experts_));
    Value infinity = b_.constant(b_.f32(kPackedRows), -std::numeric_limits<double>::infinity());
    return b_.select(exists, b_.loadF32(at(logits, i), kPackedRows), infinity);
  }

  Value maximum(Value logits) {
    Value start = b_.constant(b_.f32(kPackedRows), -std::numeric_limits<double>::infinity());
    Values lanes = b_.loop(b_.i64(0), b_.i64(experts_), kPackedRows, start, [&](Value i, ValueRange state) {
      return Values{b_.maxf(load(logits, i), state[0])};
    });
    return b_.maxLanes(lanes[0]);
  }

  Value exponentials(Value logits, Value largest) {
    Value start = b_.constant(b_.f32(kPackedRows), 0.0);
    Values lanes = b_.loop(b_.i64(0), b_.i64(experts_), kPackedRows, start, [&](Value i, ValueRange state) {
      Value weight = b_.exp(b_.subf(load(logits, i), b_.broadcast(largest, kPackedRows)));
      b_.store(weight, at(weights_, i));
      return Values{b_.addf(state[0], weight)};
    });
    return b_.sumLanes(lanes[0]);
  }

  void choose(Value experts, Value weights, Value total) {
    Values sum = b_.loop(b_.i64(0), b_.i64(chosen_), 1, scalar(0), [&](Value j, ValueRange state) {
      // A chosen expert's weight becomes -1; of equal ones the first is larger than what came before it.
      Values best = b_.loop(
          b_.i64(0), b_.i64(experts_), 1, Values{scalar(-1), b_.i64(0)}, [&](Value i, ValueRange best) {
            Value weight = b_.loadF32(at(weights_, i), 0);
            Value larger = b_.lessf(best[0], weight);
            return Values{b_.select(larger, weight, best[0]), b_.select(larger, i, best[1])};
          });
      b_.store(scalar(-1), at(weights_, best[1]));
      b_.store(arith::TruncIOp::create(b_, b_.getI32Type(), best[1]), at(experts, j));
      b_.store(best[0], at(weights, j));
      return Values{b_.addf(state[0], best[0])};
    });
    Value divisor = op_.getNormalize() ? sum[0] : total;
    b_.loop(chosen_, 1, [&](Value j) {
      Value weight = b_.divf(b_.loadF32(at(weights, j), 0), divisor);
      b_.store(b_.mulf(weight, scalar(op_.getScale().convertToDouble())), at(weights, j));
    });
    for (int64_t j = chosen_; j < paddedWidth(op_.getWeights()); ++j) {
      b_.store(b_.constant(b_.i32(0), int64_t(0)), at(experts, b_.i64(j)));
      b_.store(scalar(0), at(weights, b_.i64(j)));
    }
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::RouteExpertsOp op_;
  int64_t experts_, chosen_;
  Value weights_;
};

} // namespace

void lamina::emitRouteExperts(KernelContext &kernel) { RouteExpertsKernel(kernel).emit(); }
