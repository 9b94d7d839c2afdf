//===- RaiseActivations.cpp - names activations that exporters write as arithmetic ----------------------------===//

#include "dialects/LM/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMRAISEACTIVATIONSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

#include "dialects/LM/Transforms/RaiseActivations.inc"

struct LMRaiseActivationsPass : lamina::lm::impl::LMRaiseActivationsPassBase<LMRaiseActivationsPass> {
  using Base::Base;

  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    populateWithGenerated(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
