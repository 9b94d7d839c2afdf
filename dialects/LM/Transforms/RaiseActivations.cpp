//===- RaiseActivations.cpp - names activations that exporters write as arithmetic ----------------------------===//

#include "dialects/LM/Transforms/ElementFunction.h"
#include "dialects/LM/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMRAISEACTIVATIONSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

bool areReciprocal(FloatAttr a, FloatAttr b) {
  return std::abs(a.getValueAsDouble() * b.getValueAsDouble() - 1) < 1e-6;
}

#include "dialects/LM/Transforms/RaiseActivations.inc"

struct LMRaiseActivationsPass : lamina::lm::impl::LMRaiseActivationsPassBase<LMRaiseActivationsPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<Operation *> results;
    getOperation().walk([&](Operation *op) {
      if (isa<arith::MulFOp, arith::DivFOp, arith::MaximumFOp, ScaleOp>(op))
        results.push_back(op);
    });
    // From the last on, so that a whole activation is seen before its parts, which may be others.
    for (Operation *op : llvm::reverse(results))
      if (!op->use_empty())
        name(op);
    RewritePatternSet patterns(&getContext());
    populateWithGenerated(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }

private:
  static void name(Operation *op) {
    std::optional<ElementFunction> function = activationOf(op->getResult(0));
    if (!function)
      return;
    OpBuilder builder(op);
    Value result = ActivationOp::create(builder, op->getLoc(), function->input, function->activation);
    op->getResult(0).replaceAllUsesWith(result);
  }
};

} // namespace
