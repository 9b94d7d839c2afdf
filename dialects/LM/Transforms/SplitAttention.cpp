//===- SplitAttention.cpp - attention in two dispatches -------------------------------------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "runtime/device/KernelABI.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMSPLITATTENTIONPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

int64_t lamina::lm::maxContextOf(ModuleOp module, int64_t requested) {
  if (requested != 0)
    return requested;
  auto trained = module->getAttrOfType<IntegerAttr>("lm.context_length");
  return trained ? std::min(trained.getInt(), kDefaultContext) : kDefaultContext;
}

namespace {

/// Steps of more tokens have work enough for all threads in their rows and heads.
constexpr int64_t kSplitTokens = 8;

struct LMSplitAttentionPass : lamina::lm::impl::LMSplitAttentionPassBase<LMSplitAttentionPass> {
  using Base::Base;

  void runOnOperation() final {
    if (maxBatchTokens <= 0) {
      getOperation().emitError() << "expected a positive number of tokens, got: " << int64_t(maxBatchTokens);
      return signalPassFailure();
    }
    int64_t context = maxContextOf(getOperation(), maxContext);
    ranges_ = llvm::divideCeil(context, int64_t(LAMINA_ATTENTION_RANGE));
    splitTokens_ = ranges_ > 1 ? std::min<int64_t>(kSplitTokens, maxBatchTokens) : 0;
    SmallVector<AttentionOp> attentions;
    getOperation().walk([&](AttentionOp attention) { attentions.push_back(attention); });
    for (AttentionOp attention : attentions)
      split(attention);
    numSplit = attentions.size();
  }

private:
  void split(AttentionOp op) {
    OpBuilder builder(op);
    KVCacheType cache = op.getCache().getType();
    int64_t heads = op.getQuery().getType().getShape().back() / cache.getKeyLength();
    int64_t rowSlots =
        std::max<int64_t>(llvm::divideCeil(splitTokens_ * ranges_, int64_t(maxBatchTokens)), 1);
    int64_t width = rowSlots * OnlineAttentionOp::slotWidth(heads, cache.getValueLength());
    auto partials = RankedTensorType::get({ShapedType::kDynamic, width}, builder.getF32Type());
    auto number = [&](int64_t value) { return builder.getI64IntegerAttr(value); };
    auto online = OnlineAttentionOp::create(
        builder, op.getLoc(), partials, op.getQuery(), op.getCache(), op.getPositions(), op.getSequences(),
        op.getBlockTable(), /*cached=*/Value(), /*cached_only=*/UnitAttr(), op.getScaleAttr(),
        op.getSoftCapAttr(), op.getWindowAttr(), number(LAMINA_ATTENTION_RANGE), number(ranges_),
        number(splitTokens_));
    auto combine = AttentionCombineOp::create(
        builder, op.getLoc(), op.getType(), online, op.getPositions(), number(heads), op.getWindowAttr(),
        number(LAMINA_ATTENTION_RANGE), number(ranges_), number(splitTokens_));
    op.replaceAllUsesWith(combine.getResult());
    op.erase();
  }

  int64_t ranges_ = 1, splitTokens_ = 0;
};

} // namespace
