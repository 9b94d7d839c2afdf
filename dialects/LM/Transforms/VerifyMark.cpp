//===- VerifyMark.cpp - checks what leaves the mark phase -----------------------------------------------------===//

#include "dialects/LM/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMVERIFYMARKPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

/// The attention that reads `cache` after its append.
LogicalResult verifyCache(func::FuncOp step, BlockArgument cache) {
  auto error = [&] { return step.emitOpError() << "expected one append and one attention on cache " << cache.getArgNumber() - 1; };
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

struct LMVerifyMarkPass : lamina::lm::impl::LMVerifyMarkPassBase<LMVerifyMarkPass> {
  using Base::Base;

  void runOnOperation() final {
    auto step = getOperation().lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal()) {
      getOperation().emitError("expected a function 'step' with a body");
      return signalPassFailure();
    }
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
    markAllAnalysesPreserved();
  }
};

} // namespace
