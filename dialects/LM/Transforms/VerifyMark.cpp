//===- VerifyMark.cpp - checks what leaves the mark phase -----------------------------------------------------===//

#include "dialects/LM/Transforms/AttentionMatch.h"
#include "dialects/LM/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMVERIFYMARKPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

/// The attention that reads `cache` after its append.
LogicalResult verifyCache(func::FuncOp step, BlockArgument cache) {
  auto error = [&] {
    return step.emitOpError() << "expected one append and one attention on cache "
                              << cache.getArgNumber() - 1;
  };
  if (!cache.hasOneUse())
    return error();
  auto append = dyn_cast<CacheAppendOp>(*cache.user_begin());
  if (!append || !append.getResult().hasOneUse())
    return error();
  auto attention = dyn_cast<AttentionOpInterface>(*append.getResult().user_begin());
  if (!attention || attention.getStateOperand() != append.getResult())
    return error();
  return success();
}

/// Refuses products around a softmax that were not recognised as attention, and says for each why not.
LogicalResult verifyNoCandidates(func::FuncOp step) {
  SmallVector<linalg::SoftmaxOp> candidates;
  step.walk([&](linalg::SoftmaxOp softmax) { candidates.push_back(softmax); });
  if (candidates.empty())
    return success();
  InFlightDiagnostic diag = step.emitOpError() << "has " << candidates.size()
                                               << " of softmax, in which no attention was recognised";
  for (linalg::SoftmaxOp softmax : candidates) {
    std::string reason = "it is in no function with a batch and a cache";
    matchAttention(softmax, reason);
    diag.attachNote(softmax.getLoc()) << "candidate: " << reason;
  }
  return diag;
}

/// Refuses what no later phase knows. Sizes and numbers are left where something else is: that is what to tell.
LogicalResult verifyOperations(func::FuncOp step) {
  // An operation before what its body has.
  WalkResult result = step.walk<WalkOrder::PreOrder>([](Operation *op) -> WalkResult {
    if (isa<arith::ConstantOp, tensor::DimOp, tensor::EmptyOp, tensor::SplatOp>(op) && !op->use_empty())
      return WalkResult::advance();
    if (isa<ConcatCacheOp, CausalMaskOp>(op))
      return op->emitOpError("is left of attention that was not recognised");
    bool known = isa<func::FuncOp, func::ReturnOp, arith::AddFOp>(op) || isa<LMDialect>(op->getDialect());
    if (!known)
      return op->emitOpError("is part of nothing that lm has: expected operations of lm and sums of rows");
    for (Type type : op->getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type);
          tensor && isa<arith::AddFOp>(op) && tensor.getRank() != 2)
        return op->emitOpError() << "expected a sum of rows, got: " << type;
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

struct LMVerifyMarkPass : lamina::lm::impl::LMVerifyMarkPassBase<LMVerifyMarkPass> {
  using Base::Base;

  void runOnOperation() final {
    auto step = getOperation().lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal()) {
      getOperation().emitError("expected a function 'step' with a body");
      return signalPassFailure();
    }
    if (failed(verifyNoCandidates(step)))
      return signalPassFailure();
    int64_t caches = 0, attentions = 0;
    for (BlockArgument argument : step.getArguments()) {
      if (!isa<KVCacheType>(argument.getType()))
        continue;
      ++caches;
      if (failed(verifyCache(step, argument)))
        return signalPassFailure();
    }
    step.walk([&](AttentionOpInterface) { ++attentions; });
    auto layers = getOperation()->getAttrOfType<IntegerAttr>("lm.layers");
    if (attentions != caches || (layers && layers.getInt() != attentions)) {
      step.emitOpError() << "expected an attention for each of " << (layers ? layers.getInt() : caches)
                         << " layers, got: " << attentions;
      return signalPassFailure();
    }
    if (failed(verifyOperations(step)))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
